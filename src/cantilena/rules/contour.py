"""`Contour`: where a melody goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cantilena.music.melody import Melody, pitch_name
from cantilena.rules.pitch import pitch_number
from cantilena.rules.rule import Costs, MusicRule, sounding

__all__ = ["NEAR", "SHAPES", "Contour"]

SHAPES = ("rise", "fall", "arch", "valley")
NEAR = 2  # semitones from a line of pitches that are on it
_OCTAVE = 12
_IN_PLACE = 0.25  # of the other bars, by distance in the shape, that may lie on the wrong side of a bar


@dataclass(frozen=True)
class Contour(MusicRule):
    """Where a melody goes: "rise", "fall", "arch", "valley", or by pitches, "C4 E4 G4 C5".

    What is measured is each bar's mean pitch. A shape asks only which of two bars is the higher, so a melody of any
    range can have it: the cost of bar i is the share of other bars j that lie on the wrong side of it (Kendall's
    distance), weighted by |shape_i - shape_j|, so that steps back on the way cost little. Bars of equal pitch count
    half; a bar meets the shape at .25 or less. Pitches are one for each bar, or the corners of a line drawn evenly
    over the melody; the cost of a bar is its distance from the line in octaves, at most 1, and it meets it within two
    semitones. Silent bars cost nothing.

    >>> rising = Melody.from_notes([0, 16, 32], [16, 32, 48], [60, 62, 64])
    >>> Contour("rise")(rising), Contour("fall")(rising), Contour("C4 E4").measure(rising)
    (array([0., 0., 0.]), array([1., 1., 1.]), ['C4', 'D4', 'E4'])
    """

    name: ClassVar[str] = "contour"
    pitches: tuple[int, ...] = field(init=False, compare=False, repr=False)  # MIDI numbers; none for a shape

    def __post_init__(self) -> None:
        words = self.asked.split()
        if len(words) == 1 and words[0].lower() in SHAPES:
            self._set(asked=words[0].lower(), pitches=())
            return
        try:
            pitches = tuple(pitch_number(word) for word in words)
        except ValueError as error:
            raise ValueError(f"contour: {self.asked!r} is not {', '.join(SHAPES)} or pitches: {error}") from None
        if not pitches:
            raise ValueError(f"contour: nothing is asked; give {', '.join(SHAPES)} or pitches such as C4 E4 G4 C5")
        self._set(asked=" ".join(pitch_name(p) for p in pitches), pitches=pitches)

    def __call__(self, melody: Melody) -> Costs:  # noqa: D102
        mean = _mean_pitch(melody)
        heard = mean > 0
        if self.pitches:
            return np.where(heard, np.minimum(np.abs(mean - self._target(melody.bars)) / _OCTAVE, 1), 0)
        target = self._target(melody.bars)
        higher = target[:, None] - target  # (bars, bars) bar i less bar j, as asked
        weight = np.abs(higher) * heard * heard[:, None]
        wrong = 0.5 - 0.5 * np.sign(mean[:, None] - mean) * np.sign(higher)  # 0 right, .5 equal, 1 the other way round
        of = weight.sum(axis=1)
        return np.asarray((wrong * weight).sum(axis=1) / np.where(of > 0, of, 1))

    def measure(self, melody: Melody) -> list[str]:
        """The mean pitch of each bar, rounded."""
        return [pitch_name(round(p)) if p else "silent" for p in _mean_pitch(melody).tolist()]

    def met(self, melody: Melody) -> NDArray[np.bool_]:
        """Whether each bar is within two semitones of its pitch, or on the right side of three quarters of the rest."""
        met: NDArray[np.bool_] = self(melody) <= (NEAR / _OCTAVE if self.pitches else _IN_PLACE)
        return met

    def _target(self, bars: int) -> NDArray[np.float64]:
        along = np.linspace(0, 1, bars)
        if self.pitches:
            return np.interp(along * (len(self.pitches) - 1), np.arange(len(self.pitches)), self.pitches)
        middle = np.round(1 - np.abs(2 * along - 1), 9)  # rounded: mirrored bars are asked to be neither's higher
        return {"rise": along, "fall": -along, "arch": middle, "valley": -middle}[self.asked]


def _mean_pitch(melody: Melody) -> NDArray[np.float64]:
    """Mean MIDI pitch of what sounds in each bar, 0 in a silent one: (bars,)."""
    pitch = sounding(melody)
    mean: NDArray[np.float64] = pitch.sum(axis=1) / np.maximum((pitch > 0).sum(axis=1), 1)
    return mean
