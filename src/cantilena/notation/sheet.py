"""`Sheet`: music as it is written, bar by bar with its signs: what the readers of MusicXML and ABC make."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

__all__ = ["Bar", "KeySignature", "Note", "Part", "Sheet", "Signs"]


class KeySignature(NamedTuple):
    """Sharps (flats are negative), -7..7, and whether the key is minor."""

    fifths: int
    minor: bool = False


@dataclass
class Note:
    """A note in its bar; times in quarters, from the bar's beginning."""

    at: Fraction
    length: Fraction
    pitch: int  # MIDI number
    tied: bool = False  # to the next note of its pitch, if that begins where this one ends
    lyrics: dict[int, str] = field(default_factory=dict)  # by verse, from 1; "-" at the end joins it to the next


@dataclass
class Signs:
    """What a bar says about the order in which bars are played."""

    begins: bool = False  # a repeat begins with this bar
    times: int = 0  # what ends with this bar is played so often; 0: no repeat ends here
    endings: frozenset[int] = frozenset()  # the bar belongs to these endings: 1st, 2nd ...
    segno: bool = False
    coda: bool = False  # the coda begins with this bar
    to_coda: bool = False  # after this bar, the second time
    fine: bool = False
    jump: str = ""  # "D.C." or "D.S.", after this bar
    part: str = ""  # the letter of the part that begins here (of ABC)
    at: dict[str, Fraction] = field(default_factory=dict)  # where in the bar segno, coda, to_coda and fine stand

    def join(self, other: Signs) -> None:
        """Take over what another part's bar says: a sign may stand in one part only."""
        self.begins |= other.begins
        self.times = max(self.times, other.times)
        self.endings |= other.endings
        self.segno |= other.segno
        self.coda |= other.coda
        self.to_coda |= other.to_coda
        self.fine |= other.fine
        self.jump = self.jump or other.jump
        self.part = self.part or other.part
        self.at = {**other.at, **self.at}


@dataclass
class Bar:
    """A written bar of all parts; metre and key are what holds in it, a tempo what changes in it."""

    metre: tuple[int, int] | None = (4, 4)  # None: free
    key: KeySignature | None = None
    length: Fraction = Fraction(0)  # quarters that it really lasts
    notes: dict[int, list[Note]] = field(default_factory=dict)  # by part
    chords: list[tuple[Fraction, str]] = field(default_factory=list)
    tempos: list[tuple[Fraction, float]] = field(default_factory=list)  # quarters a minute
    signs: Signs = field(default_factory=Signs)

    @property
    def full(self) -> Fraction:
        """Quarters that its metre gives it."""
        return self.length if self.metre is None else Fraction(4 * self.metre[0], self.metre[1])


@dataclass
class Part:
    """One line, which becomes a track."""

    name: str
    program: int = 0  # General MIDI 0..127
    is_drum: bool = False


@dataclass
class Sheet:
    """A piece: its parts, its bars, and the order of its lettered parts, if it has one ("AABB")."""

    title: str
    parts: list[Part]
    bars: list[Bar]
    order: str = ""
