"""Samplers: x_T -> x_0, one flat function each.

A sampler yields a `Step` for each level it reaches, so the caller shows progress, previews x0_hat or stops. It sees
the network as `denoise(x_t, log_snr, x0_prev) -> x0_hat`: parameterisation, labels, guidance and clipping of x0_hat
are inside that callable. Steps go over `schedule.timesteps(steps)`; the last one returns x0_hat.

`start` is the level of the x_T given, T if none is: a melody half-way to noise comes back as another.
`condition` holds phrases fixed. `resample` = r visits each level but the last r times, putting noise back in between
(RePaint, Lugmayr et al. 2022, algorithm 1, with a jump of one step): r times the work, and better seams.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from cantilena.diffusion.condition import Condition
from cantilena.diffusion.schedule import Array, Noise, NoiseSchedule, to_eps

__all__ = [
    "SAMPLERS",
    "Clamp",
    "Denoise",
    "Sampler",
    "SeededNoise",
    "Step",
    "checked",
    "ddim",
    "ddpm",
    "dpm_solver_pp",
]

Clamp: TypeAlias = Callable[[Array], Array]  # x0_hat (B, P, D) -> what it decodes to, encoded
Denoise: TypeAlias = Callable[[Array, Array, Array], Array]  # x_t (B, 32, D), log_snr (B,), x0_prev -> x0_hat


class Step(NamedTuple):
    """Where a sampler has arrived."""

    i: int  # 1 .. steps: how many steps are done
    steps: int
    t: float  # level of x_t, 0 at the end
    x_t: Array  # (B, 32, D); at the end it equals x0_hat
    x0_hat: Array  # (B, 32, D) the estimate that led here, known part put in


class Sampler(Protocol):
    """What every sampler is; each has its own default for `steps`.

    `denoise` as in the module's head; x_T (B, P, D) float32; `schedule` says alpha_bar of a level t, 0 to T, and the
    levels of so many steps (`timesteps(steps, start)`); `noise(shape)` gives standard normal numbers of each melody's
    own seed. It yields a `Step` for each level that it reaches, of which the last one's x0_hat (B, P, D) is the sample.
    Phrases of a `condition` are held by `condition.apply(x_t, t, schedule, noise)` and `condition.fix(x0_hat)`.
    """

    def __call__(  # noqa: D102
        self,
        denoise: Denoise,
        x_T: Array,
        schedule: NoiseSchedule,
        noise: Noise,
        *,
        steps: int = ...,
        condition: Condition | None = None,
        resample: int = 1,
        start: float | None = None,
    ) -> Iterator[Step]: ...


class SeededNoise:
    """Standard normal float32 numbers from one generator per melody: melody i is the same alone or in a batch.

    `seeds` are non-negative integers, one a melody; equal seeds give equal numbers. Every call goes on where the last
    one ended. Raises ValueError for a shape of another number of melodies.

    >>> alone, batch = SeededNoise([7]), SeededNoise([1, 7])
    >>> np.array_equal(alone((1, 32, 4))[0], batch((2, 32, 4))[1])
    True
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.seeds = tuple(int(seed) for seed in seeds)
        if not self.seeds or min(self.seeds) < 0:
            raise ValueError(f"seeds are integers from 0 up, one a melody, not {list(seeds)}")
        self._generators = [np.random.Generator(np.random.PCG64(np.random.SeedSequence(s))) for s in self.seeds]

    def __call__(self, shape: tuple[int, ...]) -> Array:
        """The next numbers, (B, ...)."""
        if not shape or shape[0] != len(self.seeds):
            raise ValueError(f"noise for {len(self.seeds)} melodies has no shape {shape}")
        return np.stack([g.standard_normal(shape[1:], np.float32) for g in self._generators])


def ddpm(
    denoise: Denoise,
    x_T: Array,
    schedule: NoiseSchedule,
    noise: Noise,
    *,
    steps: int = 1000,
    temperature: float = 1.0,
    settle: float = 0.0,
    clamp: Clamp | None = None,
    condition: Condition | None = None,
    resample: int = 1,
    start: float | None = None,
) -> Iterator[Step]:
    """Ancestral sampling, x_s ~ q(x_s | x_t, x0_hat): Ho et al. 2020, algorithm 2, at any stride.

    `temperature` scales the noise of each step, and not x_T: below 1 the sample keeps to what is likelier, 0 takes the
    posterior's mean. A model that is not yet sure of its phrases writes far fewer wrong notes so (docs/findings.md).

    `settle` is a share of T: from that level down no noise is added, and `clamp` replaces each x0_hat by the data that
    it means (Li et al. 2022, "Diffusion-LM", section 4.3: the clamping trick). What a network cannot tell apart at
    little noise is then decided once, and not drawn anew at every step.

    The paper's sampler; the variance is the posterior's (the smaller of Ho et al.'s two, as the paper's code has it).
    Raises ValueError for fewer than 1 step or visit, a temperature outside 0..1.5, or settle outside 0..1.
    """
    if not 0 <= temperature <= 1.5:
        raise ValueError(f"a temperature is between 0 and 1.5, not {temperature}")
    if not 0 <= settle <= 1:
        raise ValueError(f"a melody settles at a share of 0 to 1 of the noise levels, not {settle}")
    quiet = settle * schedule.T
    x_t, x0_hat = begin(x_T, schedule, noise, condition, start)
    for i, (t, s) in enumerate(pairwise(schedule.timesteps(steps, start)), 1):
        for jumps in visits(s, resample):
            x0_hat = estimate(denoise, x_t, t, schedule, x0_hat)
            if clamp is not None and t <= quiet:
                x0_hat = clamp(x0_hat)
            x_t = ancestral(x0_hat, x_t, t, s, schedule, noise, temperature if t > quiet else 0.0, condition)
            if jumps:
                x_t = schedule.q_sample(x_t, t, noise(x_t.shape), s=s)  # Lugmayr et al. 2022, algorithm 1, line 10
        yield arrived(i, steps, s, x_t, x0_hat, condition)


def ddim(
    denoise: Denoise,
    x_T: Array,
    schedule: NoiseSchedule,
    noise: Noise,
    *,
    steps: int = 50,
    eta: float = 0.0,
    condition: Condition | None = None,
    resample: int = 1,
    start: float | None = None,
) -> Iterator[Step]:
    """Song et al. 2021 (DDIM), eq. 12: deterministic at `eta` 0, where it is the first-order ODE solver; `ddpm` at 1.

    Raises ValueError for fewer than 1 step or visit, or eta outside 0..1.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta is between 0 (deterministic) and 1 (ancestral), not {eta}")
    x_t, x0_hat = begin(x_T, schedule, noise, condition, start)
    for i, (t, s) in enumerate(pairwise(schedule.timesteps(steps, start)), 1):
        bar_t, bar_s = float(schedule.alpha_bar_at(t)), float(schedule.alpha_bar_at(s))
        sigma = eta * ((1 - bar_s) / (1 - bar_t) * (1 - bar_t / bar_s)) ** 0.5  # DDIM, eq. 16
        to_noise = max(1 - bar_s - sigma**2, 0.0) ** 0.5
        for jumps in visits(s, resample):
            x0_hat = estimate(denoise, x_t, t, schedule, x0_hat)
            eps_hat = to_eps(x0_hat, x_t, bar_t, "x0")
            x_t = bar_s**0.5 * x0_hat + to_noise * eps_hat if s > 0 else x0_hat  # DDIM, eq. 12
            if sigma > 0:
                x_t = x_t + sigma * noise(x_t.shape)
            if condition is not None:
                x_t = condition.apply(x_t, s, schedule, noise)
            if jumps:
                x_t = schedule.q_sample(x_t, t, noise(x_t.shape), s=s)
        yield arrived(i, steps, s, x_t, x0_hat, condition)


def dpm_solver_pp(
    denoise: Denoise,
    x_T: Array,
    schedule: NoiseSchedule,
    noise: Noise,
    *,
    steps: int = 20,
    condition: Condition | None = None,
    resample: int = 1,
    start: float | None = None,
) -> Iterator[Step]:
    """DPM-Solver++(2M), Lu et al. 2022, algorithm 2: the second-order ODE solver, from x0_hat of two levels.

    lambda = log(alpha / sigma) is half the log-SNR. The first and last step are of first order, and so is each visit
    after a jump back (`resample`): the older x0_hat then belongs to other noise. Deterministic but for a condition's
    noise. Raises ValueError for fewer than 1 step or visit.
    """
    x_t, x0_hat = begin(x_T, schedule, noise, condition, start)
    older, h_older = None, 0.0  # the multistep memory: x0_hat of the level before, and that step's length in lambda
    for i, (t, s) in enumerate(pairwise(schedule.timesteps(steps, start)), 1):
        bar_t, bar_s = float(schedule.alpha_bar_at(t)), float(schedule.alpha_bar_at(s))
        h = _half_log_snr(bar_s) - _half_log_snr(bar_t)  # infinite in the last step
        to_x, to_d = ((1 - bar_s) / (1 - bar_t)) ** 0.5, bar_s**0.5 * (1 - math.exp(-h))
        for jumps in visits(s, resample):
            x0_hat = estimate(denoise, x_t, t, schedule, x0_hat)
            d = x0_hat
            if older is not None and s > 0:
                r = h_older / h
                d = (1 + 1 / (2 * r)) * x0_hat - 1 / (2 * r) * older  # algorithm 2, line 8
            x_t = to_x * x_t + to_d * d if s > 0 else x0_hat  # line 9
            if condition is not None:
                x_t = condition.apply(x_t, s, schedule, noise)
            older, h_older = x0_hat, h
            if jumps:
                x_t, older = schedule.q_sample(x_t, t, noise(x_t.shape), s=s), None
        yield arrived(i, steps, s, x_t, x0_hat, condition)


SAMPLERS: dict[str, Sampler] = {"ddpm": ddpm, "ddim": ddim, "dpm_solver_pp": dpm_solver_pp}


def checked(sampler: Sampler, name: str) -> Sampler:
    """A sampler of somebody's own, each of whose steps is looked at as it comes, and the last of which holds notes.

    It raises ValueError, with its `name`, where it yields no `Step`, or an x0_hat that is not finite or not of the
    shape of x_T.
    """

    def sample(denoise: Denoise, x_T: Array, schedule: NoiseSchedule, noise: Noise, **asked: Any) -> Iterator[Step]:
        step = None
        for step in sampler(denoise, x_T, schedule, noise, **asked):
            if not isinstance(step, Step):
                raise ValueError(f"{name}: a sampler yields a cantilena.diffusion.Step, not {type(step).__name__}")
            x0_hat = np.asarray(step.x0_hat, np.float32)
            if x0_hat.shape != x_T.shape or not np.isfinite(x0_hat).all():
                what = f"is {x0_hat.shape}, not {x_T.shape}" if x0_hat.shape != x_T.shape else "is not finite"
                raise ValueError(f"{name}: its x0_hat {what}, at step {step.i} of {step.steps}")
            yield step._replace(x0_hat=x0_hat)
        if step is None:
            raise ValueError(f"{name}: a sampler yields a cantilena.diffusion.Step for each level, and this one none")

    return sample


def begin(
    x_T: Array, schedule: NoiseSchedule, noise: Noise, condition: Condition | None, start: float | None
) -> tuple[Array, Array]:
    """x_T with its known part, and the x0_prev of the first call: zeros."""
    x_t = x_T if condition is None else condition.apply(x_T, schedule.T if start is None else start, schedule, noise)
    return x_t, np.zeros_like(x_t)


def visits(s: float, resample: int) -> range:
    """For each visit, how many jumps back are still to come; level 0 is reached once (RePaint, algorithm 1)."""
    if resample < 1:
        raise ValueError(f"each level is visited at least once, not {resample} times")
    return range(resample - 1 if s > 0 else 0, -1, -1)


def estimate(denoise: Denoise, x_t: Array, t: float, schedule: NoiseSchedule, x0_prev: Array) -> Array:
    """x0_hat of x_t at level t, in the type of x_t."""
    log_snr = np.full(len(x_t), schedule.log_snr(t), np.float32)
    return np.asarray(denoise(x_t, log_snr, x0_prev), x_t.dtype)


def ancestral(
    x0_hat: Array, x_t: Array, t: float, s: float, schedule: NoiseSchedule, noise: Noise, temperature: float,
    condition: Condition | None,
) -> Array:  # fmt: skip
    """A draw of x_s given x_t and x0_hat, its known part put in; x0_hat at s = 0."""
    mean, variance = schedule.q_posterior(x0_hat, x_t, t, s)  # Ho et al. 2020, eq. 7
    x_s = mean + temperature * variance**0.5 * noise(x_t.shape) if s > 0 else x0_hat
    return x_s if condition is None else condition.apply(x_s, s, schedule, noise)


def _half_log_snr(alpha_bar: float) -> float:
    """lambda = log(alpha / sigma), not clamped."""
    return 0.5 * math.log(alpha_bar / (1 - alpha_bar)) if alpha_bar < 1 else math.inf


def arrived(i: int, steps: int, t: float, x_t: Array, x0_hat: Array, condition: Condition | None) -> Step:
    """A step with the known part in its estimate."""
    return Step(i, steps, float(t), x_t, x0_hat if condition is None else condition.fix(x0_hat))
