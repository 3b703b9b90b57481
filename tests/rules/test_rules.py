"""Rules together: weights, receipts, words, and rules that no melody can keep."""

from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cantilena.music.melody import Melody
from cantilena.rules import RULES, Chords, Contour, Density, Form, Key, Range, Rhythm, Row, Rules, parse_rule
from cantilena.rules.pitch import SCALES
from melodies import random_melody


def no_leaps(melody):
    """The rule of one's own in the package's text."""
    start, _, pitch = melody.notes
    cost = np.zeros(melody.bars)
    np.maximum.at(cost, start[1:] // 16, np.minimum(np.abs(np.diff(pitch)) / 12, 1))
    return cost


TUNE = Melody.from_notes([0, 8, 16, 20], [8, 16, 20, 32], [60, 66, 62, 64])
SONG = random_melody(3, 8)


def test_the_cost_is_the_weighted_mean():
    key, density = Key("C major"), Density("4")
    np.testing.assert_allclose(key(TUNE), [0.5, 0])
    np.testing.assert_allclose(density(TUNE), [2 / 8, 2 / 8])
    np.testing.assert_allclose(Rules([key, density])(TUNE), [0.375, 0.125])
    weighted = Rules([key, density], weights=[3, 1])
    np.testing.assert_allclose(weighted(TUNE), [(3 * 0.5 + 0.25) / 4, 0.25 / 4])
    assert weighted.total(TUNE) == pytest.approx((1.75 / 4 + 0.25 / 4) / 2)
    np.testing.assert_allclose(Rules([weighted, no_leaps])(TUNE), (weighted(TUNE) + no_leaps(TUNE)) / 2)


def test_the_receipt_says_of_every_bar_what_each_rule_asked_and_found():
    rows = Rules([Key("C major"), no_leaps], names=["key", "smooth"]).rows(TUNE)
    assert rows == [
        Row(1, "key", "C major", "1/2 in key", False, 0.5),
        Row(1, "smooth", "", "cost 0.50", False, 0.5),
        Row(2, "key", "C major", "2/2 in key", True, 0.0),
        Row(2, "smooth", "", "cost 0.33", False, pytest.approx(4 / 12)),
    ]
    assert [type(row.met) for row in rows] == 4 * [bool]
    assert Rules([no_leaps]).names == ("no_leaps",)


WORDS = st.one_of(
    st.builds(lambda t, m: ("key", f"{t} {m}"), st.sampled_from(["C", "F#", "Bb", "eb"]), st.sampled_from(sorted(SCALES))),
    st.builds(lambda a, b: ("range", f"{a}-{b}"), st.sampled_from(["C3", "Bb3", "a0"]), st.sampled_from(["C4", "A5", "C8"])),
    st.builds(lambda a, b: ("density", f"{a}..{a + b}"), st.integers(0, 8), st.integers(0, 8)),
    st.sampled_from(
        [
            ("rhythm", "syncopated"), ("rhythm", "straight"), ("contour", "Arch"),
            ("contour", "C4 Eb4 G4"), ("chords", "| Dm7 | G7 | C |"), ("chords", "C G|%||Am/E"), ("form", "AABA"),
            ("form", "ABA'B''"), ("key", "chromatic"), ("density", "5"),
        ]
    ),
)  # fmt: skip


@given(WORDS)
def test_a_rule_says_what_it_was_asked_in_words_that_ask_for_it(words):
    rule = parse_rule(*words)
    again = parse_rule(rule.name, str(rule))
    assert again == rule
    assert hash(again) == hash(rule)
    assert rule.name == words[0]
    melody = random_melody(1, 8)
    cost = rule(melody)
    assert cost.shape == rule.met(melody).shape == (8,)
    assert ((cost >= 0) & (cost <= 1)).all()
    assert len(rule.measure(melody)) == 8
    assert rule.met(melody)[cost == 0].all()


def test_every_rule_can_be_named():
    assert list(RULES) == ["key", "range", "density", "rhythm", "contour", "chords", "form"]
    assert Key("D dorian") == parse_rule("key", "d  Dorian") != Key("D lydian")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("keys", "C major", "a rule is one of key, range, density, rhythm, contour, chords, form, not 'keys'"),
        ("key", "H dur", "key: 'H dur' is not a key; for example D dorian"),
        ("rhythm", "song.mid", "rhythm: 'song.mid' is not syncopated or straight"),
        ("form", "song.mid", "form: 'song.mid' is not a form"),
    ],
)
def test_words_that_ask_for_nothing(name, text, message):
    with pytest.raises(ValueError, match=message) as error:
        parse_rule(name, text)
    assert "\n" not in str(error.value)


def test_hard_rules_leave_the_notes_that_all_of_them_allow():
    rules = Rules([Key("C major"), Range("C4-C5"), Chords("| Am | G |"), Density("4"), no_leaps])
    allowed = rules.allowed(40)
    assert allowed.shape == (40, 90)
    assert allowed[:, :2].all()

    def left(step):
        return (np.flatnonzero(allowed[step])[2:] + 19).tolist()

    assert left(0) == left(8) == left(32) == [60, 64, 69, 72]
    assert left(16) == left(24) == [62, 67, 71]
    assert left(1) == [60, 62, 64, 65, 67, 69, 71, 72]
    assert Rules([Density("4")]).allowed(16).all()


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([Key("C major"), Range("C#4-C#4")], "key C major and range C#4-C#4 leave no note$"),
        ([Key("C major pentatonic"), Key("F# major pentatonic")], "leave no note$"),
        ([Range("C4-C5"), Range("C#5-C6")], "range C4-C5 and range C#5-C6 leave no note$"),
        ([Key("C major"), Chords("| C | Dm | C C#5 |")], "leave no note on beat 3 of bar 3"),
        ([Chords("| C | F |"), Chords("| C | C | Bdim |")], "leave no note on beat 1 of bar 3"),
        ([Density("4..6"), Density("7")], "density 4..6 and density 7 contradict each other"),
        ([Density("1..2"), Rhythm.of(Melody.from_notes([0, 4, 8], [4, 8, 12], [60, 60, 60]))], "its bars have 3 to 3 notes"),
        ([Density("0"), Rhythm("syncopated")], "contradict"),
        ([Rhythm("straight"), Rhythm("syncopated")], "rhythm straight and rhythm syncopated contradict each other: give one rhythm"),
        ([Contour("rise"), Contour("fall")], "give one contour"),
        ([Form("AABA"), Form("ABAB")], "give one form"),
        ([Range("C4-A5"), Contour("C4 C7")], "range C4-A5 and contour C4 C7 contradict each other: C7 is outside"),
        ([], "no rules are given"),
    ],
)  # fmt: skip
def test_rules_that_no_melody_can_keep(rules, message):
    with pytest.raises(ValueError, match=message) as error:
        Rules(rules)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"no rules|contradict each other|leave no note"):
        Rules(rules[::-1])


def test_rules_that_can_be_kept_are_not_refused():
    Rules([Density("4..6"), Density("6..8"), Rhythm("straight"), Rhythm("straight"), Key("C major"), Key("A minor")])
    Rules([Range("C4-A5"), Contour("B5"), Key("C major"), Chords("| F#m |")])  # A remains; B5 is within two semitones
    Rules([Density("0"), Rhythm("straight")])


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"weights": [1, 2]}, "2 weights and 1 names do not fit 1 rules"),
        ({"names": ["a", "b"]}, "1 weights and 2 names do not fit 1 rules"),
        ({"weights": [0]}, "weights are positive numbers, not 0"),
        ({"weights": [float("nan")]}, "weights are positive numbers, not nan"),
    ],
)
def test_wrong_weights(given_, message):
    with pytest.raises(ValueError, match=message):
        Rules([Density("4")], **given_)


def test_a_rule_of_ones_own_that_gives_no_costs():
    for own, message in [
        (lambda melody: 0.5, r"<lambda>: a rule gives one cost a bar, \(2,\), not \(\)"),
        (lambda melody: np.array([0, 2]), "the costs of a rule are 0..1, not 0..2"),
        (lambda melody: np.array([0, np.nan]), "the costs of a rule are 0..1"),
    ]:
        with pytest.raises(ValueError, match=message):
            Rules([own])(TUNE)


def test_sixteen_melodies_are_judged_by_three_rules_in_no_time():
    """50 ms is what a step of sampling can spare; the slowest three rules take about 20, and more on a busy core."""
    melodies = [random_melody(seed, 64) for seed in range(16)]
    rules = Rules([Rhythm("syncopated"), Contour("arch"), Form("AABA")])
    took = []
    for _ in range(5):
        begin = process_time()
        for melody in melodies:
            rules(melody)
        took.append(process_time() - begin)
    assert min(took) < 0.1
