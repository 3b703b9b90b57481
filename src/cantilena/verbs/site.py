"""`Site`: where an edit composes, in a Melody or in the file of a song. It takes what was composed, and is whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cantilena.edits.vary import varied_file
from cantilena.music.locks import Locks
from cantilena.music.melody import Melody
from cantilena.music.metre import Metre
from cantilena.music.midi import to_midi
from cantilena.music.passage import Passage
from cantilena.requests import Request
from cantilena.rules import Rules
from cantilena.verbs.outcome import Outcome, measured
from cantilena.voices import Voice

__all__ = ["Site"]


@dataclass(frozen=True, eq=False)
class Site:
    """Steps of which some are held, where they are, and who plays them."""

    locks: Locks  # what is held, and what is composed
    voice: Voice  # what is composed unless something else is asked for
    before: Melody
    first: int = 1  # the bar of the first step, as a DAW counts
    passage: Passage | None = None  # of a file, of which all else comes back event by event

    @classmethod
    def alone(cls, locks: Locks, melody: Melody) -> Site:
        """Steps in, before or behind a Melody."""
        return cls(locks, Voice(purity=0), melody)

    @classmethod
    def within(cls, passage: Passage) -> Site:
        """Bars of a file."""
        voice = Voice.of(passage.candidate)
        return cls(passage.locks, voice, passage.before, passage.stretch.first, passage)

    @property
    def metre(self) -> Metre:
        """The metre of the melody."""
        return self.locks.metre

    @property
    def track(self) -> int | None:
        """The number of the file's track; None of a Melody."""
        return None if self.passage is None else self.passage.candidate.track

    def outcome(
        self, request: Request, tokens: NDArray[np.int8], rules: Rules | None = None, *, locks: Locks | None = None
    ) -> Outcome:
        """The whole with new tokens (steps,) on its free steps; `locks` hold more than its own, if given.

        What rules say is said of the bars that were free, as one melody; with `locks`, of their new notes alone.
        """
        name = f"Cantilena, {request.title}"
        if self.passage is None:
            after = self.before.like((locks or self.locks).paste(tokens))
            midi = to_midi(after, track_name=name)
        elif locks is None:
            after = self.passage.melody(tokens)
            midi = self.passage.write(after)
        else:
            midi, after = varied_file(self.passage, locks, tokens)
        bar = self.metre.bar_steps
        new = np.flatnonzero((~self.locks.locked).reshape(-1, bar).any(axis=1))
        if locks is not None:
            start, end, pitch = after.notes
            fresh = ~locks.locked[start]
            heard = Melody.from_notes(start[fresh], end[fresh], pitch[fresh], bars=after.bars, metre=self.metre)
        else:
            heard = after
        judged = after.like(heard.events.reshape(-1, bar)[new].reshape(-1)) if new.size else heard
        rows = measured(rules, judged, (new + self.first).tolist())
        return Outcome(request, after, midi, name, self.track or 0, self.before, self.passage is not None, rows)
