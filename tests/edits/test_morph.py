"""Both ends of a morph are the melodies themselves; what lies between is on the sphere between their noises."""

from itertools import pairwise

import numpy as np
import pytest

from cantilena.composer import load
from cantilena.edits.morph import blend, check_weights, in_a_row, morph, on_sphere
from cantilena.music.melody import Melody
from melodies import random_melody


@pytest.fixture(scope="module")
def composer(toy_model):
    return load(toy_model)


def still(x_0, *, to):
    """Noise that is the melody: then a mixture is one of the latents."""
    return x_0


def draw(seed, *, phrases, x_t=None, condition=None, **asked):
    if x_t is not None:
        return x_t
    return np.where(condition.known[..., None], condition.x_0, 0).astype(np.float32)


def notes_of(melody):
    return set(zip(*(a.tolist() for a in melody.notes), strict=True))


# -- mixing -----------------------------------------------------------------------------------


def test_a_mixture_keeps_the_variance_and_its_ends():
    x_t = list(np.random.default_rng(0).normal(size=(3, 1, 40, 64)).astype(np.float32))
    for weights in ([0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3], [0.1, 0.2, 0.7]):
        assert on_sphere(x_t, np.tile(weights, (40, 1))).std() == pytest.approx(1, abs=0.03)
    for k in range(3):
        np.testing.assert_allclose(on_sphere(x_t, np.tile(np.eye(3)[k], (40, 1))), x_t[k], atol=1e-5)
    along = np.eye(3)[[0, 1, 2, 2]]
    found = on_sphere(x_t, along)  # the last weights hold beyond them
    np.testing.assert_allclose(found[0, [0, 1, 2, 30]], [x_t[k][0, p] for k, p in ((0, 0), (1, 1), (2, 2), (2, 30))],
                               atol=1e-5)  # fmt: skip


def test_at_a_right_angle_it_is_the_spherical_interpolation():
    a, b = np.zeros((2, 1, 1, 4), np.float32)
    a[..., 0], b[..., 1] = 2, 2
    for u in (0.2, 0.5, 0.9):
        expected = [2 * np.cos(u * np.pi / 2), 2 * np.sin(u * np.pi / 2), 0, 0]
        np.testing.assert_allclose(on_sphere([a, b], np.array([[1 - u, u]]))[0, 0], expected, atol=1e-5)
    opposite = on_sphere([a, -a], np.array([[0.5, 0.5]]))
    assert np.isfinite(opposite).all()


# -- morph ------------------------------------------------------------------------------------


def test_the_ends_are_the_melodies_and_the_tempo_goes_along(composer):
    a, b = random_melody(1, 64), Melody(random_melody(2, 64).events, 80)
    found = morph(composer.model, a, b, draw, still, steps=5)
    assert found[0] == a
    assert found[-1] == b
    assert [m.qpm for m in found] == [120, 110, 100, 90, 80]
    assert all(one.events.tolist() != other.events.tolist() for one, other in pairwise(found))
    assert morph(composer.model, a, b, draw, still, steps=2) == [a, b]


def test_from_a_melody_to_itself_nothing_changes(composer):
    """Though the way up and down, and the VAE, change it: what they do to it alone is not taken over."""
    a = random_melody(1, 64)
    assert Melody.from_phrases(composer.decode(composer.encode(a))) != a
    assert all(m == a for m in morph(composer.model, a, a, draw, still, steps=4))


@pytest.mark.parametrize(("one", "other", "bars"), [(64, 64, 64), (8, 20, 8), (71, 33, 33), (70, 90, 70)])
def test_all_steps_are_as_long_as_the_shorter(composer, one, other, bars):
    a, b = random_melody(1, one), random_melody(2, other)
    found = morph(composer.model, a, b, composer.bound_sampler({"sampler": "ddim", "steps": 2}), still, steps=3)
    assert {m.bars for m in found} == {bars}
    for whole, end in ((a, found[0]), (b, found[-1])):
        assert end == (whole if whole.bars == bars else whole.slice(1, bars))


@pytest.mark.parametrize("steps", [1, 65, 2.5, True])
def test_a_morph_has_two_steps_or_more(composer, steps):
    with pytest.raises(ValueError, match="a morph has 2 to 64 steps, its ends among them"):
        morph(composer.model, random_melody(1), random_melody(2), draw, still, steps=steps)


# -- blend ------------------------------------------------------------------------------------


def test_where_one_song_weighs_all_its_own_notes_stand(composer):
    """Each phrase looks at the others on its way down, so that even one that is not mixed comes back another."""
    songs, down = [random_melody(k, 64) for k in range(3)], composer.bound_sampler({"sampler": "ddim", "steps": 2})
    found = blend(composer.model, songs, [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]], down, still)
    first, last = 7 * 32, 24 * 32  # steps up to which, and from which, one weighs 1
    assert {n for n in notes_of(songs[0]) if n[0] < first} <= notes_of(found)
    assert {n for n in notes_of(found) if n[0] < first} <= notes_of(songs[0])
    assert {n for n in notes_of(songs[2]) if n[0] >= last} <= notes_of(found)
    between = {n for n in notes_of(found) if first <= n[0] < last}
    assert between - notes_of(songs[0]) - notes_of(songs[1]) - notes_of(songs[2])
    assert blend(composer.model, songs, [[0, 3, 0]], down, still) == songs[1]


def test_weights_count_by_their_proportions():
    np.testing.assert_allclose(check_weights([[2, 2], [0, 5]], 2), [[0.5, 0.5], [0, 1]])


@pytest.mark.parametrize(
    ("weights", "songs", "message"),
    [
        ([[1, 0, 0]], 2, "rows of 2 numbers, one a song"),
        ([], 2, "rows of 2 numbers"),
        ([1, 0], 2, "rows of 2 numbers"),
        ([[1, 0], [1]], 2, "all of one length"),
        ([["a", "b"]], 2, "rows of numbers"),
        ([[0, 0]], 2, "in each row one is above 0"),
        ([[1, -1]], 2, "0 or more"),
        ([[1, float("nan")]], 2, "0 or more"),
        ([[1]], 1, "two songs or more"),
    ],
)
def test_weights_that_are_wrong(weights, songs, message):
    with pytest.raises(ValueError, match=message):
        check_weights(weights, songs)


def test_in_a_row_no_note_rings_over_a_joint():
    one, other = Melody.from_notes([0, 8], [8, 16], [60, 62]), Melody.from_notes([4], [16], [64], qpm=90)
    row = in_a_row([one, other, one])
    assert row.qpm == 120
    assert notes_of(row) == {(0, 8, 60), (8, 16, 62), (20, 32, 64), (32, 40, 60), (40, 48, 62)}
