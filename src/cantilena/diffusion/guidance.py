"""Steering by rules that have no gradient: `branching`.

Huang et al. 2024, "Symbolic Music Generation with Non-Differentiable Rule Guided Diffusion" (stochastic control
guidance, algorithm 1): at every step draw several x_s from the posterior, ask the rule what each would become, and go
on with the best. Their rules judge a whole piece, so the best of n is one of n. Ours judge bar by bar, and the noise
of a phrase is its own: each phrase takes its x_s from the branch that is best *for it*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from cantilena.diffusion.condition import Condition
from cantilena.diffusion.samplers import Denoise, Step, ancestral, arrived, begin, estimate, visits
from cantilena.diffusion.schedule import Array, Noise, NoiseSchedule

__all__ = ["Cost", "branching"]

Cost: TypeAlias = Callable[[Array], Array]  # x0_hat (n, P, D) -> what each phrase costs, (n, P), 0 best


def branching(
    denoise: Denoise,
    x_T: Array,
    schedule: NoiseSchedule,
    noise: Noise,
    *,
    cost: Cost,
    branches: int = 8,
    between: tuple[float, float] = (0.05, 0.65),
    steps: int = 20,
    temperature: float = 1.0,
    condition: Condition | None = None,
    resample: int = 1,
    start: float | None = None,
) -> Iterator[Step]:
    """`ddpm` that takes the best of `branches` draws at each step, phrase by phrase; `branches` + 1 times the work.

    A draw is judged by `cost` of the x0_hat that the network sees in it. Levels outside `between`, in shares of T, have
    one: above, x0_hat says little yet, and below, what was decided is no more changed. With one branch it is `ddpm`.
    Raises ValueError for fewer than 1 branch, and as `ddpm` does.
    """
    if branches < 1:
        raise ValueError(f"at least 1 branch is drawn at each step, not {branches}")
    x_t, x0_hat = begin(x_T, schedule, noise, condition, start)
    melody, phrase = np.ogrid[: x_T.shape[0], : x_T.shape[1]]
    lowest, highest = (share * schedule.T for share in between)
    for i, (t, s) in enumerate(pairwise(schedule.timesteps(steps, start)), 1):
        for jumps in visits(s, resample):
            x0_hat = estimate(denoise, x_t, t, schedule, x0_hat)
            draws = [
                ancestral(x0_hat, x_t, t, s, schedule, noise, temperature, condition)
                for _ in range(branches if lowest <= s <= highest and s > 0 else 1)
            ]
            x_t = draws[0]
            if len(draws) > 1:
                x_s = np.stack(draws, axis=1)  # (B, branches, P, D)
                flat = x_s.reshape(-1, *x_t.shape[1:])
                told = np.repeat(x0_hat, branches, axis=0)
                costs = cost(estimate(denoise, flat, s, schedule, told)).reshape(*x_s.shape[:2], -1)
                best = costs.argmin(axis=1)  # (B, P); the first of equals
                x_t = x_s[melody, best, phrase]
            if jumps:
                x_t = schedule.q_sample(x_t, t, noise(x_t.shape), s=s)
        yield arrived(i, steps, s, x_t, x0_hat, condition)
