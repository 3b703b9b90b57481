"""The schedule against the Gaussian algebra it stands for, and against diffusers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from cantilena.diffusion import NoiseSchedule, Prediction, target, to_alpha_bar, to_eps, to_x0

SCHEDULES = {
    "linear": NoiseSchedule.linear(),
    "cosine": NoiseSchedule.cosine(),
    "toy": NoiseSchedule.linear(7, 0.1, 0.5),
}
KINDS: list[Prediction] = ["eps", "x0", "v"]
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


# -- the table --------------------------------------------------------------------------------------


def test_linear_is_the_papers() -> None:
    schedule = NoiseSchedule.linear()
    betas = 1 - schedule.alpha_bar[1:] / schedule.alpha_bar[:-1]
    assert schedule.T == 1000
    assert betas[0] == pytest.approx(1e-6, rel=1e-6)
    assert betas[-1] == pytest.approx(1e-2)
    assert np.ptp(np.diff(betas)) < 1e-12
    assert schedule.alpha_bar[-1] == pytest.approx(0.00660, abs=5e-5)  # the figure in the docstring


def test_cosine_follows_its_equation_down_to_the_capped_beta() -> None:
    schedule = NoiseSchedule.cosine()
    f = np.cos((np.arange(1001) / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(schedule.alpha_bar[:-1], (f / f[0])[:-1], rtol=1e-9)
    assert schedule.alpha_bar[-1] == pytest.approx(schedule.alpha_bar[-2] * 0.001)


@every_schedule
def test_alpha_bar_falls_from_exactly_one(schedule: NoiseSchedule) -> None:
    assert schedule.alpha_bar.dtype == np.float64
    assert schedule.alpha_bar[0] == 1
    assert (np.diff(schedule.alpha_bar) < 0).all()
    assert schedule.alpha_bar[-1] > 0
    with pytest.raises(ValueError, match="read-only"):
        schedule.alpha_bar[0] = 2


@pytest.mark.parametrize("table", [[0.9, 0.5], [1, 0.5, 0.5], [1, 0.5, 0], [1, np.nan], [1], [[1, 0.5]]])
def test_other_tables_are_refused(table: list[float]) -> None:
    with pytest.raises(ValueError, match="alpha_bar"):
        NoiseSchedule(np.array(table))


# -- levels -----------------------------------------------------------------------------------------


@every_schedule
def test_levels_are_the_table_at_integers_and_linear_in_the_root_between(schedule: NoiseSchedule) -> None:
    integers = np.arange(schedule.T + 1)
    assert np.array_equal(schedule.alpha_bar_at(integers), schedule.alpha_bar)
    assert schedule.alpha_bar_at(1.0) == schedule.alpha_bar[1]
    root = np.sqrt(schedule.alpha_bar)
    np.testing.assert_allclose(np.sqrt(schedule.alpha_bar_at(integers[:-1] + 0.25)), 0.75 * root[:-1] + 0.25 * root[1:])
    assert (np.diff(schedule.alpha_bar_at(np.linspace(0, schedule.T, 5000))) < 0).all()
    assert schedule.alpha_bar_at(np.zeros((2, 3))).shape == (2, 3)


@pytest.mark.parametrize("t", [-0.1, 1000.1, np.nan, [0, 2000]])
def test_levels_outside_are_refused(t: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1000"):
        NoiseSchedule.cosine().alpha_bar_at(t)


def test_log_snr_is_clamped_and_inverted_by_to_alpha_bar() -> None:
    schedule = NoiseSchedule.cosine()
    log_snr = schedule.log_snr([0, 1000])
    assert log_snr.tolist() == [15, -15]
    t = np.linspace(1, 998, 50)
    assert (np.abs(schedule.log_snr(t)) < 15).all()
    np.testing.assert_allclose(to_alpha_bar(schedule.log_snr(t)), schedule.alpha_bar_at(t), rtol=1e-12)


def test_timesteps_are_even_and_exact_where_they_are_integers() -> None:
    schedule = NoiseSchedule.cosine()
    for steps in (1, 7, 20, 1000):
        t = schedule.timesteps(steps)
        assert t.shape == (steps + 1,)
        assert (t[0], t[-1]) == (1000, 0)
        np.testing.assert_allclose(np.diff(t), -1000 / steps)
    assert schedule.timesteps(1000).tolist() == list(range(1000, -1, -1))
    scheduler = DDIMScheduler(timestep_spacing="trailing")
    scheduler.set_timesteps(20)
    assert schedule.timesteps(20)[:-1].tolist() == (scheduler.timesteps + 1).tolist()  # diffusers counts one lower
    with pytest.raises(ValueError, match="at least 1 step"):
        schedule.timesteps(0)


# -- the Gaussians ----------------------------------------------------------------------------------


@every_schedule
def test_q_sample_keeps_unit_variance_and_composes(schedule: NoiseSchedule) -> None:
    """q(x_t | x_s) after q(x_s | x_0) is q(x_t | x_0)."""
    one, zero = np.ones((1, 1, 1)), np.zeros((1, 1, 1))
    s, t = 0.3 * schedule.T, 0.8 * schedule.T
    signal, spread = schedule.q_sample(one, t, zero), schedule.q_sample(zero, t, one)
    np.testing.assert_allclose(signal**2, schedule.alpha_bar_at(t))
    np.testing.assert_allclose(signal**2 + spread**2, 1)
    up, more = schedule.q_sample(one, t, zero, s=s), schedule.q_sample(zero, t, one, s=s)
    np.testing.assert_allclose(schedule.q_sample(one, s, zero) * up, signal)
    np.testing.assert_allclose((schedule.q_sample(zero, s, one) * up) ** 2 + more**2, spread**2)
    with pytest.raises(ValueError, match="up to t >= s"):
        schedule.q_sample(one, s, zero, s=t)


@every_schedule
@pytest.mark.parametrize(("s", "t"), [(0.2, 0.9), (0.5, 0.51), (3 / 7, 4 / 7)])
def test_q_posterior_is_bayes(schedule: NoiseSchedule, s: float, t: float) -> None:
    """q(x_s | x_t, x_0) ~ q(x_s | x_0) q(x_t | x_s): precisions add, means weigh by them."""
    s, t = s * schedule.T, t * schedule.T
    x_0, x_t = np.full((1, 1, 1), 0.7), np.full((1, 1, 1), -1.3)
    bar_s = schedule.alpha_bar_at(s)
    alpha = schedule.alpha_bar_at(t) / bar_s
    prior, likelihood = 1 / (1 - bar_s), alpha / (1 - alpha)
    mean, variance = schedule.q_posterior(x_0, x_t, t, s)
    np.testing.assert_allclose(variance, 1 / (prior + likelihood))
    expected = (prior * np.sqrt(bar_s) * x_0 + likelihood * x_t / np.sqrt(alpha)) / (prior + likelihood)
    np.testing.assert_allclose(mean, expected)


def test_q_posterior_at_level_0_is_x_0_exactly() -> None:
    schedule = NoiseSchedule.cosine()
    x_0, x_t = np.random.default_rng(0).standard_normal((2, 3, 32, 8), np.float32)
    mean, variance = schedule.q_posterior(x_0, x_t, t=137.5, s=0)
    assert np.array_equal(mean, x_0)
    assert not variance.any()
    with pytest.raises(ValueError, match="needs s < t"):
        schedule.q_posterior(x_0, x_t, t=3, s=3)


def test_levels_broadcast_over_the_batch_and_data_stay_float32() -> None:
    schedule = NoiseSchedule.cosine()
    x_0, x_t, eps = np.random.default_rng(0).standard_normal((3, 4, 32, 8), np.float32)
    t = np.array([10, 200, 500.5, 1000])
    together, (mean, variance) = schedule.q_sample(x_0, t, eps), schedule.q_posterior(x_0, x_t, t, t / 2)
    assert together.dtype == mean.dtype == variance.dtype == np.float32
    for b in range(4):
        assert np.array_equal(together[b], schedule.q_sample(x_0[b : b + 1], t[b], eps[b : b + 1])[0])
        alone = schedule.q_posterior(x_0[b : b + 1], x_t[b : b + 1], t[b], t[b] / 2)
        assert np.array_equal(mean[b], alone[0][0])
        assert variance[b] == alone[1]


# -- predictions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_predictions_turn_into_each_other(kind: Prediction, library: str) -> None:
    x_0, eps = np.random.default_rng(0).standard_normal((2, 3, 32, 8))
    alpha_bar = np.array([0.999, 0.5, 0.001]).reshape(3, 1, 1)
    if library == "torch":
        x_0, eps, alpha_bar = (torch.from_numpy(a) for a in (x_0, eps, alpha_bar))
    x_t = alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * eps
    prediction = target(x_0, eps, alpha_bar, kind)
    assert type(prediction) is type(x_0)
    np.testing.assert_allclose(to_x0(prediction, x_t, alpha_bar, kind), x_0, atol=1e-12)
    np.testing.assert_allclose(to_eps(prediction, x_t, alpha_bar, kind), eps, atol=1e-12)


def test_v_is_the_direction_of_the_turn() -> None:
    """With alpha = cos(phi), x = cos(phi) x_0 + sin(phi) eps, v = dx/dphi (Salimans & Ho 2022, appendix D)."""
    phi, step = 0.4, 1e-5
    (after, before) = (np.cos(phi + d) * 0.7 + np.sin(phi + d) * -1.1 for d in (step, -step))
    assert target(0.7, -1.1, np.cos(phi) ** 2, "v") == pytest.approx((after - before) / (2 * step), abs=1e-8)


def test_unknown_predictions_are_refused() -> None:
    for function in (target, to_x0, to_eps):
        with pytest.raises(ValueError, match="eps, x0 or v, not 'score'"):
            function(0.0, 0.0, 0.5, "score")  # type: ignore[arg-type]


# -- configs ----------------------------------------------------------------------------------------


@every_schedule
def test_a_config_round_trips_through_json(schedule: NoiseSchedule) -> None:
    again = NoiseSchedule.from_config(json.loads(json.dumps(schedule.to_config())))
    assert np.array_equal(again.alpha_bar, schedule.alpha_bar)


def test_configs_that_name_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="linear or cosine, not 'sigmoid'"):
        NoiseSchedule.from_config({"name": "sigmoid"})
    with pytest.raises(ValueError, match="cosine noise schedule has T, s, not beta_end"):
        NoiseSchedule.from_config({"name": "cosine", "beta_end": 0.1})
    with pytest.raises(ValueError, match="no config"):
        NoiseSchedule(np.array([1, 0.5])).to_config()


# -- diffusers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_diffusers_has_the_same_betas_noise_and_velocity(name: str) -> None:
    schedule = SCHEDULES[name]
    if name == "linear":
        scheduler = DDPMScheduler(1000, beta_start=1e-6, beta_end=1e-2, beta_schedule="linear")
    else:
        scheduler = DDPMScheduler(1000, beta_schedule="squaredcos_cap_v2")
    betas = 1 - schedule.alpha_bar[1:] / schedule.alpha_bar[:-1]
    np.testing.assert_allclose(betas, scheduler.betas, atol=1e-7)
    np.testing.assert_allclose(schedule.alpha_bar[1:], scheduler.alphas_cumprod, atol=1e-4)  # theirs is float32
    x_0, eps = np.random.default_rng(0).standard_normal((2, 3, 32, 8), np.float32)
    t = np.array([50, 400, 900])
    index = torch.from_numpy(t - 1)
    tensors = torch.from_numpy(x_0), torch.from_numpy(eps)
    np.testing.assert_allclose(schedule.q_sample(x_0, t, eps), scheduler.add_noise(*tensors, index), atol=3e-4)
    v = target(x_0, eps, schedule.alpha_bar_at(t).reshape(3, 1, 1), "v")
    np.testing.assert_allclose(v, scheduler.get_velocity(*tensors, index), atol=3e-4)
