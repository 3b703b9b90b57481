"""`TuneDenoiser`, a denoiser that knows where in a tune a phrase stands, and what trains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cantilena.labels import LETTER, PLACES, PLACES_ONCE, RHYTHM
from cantilena.latent import LatentSpace
from cantilena.training.denoiser import Diffusion, DiffusionConfig
from cantilena.training.layers import Attention
from cantilena.training.networks import PhraseTransformer
from cantilena.training.sequences import PHRASES, PLACE_SIZES, Batch, Sequences, drop_labels, drop_places

__all__ = ["TuneDenoiser", "TuneDenoiserConfig", "TuneTask", "label_acts"]

LEVELS = (0.2, 0.4, 0.6, 0.9)  # of T, at which it is measured whether labels act


@dataclass(frozen=True)
class TuneDenoiserConfig:
    """Shape of a `TuneDenoiser`: 3.1 M parameters as it stands, at 13 styles and D = 43."""

    D: int
    labels: tuple[int, ...] = (4, 13, 12, 5, 4, 12, 12)  # values of role, style, metre, register, density, scale, tonic
    places: tuple[int, ...] = PLACE_SIZES  # values of what is told of each phrase
    phrases: int = PHRASES
    width: int = 192
    layers: int = 6
    heads: int = 6
    hidden: int = 768
    dropout: float = 0.0  # of what each layer adds, in training

    def __post_init__(self) -> None:
        for name in ("labels", "places"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # JSON and TOML have lists

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> TuneDenoiserConfig:
        """From model.json; where that does not say what is told of each phrase, neither rests nor rhythms are."""
        return cls(**{"places": PLACE_SIZES[:PLACES_ONCE], **told})


class TuneDenoiser(PhraseTransformer):
    """Denoises the phrases of a tune: as `networks.Denoiser`, with a mask and labels for each phrase.

    A phrase is told how many phrases lie before it and after it, its form letter, how it rests, and the letter of its
    rhythm; phrases of one letter attend to each other by a learned bias of each layer and head. Each label has its
    null, index `labels[i]` or `places[i]`.
    """

    def __init__(self, config: TuneDenoiserConfig):
        super().__init__(config, config.labels, partial(FormAttention, rhythms=len(config.places) > RHYTHM))
        self.places = nn.ModuleList(nn.Embedding(size + 1, config.width) for size in config.places)
        for embedding in self.places:
            nn.init.normal_(embedding.weight, std=0.02)  # type: ignore[arg-type]

    def forward(
        self, x_t: Tensor, log_snr: Tensor, x0_prev: Tensor, labels: Tensor, places: Tensor, mask: Tensor
    ) -> Tensor:
        """Prediction (B, P, D), float32, for x_t and x0_prev (B, P, D) at log_snr (B,).

        labels (B, 7), places (B, P, 5) and mask (B, P), true where there is a phrase, as in `sequences.Batch`.
        """
        x = self.begin(x_t, x0_prev)
        for i, embedding in enumerate(self.places):
            x = x + embedding(places[..., i])
        hidden = (mask.to(x.dtype)[:, None] - 1) * 1e4  # (B, 1, P)
        equal = [_equal(places[..., of]) for of in (LETTER, RHYTHM) if of < places.shape[-1]]
        return self.predict(x, log_snr, labels, hidden, *equal)


def _equal(letters: Tensor) -> Tensor:
    """Of letters (B, P) whether each equals each, (B, P, P); what is not said equals nothing."""
    return (letters[:, :, None] == letters[:, None]) & (letters < PLACES)[:, None]


class FormAttention(Attention):
    """Self-attention with a learned bias for each distance, and one between phrases that bear the same letter.

    Where `rhythms` are told, there is another between those whose rhythm has the same letter.
    """

    def __init__(self, width: int, heads: int, positions: int, *, rhythms: bool):
        super().__init__(width, heads, positions)
        self.equal_bias = nn.Parameter(torch.zeros(heads))
        self.rhythm_bias = nn.Parameter(torch.zeros(heads)) if rhythms else None

    def forward(  # type: ignore[override]
        self, x: Tensor, hidden: Tensor, equal: Tensor, in_time: Tensor | None = None
    ) -> Tensor:
        """x (B, P, width), what is added where nothing is (B, 1, P), and whether letters are equal (B, P, P)."""
        bias = self.equal_bias[:, None, None] * equal[:, None] + hidden[:, None]
        if self.rhythm_bias is not None and in_time is not None:
            bias = bias + self.rhythm_bias[:, None, None] * in_time[:, None]
        return super().forward(x, bias)


class TuneTask:
    """The denoising loss on whole tunes and windows of longer ones; everything it touches lives on one device.

    The sequences are drawn as in the first stage of their mixture, and in the last `final` share of `steps` as in the
    second.
    """

    def __init__(
        self,
        network: TuneDenoiser,
        space: LatentSpace,
        train: Sequences,
        validation: Sequences,
        config: DiffusionConfig,
        *,
        steps: int,
        final: float = 0.4,
        device: torch.device | str = "cpu",
    ):
        self.network: nn.Module = network
        self.sizes = network.config.labels
        self.train, self.validation = train.to(device), validation.to(device)
        self.diffusion = Diffusion(space, config, device)
        self.device, self.change = torch.device(device), steps * (1 - final)

    def loss(
        self, network: nn.Module, batch: int, step: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """One batch; noise levels are stratified over it."""
        drawn = self.train.draw(batch, generator, stage=int(step >= self.change))
        drawn = drawn._replace(
            labels=drop_labels(drawn.labels, self.sizes, generator), places=drop_places(drawn.places, generator)
        )
        eps, level = self.diffusion.noise(drawn.x_0, generator)
        return self._errors(network, drawn, eps, level, self.diffusion.feeds_back(step)).mean(), {}

    def _errors(self, network: nn.Module, drawn: Batch, eps: Tensor, level: Tensor, feed_back: bool) -> Tensor:
        """The weighted error of each sequence (B,), over its own phrases."""
        x_0, mask, labels, places = drawn

        def predict(*noised: Tensor) -> Tensor:
            out: Tensor = network(*noised, labels, places, mask)
            return out

        error = self.diffusion.errors(predict, x_0, eps, level, feed_back) * mask
        return error.sum(1) / mask.sum(1)

    @torch.no_grad()
    def evaluate(self, network: nn.Module, count: int = 512) -> dict[str, float]:
        """The loss on fixed validation tunes, noise and levels: told everything, told nothing; and how labels act."""
        drawn, eps, level = self._fixed(count)
        nothing = drawn._replace(
            labels=torch.tensor(self.sizes, device=self.device).expand_as(drawn.labels),
            places=torch.tensor(PLACE_SIZES, device=self.device).expand_as(drawn.places),
        )
        figures = {
            name: float(self._in_parts(network, some, eps, level, feed_back).mean())
            for name, some, feed_back in (
                ("told", drawn, False), ("not_told", nothing, False), ("self_conditioned", drawn, True)
            )
        }  # fmt: skip
        return figures | label_acts(self, network, drawn, eps)

    @torch.no_grad()
    def error(self, network: nn.Module, count: int = 256) -> float:
        """The loss on fixed validation tunes, noise and levels, told everything."""
        return float(self._in_parts(network, *self._fixed(count), False).mean())

    def _fixed(self, count: int) -> tuple[Batch, Tensor, Tensor]:
        """So many validation tunes, with their noise and levels: the same whenever they are asked for."""
        generator = torch.Generator(self.device).manual_seed(0)
        drawn = self.validation.draw(count, generator, stage=1)
        eps = torch.randn(drawn.x_0.shape, generator=generator, device=self.device)
        level = (torch.randperm(count, generator=generator, device=self.device) + 0.5) / count
        return drawn, eps, level

    def _in_parts(self, network: nn.Module, drawn: Batch, eps: Tensor, level: Tensor, feed_back: bool) -> Tensor:
        found = []
        for begin in range(0, len(level), 128):
            some = slice(begin, begin + 128)
            part = Batch(*(of[some] for of in drawn))
            found.append(self._errors(network, part, eps[some], level[some], feed_back))
        return torch.cat(found)


@torch.no_grad()
def label_acts(task: TuneTask, network: nn.Module, drawn: Batch, eps: Tensor) -> dict[str, float]:
    """1 - error told right / error told wrong, for each label at each of LEVELS: 0 is a label that does nothing.

    Wrong are the labels of other sequences, which differ from the own: of the sequences whose label is another's.
    """
    found: dict[str, float] = {}
    of_tunes = ("role", "style", "metre", "register", "density", "scale", "tonic")
    names = (*of_tunes, "opening", "ending", "letter", "rest", "rhythm")
    for level in LEVELS:
        at = torch.full((len(eps),), level, device=eps.device)
        right = task._in_parts(network, drawn, eps, at, False)
        for k, name in enumerate(names):
            labels, places = drawn.labels.clone(), drawn.places.clone()
            if k < len(of_tunes):
                labels[:, k] = labels[:, k].roll(1)
                differs = labels[:, k] != drawn.labels[:, k]
            else:
                of = k - len(of_tunes)
                places[..., of] = places[..., of].roll(1, 0)
                differs = (places[..., of] != drawn.places[..., of]).any(1)
            if not differs.any():
                continue
            wrong = task._in_parts(network, drawn._replace(labels=labels, places=places), eps, at, False)
            found[f"{name}_{level}"] = float(1 - right[differs].mean() / wrong[differs].mean())
    return found
