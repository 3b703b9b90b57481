"""Samplers against oracle denoisers, whose right answer is known at every level, and against diffusers."""

from __future__ import annotations

import inspect
from functools import partial

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from diffusers.schedulers import scheduling_ddim, scheduling_ddpm

from cantilena.diffusion import (
    SAMPLERS,
    Condition,
    Denoise,
    NoiseSchedule,
    Prediction,
    Sampler,
    SeededNoise,
    ddim,
    ddpm,
    dpm_solver_pp,
    to_alpha_bar,
    to_x0,
)
from cantilena.diffusion.schedule import Array

PAPER, COSINE = NoiseSchedule.linear(), NoiseSchedule.cosine()
VARIANTS: dict[str, Sampler] = {
    **SAMPLERS,
    "ddim eta .5": partial(ddim, eta=0.5),  # type: ignore[dict-item]
    "ddim eta 1": partial(ddim, eta=1.0),  # type: ignore[dict-item]
}
every_sampler = pytest.mark.parametrize("sampler", VARIANTS.values(), ids=VARIANTS)


def gaussian(mean: float, std: float) -> Denoise:
    """E[x_0 | x_t] when x_0 ~ N(mean, std^2) in every place."""

    def denoise(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
        bar = to_alpha_bar(log_snr)[:, None, None]
        return mean + std**2 * bar**0.5 / (bar * std**2 + 1 - bar) * (x_t - bar**0.5 * mean)

    return denoise


def wavy(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
    """Some smooth network that looks at everything it is given."""
    return np.sin(2 * x_t) * 0.5 + np.tanh(log_snr / 4)[:, None, None] * 0.3 + 0.2 * x0_prev


# -- oracles ----------------------------------------------------------------------------------------


@every_sampler
@pytest.mark.parametrize("schedule", [PAPER, COSINE], ids=["linear", "cosine"])
def test_with_one_melody_in_the_world_every_step_has_the_marginal_of_q(
    sampler: Sampler, schedule: NoiseSchedule
) -> None:
    n, noise = 20_000, SeededNoise([0])
    x_0 = np.array([0.5, -2.0], np.float32) * np.ones((1, n, 2), np.float32)
    x_T = schedule.q_sample(x_0, schedule.T, noise(x_0.shape))
    *path, last = sampler(lambda x_t, log_snr, x0_prev: x_0, x_T, schedule, noise, steps=12)
    assert len(path) == 11
    for step in path:
        bar = schedule.alpha_bar_at(step.t)
        z = (step.x_t - bar**0.5 * x_0) / (1 - bar) ** 0.5  # ~ N(0, 1)
        assert np.abs(z.mean(axis=(0, 1))).max() < 4 / n**0.5
        assert np.abs(z.var(axis=(0, 1)) - 1).max() < 4 * (2 / n) ** 0.5
        assert step.x_t.dtype == np.float32
    assert np.array_equal(last.x_t, x_0)


def test_ddpm_samples_gaussian_data() -> None:
    """x_0 ~ N(1, .5^2): the reverse chain has the right mean and deviation at every level, up to its step size."""
    noise, mean, std = SeededNoise([1]), 1.0, 0.5
    bar_T = PAPER.alpha_bar[-1]
    x_T = bar_T**0.5 * mean + (bar_T * std**2 + 1 - bar_T) ** 0.5 * noise((1, 40_000, 1))
    for step in ddpm(gaussian(mean, std), x_T.astype(np.float32), PAPER, noise, steps=250):
        bar = PAPER.alpha_bar_at(step.t)
        assert step.x_t.mean() == pytest.approx(bar**0.5 * mean, abs=0.02)
        assert step.x_t.std() == pytest.approx((bar * std**2 + 1 - bar) ** 0.5, rel=0.02)


@pytest.mark.parametrize(("sampler", "order"), [(ddim, 1), (dpm_solver_pp, 2)])
def test_deterministic_samplers_converge_at_their_order(sampler: Sampler, order: int) -> None:
    """For Gaussian data the probability-flow ODE keeps (x_t - alpha_t mean) / deviation_t constant.

    The slope is that of the error at T / 4: below, steps cannot become short in lambda, which ends at infinity, and
    two errors of order 2 (2M's, and the last step's) come with opposite signs. All the way they must still shrink.
    """
    mean, std = 0.7, 0.4

    def constant(x: Array, t: float) -> Array:
        bar = PAPER.alpha_bar_at(t)
        return (x - bar**0.5 * mean) / (bar * std**2 + 1 - bar) ** 0.5

    x_T = np.linspace(-2, 2, 9).reshape(1, -1, 1)  # float64, so that rounding does not hide the slope
    counts = np.array([20, 40, 80, 160])
    errors = np.empty((4, 2))
    for row, steps in zip(errors, counts, strict=True):
        path = list(sampler(gaussian(mean, std), x_T, PAPER, SeededNoise([0]), steps=int(steps)))
        quarter, end = path[-1 - steps // 4], path[-1]
        assert quarter.t == 250
        row[:] = [np.abs(constant(s.x_t, s.t) - constant(x_T, 1000)).max() for s in (quarter, end)]
    slope = -np.polyfit(np.log(counts), np.log(errors[:, 0]), 1)[0]
    assert slope == pytest.approx(order, abs=0.1)  # measured: .99 and 2.02
    assert (np.diff(errors[:, 1]) < 0).all()
    assert errors[-1, 1] < [0.035, 0.0055][order - 1]


def test_ddim_at_eta_1_is_ddpm() -> None:
    x_T = SeededNoise([5])((1, 32, 4))
    ancestral = ddpm(wavy, x_T, COSINE, SeededNoise([6]), steps=15)
    for a, b in zip(ancestral, ddim(wavy, x_T, COSINE, SeededNoise([6]), steps=15, eta=1.0), strict=True):
        np.testing.assert_allclose(a.x_t, b.x_t, atol=1e-5)


# -- what a step is ---------------------------------------------------------------------------------


@every_sampler
def test_steps_count_up_come_down_and_end_at_the_estimate(sampler: Sampler) -> None:
    steps = list(sampler(wavy, SeededNoise([0, 1])((2, 32, 4)), COSINE, SeededNoise([0, 1]), steps=9))
    assert [(s.i, s.steps) for s in steps] == [(i, 9) for i in range(1, 10)]
    assert [s.t for s in steps] == COSINE.timesteps(9)[1:].tolist()
    assert np.array_equal(steps[-1].x_t, steps[-1].x0_hat)
    assert steps[-1].x_t.dtype == steps[-1].x0_hat.dtype == np.float32


@every_sampler
def test_the_denoiser_is_told_the_level_and_its_last_estimate(sampler: Sampler) -> None:
    calls, estimates = [], []

    def denoise(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
        calls.append((log_snr, x0_prev))
        estimates.append(wavy(x_t, log_snr, x0_prev))
        return estimates[-1]

    list(sampler(denoise, SeededNoise([0, 1])((2, 32, 4)), COSINE, SeededNoise([0, 1]), steps=6))
    assert len(calls) == 6
    assert not calls[0][1].any()
    for (log_snr, x0_prev), t in zip(calls, COSINE.timesteps(6), strict=False):
        assert log_snr.dtype == np.float32
        np.testing.assert_allclose(log_snr, np.full(2, COSINE.log_snr(t)), rtol=1e-6)
        assert x0_prev.shape == (2, 32, 4)
    for (_, x0_prev), before in zip(calls[1:], estimates, strict=False):
        assert np.array_equal(x0_prev, before)


@every_sampler
def test_data_stay_float32_whatever_the_denoiser_returns(sampler: Sampler) -> None:
    def denoise(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
        assert x_t.dtype == x0_prev.dtype == np.float32
        return x_t.astype(np.float64) / 2

    for step in sampler(denoise, SeededNoise([0])((1, 32, 4)), COSINE, SeededNoise([0]), steps=4):
        assert step.x_t.dtype == step.x0_hat.dtype == np.float32


@every_sampler
def test_one_step_is_the_denoiser(sampler: Sampler) -> None:
    x_T = SeededNoise([0])((1, 32, 4))
    (step,) = sampler(wavy, x_T, COSINE, SeededNoise([0]), steps=1)
    assert np.array_equal(step.x_t, wavy(x_T, np.array([-15], np.float32), np.zeros_like(x_T)))


def test_each_sampler_has_its_own_default_of_steps() -> None:
    defaults = {name: inspect.signature(sampler).parameters["steps"].default for name, sampler in SAMPLERS.items()}
    assert defaults == {"ddpm": 1000, "ddim": 50, "dpm_solver_pp": 20}


def test_wrong_arguments_are_refused() -> None:
    x_T, noise = np.zeros((1, 32, 4), np.float32), SeededNoise([0])
    for sampler in SAMPLERS.values():
        with pytest.raises(ValueError, match="at least 1 step"):
            next(sampler(wavy, x_T, COSINE, noise, steps=0))
        with pytest.raises(ValueError, match="at least once, not 0"):
            next(sampler(wavy, x_T, COSINE, noise, resample=0))
    with pytest.raises(ValueError, match="eta is between 0"):
        next(ddim(wavy, x_T, COSINE, noise, eta=1.5))


# -- seeds ------------------------------------------------------------------------------------------


@every_sampler
@pytest.mark.parametrize("resample", [1, 3])
def test_a_melody_is_the_same_alone_and_in_a_batch(sampler: Sampler, resample: int) -> None:
    def compose(seeds: list[int]) -> list[Array]:
        noise = SeededNoise(seeds)
        x_T = noise((len(seeds), 32, 4))
        held = np.stack([np.full((32, 4), seed, np.float32) for seed in seeds])
        condition = Condition(held, np.tile(np.arange(32) < 20, (len(seeds), 1)))
        run = sampler(wavy, x_T, COSINE, noise, steps=5, condition=condition, resample=resample)
        return [a for step in run for a in (step.x_t, step.x0_hat)]

    for batch, alone in zip(compose([3, 7, 11]), compose([7]), strict=True):
        assert np.array_equal(batch[1], alone[0])


def test_seeded_noise_is_standard_normal_and_goes_on() -> None:
    noise = SeededNoise([0, 1])
    first, second = noise((2, 100, 100)), noise((2, 100, 100))
    assert first.dtype == np.float32
    numbers = np.stack([first[0], first[1], second[0], second[1]]).reshape(4, -1)
    np.testing.assert_allclose(np.corrcoef(numbers), np.eye(4), atol=0.05)
    np.testing.assert_allclose(numbers.mean(axis=1), 0, atol=0.05)
    np.testing.assert_allclose(numbers.var(axis=1), 1, atol=0.05)
    assert np.array_equal(SeededNoise([1])((1, 100, 100))[0], first[1])
    with pytest.raises(ValueError, match="2 melodies has no shape"):
        noise((3, 100))
    for seeds in ([], [-1]):
        with pytest.raises(ValueError, match="seeds are integers from 0"):
            SeededNoise(seeds)


# -- diffusers --------------------------------------------------------------------------------------


def network(x_t: Array, t: float) -> Array:
    return np.asarray(np.sin(1.7 * x_t) * 0.8 + 0.3 * np.cos(t / 150), np.float32)


@pytest.mark.parametrize(
    ("schedule", "kind"),  # not cosine with eps: x0_hat = (x_t - eps) / 5e-5 at T drowns in float32, ours and theirs
    [(PAPER, "eps"), (PAPER, "x0"), (PAPER, "v"), (COSINE, "x0"), (COSINE, "v")],
)
@pytest.mark.parametrize("name", ["ddpm 250", "ddpm", "ddim", "ddim eta 1", "dpm_solver_pp", "dpm_solver_pp 10"])
def test_diffusers_walks_the_same_path(
    name: str, schedule: NoiseSchedule, kind: Prediction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same betas, same noise, same network: the same x_t at every step."""
    config = {
        "trained_betas": (1 - schedule.alpha_bar[1:] / schedule.alpha_bar[:-1]).tolist(),
        "prediction_type": {"eps": "epsilon", "v": "v_prediction", "x0": "sample"}[kind],
        "timestep_spacing": "trailing",
    }
    steps = {"ddpm 250": 250, "dpm_solver_pp 10": 10}.get(name, 20)
    if name.startswith("ddpm"):
        scheduler, sampler, arguments = DDPMScheduler(clip_sample=False, **config), ddpm, {}
    elif name.startswith("ddim"):
        arguments = {"eta": 1.0 if "1" in name else 0.0}
        scheduler, sampler = DDIMScheduler(clip_sample=False, **config), partial(ddim, **arguments)
    else:
        scheduler, sampler, arguments = DPMSolverMultistepScheduler(**config), dpm_solver_pp, {}
    scheduler.alphas_cumprod = torch.from_numpy(schedule.alpha_bar[1:].copy())  # not their product in float32
    scheduler.set_timesteps(steps)

    x_T = SeededNoise([1, 2])((2, 32, 4))
    theirs_noise = SeededNoise([3, 4])
    for module in (scheduling_ddpm, scheduling_ddim):
        monkeypatch.setattr(module, "randn_tensor", lambda shape, **_: torch.from_numpy(theirs_noise(tuple(shape))))

    x = torch.from_numpy(x_T)
    levels = iter(schedule.timesteps(steps))

    def denoise(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
        t = next(levels)
        return to_x0(network(x_t, t), x_t, float(schedule.alpha_bar_at(t)), kind)

    ours = sampler(denoise, x_T, schedule, SeededNoise([3, 4]), steps=steps)
    for step, t in zip(ours, scheduler.timesteps, strict=True):
        prediction = torch.from_numpy(network(x.numpy(), float(t) + 1))
        x = scheduler.step(prediction, t, x, **arguments).prev_sample.float()
        np.testing.assert_allclose(step.x_t, x, atol=2e-4, rtol=2e-4)


# -- settling ---------------------------------------------------------------------------------------


def test_from_where_it_settles_no_noise_is_drawn() -> None:
    """The same path as without down to that level; from it on clamps are asked for: at 300, 250 .. 50."""
    x_T, asked = SeededNoise([0])((1, 32, 4)), []

    def clamp(x0_hat: Array) -> Array:
        asked.append(x0_hat)
        return x0_hat

    plain = list(ddpm(wavy, x_T, COSINE, SeededNoise([1]), steps=20))
    settled = list(ddpm(wavy, x_T, COSINE, SeededNoise([1]), steps=20, settle=0.3, clamp=clamp))
    for a, b in zip(plain, settled, strict=True):
        assert np.array_equal(a.x_t, b.x_t) == (b.t >= 300)
    assert len(asked) == 6


@pytest.mark.parametrize("steps", [1, 3, 7, 20, 50])
def test_what_it_snaps_to_is_what_comes_out(steps: int) -> None:
    """With all data at whole numbers, a sample that settles ends on them though its network never says so."""

    def near(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
        return np.asarray(x0_prev * 0.9 + 0.01 * x_t, np.float32)

    x_T = SeededNoise([0])((1, 32, 4))
    *_, last = ddpm(near, 3 * x_T, COSINE, SeededNoise([1]), steps=steps, settle=1.0, clamp=np.round)
    *_, free = ddpm(near, 3 * x_T, COSINE, SeededNoise([1]), steps=steps)
    off = np.abs(last.x_t - np.round(last.x_t)).mean()
    assert off <= np.abs(free.x_t - np.round(free.x_t)).mean()


def test_settling_outside_the_levels_is_refused() -> None:
    with pytest.raises(ValueError, match="settles at a share of 0 to 1"):
        list(ddpm(wavy, SeededNoise([0])((1, 32, 4)), COSINE, SeededNoise([0]), settle=1.5))
