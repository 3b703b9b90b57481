"""Contours of melodies that go where they are drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cantilena.music.melody import Melody
from cantilena.rules import Contour

OPPOSITE = {"rise": "fall", "arch": "valley"}


def bars_at(*pitches):
    """One long note a bar; None is a silent one."""
    notes = [(16 * i, 16 * i + 16, p) for i, p in enumerate(pitches) if p is not None]
    return Melody.from_notes(*np.array(notes).reshape(-1, 3).T, bars=len(pitches))


DRAWN = {
    "rise": [50, 52, 53, 57, 64, 65, 71, 80],
    "fall": [80, 71, 65, 64, 57, 53, 52, 50],
    "arch": [50, 53, 60, 70, 71, 64, 54, 48],
    "valley": [71, 64, 54, 48, 50, 53, 60, 70],
}


@pytest.mark.parametrize("shape", DRAWN)
def test_a_shape_costs_nothing_where_it_is_drawn_and_all_upside_down(shape):
    rule = Contour(shape)
    assert rule(bars_at(*DRAWN[shape])).tolist() == 8 * [0]
    np.testing.assert_allclose(rule(bars_at(*(120 - np.array(DRAWN[shape])))), 1)
    for other in set(DRAWN) - {shape}:
        assert not rule.met(bars_at(*DRAWN[other])).all()


@given(st.integers(0, 10**6), st.integers(-20, 20), st.sampled_from(sorted(DRAWN)))
def test_a_shape_knows_no_range(seed, semitones, shape):
    """Any order-preserving change of the pitches costs the same; turned over it costs what is left of 1."""
    pitch = np.random.default_rng(seed).integers(55, 66, 9)
    rule = Contour(shape)
    cost = rule(bars_at(*pitch))
    np.testing.assert_allclose(rule(bars_at(*(pitch + semitones))), cost)
    np.testing.assert_allclose(rule(bars_at(*(2 * pitch - 60))), cost)
    np.testing.assert_allclose(rule(bars_at(*(120 - pitch))), 1 - cost)
    assert ((cost >= 0) & (cost <= 1)).all()


def test_a_flat_melody_has_no_shape():
    for shape in DRAWN:
        np.testing.assert_allclose(Contour(shape)(bars_at(*8 * [60])), 0.5)
        assert not Contour(shape).met(bars_at(*8 * [60])).any()


def test_a_step_back_on_the_way_costs_little_and_a_bar_out_of_place_much():
    stepping = bars_at(60, 62, 61, 64, 63, 66, 65, 68)
    assert Contour("rise").met(stepping).all()
    out = bars_at(60, 62, 63, 40, 65, 67, 69, 71)
    assert Contour("rise").met(out).tolist() == [True, True, True, False, True, True, True, True]
    assert Contour("rise")(out).argmax() == 3


def test_silent_bars_cost_nothing_and_change_nothing():
    rule = Contour("fall")
    silent = bars_at(70, None, 65, 60, None)
    assert rule(silent).tolist() == 5 * [0]
    assert rule.measure(silent) == ["A#4", "silent", "F4", "C4", "silent"]
    assert Contour("C1")(bars_at(None, 24)).tolist() == [0, 0]
    assert rule(bars_at(60)).tolist() == [0]


def test_pitches_by_bar():
    rule = Contour("C4 E4 G4 C5")
    melody = bars_at(60, 64, 67, 72)
    assert rule(melody).tolist() == 4 * [0]
    np.testing.assert_allclose(rule(melody.transpose(2)), 2 / 12)
    assert rule.met(melody.transpose(2)).all()
    assert not rule.met(melody.transpose(3)).any()
    np.testing.assert_allclose(rule(melody.transpose(24)), 1)
    assert rule.pitches == (60, 64, 67, 72)


def test_pitches_are_the_corners_of_a_line_drawn_over_the_melody():
    assert Contour("C4 G4 C4")(bars_at(60, 61, 62, 63, 64, 65, 66, 67, 66, 65, 64, 63, 62, 61, 60)).tolist() == 15 * [0]
    np.testing.assert_allclose(Contour("C4")(bars_at(60, 66, 54)), [0, 0.5, 0.5])


def test_long_notes_weigh_more():
    melody = Melody.from_notes([0, 12], [12, 16], [60, 72])
    np.testing.assert_allclose(Contour("D#4")(melody), 0)
    assert Contour("D#4").measure(melody) == ["D#4"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wave", "contour: 'wave' is not rise, fall, arch, valley or pitches: a pitch is named like C4"),
        ("rise fall", "contour: 'rise fall' is not"),
        ("C4 E", "not 'E'"),
        (" ", "contour: nothing is asked"),
    ],
)
def test_what_is_no_contour(text, message):
    with pytest.raises(ValueError, match=message):
        Contour(text)


def test_a_shape_weighs_bars_by_how_far_apart_it_wants_them():
    """Bars 2 and 3 of a rise exchanged: each is wrong towards the other (1 of 1 + 1 + 2), a third if unweighted."""
    np.testing.assert_allclose(Contour("rise")(bars_at(60, 64, 62, 66)), [0, 1 / 4, 1 / 4, 0])
