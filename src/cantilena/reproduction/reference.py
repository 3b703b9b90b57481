"""`Reference`: the real music of a corpus that every score of the table compares with, always the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cantilena.corpus.store import Corpus
from cantilena.errors import CorpusError
from cantilena.metrics.pieces import Pieces, window_pieces
from cantilena.metrics.scores import Moments, overlaps

__all__ = ["Reference", "test_windows"]

SIZE = 10_000  # training windows of a reference


@dataclass(frozen=True, eq=False)
class Reference:
    """Training windows of 64 bars without a silent phrase: those to compare with, and others besides.

    Seed 0 chooses all of them, and the first n are the same however many are asked for. Raises CorpusError where the
    corpus has too few of them, or no window of a test song.
    """

    corpus: Corpus

    @property
    def windows(self) -> NDArray[np.int64]:
        """The reference as a list (n, 2): melody and first phrase of SIZE training windows, or of half of them all."""
        return self._windows[0]

    @cached_property
    def _windows(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The windows of the reference, and the training windows that are left."""
        windows = self.corpus.windows("train")
        if len(windows) < 20 or not len(self.corpus.windows("test")):
            raise CorpusError(
                f"{self.corpus.directory}: {len(windows)} training windows of 64 bars without a silent phrase; "
                "a table needs 20, and one of a test song"
            )
        order = np.random.default_rng(0).permutation(len(windows))
        size = min(SIZE, len(windows) // 2)
        return windows[np.sort(order[:size])], windows[order[size:]]

    @cached_property
    def pieces(self) -> Pieces:
        """The melodies of `windows`."""
        return window_pieces(self.corpus, self.windows, "reference")

    @cached_property
    def moments(self) -> dict[str, Moments]:
        """Means and variances of the reference's overlaps."""
        return overlaps(self.pieces).moments

    @cached_property
    def magenta(self) -> dict[str, Moments]:
        """The same by the formula of the authors' code (`metrics.overlap.magenta_overlap`)."""
        return overlaps(self.pieces, "magenta").moments

    def train(self, n: int) -> Pieces:
        """Return `n` training windows besides the reference, or as many as there are."""
        return window_pieces(self.corpus, self._windows[1][:n], "train")


def test_windows(corpus: Corpus, n: int) -> Pieces:
    """Return `n` test windows without a silent phrase, chosen by seed 0; again from the first where there are fewer."""
    windows = corpus.windows("test")
    order = np.random.default_rng(0).permutation(len(windows))
    return window_pieces(corpus, windows[np.resize(order, n)], "test")
