"""`Chords`: a melody whose strong beats fit a progression; and the progression as notes to hear beneath it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON, Metre
from cantilena.music.scales import MAJOR_SCALES
from cantilena.rules.chord_names import NO_CHORD, QUALITIES, Chord, nearest_chord, parse_chord
from cantilena.rules.rule import Costs, HardRule, pitch_tokens, share, sounding

__all__ = [
    "ESTIMATED", "MOST_CHORDS", "NO_CHORD", "QUALITIES", "Chord", "ChordNotes", "Chords", "chord_notes", "lasting",
    "nearest_chord", "parse_chord", "played_chords",
]  # fmt: skip

MOST_CHORDS = 8  # of a bar
ESTIMATED = "estimated"  # before a progression that nobody wrote
_LOW, _HIGH = 48, 72  # C3 to C5, where chords are voiced; the bass is in the octave below
_MIDDLE = 60


class ChordNotes(NamedTuple):
    """A chord as it is played."""

    start: int  # steps
    end: int  # exclusive
    pitches: tuple[int, ...]  # MIDI numbers, from the bass up


@dataclass(frozen=True)
class Chords(HardRule):
    """Chord tones on strong beats: "| Dm7 | G7 | C |", over and over; "%" or nothing: the bar before once more.

    A bar has one chord, or up to eight ("| C G | Am F |") that share its beats, the first ones what is left over: three
    in 4/4 last two beats, one and one. "N.C." is no chord, and asks nothing. Judged is the note that starts, or rings
    through, on the strong beats of the metre and wherever another chord begins; the cost of a bar is the share of these
    that is no chord tone. "estimated" before it all says that a song's chords were guessed from its notes.

    >>> melody = Melody.from_notes([0, 8], [8, 16], [62, 64])
    >>> Chords("Dm7")(melody), Chords("| Dm7 | G7 | C |").measure(melody), str(Chords("|C G|%|"))
    (array([0.5]), ['1/2 chord tones'], '| C G | C G |')
    """

    name: ClassVar[str] = "chords"
    bars: tuple[tuple[Chord, ...], ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        before, guessed, text = self.asked.strip().partition(ESTIMATED)
        if before or not guessed:
            guessed, text = "", self.asked.strip()
        text = text.strip()
        found: list[tuple[Chord, ...]] = []
        for bar in text.removeprefix("|").removesuffix("|").split("|"):
            names = bar.split()
            if names in ([], ["%"]):
                if not found:
                    raise ValueError(f"chords: {self.asked!r} begins with no chord; for example | Dm7 | G7 | C |")
                found.append(found[-1])
                continue
            if len(names) > MOST_CHORDS:
                raise ValueError(
                    f"chords: a bar has 1 to {MOST_CHORDS} chords, not {len(names)} ({' '.join(names)[:60]}); "
                    "bars are parted by |"
                )
            try:
                found.append(tuple(_chord(name) for name in names))
            except ValueError as error:
                raise ValueError(f"chords: {error}") from None
        asked = "".join(f"| {' '.join(chord.name for chord in bar)} " for bar in found) + "|"
        asked = f"{guessed} {asked}" if guessed else asked
        self._set(asked=asked, bars=tuple(found))

    @property
    def home(self) -> tuple[int, int] | None:
        """The major scale that holds most chord tones, and the tonic: the root of the last chord, or of the first.

        As `music.scales.home_of` has them; None where there is no chord.

        >>> Chords("| Dm7 | G7 | C |").home, Chords("| Am | Dm | E7 | Am |").home
        ((0, 0), (0, 9))
        """
        every = [chord for bar in self.bars for chord in bar if chord != NO_CHORD]
        if not every:
            return None
        tones = np.bincount([tone % 12 for chord in every for tone in chord.tones], minlength=12)
        held = MAJOR_SCALES @ tones
        roots = [every[-1].root, every[0].root]
        _, _, _, scale, tonic = max(
            (held[scale], MAJOR_SCALES[scale, root], -k, scale, root)
            for scale in range(12)
            for k, root in enumerate(roots)
        )
        return scale, tonic

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
            for chord, begin, end in lasting(bar, metre):
                judged[i, begin] = True
                fits[i, begin:end, list(chord.fits)] = True
                if chord == NO_CHORD:
                    judged[i, begin:end] = False
        over = np.arange(bars) % len(self.bars)
        return judged[over], fits[over]


def _chord(name: str) -> Chord:
    return NO_CHORD if name in (NO_CHORD.name, "NC") else parse_chord(name)


def lasting(bar: Sequence[Chord], metre: Metre) -> list[tuple[Chord, int, int]]:
    """The chords of a bar with the steps, begin and end, that each lasts; one that comes twice in a row lasts longer.

    >>> [(chord.name, end) for chord, _, end in lasting([parse_chord(name) for name in ("C", "C", "C", "G")], COMMON)]
    [('C', 12), ('G', 16)]
    """
    found: list[tuple[Chord, int, int]] = []
    for chord, (begin, end) in zip(bar, _parts(len(bar), metre), strict=True):
        if found and found[-1][0] == chord:
            begin = found.pop()[1]
        found.append((chord, begin, end))
    return found


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
    return [notes for _, notes in played_chords(chords, bars, metre)]


def played_chords(chords: Chords, bars: int, metre: Metre = COMMON) -> list[tuple[Chord, ChordNotes]]:
    """As `chord_notes`, each with the chord that it is."""
    played: list[tuple[Chord, ChordNotes]] = []
    before: tuple[int, ...] = ()
    for i in range(bars):
        bar = chords.bars[i % len(chords.bars)]
        for chord, begin, end in lasting(bar, metre):
            if chord == NO_CHORD:
                continue
            before = min(_voicings(chord), key=lambda v: (_movement(before, v), abs(sum(v) / len(v) - _MIDDLE)))
            at = i * metre.bar_steps
            played.append((chord, ChordNotes(at + begin, at + end, (_LOW - 12 + chord.bass, *before))))
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
