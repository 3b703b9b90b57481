"""A cadence is heard against what came before it; a melody that has none gets one, at the cost of its last bar."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cantilena.edits.cadence import come_to_rest, has_cadence
from cantilena.music.melody import Melody
from melodies import random_melody


def notes_of(melody):
    return list(zip(*(a.tolist() for a in melody.notes), strict=True))


def test_a_cadence_is_a_long_stable_note_that_fills_the_bar():
    def ends(*last, key=(60, 62, 64, 65, 67, 69, 71, 72)):
        run = [(4 * i, 4 * i + 4, p) for i, p in enumerate(key)]
        return has_cadence(Melody.from_notes(*zip(*run, *last, strict=True), bars=3))

    assert ends((32, 48, 60))
    assert ends((40, 48, 67))
    assert not ends((32, 47, 60))  # does not fill the bar
    assert not ends((41, 48, 60))  # shorter than a half note
    assert not ends((32, 48, 62))  # on no stable degree
    assert not has_cadence(Melody.from_tokens(np.zeros(32, np.int8)))


@given(st.integers(0, 10**6), st.integers(2, 9))
def test_any_melody_comes_to_rest_and_only_its_last_bar_differs(seed, bars):
    melody = random_melody(seed, bars)
    rested = come_to_rest(melody)
    assert has_cadence(rested)
    assert rested.bars == bars
    last = 16 * (bars - 1)
    assert [n for n in notes_of(rested) if n[1] < last] == [n for n in notes_of(melody) if n[1] < last]
    assert come_to_rest(rested) == rested
    start, old = notes_of(rested)[-1][0], {n[0]: n[2] for n in notes_of(melody)}
    if start in old:
        assert abs(notes_of(rested)[-1][2] - old[start]) <= 6


C_MAJOR = [(4 * i, 4 * i + 4, p) for i, p in enumerate([60, 64, 67, 72, 71, 67, 65, 62])]


@pytest.mark.parametrize(("last", "ending"), [
    ([(32, 36, 64), (38, 40, 62), (44, 46, 65)], [(32, 36, 64), (38, 48, 60)]),  # the last that leaves room stays
    ([(44, 46, 71)], [(40, 48, 72)]),  # later notes alone: the first comes in the middle
    ([], [(32, 48, 60)]),  # silence: the pitch before is taken up, here D, and goes to the tonic
])  # fmt: skip
def test_what_a_rest_changes(last, ending):
    melody = Melody.from_notes(*zip(*C_MAJOR, *last, strict=True), bars=3)
    rested = notes_of(come_to_rest(melody))
    assert rested[:8] == C_MAJOR
    assert rested[8:] == ending


def test_a_note_held_into_the_last_bar_is_held_to_its_end():
    melody = Melody.from_notes(*zip(*C_MAJOR[:7], (28, 36, 60), (42, 44, 62), strict=True), bars=3)
    assert notes_of(come_to_rest(melody))[7:] == [(28, 48, 60)]
