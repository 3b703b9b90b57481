"""Samplers of somebody's own: what they get, what is said of what they yield, and what a receipt keeps of them."""

from functools import partial
from importlib.metadata import EntryPoint, EntryPoints
from itertools import pairwise

import numpy as np
import pytest

import cantilena.own_sampler
from cantilena import load
from cantilena.again import perform_again
from cantilena.codec import decode, encode
from cantilena.diffusion import Step, ddim, to_eps
from cantilena.diffusion.samplers import SAMPLERS
from cantilena.errors import MidiError
from cantilena.own_sampler import SHIPPED, OwnSampler
from cantilena.requests import Compose


def heun(denoise, x_T, schedule, noise, *, steps=20, condition=None, resample=1, start=None):
    """Karras et al. 2022, algorithm 1 without churn: of second order, two calls a step; no phrase is held."""
    x_t, x0_hat = x_T, np.zeros_like(x_T)
    for i, (t, s) in enumerate(pairwise(schedule.timesteps(steps, start)), 1):
        bar_t, bar_s = float(schedule.alpha_bar_at(t)), float(schedule.alpha_bar_at(s))

        def move(eps, bar_t=bar_t, bar_s=bar_s, x_t=x_t):
            sigma_t, sigma_s = (1 / bar_t - 1) ** 0.5, (1 / bar_s - 1) ** 0.5
            return np.float32(bar_s**0.5) * (x_t / np.float32(bar_t**0.5) + np.float32(sigma_s - sigma_t) * eps)

        level = np.full(len(x_t), schedule.log_snr(t), np.float32)
        x0_hat = denoise(x_t, level, x0_hat)
        eps = to_eps(x0_hat, x_t, bar_t, "x0")
        x_s = move(eps)
        if s > 0:
            again = denoise(x_s, np.full(len(x_t), schedule.log_snr(s), np.float32), x0_hat)
            x_s = move((eps + to_eps(again, x_s, bar_s, "x0")) / 2)
        x_t = x_s if s > 0 else x0_hat
        yield Step(i, steps, s, x_t, x0_hat)


@pytest.fixture(scope="module")
def composer(toy_model):
    return load(toy_model)


@pytest.fixture
def installed(monkeypatch):
    """A package that brings `heun` is installed."""
    point = EntryPoint("heun", f"{__name__}:heun", cantilena.own_sampler.GROUP)
    select = partial(EntryPoints([point]).select, group=cantilena.own_sampler.GROUP)
    monkeypatch.setattr(cantilena.own_sampler, "_installed", lambda name: select(name=name))


def test_a_function_draws_the_melody_and_the_receipt_has_its_name(composer):
    made = composer.compose(seed=3, bars=64, plain=True, sampler=heun, steps=5)
    assert made.melody != composer.compose(seed=3, bars=64, plain=True, steps=5).melody
    said = encode(made.receipt.request)
    assert said["sampler"]["own"] == f"{__name__}:heun"
    assert said["temperature"] is None  # which only ddpm has
    assert made.melody == composer.compose(seed=3, bars=64, plain=True, sampler=heun, steps=5).melody


def test_a_sampler_of_ours_given_as_a_function_is_that_sampler(composer):
    ours = composer.sample([1, 2], sampler="ddim", steps=4)
    np.testing.assert_array_equal(composer.sample([1, 2], sampler=ddim, steps=4), ours)
    np.testing.assert_array_equal(composer.sample([1, 2], sampler=partial(ddim, eta=0.0), steps=4), ours)


def test_a_package_brings_one_by_name(composer, installed, monkeypatch):
    made = composer.compose(seed=3, bars=64, plain=True, sampler="heun", steps=5)
    assert made.melody == composer.compose(seed=3, bars=64, plain=True, sampler=heun, steps=5).melody
    assert made.receipt.request.sampler == OwnSampler("heun")


def test_again_takes_the_installed_one_and_refuses_without_it(composer, toy_model, installed, tmp_path, monkeypatch):
    composer.compose(seed=3, bars=64, plain=True, sampler="heun", steps=5).save(tmp_path / "named.mid")
    composer.compose(seed=3, bars=64, plain=True, sampler=heun, steps=5).save(tmp_path / "given.mid")
    assert perform_again(tmp_path / "named.mid", model=toy_model).same
    with pytest.raises(MidiError, match="test_own_sampler:heun is a sampler of somebody's own: only its name is here"):
        perform_again(tmp_path / "given.mid", model=toy_model)
    monkeypatch.setattr(cantilena.own_sampler, "_installed", lambda name: EntryPoints([]))
    with pytest.raises(MidiError, match="heun is a sampler of somebody's own: only its name is here"):
        perform_again(tmp_path / "named.mid", model=toy_model)


def test_what_is_installed_is_not_asked_for_a_sampler_that_ships(composer, monkeypatch):
    assert tuple(SAMPLERS) == SHIPPED
    monkeypatch.setattr(cantilena.own_sampler, "_installed", lambda name: pytest.fail(f"asked for {name}"))
    for name in SHIPPED:
        composer.sample([1], sampler=name, steps=2)
        assert Compose(sampler=name).sampler == name


def test_in_json_it_is_a_name():
    asked = decode('{"verb": "compose", "sampler": {"own": "heun"}}')
    assert asked == Compose(sampler=OwnSampler("heun"))
    with pytest.raises(ValueError, match="a sampler is one of"):
        Compose(sampler="heun")


def none(denoise, x_T, schedule, noise, **asked):
    return iter(())


def short(denoise, x_T, schedule, noise, *, steps, **asked):
    yield Step(1, steps, 0.0, x_T, x_T[:, 1:])


def broken(denoise, x_T, schedule, noise, *, steps, **asked):
    yield Step(1, steps, 0.0, x_T, x_T * np.nan)


def bare(denoise, x_T, schedule, noise, **asked):
    yield x_T


@pytest.mark.parametrize(
    ("sampler", "message"),
    [(none, "none: .*this one none"), (short, r"short: its x0_hat is \(1, 31, \d+\), not \(1, 32, \d+\), at step 1"),
     (broken, "broken: its x0_hat is not finite"), (bare, "bare: .*not ndarray")],
)  # fmt: skip
def test_what_a_sampler_must_yield_is_said(composer, sampler, message):
    with pytest.raises(ValueError, match=message):
        composer.compose(sampler=sampler, plain=True)


@pytest.mark.parametrize("more", [{"temperature": 0.5}, {"settle": 0.1}, {"rules": {"density": "4..6"}}])
def test_what_only_ddpm_takes_is_refused(composer, more):
    with pytest.raises(ValueError, match=r"for the sampler ddpm: .*:heun is not told of it"):
        composer.compose(sampler=heun, plain=True, **more)
