"""Each row of the table is made as the paper says, and what is held comes back as it was written."""

from dataclasses import replace

import numpy as np
import pytest

from cantilena.composer import Composer, load
from cantilena.diffusion.samplers import SeededNoise
from cantilena.errors import ModelError
from cantilena.metrics.pieces import Pieces
from cantilena.metrics.scores import Moments
from cantilena.music.melody import Melody
from cantilena.reproduction.baseline_networks import BaselineNetworks, Mixture
from cantilena.reproduction.baselines import (
    HELD,
    ROWS,
    Bench,
    Stopped,
    interpolate,
    sample_autoregressive,
    sample_mixture,
    slerp,
)
from cantilena.reproduction.decoding import NETWORKS, Decoding, Decodings
from cantilena.reproduction.row_cache import RowCache
from cantilena.reproduction.spurious import Spurious
from melodies import random_melody
from oracles import Deaf

CALM = Decoding(steps=3, temperature=0.8, settle=0.5, resample=2, clamp=True)
TUNED_SO = Decodings({row: dict.fromkeys(("unconditional", "infilling"), CALM) for row in NETWORKS}, {})
SPURIOUS = Spurious({kind: Moments(0.8, 0.01, 0.05) for kind in ("pitch", "duration")})


@pytest.fixture(scope="module")
def bench(toy_model, toy_baselines):
    melodies = [random_melody(seed, 64) for seed in range(8)]
    train, test = (
        Pieces.of([m.events for m in some], groups=[3, 3, 8, 9], name=name)
        for some, name in ((melodies[:4], "train"), (melodies[4:], "test"))
    )
    composer = load(toy_model)
    networks = BaselineNetworks.load(toy_baselines, composer.model)
    return Bench(composer, train, test, range(4), lambda _: Decoding(steps=3), SPURIOUS, TUNED_SO, networks)


def phrases(pieces):
    return np.stack([Melody(events).phrases() for events in pieces.events])


# -- interpolation -----------------------------------------------------------------------------------


def test_the_sphere_is_gone_round_at_even_speed():
    random = np.random.default_rng(0)
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in random.standard_normal((2, 5, 7)))
    points = interpolate(a, b, 9)
    assert points.shape == (5, 9, 7)
    np.testing.assert_allclose(points[:, 0], a, atol=1e-6)
    np.testing.assert_allclose(points[:, -1], b, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(points, axis=-1), 1, atol=1e-6)
    angles = np.arccos((points[:, 1:] * points[:, :-1]).sum(-1).clip(-1, 1))
    np.testing.assert_allclose(angles, angles[:, :1].repeat(8, 1), atol=1e-3)


def test_parallel_vectors_are_joined_straight():
    a = np.array([[1.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(slerp(a, 3 * a, 0.25), 1.5 * a)


# -- autoregression ----------------------------------------------------------------------------------


def test_a_mixture_is_drawn_by_its_weights_and_its_gaussians():
    n, weights = 20_000, np.array([0.6, 0.3, 0.1])
    mean = np.array([[-90.0, 0], [0, 90], [90, 0]])
    std = np.array([[1, 2], [0.5, 0.1], [3, 1]])
    tiled = [np.broadcast_to(x.astype(np.float32), (n, *x.shape)) for x in (np.log(weights), mean, np.log(std))]
    drawn = sample_mixture(Mixture(*tiled), SeededNoise(range(n)))
    nearest = np.abs(drawn[:, None] - mean).sum(-1).argmin(1)
    np.testing.assert_allclose(np.bincount(nearest, minlength=3) / n, weights, atol=0.015)
    for k in range(3):
        np.testing.assert_allclose(drawn[nearest == k].mean(0), mean[k], atol=0.25)
        np.testing.assert_allclose(drawn[nearest == k].std(0), std[k], rtol=0.1)


def test_a_melody_drawn_phrase_by_phrase_is_the_same_alone_and_in_a_batch(bench):
    model = bench.composer.model
    for how in ({}, {"temperature": 0.5, "clamp": True}):
        alone, batch = (sample_autoregressive(bench.networks, model, seeds, **how) for seeds in ([7], [1, 7, 3]))
        assert alone.shape == (1, 32, model.space.D)
        np.testing.assert_allclose(alone[0], batch[1], atol=1e-5)
    alone, batch = (sample_autoregressive(bench.networks, model, seeds) for seeds in ([7], [1, 7, 3]))
    np.testing.assert_array_equal(alone[0], batch[1])


def test_each_phrase_is_drawn_from_what_the_network_says_of_those_before(bench):
    space, noise = bench.composer.model.space, SeededNoise([5])
    x_0 = sample_autoregressive(bench.networks, bench.composer.model, [5])
    for t in range(32):
        expected = space.clip(sample_mixture(bench.networks.next_phrase(x_0[:, :t]), noise))
        np.testing.assert_array_equal(expected, x_0[:, t])


def test_a_clamped_phrase_is_what_its_notes_encode_to_and_the_next_is_drawn_from_that(bench):
    model, noise = bench.composer.model, SeededNoise([5])
    x_0 = sample_autoregressive(bench.networks, model, [5], temperature=0.5, clamp=True)
    for t in range(32):
        drawn = model.space.clip(sample_mixture(bench.networks.next_phrase(x_0[:, :t]), noise, 0.5))[:, None]
        expected = model.to_latents(model.decode(model.space.denormalize(drawn)))
        np.testing.assert_array_equal(expected[:, 0], x_0[:, t])


def test_a_mixture_at_temperature_0_is_the_mean_of_a_component():
    mean = np.array([[[-90.0, 0], [0, 90]]], np.float32)
    drawn = sample_mixture(Mixture(np.log([[0.5, 0.5]]).astype(np.float32), mean, 0 * mean), SeededNoise([3]), 0.0)
    assert drawn[0].tolist() in mean[0].tolist()


# -- the rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("row", "setting"), [(row, s) for row, settings in ROWS.items() for s in settings])
def test_every_row_is_64_bars_of_its_seeds(bench, row, setting):
    pieces = bench.make(row, setting)
    assert len(pieces) == 4
    assert {e.size for e in pieces.events} == {1024}
    assert pieces.name == f"{row}, {setting}"
    again = bench.make(row, setting)
    assert all(np.array_equal(a, b) for a, b in zip(pieces.events, again.events, strict=True))


@pytest.mark.parametrize("row", [row for row, settings in ROWS.items() if "infilling" in settings])
def test_infilling_keeps_the_notes_of_both_ends(bench, row):
    real, made = phrases(bench.test), phrases(bench.make(row, "infilling"))
    held = HELD.copy()
    if row == "interpolation":
        held[[7, 24]] = False
    # a phrase that is held begins anew where the one before it changed: a note rings no more into it
    joined = np.stack(
        [Melody.from_phrases(np.where(held[:, None], r, m)).phrases() for r, m in zip(real, made, strict=True)]
    )
    np.testing.assert_array_equal(made[:, held], joined[:, held])
    onsets = real[:, held] > 1
    np.testing.assert_array_equal(made[:, held] > 1, onsets)
    np.testing.assert_array_equal(made[:, held][onsets], real[:, held][onsets])
    if row not in ("test",):
        assert not np.array_equal(made[:, ~held], real[:, ~held])


def test_the_ends_of_an_interpolation_are_the_decoded_real_phrases(bench, toy_model):
    """By a decoder that does not hear what lies between them; whether silence before them goes on, each says itself."""
    deaf, real = Composer(Deaf.load(toy_model)), phrases(bench.test)
    made = replace(bench, composer=deaf)._interpolation(real, "infilling", range(4))
    np.testing.assert_array_equal(made[:, :7], real[:, :7])
    np.testing.assert_array_equal(made[:, 25:], real[:, 25:])
    for end in (7, 24):
        z, _ = deaf.model.encode(real[:, end])
        decoded = deaf.model.decode(z[:, None], alone=True)[:, 0]
        np.testing.assert_array_equal(made[:, end, 1:], decoded[:, 1:])
        np.testing.assert_array_equal(np.maximum(made[:, end, 0], 1), np.maximum(decoded[:, 0], 1))


def test_shuffled_phrases_are_the_same_phrases(bench):
    real = phrases(bench.test)
    made = bench._shuffled(real, "infilling", range(4))
    assert not np.array_equal(made, real)
    for one, other in zip(real, made, strict=True):
        assert sorted(p.tobytes() for p in one) == sorted(p.tobytes() for p in other)


def test_a_row_from_nothing_has_songs_of_its_own_and_one_of_real_music_has_theirs(bench):
    assert bench.make("diffusion", "unconditional").groups.tolist() == [0, 1, 2, 3]
    assert bench.make("shuffled", "unconditional").groups.tolist() == [3, 3, 8, 9]
    assert bench.make("prior", "infilling").groups.tolist() == [3, 3, 8, 9]


def test_what_cannot_be_made_is_refused(bench):
    with pytest.raises(ValueError, match="autoregression is made unconditional, not infilling"):
        bench.make("autoregression", "infilling")
    for row in ("autoregression", "paper"):
        with pytest.raises(ModelError, match="need a folder of baselines, and none was given"):
            replace(bench, networks=None).make(row, "unconditional")


# -- stopping, and going on ----------------------------------------------------------------------------


def some_of(bench, n):
    return replace(bench, test=Pieces(bench.test.events[:n], bench.test.groups[:n], "test"), seeds=range(n))


@pytest.mark.parametrize(
    ("row", "setting"), [(row, s) for row, settings in ROWS.items() if row != "train" for s in settings]
)
def test_a_melody_is_the_same_however_many_are_made(bench, row, setting):
    few, all_ = some_of(bench, 2).make(row, setting), bench.make(row, setting)
    assert all(np.array_equal(a, b) for a, b in zip(few.events, all_.events, strict=False))


def test_what_is_kept_is_not_made_again(bench, tmp_path):
    cache = RowCache(tmp_path / "row.npz", {"steps": 3})
    first = some_of(bench, 2).make("diffusion", "infilling", cache)
    told = []
    whole = bench.make("diffusion", "infilling", cache, told.append)
    assert told == [2, 4]
    assert [e.tolist() for e in whole.events[:2]] == [e.tolist() for e in first.events]
    assert [e.tolist() for e in whole.events] == [e.tolist() for e in bench.make("diffusion", "infilling").events]
    assert whole.groups.tolist() == [3, 3, 8, 9]
    stopped = replace(bench, stopping=lambda: True)  # all is there: nothing is left to be stopped
    assert len(stopped.make("diffusion", "infilling", cache)) == 4


def test_a_row_is_stopped_in_the_middle_of_a_sample(bench):
    asked = []

    def stopping():
        asked.append(0)
        return len(asked) > 2

    with pytest.raises(Stopped):
        replace(bench, stopping=stopping).make("paper", "unconditional")
    assert len(asked) == 3  # before the sample, and after its first two steps
