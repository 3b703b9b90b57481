"""`Measures`: applies every metric, the paper's and ours, to pieces, against one reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cantilena.corpus.store import WINDOW_PHRASES
from cantilena.metrics.features import features, music_table
from cantilena.metrics.latent_distances import floor, frechet_distance, latent_table
from cantilena.metrics.novelty import NoveltyIndex, novelty_table
from cantilena.metrics.pieces import Pieces
from cantilena.metrics.scores import Moments, Overlaps, overlaps, scores
from cantilena.model import Model
from cantilena.music.melody import Melody

__all__ = ["NEIGHBOURS", "Measures"]

NEIGHBOURS = 5  # pairs of neighbouring phrases of each melody, for the latent figures


class Measures:
    """Measures pieces by all metrics against one reference, which it measures once.

    Latent figures are of pairs of neighbouring phrases: what a melody is made of, and how it goes on. They depend on
    how many there are, so the reference gives as many melodies as a row has: `n`; the floor compares two halves of
    twice as many.
    """

    def __init__(
        self,
        model: Model,
        reference: Pieces,
        moments: Mapping[str, Moments],  # of the overlaps of `reference`
        n: int,
        *,
        index: NoveltyIndex | None = None,
        parts: int = 1,
        magenta: Mapping[str, Moments] | None = None,  # of the overlaps by the authors' code
    ):
        self.model, self.moments, self.index, self.parts, self.magenta = model, moments, index, parts, magenta
        some = _every(reference, 2 * n)
        latents = self.neighbours(some)
        self.real = latents.reshape(len(some), NEIGHBOURS, -1)[::2].reshape(-1, latents.shape[-1])
        self.latent_floor = floor(latents, latent_table, groups=np.repeat(some.groups, NEIGHBOURS))
        self.music = features(some)
        self.music_means = {k: row["mean"] for k, row in music_table(self.music, self.music).items()}

    def __call__(self, pieces: Pieces) -> dict[str, Any]:
        """Return scores, latent, music and novelty figures, and the overlap along the bars."""
        found = overlaps(pieces)
        table: dict[str, dict[str, Any]] = {
            kind: {name: cell._asdict() for name, cell in cells.items()}
            for kind, cells in scores(found, self.moments).items()
        }
        if self.magenta is not None:
            for kind, cells in scores(overlaps(pieces, "magenta"), self.magenta).items():
                table[kind] |= {"C_magenta": cells["C"]._asdict(), "var_magenta": cells["var_pieces"]._asdict()}
        if self.parts > 1:
            for k in range(self.parts):
                for kind, cells in scores(_part(found, k, self.parts), self.moments, resamples=1).items():
                    for name, cell in cells.items():
                        table[kind][name].setdefault("by_seed", []).append(cell.value)
        music = music_table(features(pieces), self.music)
        return {
            "scores": table,
            "latent": latent_table(self.neighbours(pieces), self.real),
            "music": {name: {"mean": row["mean"], "distance": row["distance"]} for name, row in music.items()},
            "novelty": novelty_table(pieces, self.index) if self.index else {},
            "along": {kind: np.mean(getattr(found, kind), axis=0).round(5).tolist() for kind in ("pitch", "duration")},
        }

    def frechet(self, pieces: Pieces) -> float:
        """Return the Frechet distance alone."""
        return frechet_distance(self.neighbours(pieces), self.real)

    def neighbours(self, pieces: Pieces) -> NDArray[np.float32]:
        """Encode NEIGHBOURS pairs of phrases that follow one another in each melody: (n NEIGHBOURS, 2 D)."""
        random = np.random.default_rng(0)
        found = []
        for batch in _blocks(pieces.events, 64):
            phrases = np.stack([Melody(events).phrases() for events in batch])
            first = np.argsort(random.random((len(batch), WINDOW_PHRASES - 1)), axis=1)[:, :NEIGHBOURS]
            melody = np.arange(len(batch))[:, None]
            pairs = np.stack([phrases[melody, first], phrases[melody, first + 1]], axis=2)  # (b, NEIGHBOURS, 2, 32)
            x_0 = self.model.to_latents(pairs)
            found.append(x_0.reshape(-1, 2 * x_0.shape[-1]))
        return np.concatenate(found)


def _every(pieces: Pieces, most: int) -> Pieces:
    """At most `most` of the pieces, evenly spread."""
    if len(pieces) <= most:
        return pieces
    rows = np.linspace(0, len(pieces) - 1, most).round().astype(np.int64)
    return Pieces([pieces.events[i] for i in rows], pieces.groups[rows], pieces.name)


def _part(found: Overlaps, k: int, parts: int) -> Overlaps:
    """Part `k` of equal parts of the pieces, in order."""
    size = len(found.pitch) // parts
    some = slice(k * size, (k + 1) * size)
    return Overlaps(found.pitch[some], found.duration[some], found.groups[some])


def _blocks(rows: Sequence[NDArray[np.int8]], size: int) -> Iterator[Sequence[NDArray[np.int8]]]:
    for i in range(0, len(rows), size):
        yield rows[i : i + size]
