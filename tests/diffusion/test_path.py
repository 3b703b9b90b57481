"""DDIM inversion: the way up and the way back are inverse, better with more steps."""

from __future__ import annotations

import numpy as np
import pytest

from cantilena.diffusion import NoiseSchedule, SeededNoise, ddim, ddim_invert, to_alpha_bar
from cantilena.diffusion.schedule import Array

SCHEDULE = NoiseSchedule.cosine()


def gaussian(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
    """E[x_0 | x_t] for x_0 ~ N(.5, .6^2)."""
    bar = to_alpha_bar(log_snr)[:, None, None]
    return np.asarray(0.5 + 0.36 * bar**0.5 / (bar * 0.36 + 1 - bar) * (x_t - bar**0.5 * 0.5), np.float32)


def test_up_and_down_again_is_where_it_began() -> None:
    x_0 = np.asarray(0.5 + 0.6 * SeededNoise([0])((1, 32, 4)), np.float32)
    errors = []
    for steps in (10, 40, 160):
        *_, x_t = ddim_invert(gaussian, x_0, SCHEDULE, steps=steps, to=700)
        *_, back = ddim(gaussian, x_t, SCHEDULE, SeededNoise([0]), steps=steps, start=700)
        errors.append(np.abs(back.x_t - x_0).max())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.05


def test_data_goes_up_to_standard_noise() -> None:
    x_0 = np.asarray(0.5 + 0.6 * SeededNoise([0])((1, 4000, 1)), np.float32)
    *_, x_T = ddim_invert(gaussian, x_0, SCHEDULE, steps=100)
    assert x_T.mean() == pytest.approx(0, abs=0.06)
    assert x_T.std() == pytest.approx(1, abs=0.08)
