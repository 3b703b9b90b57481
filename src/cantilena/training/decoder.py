"""Training the decoder alone, on what a denoiser makes of latents: the encoder, and so each latent, stays as it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cantilena.corpus.store import Corpus
from cantilena.diffusion.samplers import SeededNoise, ddpm
from cantilena.edits.vary import noise_level
from cantilena.engine import Engine
from cantilena.model import Model
from cantilena.music.extract import ROLES
from cantilena.music.melody import is_silent
from cantilena.training.data import SHIFTS, Examples, Phrases, labels_of, shifted
from cantilena.training.latents import MAX_SILENT, PHRASES
from cantilena.training.losses import nats
from cantilena.training.phrase_decoder import LABEL_SIZES, PhraseDecoder
from cantilena.writing import UNKNOWN, context, pitch_classes

__all__ = ["DecoderConfig", "DecoderTask"]

_SAID = (0.95, 0.5, 0.9, 0.5)  # how often each label is said of a melody whose labels are told


@dataclass(frozen=True)
class DecoderConfig:
    """What a decoder learns from."""

    model: str = ""  # whose encoder and denoiser make the latents: a model folder, or a shipped model's name
    denoiser: str = ""  # of tunes: a run whose denoiser makes them, on the model's VAE; the model's own if not said
    sure: float = 0.25  # share of a batch with exact latents
    told: float = 0.7  # share of the windows whose labels are told
    leads: float = 16.0  # how many times clean leads, the voice that is asked for most, count among these
    least: float = 0.2  # share of noise, sqrt(1 - alpha_bar), that latents come back from
    most: float = 0.95
    coolest: float = 0.96  # temperature of the sampler at which they come back: anything from here to 1
    stride: int = 50  # levels that the sampler takes at a step
    guidance: float = 1.0  # of tunes: with which they come back, or with less, down to 1


class DecoderTask:
    """-log p(phrase | latent) where the latent is exact, or is what a denoiser makes of it once noise is on it.

    A sampled latent is not a real one with Gaussian noise: it is smoother, in its own way. So real windows are noised
    to a level t and sampled back, and the decoder learns which notes such latents stand for. It is told the share of
    noise they come from, sqrt(1 - alpha_bar_t), as `sigma`; of exact latents (posterior means and draws) 0.
    """

    def __init__(self, network: PhraseDecoder, model: Model, corpus: Corpus, config: DecoderConfig):
        self.network: nn.Module = network
        self.engine, self.corpus, self.config = Engine(model), corpus, config
        self.train, self.validation = (Phrases.of(corpus, split) for split in ("train", "validation"))
        self.windows = {split: corpus.windows(split, max_silent=MAX_SILENT) for split in ("train", "validation")}
        melody = self.windows["train"][:, 0]
        lead = (corpus.table["role"][melody] == ROLES.index("lead")) & (corpus.purity(melody) == 0)
        weight = np.where(lead, config.leads, 1.0)
        self._told = np.cumsum(weight) / weight.sum()

    def loss(
        self, network: nn.Module, batch: int, step: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """One batch; figures are nats a phrase, of exact latents and of those that come back."""
        c = self.config
        windows = max(1, round(batch * (1 - c.sure) / PHRASES))
        every, u = self.windows["train"], torch.rand(windows, generator=generator, dtype=torch.float64).numpy()
        told = torch.arange(windows) < round(windows * c.told)
        pick = np.where(told.numpy(), np.searchsorted(self._told, u), (u * len(every)).astype(np.int64))
        level = float(torch.rand((), generator=generator)) * (c.most - c.least) + c.least
        parts = (
            self._exact(max(1, batch - windows * PHRASES), generator),
            self._back(every[pick], told, level, generator, transpose=True),
        )
        z, sigma, tokens, *others = (torch.cat(pair) for pair in zip(*parts, strict=True))
        each = nats(network(z, sigma, *others, tokens), tokens)
        sure = int((sigma == 0).sum())
        return each.mean(), {"exact": float(each[:sure].mean().detach()), "back": float(each[sure:].mean().detach())}

    @torch.no_grad()
    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """How validation phrases are rebuilt, and nats a phrase of latents that come back, by level."""
        assert isinstance(network, PhraseDecoder)
        figures = self._rebuilt(network)
        generator = torch.Generator().manual_seed(0)
        every = self.windows["validation"]
        pick = every[torch.randint(len(every), (32,), generator=generator).numpy()]
        for level in (0.2, 0.4, 0.6, 0.8):
            z, sigma, tokens, *others = self._back(pick, torch.arange(len(pick)) % 2 == 0, level, generator)
            figures[f"nll_{level}"] = float(nats(network(z, sigma, *others, tokens), tokens).mean())
        return figures

    def _rebuilt(self, network: PhraseDecoder) -> dict[str, float]:
        """Token accuracy and share of exact phrases, from the posterior's mean and from a draw."""
        rows = torch.randint(len(self.validation.tokens), (2048,), generator=torch.Generator().manual_seed(0))
        tokens, *told = self.validation.take(rows, torch.zeros_like(rows))
        mean, std = (torch.from_numpy(a) for a in self.engine.model.encode(tokens.numpy()))
        eps = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
        figures: dict[str, float] = {}
        for name, z in (("mean", mean), ("sampled", mean + std * eps)):
            right = network.write(z, torch.zeros(len(z)), *told) == tokens
            figures |= {
                f"accuracy_{name}": float(right.float().mean()),
                f"exact_{name}": float(right.all(1).float().mean()),
            }
        return figures

    def _exact(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """z and sigma, and the `Examples`, of phrases whose latents are posterior means or draws."""
        given = self.train.draw(count, generator).less_told(generator)
        mean, std = (torch.from_numpy(a) for a in self.engine.model.encode(given.tokens.numpy()))
        drawn = torch.rand(count, 1, generator=generator) < 0.5
        return mean + std * torch.randn(mean.shape, generator=generator) * drawn, torch.zeros(count), *given

    def _back(
        self,
        windows: NDArray[np.int64],
        told: Tensor,
        share: float,
        generator: torch.Generator,
        *,
        transpose: bool = False,
    ) -> tuple[Tensor, ...]:
        """The same of windows (n, 2), whose latents were noised to a share of noise and sampled back.

        Where `told` (n,), denoiser and decoder know the labels; of the others at most whether they have rests.
        """
        model, n = self.engine.model, len(windows)
        tokens = np.stack([self.corpus.phrases(int(m))[first : first + PHRASES] for m, first in windows])  # (n, 32, 32)
        if transpose:
            shift = torch.randint(SHIFTS[0], SHIFTS[-1] + 1, (n,), generator=generator)
            tokens = shifted(tokens, shift.numpy())
        flat, first = tokens.reshape(n * PHRASES, -1), np.arange(n * PHRASES) % PHRASES == 0
        silent = torch.from_numpy(is_silent(tokens).any(axis=1).astype(np.int64))
        labels = torch.from_numpy(labels_of(self.corpus, windows[:, 0]))
        labels[:, 3] = silent
        nulls, some = torch.tensor(LABEL_SIZES), torch.rand(labels.shape, generator=generator)
        labels = torch.where(told[:, None] & (some < torch.tensor(_SAID)), labels, nulls)
        labels[:, 3] = torch.where(~told & (some[:, 3] < 0.5), silent, labels[:, 3])
        schedule = model.schedule
        t = noise_level(schedule, share)
        x_0 = model.to_latents(tokens)
        noise = SeededNoise(torch.randint(2**31, (n,), generator=generator).tolist())
        x_t = schedule.q_sample(x_0, t, noise(x_0.shape)).astype(np.float32)
        temperature = 1 - (1 - self.config.coolest) * float(torch.rand((), generator=generator))
        steps = max(1, round(t / self.config.stride))
        denoise = self.engine.denoiser(labels.numpy())
        *_, last = ddpm(denoise, x_t, schedule, noise, steps=steps, temperature=temperature, start=t)
        z = torch.from_numpy(model.space.denormalize(last.x0_hat).reshape(n * PHRASES, -1))
        before = context(flat, first)
        before[::PHRASES] = UNKNOWN  # what a window begins after
        phrases, heard = (torch.from_numpy(a.astype(np.int64)) for a in (flat, before))
        around = torch.from_numpy(pitch_classes(flat, first))
        given = Examples(phrases, labels.repeat_interleave(PHRASES, dim=0), heard, around)
        return z, torch.full((len(flat),), share), *given._replace(**_others(given, generator))


def _others(given: Examples, generator: torch.Generator) -> dict[str, Tensor]:
    """What is said of other phrases; labels stay those that the denoiser was told."""
    less = given.less_told(generator)
    return {"before": less.before, "around": less.around}
