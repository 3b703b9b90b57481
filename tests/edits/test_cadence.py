"""A cadence is heard against what came before it; a melody that has none gets one, at the cost of its last bar."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cantilena.edits.cadence import come_to_rest, has_cadence, key_before
from cantilena.music.melody import MIN_PITCH, REST, Melody
from cantilena.music.metre import COMMON
from cantilena.rules import Key
from melodies import random_melody
from oracles import Oracle, Whim, latents


def notes_of(melody):
    return list(zip(*(a.tolist() for a in melody.notes), strict=True))


def writer(model, phrases, *pitches):
    """What `come_to_rest` writes with; only `pitches` may sound, and silence, if there are any."""

    def write(bounds=None):
        if pitches and bounds is not None:
            allowed = np.zeros(90, np.bool_)
            allowed[[REST, *(p - MIN_PITCH + 2 for p in pitches)]] = True
            bounds = replace(bounds, sounding=bounds.sounding & allowed)
        return model.to_phrases(latents(*range(phrases)), bounds)

    return write


def rested(melody, *pitches, model=None, key=None):
    """A melody as it comes to rest, by an oracle that wants all of it as it is."""
    phrases, steps = melody.phrases(), melody.bars * COMMON.bar_steps
    tokens = come_to_rest(writer(model or Oracle(phrases), len(phrases), *pitches), phrases, 0, steps, key=key)
    return Melody.from_tokens(tokens.reshape(-1)[: melody.bars * COMMON.bar_steps])


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
    after = rested(melody)
    assert has_cadence(after)
    assert after.bars == bars
    last = 16 * (bars - 1)
    np.testing.assert_array_equal(after.events[:last], melody.events[:last])
    assert rested(after) == after


@given(st.integers(0, 2**31), st.floats(-1, 4), st.integers(1, 5), st.integers(2, 7), st.sampled_from([0, 16]))
def test_a_part_of_what_any_decoder_wrote_comes_to_rest_and_all_around_it_stays(seed, holds, first, bars, begin):
    """Nonsense, of which a part begins and ends in the middle of others, at a bar line or inside a phrase."""
    model, begin = Whim(seed, holds), begin + 32 * first
    end = begin + bars * COMMON.bar_steps
    write = writer(model, 12)
    tokens = write()
    after = come_to_rest(write, tokens, begin, end)
    assert has_cadence(Melody.from_tokens(after.reshape(-1)[begin:end]))
    around = np.delete(np.arange(tokens.size), np.arange(end - COMMON.bar_steps, end))
    np.testing.assert_array_equal(after.reshape(-1)[around], tokens.reshape(-1)[around])


def test_a_melody_that_has_a_cadence_is_not_written_again():
    run = [(4 * i, 4 * i + 4, p) for i, p in enumerate([60, 62, 64, 65, 67, 69, 71, 72])]
    melody = Melody.from_notes(*zip(*run, (40, 48, 67), strict=True), bars=3)
    tokens = melody.phrases()
    assert come_to_rest(lambda bounds: pytest.fail("written"), tokens, 0, 48) is tokens


C_MAJOR = [(4 * i, 4 * i + 4, p) for i, p in enumerate([60, 64, 67, 72, 71, 67, 65, 62])]


@pytest.mark.parametrize(("last", "ending"), [
    ([(32, 36, 64), (38, 40, 62), (44, 46, 65)], [(32, 36, 64), (38, 40, 62), (40, 48, 60)]),  # what leads to it stays
    ([(32, 36, 64), (40, 48, 65)], [(32, 36, 64), (40, 48, 64)]),  # a pitch that is not stable gives way to one near it
    ([(32, 40, 65), (40, 44, 67)], [(32, 40, 65), (40, 48, 67)]),  # the music's own choice of the stable ones: held
    ([(36, 44, 67)], [(36, 48, 67)]),  # one that sounds in the middle of the bar may go on
    ([(36, 44, 65)], [(36, 40, 65), (40, 48, 64)]),  # if it is stable
    ([], [(40, 48, 60)]),  # silence: by the pitch before, here D
])  # fmt: skip
def test_what_a_rest_changes(last, ending):
    melody = Melody.from_notes(*zip(*C_MAJOR, *last, strict=True), bars=3)
    after = notes_of(rested(melody))
    assert after[:8] == C_MAJOR
    assert after[8:] == ending


def test_where_the_bar_itself_leads_to_another_key_all_of_it_is_the_note():
    """Rests of C major are not at rest after the bar's own first half: then the bar is heard without it."""
    start = [0, 1, 2, 16, 18, 20, 22]
    end = [1, 2, 3, 18, 20, 22, 24]
    melody = Melody.from_notes(start, end, [60, 64, 67, 66, 70, 73, 66])
    assert key_before(melody, 16).stable == {0, 4, 7}
    assert key_before(melody, 24).stable == {6, 10, 1}
    # it could be G again; a fourth up from there is a step or a fifth away, which a repeated note is not
    assert notes_of(rested(melody)) == [*notes_of(melody)[:3], (16, 32, 72)]


def test_the_rest_is_on_a_stable_pitch_that_may_sound_or_else_on_another():
    melody = Melody.from_notes(*zip(*C_MAJOR, (32, 36, 64), strict=True), bars=3)
    after = rested(melody, 64, 67, 69)
    assert has_cadence(after)
    assert notes_of(after)[8:] == [(32, 36, 64), (40, 48, 64)]
    after = rested(melody, 62, 69)  # none of the chord of C major may: a long note that fills the bar all the same
    assert not has_cadence(after)
    assert notes_of(after) == [*C_MAJOR, (32, 48, 62)]


def test_the_key_that_is_asked_for_is_the_one_to_rest_in():
    """Notes that sound like A minor, asked to be in C major: A is no rest then, and G is one."""
    melody = Melody.from_notes(range(0, 32, 4), range(4, 36, 4), [69, 72, 76, 72, 69, 71, 72, 69], bars=3)
    assert key_before(melody, 32) == Key("A minor")
    for key in (Key("C major"), Key("A minor")):
        after = rested(melody, key=key)
        assert has_cadence(after, key)
        assert int(after.notes.pitch[-1]) % 12 in key.stable
    assert not has_cadence(rested(melody), Key("B major"))
