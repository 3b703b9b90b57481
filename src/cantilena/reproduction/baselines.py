"""The rows of the table, diffusion and what it is measured against: `ROWS` names them, `Bench` makes their melodies.

A row is made unconditionally, from nothing, or infilling: phrases 0..7 and 24..31 of real melodies (bars 1-16 and
49-64) are held and the middle 16 made. What is held stays as it was written: real tokens, never decoded ones.

A network is drawn from plainly, as the paper has it, and as tuned for it (`decoding`). Every row's latents are read
alike, and literally (`Model.decode`), as the paper's decoder reads them: no doubt, no chance and no leaning of our
decoder, which are tuned to our denoiser, comes between a network and its figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cantilena.composer import Composer
from cantilena.corpus.store import WINDOW_PHRASES
from cantilena.diffusion.condition import Condition
from cantilena.diffusion.samplers import SeededNoise
from cantilena.errors import ModelError
from cantilena.metrics.pieces import Pieces
from cantilena.model import Model
from cantilena.music.melody import Melody
from cantilena.reproduction.baseline_networks import BaselineNetworks, Mixture
from cantilena.reproduction.decoding import NETWORKS, TUNED, Decoding, Decodings
from cantilena.reproduction.row_cache import RowCache
from cantilena.reproduction.spurious import Spurious
from cantilena.sampling import Sampling, Voice

__all__ = [
    "HELD",
    "ROWS",
    "Bench",
    "Setting",
    "Stopped",
    "interpolate",
    "is_invented",
    "sample_autoregressive",
    "sample_mixture",
    "slerp",
]

Setting: TypeAlias = Literal["unconditional", "infilling"]
Tokens: TypeAlias = NDArray[np.int8]  # (n, 32, 32): melodies, phrases, steps
Latents: TypeAlias = NDArray[np.float32]

HELD = np.r_[np.ones(8, bool), np.zeros(16, bool), np.ones(8, bool)]  # phrases that infilling keeps
ENDS = (7, 24)  # first and last phrase of an interpolation: 18 points; 0..6 and 25..31 stay
ROWS: dict[str, tuple[Setting, ...]] = {  # in the table's order
    "train": ("unconditional",),
    "test": ("unconditional", "infilling"),
    "diffusion": ("unconditional", "infilling"),
    "autoregression": ("unconditional",),
    "paper": ("unconditional", "infilling"),
    "diffusion-tuned": ("unconditional", "infilling"),
    "autoregression-tuned": ("unconditional",),
    "paper-tuned": ("unconditional", "infilling"),
    "interpolation": ("unconditional", "infilling"),
    "prior": ("unconditional", "infilling"),
    "reconstruction": ("unconditional", "infilling"),
    "spurious": ("unconditional", "infilling"),
    "shuffled": ("unconditional", "infilling"),
}
_FROM_NOTHING = (*NETWORKS, "prior", "spurious")  # unconditional, without a real note
_BATCH = 64  # melodies made together, and kept together


def is_invented(row: str, setting: Setting) -> bool:
    """Say whether no note of a row comes from real music: each piece is then its own song, and may be passed on."""
    return setting == "unconditional" and row.removesuffix(TUNED) in _FROM_NOTHING


class Stopped(Exception):
    """Ends a row in the middle, where `Bench.stopping` says so."""


@dataclass(frozen=True, eq=False)
class Bench:
    """Makes the melodies of every row from the same real ones.

    `train` are other training windows than the reference, `test` windows of songs that no model has met; melody i
    of a row is made with seed `seeds[i]` and, where a row needs real music, from `test` i: it is the same however
    many are made.
    """

    composer: Composer
    train: Pieces
    test: Pieces
    seeds: Sequence[int]  # one for each piece of `test`
    plain: Callable[[str], Decoding]  # of each row of a network
    spurious: Spurious
    tuned: Decodings | None = None
    networks: BaselineNetworks | None = None  # of the rows autoregression and paper
    stopping: Callable[[], bool] = field(default=lambda: False)  # asked at each step; `make` then raises Stopped

    def make(
        self, row: str, setting: Setting, cache: RowCache | None = None, on_made: Callable[[int], None] = lambda _: None
    ) -> Pieces:
        """Make the pieces of a row; real ones and what is made of them keep their songs as groups.

        What `cache` holds already is taken from it, and what is made is kept in it; `on_made` is told how many there
        are, now and then. Raises Stopped where it is told to stop.
        """
        if setting not in ROWS[row]:
            raise ValueError(f"the row {row} is made {' or '.join(ROWS[row])}, not {setting}")
        name = f"{row}, {setting}"
        if row in ("train", "test"):  # infilled with what stood there: the melodies themselves
            pieces = self.train if row == "train" else self.test
            return Pieces(pieces.events, pieces.groups, name)
        events = list(cache.read())[: len(self.seeds)] if cache else []
        on_made(len(events))
        while len(events) < len(self.seeds):
            events += self._melodies(row, setting, slice(len(events), len(events) + _BATCH))
            if cache:
                cache.write(np.stack(events))
            on_made(len(events))
        groups = np.arange(len(events)) if is_invented(row, setting) else self.test.groups
        return Pieces(events, groups, name)

    def _melodies(self, row: str, setting: Setting, some: slice) -> list[NDArray[np.int8]]:
        """Events of some melodies of a row, (1024,) each."""
        self._go_on()
        real = self._real[some]
        if row.removesuffix(TUNED) in NETWORKS:
            tokens = self._drawn(row.removesuffix(TUNED), real, setting, self.seeds[some], self.decoding(row, setting))
        else:
            tokens = getattr(self, f"_{row}")(real, setting, self.seeds[some])
        if setting == "infilling":
            held = HELD.copy()
            if row == "interpolation":
                held[list(ENDS)] = False
            tokens = np.where(held[:, None], real, tokens)
        return [Melody.from_phrases(phrases).events for phrases in tokens]

    def _go_on(self, *_: int) -> None:
        if self.stopping():
            raise Stopped

    @cached_property
    def _real(self) -> Tokens:
        """The phrases of `test`: (n, 32, 32)."""
        return np.stack([Melody(events).phrases() for events in self.test.events])

    @property
    def _networks(self) -> BaselineNetworks:
        if self.networks is None:
            raise ModelError("the rows autoregression and paper need a folder of baselines, and none was given")
        return self.networks

    def decoding(self, row: str, setting: Setting) -> Decoding:
        """How the network of a row is decoded. ValueError for a tuned row for which nothing was chosen."""
        network = row.removesuffix(TUNED)
        if row == network:
            return self.plain(network)
        found = None if self.tuned is None else self.tuned.of(network, setting)
        if found is None:
            raise ValueError(f"the row {row} is not tuned {setting}: `cantilena reproduce --tune` chooses how")
        return found

    # -- what makes a row: real (B, 32, 32) and B seeds -> tokens (B, 32, 32) ------------------

    def _drawn(self, network: str, real: Tokens, setting: Setting, seeds: Sequence[int], how: Decoding) -> Tokens:
        """Decode what a network draws."""
        if network == "autoregression":
            model = self.composer.model
            x_0 = sample_autoregressive(self._networks, model, seeds, temperature=how.temperature, clamp=how.clamp)
            return model.decode(model.space.denormalize(x_0))
        composer = self.composer
        if network == "paper":
            composer = Composer(self._networks.paper_model(composer.model))
        return self._compose(composer, real, setting, seeds, how.sampling)

    def _compose(
        self, composer: Composer, real: Tokens, setting: Setting, seeds: Sequence[int], sampling: Sampling
    ) -> Tokens:
        """Compose with no label but "no rests", the data that the paper trains on."""
        condition = None
        if setting == "infilling":
            condition = Condition(composer.model.to_latents(real), np.tile(HELD, (len(real), 1)))
        voice = Voice(rests=0)
        asked: Sampling = {**sampling, "voice": voice, "on_step": self._go_on}
        x_0 = composer.sample(seeds, condition=condition, **asked)
        return composer.model.decode(composer.model.space.denormalize(x_0))

    def _prior(self, real: Tokens, setting: Setting, seeds: Sequence[int]) -> Tokens:
        model = self.composer.model
        z = SeededNoise(seeds)((len(seeds), WINDOW_PHRASES, model.space.Z))
        return model.decode(z)

    def _interpolation(self, real: Tokens, setting: Setting, seeds: Sequence[int]) -> Tokens:
        model = self.composer.model
        first, last = ENDS if setting == "infilling" else (0, WINDOW_PHRASES - 1)
        z, _ = model.encode(real[:, [first, last]])  # (B, 2, Z)
        tokens = real.copy()
        between = interpolate(z[:, 0], z[:, 1], last - first + 1)
        tokens[:, first : last + 1] = model.decode(between)
        return tokens

    def _reconstruction(self, real: Tokens, setting: Setting, seeds: Sequence[int]) -> Tokens:
        model = self.composer.model
        return model.decode(model.encode(real)[0])

    def _spurious(self, real: Tokens, setting: Setting, seeds: Sequence[int]) -> Tokens:
        return self.spurious.make(seeds)

    def _shuffled(self, real: Tokens, setting: Setting, seeds: Sequence[int]) -> Tokens:
        movable = ~HELD if setting == "infilling" else np.ones(WINDOW_PHRASES, bool)
        tokens, places = real.copy(), np.flatnonzero(movable)
        for i, seed in enumerate(seeds):
            tokens[i, places] = real[i, np.random.default_rng(seed).permutation(places)]
        return tokens


# -- autoregression ------------------------------------------------------------------------------


def sample_autoregressive(
    networks: BaselineNetworks, model: Model, seeds: Sequence[int], *, temperature: float = 1.0, clamp: bool = False
) -> Latents:
    """Sample latents (seeds, 32, D) phrase by phrase, each from the mixture that the ones before it call for.

    `temperature` scales the deviations. With `clamp` each phrase is what the notes that it means encode to, before the
    next one is drawn. Melody i depends on its seed alone. Raises ModelError where there is no mdn.onnx.
    """
    noise, space = SeededNoise(seeds), model.space
    x_0 = np.zeros((len(seeds), 0, space.D), np.float32)
    for _ in range(WINDOW_PHRASES):
        sampled = space.clip(sample_mixture(networks.next_phrase(x_0), noise, temperature))[:, None]
        if clamp:
            sampled = model.to_latents(model.decode(space.denormalize(sampled)))
        x_0 = np.concatenate([x_0, sampled], axis=1)
    return x_0


def sample_mixture(mixture: Mixture, noise: SeededNoise, temperature: float = 1.0) -> Latents:
    """Sample (B, D) from each mixture: a component by its weight, then its Gaussian, of scaled deviation."""
    uniform = [[0.5 * (1 + math.erf(v / math.sqrt(2)))] for v in noise((len(mixture.mean), 1))[:, 0].tolist()]
    reached = np.cumsum(np.exp(mixture.log_pi), axis=1)
    k = (reached < uniform * reached[:, -1:]).sum(1)
    rows = np.arange(len(k))
    eps = noise((len(k), mixture.mean.shape[-1]))
    deviation = temperature * np.exp(mixture.log_std[rows, k])
    return np.asarray(mixture.mean[rows, k] + deviation * eps, np.float32)


# -- interpolation -------------------------------------------------------------------------------


def interpolate(z_first: Latents, z_last: Latents, points: int) -> Latents:
    """Lead from z_first to z_last (B, Z), both included, along the sphere: `points` phrases (B, points, Z)."""
    return np.stack([slerp(z_first, z_last, u) for u in np.linspace(0, 1, points)], axis=1).astype(np.float32)


def slerp(a: Latents, b: Latents, u: float) -> Latents:
    """Interpolate vectors (B, Z) along the sphere at 0 <= u <= 1 (Shoemake 1985; White 2016); straight if parallel.

    >>> slerp(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), 0.5).round(4)
    array([[0.7071, 0.7071]])
    """
    cosine = (a * b).sum(-1, keepdims=True) / np.maximum(
        np.linalg.norm(a, axis=-1, keepdims=True) * np.linalg.norm(b, axis=-1, keepdims=True), 1e-12
    )
    angle = np.arccos(cosine.clip(-1, 1))
    sine = np.sin(angle)
    parallel = sine < 1e-6
    safe = np.where(parallel, 1, sine)
    to_a = np.where(parallel, 1 - u, np.sin((1 - u) * angle) / safe)
    to_b = np.where(parallel, u, np.sin(u * angle) / safe)
    return np.asarray(to_a * a + to_b * b)
