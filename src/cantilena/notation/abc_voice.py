"""A voice of ABC while it is read: its bars, the lengths and accidentals that hold, the words beneath it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

from cantilena.notation.abc_fields import Key
from cantilena.notation.sheet import Bar, Note, Signs

__all__ = ["NOTE", "Voice", "length_of", "note_of", "sing"]

NOTE = re.compile(r"(\^\^|__|\^/|_/|[\^_=])?([A-Ga-g])([,']*)(\d{0,4}(?:/+\d{0,4})?)(-?)")
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ALTERS = {"^": 1, "^^": 2, "_": -1, "__": -2, "=": 0, "^/": 0, "_/": 0}


@dataclass
class Voice:
    """A voice while it is read: its bars, and where it is in the last one."""

    name: str
    unit: Fraction | None
    metre: tuple[int, int] | None
    key: Key
    program: int = 0
    bars: list[Bar] = field(default_factory=list)  # of notes under part 0
    now: Fraction = Fraction(0)
    line: list[tuple[int, Note]] = field(default_factory=list)  # notes that a w: field is sung to, with their bars
    verse: int = 0
    held: dict[str, int] = field(default_factory=dict)  # accidentals of this bar, in all octaves
    ties: dict[tuple[str, int], int] = field(default_factory=dict)  # accidentals of tied notes
    ending: frozenset[int] = frozenset()
    factor: Fraction = Fraction(1)  # of the next note, after > or <
    last: list[Note] = field(default_factory=list)  # of the last event, and its length
    length: Fraction = Fraction(0)
    tuplet: tuple[Fraction, int] = (Fraction(1), 0)  # its factor, and how many notes it still has
    open: bool = False  # whether the last bar goes on

    def bar(self) -> Bar:
        """The bar that is being written."""
        if not self.open:
            self.bars.append(Bar(self.metre, self.key.signature, signs=Signs(endings=self.ending)))
            self.now, self.open, self.held = Fraction(0), True, {}
        return self.bars[-1]

    @property
    def length_unit(self) -> Fraction:
        """Quarters of a note without a number: a sixteenth where a bar is less than 3/4, else an eighth."""
        if self.unit is not None:
            return self.unit
        return Fraction(1, 4) if self.metre is not None and Fraction(*self.metre) < Fraction(3, 4) else Fraction(1, 2)

    def close(self) -> None:
        """A bar line: what is written ends, unless it is empty."""
        if self.open and (self.bars[-1].length or self.now):
            self.open = False

    def advance(self, length: Fraction, notes: list[Note]) -> None:
        """An event of this length, notes or a rest: apply what stands before it, tuplets and broken rhythm."""
        scale, left = self.tuplet
        length *= self.factor * (scale if left else 1)
        self.tuplet, self.factor = (scale, max(left - 1, 0)), Fraction(1)
        bar = self.bar()
        for note in notes:
            note.at, note.length = self.now, length
            bar.notes.setdefault(0, []).append(note)
        self.now += length
        self.last, self.length = notes, length
        bar.length = max(bar.length, self.now)

    def dot(self, sign: str) -> None:
        """Broken rhythm after the last event: longer before >, shorter before <, by half, three quarters ..."""
        if not self.length or not self.open or len(sign) > 3:
            return
        short = Fraction(1, 2 ** len(sign))
        mine, self.factor = (2 - short, short) if sign[0] == ">" else (short, 2 - short)
        bar, more = self.bars[-1], self.length * (mine - 1)
        for note in self.last:
            note.length += more
        whole = bar.length == self.now
        self.now += more
        bar.length = self.now if whole else max(bar.length, self.now)
        self.length = Fraction(0)


def note_of(voice: Voice, found: re.Match[str]) -> Note:
    """The note of this text: its pitch, and whether it is tied."""
    letter = found[2].upper()
    octave = 4 + found[2].islower() + found[3].count("'") - found[3].count(",")
    voice.bar()
    if found[1] is not None:
        voice.held[letter] = alter = _ALTERS[found[1]]
    elif letter in voice.held:
        alter = voice.held[letter]
    else:
        alter = voice.ties.get((letter, octave), voice.key.alters.get(letter, 0))
    voice.ties.pop((letter, octave), None)
    if found[5]:
        voice.ties[letter, octave] = alter
    pitch = 12 * (octave + 1) + _STEPS[letter] + alter + voice.key.transpose
    return Note(Fraction(0), Fraction(0), min(max(pitch, 0), 127), bool(found[5]))


def length_of(text: str) -> Fraction:
    """A length behind a note: "3", "/", "3/2", "//".

    >>> [str(length_of(text)) for text in ("", "3", "/", "3/2", "//", "/4")]
    ['1', '3', '1/2', '3/2', '1/4', '1/4']
    """
    number, slashes, below = re.fullmatch(r"(\d*)(/*)(\d*)", text).groups()  # type: ignore[union-attr]
    under = (int(below) or 1) if below else 2 ** min(len(slashes), 8)
    return Fraction(int(number) if number else 1, under)


def sing(voice: Voice, text: str) -> None:
    """Put the syllables of a w: field beneath the notes of the line before it."""
    voice.verse += 1
    text = text.replace(r"\-", "\0").replace("~", "\1")
    at = 0
    for syllable in re.findall(r"[^\s\-_*|]+-?|[-_*|]", text):
        if syllable == "|":
            bar = voice.line[at - 1][0] if 0 < at <= len(voice.line) else 0
            while 0 < at < len(voice.line) and voice.line[at][0] == bar:
                at += 1
            continue
        if at >= len(voice.line):
            break
        if syllable[0] not in "-_*":
            voice.line[at][1].lyrics[voice.verse] = syllable.replace("\0", "-").replace("\1", " ")
        at += 1
