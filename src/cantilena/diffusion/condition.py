"""`Condition`: the phrases of a sample that are held fixed.

Infilling, extending and bridging differ only in which phrases are known. While the sampler comes down, the known
part of x_t is the known x_0 with fresh noise of that level (Mittal et al. 2021, infilling; Lugmayr et al. 2022,
eq. 8a and 8c); at level 0 it is x_0 itself, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.schedule import Array, Noise, NoiseSchedule

__all__ = ["Condition"]


@dataclass(frozen=True, eq=False)
class Condition:
    """Hold `x_0` float32 (B, 32, D) where `known` bool (B, 32) says so; the rest of x_0 is never looked at.

    Raises ValueError where the two do not fit.

    >>> x_0 = np.ones((1, 4, 2), np.float32)
    >>> condition = Condition(x_0, known=np.array([[True, True, False, False]]))
    >>> condition.fix(np.zeros_like(x_0))[0, :, 0]
    array([1., 1., 0., 0.], dtype=float32)
    """

    x_0: Array
    known: NDArray[np.bool_]

    def __post_init__(self) -> None:
        x_0, known = np.array(self.x_0, np.float32), np.array(self.known)
        if known.dtype != np.bool_:
            raise ValueError(f"known says for each phrase whether it is held: bool, not {known.dtype}")
        if x_0.ndim != 3 or known.shape != x_0.shape[:2]:
            raise ValueError(f"a condition is x_0 (B, 32, D) with known (B, 32), not {x_0.shape} with {known.shape}")
        if not np.isfinite(x_0[known]).all():
            raise ValueError("the known part of x_0 must be finite")
        for name, array in (("x_0", x_0), ("known", known)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def apply(self, x_t: Array, t: float, schedule: NoiseSchedule, noise: Noise) -> Array:
        """x_t with its known part drawn anew from q(x_t | x_0): (B, 32, D) at level t -> (B, 32, D).

            x_t = known q_sample(x_0, t, eps) + (1 - known) x_t             (Lugmayr et al. 2022, eq. 8a, 8c)

        Draws noise for whole melodies, known or not, so that one melody's noise never depends on another's
        condition; draws none at t = 0.
        """
        if t == 0:
            return self.fix(x_t)
        self._check(x_t)
        x_known = schedule.q_sample(self.x_0, t, noise(x_t.shape))
        return np.where(self.known[..., None], x_known, x_t).astype(x_t.dtype, copy=False)

    def fix(self, x_0: Array) -> Array:
        """Estimates of x_0 (B, 32, D) with the known part put in, bit for bit."""
        self._check(x_0)
        return np.where(self.known[..., None], self.x_0, x_0).astype(x_0.dtype, copy=False)

    def _check(self, x: Array) -> None:
        if x.shape != self.x_0.shape:
            raise ValueError(f"this condition holds a sample of shape {self.x_0.shape}, not {x.shape}")
