"""The twelve major scales, how far pitch classes lie in one of them, and in which a melody is at home.

A natural minor scale is one of them, and so are the other church modes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cantilena.music.melody import Melody

__all__ = ["MAJOR_SCALES", "home_of", "in_one_scale"]

_MAJOR = np.array([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], np.float64)
MAJOR_SCALES = np.stack([np.roll(_MAJOR, tonic) for tonic in range(12)])  # (12, 12): tonic, pitch class; 1 or 0


def in_one_scale(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """The most that one major scale holds of the shares of pitch classes (..., 12), C first: (...,).

    >>> in_one_scale(np.array([0.5, 0.25, 0, 0, 0.25, 0, 0, 0, 0, 0, 0, 0])).tolist()  # C, C# and E
    0.75
    """
    most: NDArray[np.float64] = (shares @ MAJOR_SCALES.T).max(axis=-1)
    return most


_NEAR = 0.02  # scales that hold this much less of the time than the best are as good

# How much a tonic's own share of the time counts, that of its fifth and its third, and that it comes last.
_TONIC, _FIFTH, _THIRD, _LAST = 1.0, 0.5, 0.25, 0.25
_USUAL = {
    0: 0.15,
    9: 0.13,
    2: 0.07,
    7: 0.07,
}  # from a scale's tonic to the mode's, in semitones


def home_of(melody: Melody) -> tuple[int, int]:
    """The major scale (0 to 11, by its tonic, C being 0) that holds most of a melody's time, and its tonic (0 to 11).

    The tonic is the note of that scale on which a tune rests: it sounds long, with its fifth and its third, and comes
    last. So D dorian is (0, 2). Raises ValueError where nothing sounds.

    >>> home_of(Melody.from_notes([0, 4, 6, 8], [4, 6, 8, 16], [62, 65, 71, 62]))
    (0, 2)
    """
    notes = melody.notes
    if not notes.pitch.size:
        raise ValueError("a melody without notes is at home nowhere")
    time = np.bincount(notes.pitch % 12, weights=notes.end - notes.start, minlength=12)
    time = time / time.sum()
    rest = _TONIC * time + _FIFTH * np.roll(time, -7) + _LAST * (np.arange(12) == notes.pitch[-1] % 12)
    worth = np.full((12, 12), -np.inf)  # scale, tonic
    for scale in range(12):
        for degree in np.flatnonzero(_MAJOR).tolist():
            tonic = (scale + degree) % 12
            third = (tonic + 4) % 12 if MAJOR_SCALES[scale, (tonic + 4) % 12] else (tonic + 3) % 12
            worth[scale, tonic] = rest[tonic] + _THIRD * time[third] + _USUAL.get(degree, 0.0)
    held = MAJOR_SCALES @ time
    worth[held < held.max() - _NEAR] = -np.inf
    return divmod(int(worth.argmax()), 12)
