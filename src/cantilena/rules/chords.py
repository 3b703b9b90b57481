"""`Chords`: a melody whose strong beats fit a progression; and the progression as notes to hear beneath it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON, Metre
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
    "69": (0, 2, 4, 7, 9),
    "11": (0, 2, 4, 5, 7, 10),
    "m11": (0, 2, 3, 5, 7, 10),
    "13": (0, 2, 4, 7, 9, 10),
    "maj13": (0, 2, 4, 7, 9, 11),
    "7b5": (0, 4, 6, 10),
    "aug7": (0, 4, 8, 10),
    "7b9": (0, 1, 4, 7, 10),
    "7#9": (0, 3, 4, 7, 10),
    "7#11": (0, 4, 6, 7, 10),
    "maj7#11": (0, 4, 6, 7, 11),
    "9sus4": (0, 2, 5, 7, 10),
}
_SPELLINGS = (  # other ways to write the beginning of a quality
    (r"(\u0394|\u25b3)$", "maj7"),
    (r"(Maj|MAJ|Ma|MA|M|major|\u0394|\u25b3)", "maj"), (r"(minor|min|Min|mi|-)(?!n)", "m"), (r"mM(aj)?", "mmaj"),
    (r"(\u00f8|\u00d8)7?", "m7b5"), (r"(\u00b0|o)", "dim"), (r"\+", "aug"), (r"dom", ""), (r"sus(?![24])", "sus4"),
    (r"7\+|7#5", "aug7"), (r"7sus(?!4)", "7sus4"), (r"6/9", "69"), (r"maj$", ""), (r"maj(?=6|9sus)", ""),
)  # fmt: skip
_EQUAL_PARTS = 4  # chords of a bar, at most
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

    Usual spellings are understood, and written in one way.

    >>> parse_chord("Dm7").tones, parse_chord("C/E").bass
    ((2, 5, 9, 0), 4)
    >>> [parse_chord(name).name for name in ("CM7", "C-7", "F#\u00f8", "Bb7(b9)", "C+", "Csus")]
    ['Cmaj7', 'Cm7', 'F#m7b5', 'Bb7b9', 'Caug', 'Csus4']
    """
    plain = name.replace("\u266d", "b").replace("\u266f", "#")
    match = re.fullmatch(r"([A-G][#b]?)((?:[^/]|6/9)*)(?:/([A-G][#b]?))?", plain)
    quality = _quality(match[2]) if match else ""
    if not match or quality not in QUALITIES:
        kinds = ", ".join(f"C{quality}" for quality in QUALITIES)
        raise ValueError(f"{name!r} is not a chord; known are {kinds} on any root, and a bass as in C/E")
    root = pitch_class(match[1])
    tones = tuple((root + s) % 12 for s in QUALITIES[quality])
    written = match[1] + quality + (f"/{match[3]}" if match[3] else "")
    return Chord(written, root, pitch_class(match[3]) if match[3] else root, tones)


def _quality(text: str) -> str:
    """A quality in the spelling of QUALITIES, where it is one."""
    text = re.sub(r"[()\s,]", "", text)
    for other, ours in _SPELLINGS:
        if text in QUALITIES:
            break
        text = re.sub(f"^(?:{other})", ours, text, count=1)
    return text


@dataclass(frozen=True)
class Chords(HardRule):
    """Chord tones on strong beats: "| Dm7 | G7 | C |", over and over; "%" or nothing: the bar before once more.

    A bar has one chord, or up to four ("| C G | Am F |") that share its beats, the first ones what is left over: three
    in 4/4 last two beats, one and one. Judged is the note that starts, or rings through, on the strong beats of the
    metre and wherever a new chord begins; the cost of a bar is the share of these that is no chord tone.

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
            if len(names) > _EQUAL_PARTS:
                raise ValueError(
                    f"chords: a bar has 1 to {_EQUAL_PARTS} chords, not {len(names)} ({' '.join(names)[:60]}); "
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
        judged, fits = self._asked(melody.bars, melody.metre)
        wrong = ~np.take_along_axis(fits, pitch[..., None] % 12, axis=2)[..., 0]
        return share(wrong, judged & (pitch > 0))

    def measure(self, melody: Melody) -> list[str]:
        """How many of the notes on each bar's strong beats are chord tones."""
        pitch = sounding(melody)
        of = (self._asked(melody.bars, melody.metre)[0] & (pitch > 0)).sum(axis=1)
        right = np.rint(of * (1 - self(melody))).astype(int)
        return [f"{r}/{n} chord tones" for r, n in zip(right, of, strict=True)]

    def allowed(self, steps: int, metre: Metre = COMMON) -> NDArray[np.bool_]:  # noqa: D102
        judged, fits = self._asked(-(-steps // metre.bar_steps), metre)
        free = np.where(judged[..., None], fits, True)  # (bars, bar_steps, 12)
        return pitch_tokens(free.reshape(-1, 12)[:steps, np.arange(128) % 12])

    def _asked(self, bars: int, metre: Metre) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which steps are judged (bars, bar_steps), and the pitch classes that fit at each (bars, bar_steps, 12)."""
        judged = np.zeros((len(self.bars), metre.bar_steps), np.bool_)
        fits = np.zeros((len(self.bars), metre.bar_steps, 12), np.bool_)
        judged[:, metre.strong_steps] = True
        for i, bar in enumerate(self.bars):
            for chord, (begin, end) in zip(bar, _parts(len(bar), metre), strict=True):
                judged[i, begin] = True
                fits[i, begin:end, list(chord.fits)] = True
        over = np.arange(bars) % len(self.bars)
        return judged[over], fits[over]


def _parts(chords: int, metre: Metre) -> list[tuple[int, int]]:
    """The steps, begin and end, of so many chords that share a bar; ValueError where it has too few steps.

    >>> _parts(3, COMMON), _parts(2, Metre(3, 4)), _parts(4, Metre(3, 4))
    ([(0, 8), (8, 12), (12, 16)], [(0, 8), (8, 12)], [(0, 3), (3, 6), (6, 9), (9, 12)])
    """
    unit = metre.beat_steps if chords <= metre.bar_steps // metre.beat_steps else 1
    each, more = divmod(metre.bar_steps // unit, chords)
    if not each:
        raise ValueError(f"chords: a bar of {metre} has no room for {chords} chords")
    lengths = [(each + (k < more)) * unit for k in range(chords)]
    lengths[0] += metre.bar_steps - sum(lengths)
    ends = np.cumsum(lengths).tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))


def chord_notes(chords: Chords, bars: int, metre: Metre = COMMON) -> list[ChordNotes]:
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
        for chord, (begin, end) in zip(bar, _parts(len(bar), metre), strict=True):
            before = min(_voicings(chord), key=lambda v: (_movement(before, v), abs(sum(v) / len(v) - _MIDDLE)))
            at = i * metre.bar_steps
            played.append(ChordNotes(at + begin, at + end, (_LOW - 12 + chord.bass, *before)))
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
