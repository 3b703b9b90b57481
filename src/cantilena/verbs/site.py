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
from cantilena.voices import Voice, voice_of

__all__ = ["Site"]

_NEAR = 32  # bars that tell what new ones are like


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
        return cls(locks, voice_of("lead"), melody)

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

    @property
    def free(self) -> NDArray[np.int64]:
        """The bars in which something is composed, from 0."""
        return np.flatnonzero((~self.locks.locked).reshape(-1, self.metre.bar_steps).any(axis=1))

    def bars(self, melody: Melody) -> Melody:
        """The bars of a melody on these steps in which something is composed; all, where there are none."""
        free = self.free
        return melody.like(melody.events.reshape(melody.bars, -1)[free].reshape(-1)) if free.size else melody

    @property
    def near(self) -> Melody:
        """The bars of the song that stand nearest to the new ones: what is held, or where nothing is, the song."""
        known = self.locks.known.reshape(-1, self.metre.bar_steps).all(axis=1)
        held, free = np.flatnonzero(known), self.free
        if not held.size or not free.size:
            return self.before
        away = np.abs(held[:, None] - free).min(axis=1)
        nearest = np.sort(held[np.argsort(away, kind="stable")[:_NEAR]])
        return self.before.like(self.locks.tokens.reshape(-1, self.metre.bar_steps)[nearest].reshape(-1))

    def melody(self, tokens: NDArray[np.int8], locks: Locks | None = None) -> Melody:
        """The whole melody with new tokens (steps,) on the free steps of these, or of other, `locks`."""
        return self.before.like((locks or self.locks).paste(tokens))

    def outcome(
        self, request: Request, tokens: NDArray[np.int8], rules: Rules | None = None, *, locks: Locks | None = None,
        draw: int = 1,
    ) -> Outcome:  # fmt: skip
        """The whole with new tokens (steps,) on its free steps; `locks` hold more than its own, if given.

        What rules say is said of the bars that were free, as one melody; with `locks`, of their new notes alone.
        """
        name = f"Cantilena, {request.title}"
        if self.passage is None:
            after = self.melody(tokens, locks)
            midi = to_midi(after, track_name=name)
        elif locks is None:
            after = self.passage.melody(tokens)
            midi = self.passage.write(after)
        else:
            midi, after = varied_file(self.passage, locks, tokens)
        if locks is not None:
            start, end, pitch = after.notes
            fresh = ~locks.locked[start]
            heard = Melody.from_notes(start[fresh], end[fresh], pitch[fresh], bars=after.bars, metre=self.metre)
        else:
            heard = after
        rows = measured(rules, self.bars(heard), (self.free + self.first).tolist())
        within = self.passage is not None
        return Outcome(request, after, midi, name, self.track or 0, self.before, within, rows, draw=draw)
