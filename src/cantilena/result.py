"""`Result`: what comes of a request: the melody, the MIDI file that it stands in, and the receipt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cantilena.asked import NONE, AskedRules
from cantilena.files import write_whole
from cantilena.music.formats import Piece, write_piece
from cantilena.music.melody import Melody, Notes
from cantilena.music.metre import Metre
from cantilena.notation.endings import ending_of
from cantilena.receipt import Receipt, write_receipt
from cantilena.requests import Compose, Extend
from cantilena.sources import Source

__all__ = ["Result"]


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """A melody that was composed, or a song after an edit.

    It can be looked at as its melody can (`notes`, `bars`, `slice` ...); what is made of it is a Melody: the receipt
    is not of other notes. Results are equal where their melodies are.
    """

    melody: Melody  # of an edited song: of the whole stretch in 4/4 around the new bars
    midi: bytes  # the file, without the receipt
    track: int  # index of the melody's
    receipt: Receipt
    name: str  # of the melody, for people: the track's, where it is new
    before: Melody | None = None  # the melody before an edit
    within: bool = False  # whether the file is a song in which the melody was edited
    parts: tuple[Result, ...] = ()  # the steps of a morph in order; what was picked, the best first

    def save(self, path: str | Path) -> None:
        """Write `.mid` (with the receipt), `.svg`, `.wav`, `.html`, `.musicxml`, `.mxl`, `.abc`, `.score.svg`, `.pdf`.

        The name's ending says which; it is written in one step. A picture of an edit shows what was there before, as
        outlines. ValueError for any other ending, CantilenaError where a score cannot be typeset.
        """
        path = Path(path)
        if ending := ending_of(path.name):
            from cantilena.notation.writing import write_notation

            rules = AskedRules.of(getattr(self.receipt.request, "rules", None) or {})
            chords = None if rules.chords == NONE or not self._chord_bars else rules.chords
            write_whole(path, write_notation(
                self.melody, ending, midi=self.midi, track=self.track, title=self.name,
                key=rules.key, chords=chords, bars=self._chord_bars if chords else (),
            ))  # fmt: skip
        else:
            write_piece(Piece(self.melody, self.name, before=self._aligned(), file=self.file), path)

    @property
    def _chord_bars(self) -> Sequence[int]:
        """The bars of the melody that have the chords of the request: those of a song of somebody's are its own."""
        request = self.receipt.request
        if isinstance(request, Extend):
            return range(1, request.bars + 1) if request.before else range(self.bars - request.bars + 1, self.bars + 1)
        if isinstance(request, Compose):
            return range(1, self.bars + 1)
        return () if self.within else sorted({row.bar for row in self.receipt.rows if row.rule == "chords"})

    def _aligned(self) -> Melody | None:
        """The melody before an edit, on the bars of the new one: later where new bars came before it."""
        before, request = self.before, self.receipt.request
        if before is None or not (isinstance(request, Extend) and request.before):
            return before
        start, end, pitch = before.notes
        shift = self.melody.events.size - before.events.size
        return Melody.from_notes(
            start + shift, end + shift, pitch, bars=self.melody.bars, qpm=before.qpm, metre=before.metre
        )

    @cached_property
    def file(self) -> bytes:
        """The MIDI file with the receipt at its start."""
        return write_receipt(self.midi, self.receipt, self.name)

    @property
    def source(self) -> Source:
        """What it is to the next request: the file of an edited song, or a melody."""
        return Source.of(self.file if self.within else self.melody)

    @property
    def events(self) -> NDArray[np.int8]:
        """Those of the melody: int8 (steps,)."""
        return self.melody.events

    @property
    def notes(self) -> Notes:
        """Start and end in steps, and MIDI pitch, of every note of the melody."""
        return self.melody.notes

    @property
    def metre(self) -> Metre:
        """That of the melody."""
        return self.melody.metre

    @property
    def bars(self) -> int:
        """Length of the melody in bars."""
        return self.melody.bars

    @property
    def qpm(self) -> float:
        """Tempo of the melody in quarter notes a minute."""
        return self.melody.qpm

    def phrases(self) -> NDArray[np.int8]:
        """Those of the melody: (ceil(bars / 2), 32) tokens."""
        return self.melody.phrases()

    def slice(self, first: int, last: int) -> Melody:
        """Bars `first` to `last` of the melody, as `Melody.slice`."""
        return self.melody.slice(first, last)

    def _repr_html_(self) -> str:
        from cantilena.music.draw import to_html

        return to_html(self.melody)

    def __eq__(self, other: object) -> bool:
        return self.melody == (other.melody if isinstance(other, Result) else other)

    def __hash__(self) -> int:
        return hash(self.melody)

    def __repr__(self) -> str:
        return f"Result({self.receipt.title}: {repr(self.melody).removeprefix('Melody(')}"
