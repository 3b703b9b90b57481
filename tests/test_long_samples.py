"""Samples of a network of tunes that are longer than what it sees: in turn, and told as it learned."""

import numpy as np
import pytest

from cantilena.composer import Composer, load
from cantilena.diffusion import Condition, SharedPhrases
from cantilena.labels import FAR, LETTER, PLACES, RHYTHM, places, renumbered

PHRASES, FORM = 70, [k % 35 for k in range(70)]  # all of it comes again


@pytest.fixture(scope="module")
def composer() -> Composer:
    return load()


@pytest.fixture
def heard(composer, monkeypatch):
    """What the network is told of the phrases, at each step."""
    told = []
    model = type(composer.model)
    plain = model.denoise

    def denoise(self, x_t, log_snr, x0_prev, labels, places=None):
        told.append(places)
        return plain(self, x_t, log_snr, x0_prev, labels, places)

    monkeypatch.setattr(model, "denoise", denoise)
    return told


def test_what_comes_again_after_the_window_is_the_same(composer, heard):
    told = []
    where = places(PHRASES, FORM)
    x_0 = composer.sample(
        [5, 6], phrases=PHRASES, places=where, shared=SharedPhrases.of(FORM), steps=3,
        on_step=lambda *of: told.append(of),
    )  # fmt: skip
    assert np.array_equal(x_0[:, :35], x_0[:, 35:])
    assert not np.allclose(x_0[0], x_0[1])
    assert len({row.tobytes() for row in x_0[0]}) == 35
    # 35 phrases are two windows; the others hold nothing that is new
    assert len(heard) == 2 * 3
    assert told == [(k, 12) for k in (1, 2, 3, 4, 5, 6)]
    for at in heard:
        assert at[0, :, LETTER].tolist() == list(range(32))  # in order of appearance, as it has learned
    assert heard[-1][0, :, 0].tolist() == [16 + k for k in range(16)] + [FAR] * 16


def test_what_is_held_stays_and_comes_again(composer):
    where, known = places(PHRASES, FORM), np.zeros((1, PHRASES), bool)
    given = np.random.default_rng(0).normal(size=(1, PHRASES, composer.model.space.D)).astype(np.float32)
    known[0, 40] = known[0, 2] = True
    x_0 = composer.sample(
        [5], phrases=PHRASES, places=where, shared=SharedPhrases.of(FORM), condition=Condition(given, known), steps=2
    )
    assert np.array_equal(x_0[0, [5, 40]], given[0, [40, 40]])
    assert np.array_equal(x_0[0, [2, 37]], given[0, [2, 2]])


def test_a_seed_gives_the_same_alone_and_among_others(composer):
    asked = {"phrases": PHRASES, "places": places(PHRASES, FORM), "steps": 2}
    both = composer.sample([5, 6], **asked)
    np.testing.assert_allclose(composer.sample([6], **asked), both[1:], atol=1e-4)
    assert not np.allclose(both[0, :32], both[0, 38:], atol=0.1)  # each window has noise of its own


def test_letters_that_stand_far_on_are_told_from_one_another():
    """More than there are numbers: in a window each gets one of its own; what is not said stays so."""
    letters = np.arange(100) % 67
    letters[50] = 3
    where = places(100, letters.tolist(), rhythms=[0] * 100)
    seen = renumbered(np.stack([where[40:72], where[68:100]]))
    assert seen[0, :, LETTER].tolist() == [*range(30), 10, 30]  # 50 and 70 bear one letter
    assert seen[1, :, LETTER].tolist() == [*range(32)]
    assert not seen[..., RHYTHM].any()
    unsaid = renumbered(places(40)[None, 4:36])
    assert (unsaid[..., [LETTER, RHYTHM]] == PLACES).all()
    assert np.array_equal(renumbered(where[None, :32])[0], where[:32])
    again = where[:32].copy()
    again[4] = again[0]
    again[6, LETTER] = PLACES
    assert renumbered(again[None])[0, :9, LETTER].tolist() == [0, 1, 2, 3, 0, 4, PLACES, 5, 6]
