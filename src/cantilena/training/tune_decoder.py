"""Training the decoder of a model of tunes on what its denoiser makes of latents; all of it lives on one device."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cantilena.edits.vary import noise_level
from cantilena.latent import LatentSpace
from cantilena.music.melody import HOLD, REST, to_pitch
from cantilena.training.data import Examples, Phrases
from cantilena.training.decoder import DecoderConfig
from cantilena.training.denoiser import Diffusion, DiffusionConfig
from cantilena.training.losses import nats
from cantilena.training.networks import MelodyVAE
from cantilena.training.sequences import PLACE_SIZES, Sequences, drop_labels, drop_places
from cantilena.training.tune_denoiser import TuneDenoiser
from cantilena.training.vae import measure_vae
from cantilena.writing import CONTEXT, NEAR, UNKNOWN

__all__ = ["TuneDecoderTask", "told_of_others"]

EACH = 8  # phrases that are learnt from, of a sequence that comes back
LEVELS = (0.2, 0.4, 0.6, 0.8)  # shares of noise at which it is measured


class TuneDecoderTask:
    """-log p(phrase | latent) where the latent is exact, or is what a denoiser makes of it once noise is on it.

    As `decoder.DecoderTask`, for tunes. Whole sequences are noised, each to a level of its own, and sampled back; the
    decoder is told the share of noise that they come from, sqrt(1 - alpha_bar), as `sigma`, and of exact latents 0.
    `vae` encodes, and its decoder is what is trained.
    """

    def __init__(
        self,
        vae: MelodyVAE,
        denoiser: TuneDenoiser,
        space: LatentSpace,
        sequences: tuple[Sequences, Sequences],
        phrases: tuple[Phrases, Phrases],
        diffusion: DiffusionConfig,
        config: DecoderConfig,
        device: torch.device | str = "cpu",
    ):
        self.vae, self.denoiser = vae.to(device).eval(), denoiser.to(device).eval()
        self.network: nn.Module = vae.decoder
        self.sizes, self.config, self.device = denoiser.config.labels, config, torch.device(device)
        self.train, self.validation = (part.to(device) for part in sequences)
        self.phrases, self.unseen = (part.to(device) for part in phrases)
        self.diffusion = Diffusion(space, diffusion, device)
        self._kept = torch.from_numpy(np.flatnonzero(space.kept)).to(device)
        self._mean, self._scale = (torch.tensor(a, device=device) for a in (space.mean, space.scale[space.kept]))
        self._steps = max(1, round(noise_level(self.diffusion.schedule, config.most) / config.stride))

    def loss(
        self, network: nn.Module, batch: int, step: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One batch; figures are nats a phrase, of exact latents and of those that come back."""
        exact = min(max(1, round(batch * self.config.sure)), batch - 1)
        parts = self._exact(exact, generator), self._back(self.train, batch - exact, generator)
        sure, back = (nats(network(z, sigma, *told, tokens), tokens) for z, sigma, (tokens, *told) in parts)
        return torch.cat([sure, back]).mean(), {"exact": sure.mean().detach(), "back": back.mean().detach()}

    @torch.no_grad()
    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """How validation phrases are rebuilt, and nats a phrase of latents that come back, by share of noise."""
        assert network is self.vae.decoder, "another decoder than the one that is trained"
        some = torch.randperm(len(self.unseen.tokens), generator=torch.Generator().manual_seed(0))[:4096]
        found = measure_vae(self.vae, self.unseen, some)
        figures = {name: float(found[name]) for name in found if name.startswith(("accuracy", "exact"))}
        for share in LEVELS:
            generator = torch.Generator(self.device).manual_seed(0)
            z, sigma, (tokens, *told) = self._back(self.validation, 1024, generator, share=share)
            figures[f"nll_{share}"] = float(nats(network(z, sigma, *told, tokens), tokens).mean())
        return figures

    @torch.no_grad()
    def _exact(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Examples]:
        """z and sigma, and `Examples`, of phrases whose latents are posterior means, or draws, of what is kept."""
        given = self.phrases.draw(count, generator).less_told(generator, self.sizes[:3])
        mean, log_var = self.vae.encode(given.tokens)
        drawn = torch.rand(count, 1, generator=generator, device=self.device) < 0.5
        eps = torch.randn(mean.shape, generator=generator, device=self.device)
        z = mean + (0.5 * log_var).exp() * eps * drawn
        return self._whole(z[:, self._kept]), torch.zeros(count, device=self.device), given

    def _whole(self, kept: Tensor) -> Tensor:
        """Latents (B, Z) of their kept dimensions (B, D): the others are at their mean, as `LatentSpace` has them."""
        z = self._mean.expand(len(kept), -1).clone()
        z[:, self._kept] = kept
        return z

    @torch.no_grad()
    def _back(
        self, sequences: Sequences, count: int, generator: torch.Generator, share: float | None = None
    ) -> tuple[Tensor, Tensor, Examples]:
        """The same of `count` phrases of sequences that were noised to a share of noise, and sampled back.

        Of a part of them nothing is told, neither to the denoiser nor to the decoder.
        """
        c, device = self.config, self.device
        pick, first = sequences.choose(max(1, count // EACH), generator)
        x_0, mask, labels, places = sequences.take(pick, first)
        silent = torch.rand(len(pick), generator=generator, device=device) >= c.told
        nulls, no_places = (torch.tensor(sizes, device=device) for sizes in (self.sizes, PLACE_SIZES))
        labels = torch.where(silent[:, None], nulls, drop_labels(labels, self.sizes, generator))
        places = torch.where(silent[:, None, None], no_places, drop_places(places, generator))
        u, strict, cool = torch.rand(3, len(pick), generator=generator, device=device)
        shares = c.least + (c.most - c.least) * u if share is None else torch.full_like(u, share)
        guidance = (1 + (c.guidance - 1) * strict)[:, None, None]

        def predict(x_t: Tensor, log_snr: Tensor, x0_prev: Tensor) -> Tensor:
            told: Tensor = self.denoiser(x_t, log_snr, x0_prev, labels, places, mask)
            if c.guidance == 1:
                return told
            nothing = nulls.expand_as(labels), no_places.expand_as(places)
            null: Tensor = self.denoiser(x_t, log_snr, x0_prev, *nothing, mask)
            guided: Tensor = null + guidance * (told - null)  # Ho & Salimans 2022, eq. 6
            return guided

        came = self.diffusion.back(
            predict, x_0, self.diffusion.level_of(shares), generator, steps=self._steps,
            temperature=(c.coolest + (1 - c.coolest) * cool)[:, None, None],
        )  # fmt: skip
        phrases = sequences.phrases(pick, first)
        before, around = told_of_others(phrases, mask, sequences.steps[pick], opens=first == 0)
        there = mask.flatten().double().cumsum(0)
        u = torch.rand(count, generator=generator, device=device, dtype=torch.float64)
        some = torch.searchsorted(there, u * there[-1], right=True).clamp(max=len(there) - 1)
        row = some // mask.shape[1]
        z = self._whole(came.flatten(0, 1)[some] * self._scale + self._mean[self._kept])
        given = Examples(
            phrases.flatten(0, 1)[some], labels[row, :3], before.flatten(0, 1)[some], around.flatten(0, 1)[some]
        )
        less = given.less_told(generator, self.sizes[:3])
        return z, shares[row], given._replace(before=less.before, around=less.around)


def told_of_others(phrases: Tensor, mask: Tensor, steps: Tensor, opens: Tensor) -> tuple[Tensor, Tensor]:
    """What a decoder is told of the other phrases: before each (B, P, 4), and around it (B, P, 12).

    They are `writing.context` and `writing.pitch_classes` of sequences of phrases (B, P, 32), of which there are those
    in `mask` (B, P), each with so many `steps` (B,) that are played. What comes before the first phrase is known where
    a tune `opens` (B,) with it.
    """
    B, P, size = phrases.shape
    step = torch.arange(size, device=phrases.device)
    played = mask[..., None] & (step < steps[:, None, None])
    line = torch.where(played, phrases, HOLD).flatten(1)
    here = torch.arange(1, line.shape[1] + 1, device=line.device)  # places count from 1; at 0 there is nothing
    there = F.pad(line, (1, 0))
    onset = F.pad(torch.where(line > REST, here, 0).cummax(1).values, (1, 0))  # the last one up to each place
    change = F.pad(torch.where(line != HOLD, here, 0).cummax(1).values, (1, 0))
    begins = step.new_tensor(range(0, P * size, size)).expand(B, -1)
    at, found = torch.gather(onset, 1, begins), []
    for _ in range(CONTEXT - 1):
        found.append(torch.gather(there, 1, at))
        at = torch.gather(onset, 1, (at - 1).clamp(min=0))
    sounds = torch.gather(there, 1, torch.gather(change, 1, begins)) > REST
    before = torch.stack([*found, sounds.long()], dim=-1)
    unknown = torch.tensor(UNKNOWN, device=before.device)
    before[:, 0] = torch.where(opens[:, None], before[:, 0], unknown)
    notes = line.view(B, P, size)
    own = torch.zeros(B, P, 12, device=line.device)
    own = own.scatter_add(-1, (notes + to_pitch(0)) % 12, (notes > REST).float())
    total = F.pad(own.cumsum(1), (0, 0, 1, 0))
    place = torch.arange(P, device=line.device)
    low, high = (place - NEAR).clamp(min=0), (place + NEAR + 1).clamp(max=P)
    return before, total[:, high] - total[:, low] - own
