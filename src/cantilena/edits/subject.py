"""What an edit is done to: a Melody by itself, or bars of a song's file. Either takes what was composed, and is whole.

Melody --Alone--+                              +--> Melody
                +--> locks, first, voice --> tokens
file --InFile---+                              +--> Edited: the file, and a receipt
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cantilena.edits.edited import Edited
from cantilena.edits.vary import varied_file
from cantilena.music.locks import Locks
from cantilena.music.melody import BAR_STEPS, Melody
from cantilena.music.passage import Passage
from cantilena.receipt import Receipt
from cantilena.rules import Rules
from cantilena.sampling import Voice

__all__ = ["Alone", "InFile", "Sign", "Subject"]

Sign: TypeAlias = Callable[..., Receipt | None]  # (melody, rules=, judged=, numbers=): see `edits.sign`


class Subject(Protocol):
    """Steps of which some are held, where they are, and who plays them."""

    @property
    def locks(self) -> Locks:
        """What is held, and what is composed."""

    @property
    def first(self) -> int:
        """The bar of the first step, as a DAW counts."""

    @property
    def voice(self) -> Voice:
        """What is composed unless something else is asked for."""

    def result(
        self, tokens: NDArray[np.int8], sign: Sign, *, rules: Rules | None = None, locks: Locks | None = None
    ) -> Melody | Edited:
        """The whole with new tokens (steps,) on its free steps; `locks` hold more than its own, if given."""


@dataclass(frozen=True, eq=False)
class Alone:
    """A Melody. It comes back as one, and has no receipt."""

    locks: Locks
    qpm: float
    first: int = 1

    @property
    def voice(self) -> Voice:
        """Any, with few chords."""
        return Voice(purity=0)

    def result(
        self, tokens: NDArray[np.int8], sign: Sign, *, rules: Rules | None = None, locks: Locks | None = None
    ) -> Melody:
        """The whole Melody."""
        return Melody.from_tokens((locks or self.locks).paste(tokens), self.qpm)


@dataclass(frozen=True, eq=False)
class InFile:
    """Bars of a file. All but their notes comes back event by event, with a receipt that `sign` makes."""

    passage: Passage

    @property
    def locks(self) -> Locks:
        """Of the stretch in 4/4 around the bars."""
        return self.passage.locks

    @property
    def first(self) -> int:
        """The first bar of that stretch."""
        return self.passage.stretch.first

    @property
    def voice(self) -> Voice:
        """That of the track."""
        return Voice.of(self.passage.candidate)

    def result(
        self, tokens: NDArray[np.int8], sign: Sign, *, rules: Rules | None = None, locks: Locks | None = None
    ) -> Edited:
        """The whole file; what rules say in the receipt is of the new bars."""
        passage = self.passage
        if locks is None:
            after = passage.melody(tokens)
            midi = passage.write(after)
        else:
            midi, after = varied_file(passage, locks, tokens)
        receipt = sign(after) if rules is None else sign(after, rules=rules, **self._judged(after))
        return Edited(midi, passage.candidate.track, passage.before, after, receipt)

    def _judged(self, after: Melody) -> dict[str, Any]:
        """The bars that were free, which rules were asked of, as one melody, and their numbers."""
        new = np.flatnonzero((~self.locks.locked).reshape(-1, BAR_STEPS).any(axis=1))
        judged = Melody.from_tokens(after.events.reshape(-1, BAR_STEPS)[new].reshape(-1))
        numbers: Sequence[int] = (new + self.first).tolist()
        return {"judged": judged, "numbers": numbers}
