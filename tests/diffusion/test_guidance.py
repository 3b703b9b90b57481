"""Branching: one branch is `ddpm`; more branches cost less; what is held stays held."""

from __future__ import annotations

import numpy as np
import pytest

from cantilena.diffusion import Condition, NoiseSchedule, SeededNoise, branching, ddpm, to_alpha_bar
from cantilena.diffusion.schedule import Array

SCHEDULE = NoiseSchedule.cosine()


def standard(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
    """E[x_0 | x_t] when every place of x_0 is +1 or -1, as likely."""
    bar = to_alpha_bar(log_snr)[:, None, None]
    return np.asarray(np.tanh(bar**0.5 * x_t / (1 - bar + 1e-9)), np.float32)


def wants_ones(x0_hat: Array) -> Array:
    return (1 - x0_hat[..., 0]) / 2


def last(sampler: object, n: int = 3, **more: object) -> Array:
    noise = SeededNoise(range(n))
    *_, step = sampler(standard, noise((n, 32, 2)), SCHEDULE, noise, steps=20, **more)  # type: ignore[operator]
    return np.asarray(step.x_t)


def test_one_branch_is_ddpm() -> None:
    assert np.array_equal(last(branching, cost=wants_ones, branches=1), last(ddpm))


def test_more_branches_meet_the_rule_oftener_and_only_where_it_asks() -> None:
    """Without a rule half of the phrases are +1; the second dimension, of which the rule says nothing, stays so."""
    free, two, eight = (last(branching, n=8, cost=wants_ones, branches=n) > 0 for n in (1, 2, 8))
    met = [x[..., 0].mean() for x in (free, two, eight)]
    assert met[0] == pytest.approx(0.5, abs=0.1)
    assert met[0] + 0.2 < met[1] < met[2]
    assert met[2] > 0.98
    assert eight[..., 1].mean() == pytest.approx(0.5, abs=0.1)


def test_each_phrase_goes_its_own_way() -> None:
    """A rule of two halves that want opposite things is met in both: whole draws would have to choose."""

    def halves(x0_hat: Array) -> Array:
        sign = np.where(np.arange(32) < 16, 1, -1)
        return (1 - sign * x0_hat[..., 0]) / 2

    x_0 = last(branching, cost=halves, branches=16)[..., 0]
    assert (x_0[:, :16] > 0).mean() > 0.9
    assert (x_0[:, 16:] < 0).mean() > 0.9


def test_what_is_held_stays_held() -> None:
    known = np.zeros((2, 32), np.bool_)
    known[:, 5:9] = True
    x_0 = SeededNoise([8, 9])((2, 32, 2))
    found = last(branching, n=2, cost=wants_ones, branches=4, condition=Condition(x_0, known), resample=2)
    assert np.array_equal(found[known], x_0[known])


def test_no_branch_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 branch"):
        last(branching, cost=wants_ones, branches=0)
