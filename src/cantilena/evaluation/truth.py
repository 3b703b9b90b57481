"""`Truth`: the real music of a corpus that a table needs, always the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cantilena.corpus.store import Corpus
from cantilena.errors import CorpusError
from cantilena.evaluation.pieces import Pieces, window_pieces
from cantilena.evaluation.scores import Moments, overlaps

__all__ = ["Truth", "test_windows"]

REFERENCE = 10_000  # training windows that stand for the truth


@dataclass(frozen=True, eq=False)
class Truth:
    """Windows of 64 bars without a silent phrase: a reference to compare with, and other training windows.

    All are drawn by seed 0, and the first n are the same however many are asked for. CorpusError where the corpus has
    too few, of these or of test songs.
    """

    corpus: Corpus

    @property
    def windows(self) -> NDArray[np.int64]:
        """The listed reference (n, 2): melody and first phrase of REFERENCE training windows, or half of them all."""
        return self._windows[0]

    @cached_property
    def _windows(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The reference, and the training windows that are left."""
        windows = self.corpus.windows("train")
        if len(windows) < 20 or not len(self.corpus.windows("test")):
            raise CorpusError(
                f"{self.corpus.directory}: {len(windows)} training windows of 64 bars without a silent phrase; "
                "a table needs 20, and one of a test song"
            )
        order = np.random.default_rng(0).permutation(len(windows))
        size = min(REFERENCE, len(windows) // 2)
        return windows[np.sort(order[:size])], windows[order[size:]]

    @cached_property
    def reference(self) -> Pieces:
        """What every score compares with."""
        return window_pieces(self.corpus, self.windows, "reference")

    @cached_property
    def moments(self) -> dict[str, Moments]:
        """Means and variances of the reference's overlaps."""
        return overlaps(self.reference).moments

    def train(self, n: int) -> Pieces:
        """`n` training windows besides the reference, or as many as there are."""
        return window_pieces(self.corpus, self._windows[1][:n], "train")


def test_windows(corpus: Corpus, n: int) -> Pieces:
    """`n` test windows without a silent phrase, drawn by seed 0; again from the first where there are fewer."""
    windows = corpus.windows("test")
    order = np.random.default_rng(0).permutation(len(windows))
    return window_pieces(corpus, windows[np.resize(order, n)], "test")
