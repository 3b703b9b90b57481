"""Rules on pitch: `Key` and `Range`; and what key a melody is in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cantilena.music.melody import MAX_PITCH, MIN_PITCH, Melody, pitch_name
from cantilena.music.metre import COMMON, Metre
from cantilena.music.scales import MAJOR_SCALES
from cantilena.rules.rule import Costs, HardRule, bar_notes, pitch_tokens, share, sounding

__all__ = ["SCALES", "Key", "Range", "estimate_key", "pitch_class", "pitch_number"]

SCALES: dict[str, tuple[int, ...]] = {  # semitones above the tonic
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "ionian": (0, 2, 4, 5, 7, 9, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "aeolian": (0, 2, 3, 5, 7, 8, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic minor": (0, 2, 3, 5, 7, 9, 11),
    "major pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole tone": (0, 2, 4, 6, 8, 10),
    "chromatic": tuple(range(12)),
}
_MODES = {  # shorter names of modes, and words of longer ones
    "m": "minor", "min": "minor", "maj": "major", "dor": "dorian", "phr": "phrygian", "lyd": "lydian",
    "mix": "mixolydian", "aeo": "aeolian", "loc": "locrian", "ion": "ionian", "pent": "pentatonic",
}  # fmt: skip
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_TONICS = {  # as they are usually written
    "major": ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"),
    "minor": ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"),
}
_CHURCH_MODES = {  # by the degree of the major scale that is their tonic, the most usual first
    0: "major", 9: "minor", 2: "dorian", 7: "mixolydian", 5: "lydian", 4: "phrygian", 11: "locrian",
}  # fmt: skip

# How well each pitch class fits after a cadence, from the tonic up: Krumhansl & Kessler 1982, in Krumhansl 1990, p. 30
_MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
_MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])


def pitch_class(name: str) -> int:
    """The pitch class 0..11 of a note's name, C being 0; ValueError for anything else.

    >>> pitch_class("Bb"), pitch_class("F#")
    (10, 6)
    """
    if not re.fullmatch(r"[A-G][#b]?", name):
        raise ValueError(f"a note is named like C, F# or Bb, not {name!r}")
    return (_LETTERS[name[0]] + name.count("#") - name.count("b")) % 12


def pitch_number(name: str) -> int:
    """The MIDI number of a pitch's name, the inverse of `pitch_name`; ValueError for anything else, or off the piano.

    >>> pitch_number("C4"), pitch_number("Bb3"), pitch_number("Cb4")
    (60, 58, 59)
    """
    match = re.fullmatch(r"([A-Ga-g])([#b]?)(\d)", name)
    if not match:
        raise ValueError(f"a pitch is named like C4, F#3 or Bb5, not {name!r}")
    letter, sign, octave = match.groups()
    pitch = 12 * (int(octave) + 1) + _LETTERS[letter.upper()] + {"#": 1, "b": -1, "": 0}[sign]
    if not MIN_PITCH <= pitch <= MAX_PITCH:
        raise ValueError(f"pitches are {pitch_name(MIN_PITCH)} to {pitch_name(MAX_PITCH)}, not {name}")
    return pitch


@dataclass(frozen=True)
class Key(HardRule):
    """All notes in a scale: "D dorian", "Bb major", "A harmonic minor", "E minor pentatonic", "C blues", "chromatic".

    A tonic alone is major, one with an m minor: "C", "F#m". Modes may be shortened: "C maj", "A min", "D dor".

    The cost of a bar is the share of its sounding time that lies out of the scale.

    >>> scale = Melody.from_notes(range(0, 14, 2), range(2, 16, 2), [60, 62, 64, 65, 67, 69, 71])
    >>> Key("C major")(scale), Key("C minor")(scale).round(2), Key("g mixolydian").measure(scale)
    (array([0.]), array([0.43]), ['7/7 in key'])
    """

    name: ClassVar[str] = "key"
    tonic: int = field(init=False, compare=False, repr=False)  # pitch class
    scale: frozenset[int] = field(init=False, compare=False, repr=False)  # pitch classes

    def __post_init__(self) -> None:
        tonic, mode = _parts_of_key(self.asked)
        if mode not in SCALES:
            raise ValueError(f"key: {self.asked!r} is not a key; after the tonic comes one of {', '.join(SCALES)}")
        root = pitch_class(tonic)
        self._set(
            asked="chromatic" if mode == "chromatic" else f"{tonic} {mode}",
            tonic=root,
            scale=frozenset((root + s) % 12 for s in SCALES[mode]),
        )

    @property
    def stable(self) -> frozenset[int]:
        """The pitch classes on which a tune can rest: those of the triad on the tonic that the scale has."""
        third = 4 if (self.tonic + 4) % 12 in self.scale else 3
        return frozenset((self.tonic + s) % 12 for s in (0, third, 7)) & self.scale

    @classmethod
    def at_home(cls, scale: int, tonic: int) -> Key:
        """The key of a major scale, 0 to 11, on one of its notes, as `music.scales.home_of` finds them.

        >>> [str(Key.at_home(*home)) for home in ((0, 0), (0, 2), (3, 0), (11, 8))]
        ['C major', 'D dorian', 'C minor', 'G# minor']
        """
        mode = _CHURCH_MODES[(tonic - scale) % 12]
        return cls(f"{_TONICS.get(mode, _TONICS['major'])[tonic]} {mode}")

    @property
    def home(self) -> tuple[int, int] | None:
        """The major scale that holds most of this one, and the tonic; None of the chromatic scale.

        >>> Key("E minor").home, Key("A harmonic minor").home, Key("D dorian").home, Key("A minor pentatonic").home
        ((7, 4), (0, 9), (0, 2), (0, 9))
        """
        if len(self.scale) == 12:
            return None
        degrees = list(_CHURCH_MODES)  # of equals the more usual mode
        held = [MAJOR_SCALES[(self.tonic - degree) % 12][list(self.scale)].sum() for degree in degrees]
        return (self.tonic - degrees[int(np.argmax(held))]) % 12, self.tonic

    def __call__(self, melody: Melody) -> Costs:  # noqa: D102
        pitch = sounding(melody)
        return share(~self._pitches()[pitch], pitch > 0)

    def measure(self, melody: Melody) -> list[str]:
        """How many of the notes that sound in each bar are in the scale."""
        fits = self._pitches()
        return [f"{fits[p].sum()}/{p.size} in key" if p.size else "silent" for p in bar_notes(melody)]

    def allowed(self, steps: int, metre: Metre = COMMON) -> NDArray[np.bool_]:  # noqa: D102
        return np.tile(pitch_tokens(self._pitches()), (steps, 1))

    def _pitches(self) -> NDArray[np.bool_]:
        return np.isin(np.arange(128) % 12, list(self.scale))


def _parts_of_key(asked: str) -> tuple[str, str]:
    """The tonic of a key and its mode, a key of SCALES where it is one; ValueError for a text that has no tonic."""
    text = " ".join(asked.replace("\u266d", "b").replace("\u266f", "#").replace("-", " ").split())
    if text.lower() == "chromatic":
        return "C", "chromatic"
    match = re.fullmatch(r"([A-Ga-g])(#|b|(?:[ ]?(?:sharp|flat)\b))?(m(?![a-z]))?[ ]?(.*)", text)
    if match is None:
        raise ValueError(f"key: {asked!r} is not a key; for example D dorian")
    sign = {"": "", "#": "#", "b": "b", "sharp": "#", "flat": "b"}[(match[2] or "").strip()]
    mode = " ".join(([_MODES["m"]] if match[3] else []) + [_MODES.get(m, m) for m in match[4].lower().split()])
    return match[1].upper() + sign, mode or "major"


@dataclass(frozen=True)
class Range(HardRule):
    """All notes from a lowest to a highest pitch: "C4-A5", middle C being C4.

    The cost of a bar is the share of its sounding time that lies outside.

    >>> Range("Bb3-C4").measure(Melody.from_notes([0, 4], [4, 8], [57, 60])), str(Range("Bb3-C4"))
    (['A3-C4'], 'A#3-C4')
    """

    name: ClassVar[str] = "range"
    low: int = field(init=False, compare=False, repr=False)  # MIDI numbers, both inclusive
    high: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        names = [part.strip() for part in self.asked.split("-")]
        if len(names) != 2:
            raise ValueError(f"range: {self.asked!r} is not a range; for example C4-A5")
        try:
            low, high = (pitch_number(name) for name in names)
        except ValueError as error:
            raise ValueError(f"range: {self.asked!r} is not a range, for example C4-A5: {error}") from None
        if low > high:
            raise ValueError(f"range: the lower pitch comes first, {names[1]}-{names[0]}, not {self.asked}")
        self._set(asked=f"{pitch_name(low)}-{pitch_name(high)}", low=low, high=high)

    def __call__(self, melody: Melody) -> Costs:  # noqa: D102
        pitch = sounding(melody)
        return share((pitch < self.low) | (pitch > self.high), pitch > 0)

    def measure(self, melody: Melody) -> list[str]:
        """The lowest and the highest note that sound in each bar."""
        return [f"{pitch_name(p.min())}-{pitch_name(p.max())}" if p.size else "silent" for p in bar_notes(melody)]

    def allowed(self, steps: int, metre: Metre = COMMON) -> NDArray[np.bool_]:  # noqa: D102
        pitch = np.arange(128)
        return np.tile(pitch_tokens((self.low <= pitch) & (pitch <= self.high)), (steps, 1))


def estimate_key(melody: Melody) -> Key:
    """The major or minor key that a melody is in: the Krumhansl-Schmuckler algorithm (Krumhansl 1990, chapter 4).

    The time that each pitch class sounds is correlated with the profiles of all 24 keys; the highest wins. A scale
    alone does not tell a key from its relative one: what sounds long does. Raises ValueError where nothing sounds.

    >>> estimate_key(Melody.from_notes([0, 4, 6, 8], [4, 6, 8, 16], [69, 71, 72, 69]))
    Key(asked='A minor')
    """
    pitch = sounding(melody)
    time = np.bincount(pitch[pitch > 0] % 12, minlength=12)
    if not time.any():
        raise ValueError("a melody without notes is in no key")
    profiles = np.stack([np.roll(profile, tonic) for profile in (_MAJOR, _MINOR) for tonic in range(12)])
    profiles = profiles - profiles.mean(axis=1, keepdims=True)
    fit = profiles @ time / np.linalg.norm(profiles, axis=1)
    mode, tonic = divmod(int(fit.argmax()), 12)
    return [Key(f"{tonics[tonic]} {name}") for name, tonics in _TONICS.items()][mode]
