"""Key and range: scales whose place in every key is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cantilena.music.melody import MAX_PITCH, MIN_PITCH, VOCABULARY, Melody, pitch_name
from cantilena.rules import Key, Range, estimate_key
from cantilena.rules.pitch import SCALES, pitch_class, pitch_number
from melodies import random_melody

NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def scale_up(tonic, mode):
    """The notes of a scale in eighths, over two bars where it is long."""
    pitch = [60 + tonic + s for s in SCALES[mode]]
    return Melody.from_notes(range(0, 2 * len(pitch), 2), range(2, 2 * len(pitch) + 2, 2), pitch)


def test_c_major_in_every_major_key_misses_a_note_for_each_step_round_the_circle_of_fifths():
    melody = scale_up(0, "major")
    for fifths in range(12):
        key = Key(f"{NAMES[7 * fifths % 12]} major")
        missing = (0, 1, 2, 3, 4, 5, 5, 5, 4, 3, 2, 1)[fifths]
        np.testing.assert_allclose(key(melody), missing / 7)
        assert key.measure(melody) == [f"{7 - missing}/7 in key"]
        assert key.met(melody).tolist() == [missing == 0]


def test_the_modes_are_the_white_keys_from_other_tonics():
    modes = ("ionian", "dorian", "phrygian", "lydian", "mixolydian", "aeolian", "locrian")
    assert [Key(f"{tonic} {mode}").scale for tonic, mode in zip("CDEFGAB", modes, strict=True)] == 7 * [
        frozenset({0, 2, 4, 5, 7, 9, 11})
    ]
    assert Key("A harmonic minor").scale == {9, 11, 0, 2, 4, 5, 8}
    assert Key("E minor pentatonic").scale == Key("G major pentatonic").scale == {4, 7, 9, 11, 2}
    assert Key("C blues").scale == {0, 3, 5, 6, 7, 10}


@given(st.integers(0, 11), st.sampled_from(sorted(SCALES)), st.integers(-3, 3))
def test_every_scale_is_in_its_own_key_wherever_it_is_moved(tonic, mode, semitones):
    key = Key(f"{NAMES[(tonic + semitones) % 12]} {mode}")
    assert key.met(scale_up(tonic, mode).transpose(semitones)).all()
    assert len(key.scale) == len(SCALES[mode])


def test_a_long_wrong_note_costs_more_than_a_short_one_and_is_heard_where_it_sounds():
    long_ = Melody.from_notes([0, 4], [4, 24], [60, 61], bars=3)
    np.testing.assert_allclose(Key("C major")(long_), [12 / 16, 1, 0])
    np.testing.assert_allclose(Key("C major")(Melody.from_notes([0, 12], [12, 16], [60, 61])), [4 / 16])
    assert Key("C major").measure(long_) == ["1/2 in key", "0/1 in key", "silent"]
    assert Key("C major").met(long_).tolist() == [False, False, True]


@pytest.mark.parametrize("rule", [Key("Bb dorian"), Range("A3-G4")])
def test_a_melody_costs_nothing_exactly_when_all_its_notes_are_allowed(rule):
    tokens = np.arange(2, VOCABULARY)
    allowed = rule.allowed(16)
    assert allowed.shape == (16, VOCABULARY)
    assert allowed[:, :2].all()
    assert (allowed == allowed[0]).all()
    fits = [rule(Melody.from_notes([0], [16], [token + 19]))[0] == 0 for token in tokens]
    assert fits == allowed[0, 2:].tolist()
    assert any(fits)
    assert not all(fits)


def test_a_range_is_inclusive_and_costs_the_share_of_time_outside():
    melody = Melody.from_notes([0, 4, 8, 12], [4, 8, 12, 16], [59, 60, 81, 82])
    np.testing.assert_allclose(Range("C4-A5")(melody), [0.5])
    np.testing.assert_allclose(Range("B3-A#5")(melody), [0])
    assert Range("C4-A5").measure(melody) == ["B3-A#5"]
    assert (Range("C4-A5").low, Range("C4-A5").high) == (60, 81)


@given(st.integers(MIN_PITCH, MAX_PITCH))
def test_a_pitch_is_read_as_it_is_written(pitch):
    assert pitch_number(pitch_name(pitch)) == pitch
    assert pitch_class(pitch_name(pitch)[:-1]) == pitch % 12


def test_flats_and_sharps_of_any_letter():
    assert [pitch_class(name) for name in ("Cb", "B#", "Fb", "E#", "Bb", "A#")] == [11, 0, 4, 5, 10, 10]
    assert pitch_number("Cb4") == pitch_number("B3") == 59
    assert Key("cb major").scale == Key("B major").scale


# Twinkle, twinkle; and the first bars of Greensleeves' minor third, sixth and raised seventh
TWINKLE = (
    [0, 4, 8, 12, 16, 20, 24, 32, 36, 40, 44, 48, 52, 56],
    [60, 60, 67, 67, 69, 69, 67, 65, 65, 64, 64, 62, 62, 60],
)
MINOR = ([0, 4, 12, 16, 22, 24, 28, 36, 40, 48], [69, 72, 74, 76, 77, 76, 74, 71, 68, 69])


@pytest.mark.parametrize(("tune", "key"), [(TWINKLE, "C major"), (MINOR, "A minor")])
def test_the_key_of_a_tune_moves_with_it(tune, key):
    start, pitch = tune
    melody = Melody.from_notes(start, [*start[1:], 64], pitch)
    assert estimate_key(melody) == Key(key)
    for semitones in range(-5, 7):
        assert estimate_key(melody.transpose(semitones)).tonic == (Key(key).tonic + semitones) % 12


def test_a_scale_in_even_notes_is_in_its_major_key():
    for tonic in range(12):
        assert str(estimate_key(scale_up(tonic, "major"))) == f"{NAMES[tonic]} major"


def test_what_a_tune_rests_on():
    assert Key("D dorian").stable == {2, 5, 9}
    assert Key("C mixolydian").stable == {0, 4, 7}
    assert Key("B locrian").stable == {11, 2}  # its fifth is diminished
    assert Key("C blues").stable == {0, 3, 7}


def test_a_silent_melody_breaks_no_key_and_is_in_none():
    silence = Melody(np.zeros(32, np.int8))
    assert not Key("C major")(silence).any()
    assert not Range("C4-C4")(silence).any()
    assert Range("C4-C4").measure(silence) == ["silent", "silent"]
    with pytest.raises(ValueError, match="a melody without notes is in no key"):
        estimate_key(silence)


def test_the_cost_of_a_melody_is_between_0_and_1():
    for seed in range(5):
        melody = random_melody(seed, 16)
        assert not Key("C major")(melody).any()
        cost = Key("Gb major")(melody)
        assert ((cost >= 0) & (cost <= 1)).all()
        assert cost.mean() > 0.5


@pytest.mark.parametrize(
    ("rule", "text", "message"),
    [
        (Key, "H dur", "key: 'H dur' is not a key; for example D dorian"),
        (Key, "", "key: '' is not a key"),
        (Key, "D dorain", "after the tonic comes one of major, minor, ionian"),
        (Key, "Cbb major", "is not a key"),
        (Range, "C4", "range: 'C4' is not a range; for example C4-A5"),
        (Range, "C4-H5", "a pitch is named like C4, F#3 or Bb5, not 'H5'"),
        (Range, "C0-A5", "pitches are A0 to C8, not C0"),
        (Range, "A5-C4", "the lower pitch comes first, C4-A5, not A5-C4"),
    ],
)
def test_what_is_no_key_or_range(rule, text, message):
    with pytest.raises(ValueError, match=message) as error:
        rule(text)
    assert str(error.value).startswith(f"{rule.name}: ")
    assert "\n" not in str(error.value)


def test_a_name_is_no_number_and_a_number_no_name():
    with pytest.raises(ValueError, match="a note is named like C, F# or Bb, not 'c'"):
        pitch_class("c")
    with pytest.raises(ValueError, match="not '60'"):
        pitch_number("60")


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ("C", "C major"), ("Cm", "C minor"), ("F#m", "F# minor"), ("bb", "Bb major"), ("bm", "B minor"), ("A min", "A minor"),
        ("Gmaj", "G major"), ("E\u266d", "Eb major"), ("B flat", "Bb major"), ("C sharp minor", "C# minor"),
        ("Em pentatonic", "E minor pentatonic"), ("D dor", "D dorian"), ("C-minor", "C minor"), ("Chromatic", "chromatic"),
    ],
)  # fmt: skip
def test_usual_spellings_of_a_key(asked, key):
    assert Key(asked) == Key(key)
    assert str(Key(asked)) == key
