"""Density and rhythm: textbook rhythms whose syncopation can be counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON
from cantilena.rules import Density, Rhythm, syncopation
from melodies import random_melody

SILENCE = Melody(np.zeros(32, np.int8))


def rhythm(*start, bars=1, lasts=None):
    """Notes that ring until the next, or for `lasts` steps."""
    end = [*start[1:], bars * COMMON.bar_steps] if lasts is None else [s + lasts for s in start]
    return Melody.from_notes(start, end, len(start) * [60], bars=bars)


@pytest.mark.parametrize(
    ("melody", "strength"),
    [
        (rhythm(0, 4, 8, 12), [0]),  # quarters
        (rhythm(*range(0, 16, 2)), [0]),  # eighths
        (rhythm(*range(16)), [0]),  # sixteenths
        (rhythm(0, 6, 8, 14), [0]),  # dotted quarters and eighths
        (rhythm(0, 4, 12), [0]),  # a half note on the second beat: on the beat
        (rhythm(0, 2, 6, 8), [3 - 2]),  # eighth, quarter, eighth: over the second beat
        (rhythm(0, 3, 8), [4 - 2]),  # the fourth sixteenth rings over the second beat
        (rhythm(0, 6, 10, 14), [(3 - 1) + (3 - 2)]),  # over the third and the fourth beat; the last ends with the bar
        (rhythm(0, 1, 4), [4 - 3]),  # over an eighth only
        (rhythm(0, 14, 20, bars=2), [3 - 0, 0]),  # anticipates the next bar: counts where it starts
        (rhythm(0, 6, 12), [3 - 1]),  # tresillo
        (rhythm(0, 3, 6, 10, 12), [(4 - 2) + (3 - 1)]),  # son clave: 3 over beat 2; 6 over beat 3; 10 up to beat 4
    ],
)
def test_syncopation_counted_by_hand(melody, strength):
    assert syncopation(melody).tolist() == strength
    assert syncopation(melody.transpose(7)).tolist() == strength


def test_what_sounds_over_the_beat_is_the_same_held_or_silent():
    held, short = rhythm(0, 2, 6, 14, 22, bars=2), rhythm(0, 2, 6, 14, 22, bars=2, lasts=1)
    assert syncopation(held).tolist() == syncopation(short).tolist() == [1 + 2 + 3, 2]


@given(st.integers(0, 10**6))
def test_syncopation_as_it_is_defined(seed):
    """Note by note, with the heaviest sixteenth before the next one."""
    random = np.random.default_rng(seed)
    start = np.flatnonzero(random.random(64) < 0.3)
    weight = 4 * [0, -4, -3, -4, -2, -4, -3, -4, -1, -4, -3, -4, -2, -4, -3, -4]
    expected = np.zeros(4)
    for s, after in zip(start, [*start[1:], 64], strict=True):
        if s % 4:
            expected[s // 16] += max([weight[k] - weight[s] for k in range(s + 1, after)] + [0])
    assert (
        syncopation(Melody.from_notes(start, start + 1, np.full(start.size, 60), bars=4)).tolist() == expected.tolist()
    )


def test_straight_and_syncopated_exclude_each_other():
    melody = Melody.from_tokens(
        np.concatenate([rhythm(0, 4, 8, 12).events, rhythm(0, 2, 6, 8).events, rhythm(0, 6, 12).events])
    )
    straight, syncopated = Rhythm("straight"), Rhythm("Syncopated ")
    assert straight.met(melody).tolist() == [True, False, False]
    assert syncopated.met(melody).tolist() == [False, False, True]
    np.testing.assert_allclose(straight(melody), [0, 1 / 8, 2 / 8])
    np.testing.assert_allclose(syncopated(melody), [1, 0.5, 0])
    assert syncopated.measure(melody) == ["syncopation 0", "syncopation 1", "syncopation 2"]
    assert straight.met(SILENCE).all()
    assert not syncopated.met(SILENCE).any()


def test_the_rhythm_of_a_song_is_asked_over_and_over():
    song = rhythm(0, 4, 8, 16, 24, bars=2)
    rule = Rhythm.of(song, "song.mid")
    assert str(rule) == "song.mid"
    again = Melody.from_tokens(np.tile(song.transpose(5).events, 3))
    assert rule.met(again).all()
    melody = rhythm(0, 4, 12, 18, bars=3)
    np.testing.assert_allclose(rule(melody), [1 - 4 / 6, 1, 1])
    assert rule.measure(melody) == ["2/3 onsets, 1 more", "0/2 onsets, 1 more", "0/3 onsets"]
    assert Rhythm.of(SILENCE).met(SILENCE).all()
    assert not Rhythm.of(SILENCE).met(melody)[:2].any()


@given(st.integers(0, 10**6), st.integers(0, 16), st.integers(0, 16))
def test_density_is_met_exactly_inside_the_interval(seed, one, other):
    melody = random_melody(seed, 8)
    low, high = sorted((one, other))
    rule = Density(f"{low}..{high}")
    count = np.bincount(melody.notes.start // 16, minlength=8)
    assert rule.met(melody).tolist() == [low <= n <= high for n in count]
    assert rule.measure(melody) == [f"{n} note{'s' if n != 1 else ''}" for n in count]


def test_density_costs_an_eighth_a_note_and_counts_starts():
    melody = rhythm(0, 4, 20, bars=3)
    np.testing.assert_allclose(Density("2")(melody), [0, 1 / 8, 2 / 8])
    np.testing.assert_allclose(Density("0")(rhythm(*range(16))), [1])
    assert str(Density(" 4 .. 6 ")) == "4..6"
    assert str(Density("5..5")) == "5"
    assert Density("5..5") == Density("5")


@pytest.mark.parametrize(
    ("rule", "text", "message"),
    [
        (Density, "many", "density: 'many' is not a number of notes a bar; for example 4..6"),
        (Density, "4-6", "is not a number of notes a bar"),
        (Density, "6..4", "the fewer notes come first, and 16 is the most, not 6..4"),
        (Density, "4..17", "16 is the most"),
        (Rhythm, "swing", "rhythm: 'swing' is not syncopated or straight, or the rhythm of a MIDI file"),
    ],
)
def test_what_is_no_density_or_rhythm(rule, text, message):
    with pytest.raises(ValueError, match=message):
        rule(text)
