"""`ddim_invert`: from a melody up to its noise, from which a sampler brings it, or a neighbour, back."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from cantilena.diffusion.samplers import Denoise, estimate
from cantilena.diffusion.schedule import Array, NoiseSchedule, to_eps

__all__ = ["ddim_invert"]


def ddim_invert(
    denoise: Denoise, x_0: Array, schedule: NoiseSchedule, *, steps: int = 50, to: float | None = None
) -> Iterator[Array]:
    """x_0 (B, P, D) carried up to level `to` (T) along the ODE: Song et al. 2021 (DDIM), section 4.3, eq. 14 backwards.

    Yields x_t after each of `steps` steps; `ddim(..., start=to)` comes back from the last one. Each step takes the
    estimate at the level it leaves, so the way back meets x_0 up to the step size. The first step leaves level 0, where
    x0_hat is x_0 and no eps is known: it is taken as the one that the network sees at the first level above.
    """
    levels = schedule.timesteps(steps, to)[::-1]
    x_t, x0_hat = x_0, x_0
    for s, t in pairwise(levels):
        bar_t = float(schedule.alpha_bar_at(t))
        if s == 0:  # eps is the fixed point of one call: what is added is what would be found
            eps_hat = np.zeros_like(x_0)
            for _ in range(3):
                x_try = bar_t**0.5 * x_0 + (1 - bar_t) ** 0.5 * eps_hat
                x0_hat = estimate(denoise, x_try, t, schedule, x0_hat)
                eps_hat = to_eps(x0_hat, x_try, bar_t, "x0")
            x_t = x_0
        else:
            x0_hat = estimate(denoise, x_t, s, schedule, x0_hat)
            eps_hat = to_eps(x0_hat, x_t, float(schedule.alpha_bar_at(s)), "x0")
        base = x_0 if s == 0 else x0_hat
        x_t = np.asarray(bar_t**0.5 * base + (1 - bar_t) ** 0.5 * eps_hat, x_0.dtype)
        yield x_t
