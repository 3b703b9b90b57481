"""`Chords`: a melody whose strong beats fit a progression; and the progression as notes to hear beneath it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cantilena.music.melody import BAR_STEPS, Melody
from cantilena.rules.pitch import pitch_class
from cantilena.rules.rule import Costs, HardRule, pitch_tokens, share, sounding

__all__ = ["QUALITIES", "Chord", "ChordNotes", "Chords", "chord_notes", "parse_chord"]

QUALITIES: dict[str, tuple[int, ...]] = {  # semitones above the root
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "5": (0, 7),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "mmaj7": (0, 3, 7, 11),
    "7sus4": (0, 5, 7, 10),
    "dim7": (0, 3, 6, 9),
    "m7b5": (0, 3, 6, 10),
    "add9": (0, 2, 4, 7),
    "9": (0, 2, 4, 7, 10),
    "maj9": (0, 2, 4, 7, 11),
    "m9": (0, 2, 3, 7, 10),
}
_STRONG = (0, 8)  # sixteenths of the first and third beat
_LOW, _HIGH = 48, 72  # C3 to C5, where chords are voiced; the bass is in the octave below
_MIDDLE = 60


class Chord(NamedTuple):
    """A chord by pitch classes."""

    name: str
    root: int
    bass: int  # the root unless the name has a slash
    tones: tuple[int, ...]  # from the root up; a bass of its own is none of them

    @property
    def fits(self) -> frozenset[int]:
        """The pitch classes that a melody may have over it: its tones and its bass."""
        return frozenset((*self.tones, self.bass))


class ChordNotes(NamedTuple):
    """A chord as it is played."""

    start: int  # steps
    end: int  # exclusive
    pitches: tuple[int, ...]  # MIDI numbers, from the bass up


def parse_chord(name: str) -> Chord:
    """A chord from its name: a root, one of QUALITIES, and maybe a bass ("C/E"); ValueError for any other.

    >>> parse_chord("Dm7").tones, parse_chord("C/E").bass
    ((2, 5, 9, 0), 4)
    """
    match = re.fullmatch(r"([A-G][#b]?)([^/]*)(?:/([A-G][#b]?))?", name)
    if not match or match[2] not in QUALITIES:
        kinds = ", ".join(f"C{quality}" for quality in QUALITIES)
        raise ValueError(f"{name!r} is not a chord; known are {kinds} on any root, and a bass as in C/E")
    root = pitch_class(match[1])
    tones = tuple((root + s) % 12 for s in QUALITIES[match[2]])
    return Chord(name, root, pitch_class(match[3]) if match[3] else root, tones)


@dataclass(frozen=True)
class Chords(HardRule):
    """Chord tones on strong beats: "| Dm7 | G7 | C |", over and over; "%" or nothing: the bar before once more.

    A bar has one chord, or two or four of equal length ("| C G | Am F |"). Judged is the note that starts, or rings
    through, on the first and third beat and wherever a new chord begins; the cost of a bar is the share of these that
    is no chord tone.

    >>> melody = Melody.from_notes([0, 8], [8, 16], [62, 64])
    >>> Chords("Dm7")(melody), Chords("| Dm7 | G7 | C |").measure(melody), str(Chords("|C G|%|"))
    (array([0.5]), ['1/2 chord tones'], '| C G | C G |')
    """

    name: ClassVar[str] = "chords"
    bars: tuple[tuple[Chord, ...], ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        text = self.asked.strip()
        found: list[tuple[Chord, ...]] = []
        for bar in text.removeprefix("|").removesuffix("|").split("|"):
            names = bar.split()
            if names in ([], ["%"]):
                if not found:
                    raise ValueError(f"chords: {self.asked!r} begins with no chord; for example | Dm7 | G7 | C |")
                found.append(found[-1])
                continue
            if len(names) not in (1, 2, 4):
                raise ValueError(
                    f"chords: a bar has 1, 2 or 4 chords of equal length, not {len(names)} ({' '.join(names)}); "
                    "bars are parted by |"
                )
            try:
                found.append(tuple(parse_chord(name) for name in names))
            except ValueError as error:
                raise ValueError(f"chords: {error}") from None
        asked = "".join(f"| {' '.join(chord.name for chord in bar)} " for bar in found) + "|"
        self._set(asked=asked, bars=tuple(found))

    def __call__(self, melody: Melody) -> Costs:  # noqa: D102
        pitch = sounding(melody)
        judged, fits = self._asked(melody.bars)
        wrong = ~np.take_along_axis(fits, pitch[..., None] % 12, axis=2)[..., 0]
        return share(wrong, judged & (pitch > 0))

    def measure(self, melody: Melody) -> list[str]:
        """How many of the notes on each bar's strong beats are chord tones."""
        pitch = sounding(melody)
        of = (self._asked(melody.bars)[0] & (pitch > 0)).sum(axis=1)
        right = np.rint(of * (1 - self(melody))).astype(int)
        return [f"{r}/{n} chord tones" for r, n in zip(right, of, strict=True)]

    def allowed(self, steps: int) -> NDArray[np.bool_]:  # noqa: D102
        judged, fits = self._asked(-(-steps // BAR_STEPS))
        free = np.where(judged[..., None], fits, True)  # (bars, 16, 12)
        return pitch_tokens(free.reshape(-1, 12)[:steps, np.arange(128) % 12])

    def _asked(self, bars: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which sixteenths are judged (bars, 16), and the pitch classes that fit at each (bars, 16, 12)."""
        judged = np.zeros((len(self.bars), BAR_STEPS), np.bool_)
        fits = np.zeros((len(self.bars), BAR_STEPS, 12), np.bool_)
        judged[:, _STRONG] = True
        for i, bar in enumerate(self.bars):
            each = BAR_STEPS // len(bar)
            judged[i, ::each] = True
            for k, chord in enumerate(bar):
                fits[i, k * each : (k + 1) * each, list(chord.fits)] = True
        over = np.arange(bars) % len(self.bars)
        return judged[over], fits[over]


def chord_notes(chords: Chords, bars: int) -> list[ChordNotes]:
    """The chords of `bars` bars as they are played beneath a melody: struck once each, with the bass below.

    Each is in close position between C3 and C5, in the inversion that moves the least from the one before, the first
    about middle C. Of five tones the root is left to the bass (over another bass, the fifth is left out).

    >>> chord_notes(Chords("| C | Am |"), 2)
    [ChordNotes(start=0, end=16, pitches=(36, 55, 60, 64)), ChordNotes(start=16, end=32, pitches=(45, 57, 60, 64))]
    """
    played: list[ChordNotes] = []
    before: tuple[int, ...] = ()
    for i in range(bars):
        bar = chords.bars[i % len(chords.bars)]
        each = BAR_STEPS // len(bar)
        for k, chord in enumerate(bar):
            before = min(_voicings(chord), key=lambda v: (_movement(before, v), abs(sum(v) / len(v) - _MIDDLE)))
            start = i * BAR_STEPS + k * each
            played.append(ChordNotes(start, start + each, (_LOW - 12 + chord.bass, *before)))
    return played


def _voicings(chord: Chord) -> list[tuple[int, ...]]:
    """Every close position between C3 and C5, from the lowest note up."""
    tones = chord.tones
    if len(tones) > 4:
        left_out = chord.root if chord.bass == chord.root else (chord.root + 7) % 12
        tones = tuple(t for t in tones if t != left_out)
    found = []
    for low in range(_LOW, _HIGH):
        if low % 12 in tones:
            pitches = tuple(sorted(low + (t - low) % 12 for t in tones))
            if pitches[-1] <= _HIGH:
                found.append(pitches)
    return found


def _movement(before: tuple[int, ...], after: tuple[int, ...]) -> int:
    """Semitones from each note to the nearest of the other chord, both ways; 0 at the beginning."""
    if not before:
        return 0
    return sum(min(abs(a - b) for b in before) for a in after) + sum(min(abs(a - b) for a in after) for b in before)
