"""The twelve major scales, and how far pitch classes lie in one of them. A minor scale is one of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAJOR_SCALES", "in_one_scale"]

_MAJOR = np.array([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], np.float64)
MAJOR_SCALES = np.stack([np.roll(_MAJOR, tonic) for tonic in range(12)])  # (12, 12): tonic, pitch class; 1 or 0


def in_one_scale(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """The most that one major scale holds of the shares of pitch classes (..., 12), C first: (...,).

    >>> in_one_scale(np.array([0.5, 0.25, 0, 0, 0.25, 0, 0, 0, 0, 0, 0, 0])).tolist()  # C, C# and E
    0.75
    """
    most: NDArray[np.float64] = (shares @ MAJOR_SCALES.T).max(axis=-1)
    return most
