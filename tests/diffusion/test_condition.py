"""What is held fixed stays fixed, at every level; and RePaint mends the seam beside it."""

from __future__ import annotations

import numpy as np
import pytest

from cantilena.diffusion import (
    SAMPLERS,
    Condition,
    Denoise,
    NoiseSchedule,
    Sampler,
    SeededNoise,
    dpm_solver_pp,
    to_alpha_bar,
)
from cantilena.diffusion.schedule import Array

SCHEDULE = NoiseSchedule.cosine()
every_sampler = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)


def correlated(rho: float, phrases: int) -> tuple[Array, Denoise]:
    """A covariance between phrases, rho^distance, and E[x_0 | x_t] when x_0 ~ N(0, it)."""
    covariance = rho ** np.abs(np.subtract.outer(np.arange(phrases), np.arange(phrases)))
    w, V = np.linalg.eigh(covariance)

    def denoise(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
        bar = float(to_alpha_bar(log_snr[0]))
        return ((V * (bar**0.5 * w / (bar * w + 1 - bar))) @ V.T).astype(np.float32) @ x_t

    return covariance.astype(np.float32), denoise


def half(x_0: Array) -> Condition:
    known = np.zeros(x_0.shape[:2], bool)
    known[:, : x_0.shape[1] // 2] = True
    return Condition(x_0, known)


# -- the known part ---------------------------------------------------------------------------------


@every_sampler
@pytest.mark.parametrize("resample", [1, 3])
def test_known_phrases_end_bit_identical(sampler: Sampler, resample: int) -> None:
    x_0 = np.random.default_rng(0).standard_normal((2, 32, 4)).astype(np.float32)
    x_0[0, 0] = -0.0
    known = np.random.default_rng(1).random((2, 32)) < 0.5
    known[0, 0] = True
    x_0[~known] = np.nan  # nobody looks there
    noise = SeededNoise([0, 1])
    run = sampler(
        lambda x_t, log_snr, x0_prev: np.tanh(x_t), noise((2, 32, 4)), SCHEDULE, noise, steps=6,
        condition=Condition(x_0, known), resample=resample,
    )  # fmt: skip
    for step in run:
        assert np.isfinite(step.x_t).all()
        assert step.x0_hat[known].tobytes() == x_0[known].tobytes()
    assert step.x_t[known].tobytes() == x_0[known].tobytes()
    assert not np.isin(step.x_t[~known], x_0[known]).any()
    assert np.array_equal(step.x_t, step.x0_hat)


@every_sampler
def test_on_the_way_known_phrases_have_the_marginal_of_q(sampler: Sampler) -> None:
    """Of the level that is reached, not of the one before; also in what the denoiser sees first, at T."""
    n, seen = 20_000, []
    x_0 = np.full((1, 2, n), 1.5, np.float32)

    def denoise(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
        seen.append(x_t)
        return np.zeros_like(x_t)

    paper = NoiseSchedule.linear()
    noise = SeededNoise([0])
    *path, _ = sampler(denoise, np.zeros_like(x_0), paper, noise, steps=8, condition=half(x_0))
    for t, x_t in [(1000, seen[0]), *((step.t, step.x_t) for step in path)]:
        bar = paper.alpha_bar_at(t)
        z = (x_t[0, 0] - bar**0.5 * 1.5) / (1 - bar) ** 0.5
        assert abs(z.mean()) < 4 / n**0.5
        assert abs(z.var() - 1) < 4 * (2 / n) ** 0.5
    assert not seen[0][0, 1].any()  # the rest of x_T is the caller's


def test_noise_is_fresh_at_every_level() -> None:
    x_0 = np.zeros((1, 2, 5000), np.float32)
    noise = SeededNoise([0])
    *path, _ = SAMPLERS["ddim"](lambda x_t, *_: x_t * 0, x_0, SCHEDULE, noise, steps=4, condition=half(x_0))
    assert abs(np.corrcoef([step.x_t[0, 0] for step in path])[np.triu_indices(3, 1)]).max() < 0.05


def test_conditions_that_do_not_fit_are_refused() -> None:
    x_0 = np.zeros((2, 32, 4), np.float32)
    with pytest.raises(ValueError, match="bool, not int64"):
        Condition(x_0, np.ones((2, 32), np.int64))
    with pytest.raises(ValueError, match=r"not \(2, 32, 4\) with \(32,\)"):
        Condition(x_0, np.ones(32, bool))
    with pytest.raises(ValueError, match="must be finite"):
        Condition(x_0 + np.inf, np.ones((2, 32), bool))
    condition = Condition(x_0, np.ones((2, 32), bool))
    with pytest.raises(ValueError, match=r"shape \(2, 32, 4\), not \(1, 32, 4\)"):
        condition.fix(x_0[:1])
    with pytest.raises(ValueError, match=r"shape \(2, 32, 4\), not \(1, 32, 4\)"):
        condition.apply(x_0[:1], 5, SCHEDULE, SeededNoise([0]))


def test_a_condition_is_a_copy_that_cannot_change() -> None:
    x_0, known = np.zeros((1, 2, 3), np.float32), np.array([[True, False]])
    condition = Condition(x_0, known)
    x_0[:], known[:] = 5, False
    assert condition.x_0.max() == 0
    assert condition.known.any()
    with pytest.raises(ValueError, match="read-only"):
        condition.x_0[:] = 1


# -- RePaint ----------------------------------------------------------------------------------------


@every_sampler
def test_resampling_mends_the_seam(sampler: Sampler) -> None:
    """x_0 ~ N(0, .95^distance): what is drawn beside the known half should correlate with it by .95.

    Pasting alone leaves .75 (the deterministic samplers) or .85 (ddpm); 8 visits bring .93 and .95.
    """
    covariance, denoise = correlated(0.95, phrases=8)
    x_0 = np.linalg.cholesky(covariance) @ SeededNoise([0])((1, 8, 4000))
    seam = []
    for resample in (1, 4, 8):
        noise = SeededNoise([1])
        run = sampler(denoise, noise(x_0.shape), SCHEDULE, noise, steps=20, condition=half(x_0), resample=resample)
        *_, last = run
        seam.append(np.corrcoef(last.x_t[0, 3], last.x_t[0, 4])[0, 1])
    assert seam[0] < 0.87
    assert seam[0] + 0.06 < seam[1] < seam[2] < 0.96
    assert seam[2] > 0.92


@every_sampler
@pytest.mark.parametrize("resample", [1, 5])
def test_each_level_but_the_last_is_visited_that_often(sampler: Sampler, resample: int) -> None:
    levels = []

    def denoise(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
        levels.append(float(log_snr[0]))
        return np.zeros_like(x_t)

    x_0 = np.zeros((1, 4, 2), np.float32)
    run = sampler(denoise, x_0, SCHEDULE, SeededNoise([0]), steps=4, condition=half(x_0), resample=resample)
    assert len(list(run)) == 4
    expected = [t for t in (1000, 750, 500) for _ in range(resample)] + [250]
    np.testing.assert_allclose(levels, SCHEDULE.log_snr(expected), rtol=1e-6)


@every_sampler
def test_a_jump_back_keeps_the_marginal(sampler: Sampler) -> None:
    """With one melody in the world, x_t is a draw of q(x_t | x_0) before and after every jump."""
    n, seen = 20_000, []
    x_0 = np.full((1, 2, n), 1.5, np.float32)

    def denoise(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
        seen.append((float(to_alpha_bar(log_snr[0])), x_t))
        return x_0

    noise = SeededNoise([0])
    list(sampler(denoise, noise(x_0.shape), SCHEDULE, noise, steps=5, condition=half(x_0), resample=3))
    assert len(seen) == 13
    for bar, x_t in seen:
        z = (x_t[0] - bar**0.5 * 1.5) / (1 - bar) ** 0.5
        assert np.abs(z.mean(axis=-1)).max() < 4 / n**0.5
        assert np.abs(z.var(axis=-1) - 1).max() < 4 * (2 / n) ** 0.5


def test_dpm_solver_forgets_at_a_jump() -> None:
    """A visit after a jump is a first-order step from what it was given; one without a jump is of second order."""
    x_T, seen = np.linspace(-2, 2, 8).reshape(1, 4, 2), []

    def denoise(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
        seen.append((x_t, np.sin(2 * x_t) * float(to_alpha_bar(log_snr[0]))))
        return seen[-1][1]

    def distance_to_first_order(resample: int) -> list[float]:
        distances = []
        t = 1000.0
        for step in dpm_solver_pp(denoise, x_T, SCHEDULE, lambda shape: np.zeros(shape), steps=5, resample=resample):
            x_t, x0_hat = seen[-1]
            bar_t, bar_s = SCHEDULE.alpha_bar_at(t), SCHEDULE.alpha_bar_at(step.t)
            eps_hat = (x_t - bar_t**0.5 * x0_hat) / (1 - bar_t) ** 0.5
            distances.append(np.abs(step.x_t - bar_s**0.5 * x0_hat - (1 - bar_s) ** 0.5 * eps_hat).max())
            t = step.t
        return distances

    first, *middle, last = distance_to_first_order(1)
    assert max(first, last) < 1e-12
    assert min(middle) > 1e-3
    assert max(distance_to_first_order(2)) < 1e-12
