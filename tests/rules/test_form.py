"""Forms of melodies that are put together from parts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON
from cantilena.rules import Form, similarity


def part(seed, bars=4):
    """Bars of quarters, each part in an octave of its own by the seed, so that no two share a note."""
    random = np.random.default_rng(seed)
    start = np.arange(0, 16 * bars, 4)
    return Melody.from_notes(start, start + 4, 24 + 12 * seed + random.permutation(start.size) % 12)


def joined(*parts):
    return Melody.from_tokens(np.concatenate([p.events for p in parts]))


A, B, C = part(1), part(3), part(5)


@pytest.mark.parametrize(
    ("form", "melody"),
    [
        ("AABA", joined(A, A, B, A)),
        ("ABAB", joined(A, B, A, B)),
        ("ABC", joined(A, B, C)),
        ("AA", joined(A, A)),
    ],
)
def test_a_form_costs_nothing_where_the_parts_are_put_together_so(form, melody):
    rule = Form(form)
    assert not rule(melody).any()
    assert rule.met(melody).all()
    assert rule.distance(melody) == 0
    for other in {"AABA", "ABAB", "ABCA", "AAAA", "ABCD"} - {form}:
        if melody.bars == 16:
            assert not Form(other).met(melody).all()
            assert Form(other).distance(melody) > 0.1


def test_each_bar_answers_for_its_own_repeats():
    """AABA in which the second bar of the last part is new: that place has cost 1/3 twice, and 2/3 where it is."""
    new = joined(A.slice(1, 1), C.slice(2, 2), A.slice(3, 4))
    melody = joined(A, A, B, new)
    rule = Form("AABA")
    expected = np.zeros(16)
    expected[[1, 5, 13]] = [1 / 3, 1 / 3, 2 / 3]
    np.testing.assert_allclose(rule(melody), expected)
    assert rule.met(melody).tolist() == [i != 13 and i not in (1, 5) for i in range(16)]
    measured = rule.measure(melody)
    assert measured[0] == "same 1.00, other 0.00"
    assert measured[13] == "same 0.00, other 0.00"
    assert measured[8] == "other 0.00"


def test_a_prime_asks_for_a_variation_neither_a_copy_nor_something_new():
    notes = A.notes
    half = Melody.from_notes(notes.start, notes.end, notes.pitch + np.tile([0, 0, 1, 1], 4))
    rule = Form("AA'")
    assert not rule(joined(A, half)).any()
    for other in (A, B):
        assert not rule.met(joined(A, other)).any()
        np.testing.assert_allclose(rule(joined(A, other)), 0.5)
    assert rule.measure(joined(A, half))[0] == "varied 0.50"
    assert not Form("AA'BA'")(joined(A, half, B, half)).any()


def test_parts_are_whole_phrases_and_what_remains_is_free():
    melody = joined(A, A, B, A, C.slice(1, 3))  # 19 bars: 4 parts of 4
    rule = Form("AABA")
    assert not rule(melody).any()
    assert rule.measure(melody)[16:] == 3 * ["free"]
    assert np.isnan(rule.target(19)[16:]).all()
    with pytest.raises(ValueError, match="form: AABA has 4 parts of 2 bars or more, so 7 bars are too few"):
        rule(joined(A, A.slice(1, 3)))


def test_a_song_has_its_own_form_and_so_has_what_sounds_otherwise_but_repeats_alike():
    song = joined(A, B, A, A)
    rule = Form.of(song, "song.mid")
    assert str(rule) == "song.mid"
    for melody in (song, song.transpose(5), joined(C, B, C, C), joined(song, song)):
        np.testing.assert_allclose(rule(melody), 0)
        assert rule.met(melody).all()
    other = joined(A, B, C, A)  # each bar of the third part misses two of its fifteen others, those of A one, of B none
    np.testing.assert_allclose(rule(other), np.repeat([1 / 15, 0, 2 / 15, 1 / 15], 4))
    assert rule.distance(other) == pytest.approx(1 / 15)
    assert not rule.met(joined(A, B, C, A))[8:12].any()


@given(st.integers(0, 10**6))
def test_similarity_as_it_is_defined(seed):
    random = np.random.default_rng(seed)
    start = np.flatnonzero(random.random(6 * 16) < 0.2)
    melody = Melody.from_notes(start, start + 1, random.integers(60, 63, start.size), bars=6)
    notes = [
        {(s % 16, p) for s, _, p in zip(*melody.notes, strict=True) if s // COMMON.bar_steps == i} for i in range(6)
    ]
    expected = [[2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0 for b in notes] for a in notes]
    found = similarity(melody)
    np.testing.assert_allclose(found, expected)
    np.testing.assert_array_equal(found, found.T)
    assert (np.diag(found) == 1).all()


def test_how_long_notes_last_is_not_heard():
    short = Melody.from_notes([0, 4, 16, 20], [1, 5, 18, 32], [60, 62, 60, 62])
    assert (similarity(short) == 1).all()


def test_the_target_cannot_be_changed():
    for rule in (Form("AB"), Form.of(A)):
        with pytest.raises(ValueError, match="read-only"):
            rule.target(4)[0, 0] = 1


@pytest.mark.parametrize("text", ["A", "aaba", "AAB-A", "", "'A", "verse", "A B"])
def test_what_is_no_form(text):
    with pytest.raises(ValueError, match="is not a form; for example AABA, or ABAB'"):
        Form(text)


def test_one_bar_that_comes_again_where_it_should_not_is_enough_to_miss_the_form():
    assert not Form("ABCD").met(joined(A, B, C, A))[[0, 1, 12, 13]].any()
    assert Form("ABCD").met(joined(A, B, C, A))[4:12].all()
    assert Form("ABCD").measure(joined(A, B, C, A))[0] == "other 1.00"


def test_the_phrases_of_a_song_are_named_by_their_bars_and_single_bars_come_again_too():
    song = joined(A, B, A.slice(1, 3), C.slice(1, 1))  # its last phrase begins as the second one of A, and ends anew
    rule = Form.of(song)
    assert rule.letters(12) == [0, 1, 2, 3, 0, 4]
    assert rule.firsts(12).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 11]
    other = joined(B, C, part(4), part(6).slice(1, 1)).slice(1, 12)
    again = rule.come_again(other)
    assert again == joined(B, C, B.slice(1, 3), other.slice(12, 12))
    assert rule.met(again).all()


def test_a_bar_that_comes_again_in_silence_ends_what_rings_into_it():
    song = Melody.from_notes([4, 16, 36], [16, 32, 48], [60, 64, 60], bars=3)
    melody = Melody.from_notes([4, 16], [16, 48], [62, 65], bars=3)
    assert Form.of(song).come_again(melody) == Melody.from_notes([4, 16, 36], [16, 32, 48], [62, 65, 62], bars=3)


def test_which_bars_are_too_alike():
    alike = Form("ABCD").too_alike(joined(A, B, C, A))
    assert np.argwhere(alike)[:4].tolist() == [[0, 12], [1, 13], [2, 14], [3, 15]]
    assert not alike[4:12].any()
