"""Chords: tones by the book, strong beats by the bar, and voices that lead smoothly."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cantilena.music.melody import Melody
from cantilena.rules import Chords, chord_notes, nearest_chord, parse_chord
from cantilena.rules.chord_names import QUALITIES


@pytest.mark.parametrize(
    ("name", "notes"),
    [
        ("C", "C E G"), ("Am", "A C E"), ("Bdim", "B D F"), ("Caug", "C E Ab"), ("Dsus2", "D E A"), ("Gsus4", "G C D"),
        ("F6", "F A C D"), ("G7", "G B D F"), ("Fmaj7", "F A C E"), ("Dm7", "D F A C"), ("Bdim7", "B D F Ab"),
        ("F#m7b5", "F# A C E"), ("Bb9", "Bb D F Ab C"), ("Eadd9", "E G# B F#"), ("E5", "E B"), ("Am6", "A C E F#"),
        ("Cmmaj7", "C Eb G B"), ("G7sus4", "G C D F"), ("Cmaj9", "C E G B D"), ("Am9", "A C E G B"),
    ],
)  # fmt: skip
def test_chords_by_the_book(name, notes):
    classes = {
        "C": 0,
        "Db": 1,
        "D": 2,
        "Eb": 3,
        "E": 4,
        "F": 5,
        "F#": 6,
        "G": 7,
        "G#": 8,
        "Ab": 8,
        "A": 9,
        "Bb": 10,
        "B": 11,
    }
    assert set(parse_chord(name).tones) == {classes[n] for n in notes.split()}
    assert parse_chord(name).bass == parse_chord(name).root == classes[notes.split()[0]]


def test_a_bass_of_its_own_fits_too():
    assert parse_chord("C/E").fits == {0, 4, 7}
    assert parse_chord("F/G").fits == {5, 9, 0, 7}
    assert Chords("F/G")(Melody.from_notes([0], [16], [67])).tolist() == [0]
    assert Chords("F")(Melody.from_notes([0], [16], [67])).tolist() == [1]


def test_judged_is_what_sounds_on_the_strong_beats():
    rule = Chords("C")
    for start, end, pitch, cost, measured in [
        ([0, 8], [4, 12], [60, 64], 0, "2/2"),
        ([0, 8], [4, 12], [60, 65], 1 / 2, "1/2"),
        ([0, 4, 8, 12], [4, 8, 12, 16], [60, 61, 67, 66], 0, "2/2"),  # weak beats are free
        ([6], [9], [61], 1, "0/1"),  # rings through the third beat
        ([6], [8], [61], 0, "0/0"),  # ends on it
    ]:
        melody = Melody.from_notes(start, end, pitch)
        np.testing.assert_allclose(rule(melody), [cost])
        assert rule.measure(melody) == [f"{measured} chord tones"]


def test_bars_repeat_and_chords_of_a_bar_divide_it():
    rule = Chords("|C G|Am|%| |F C G C|")
    assert str(rule) == "| C G | Am | Am | Am | F C G C |"
    assert [[c.name for c in bar] for bar in rule.bars] == [["C", "G"], ["Am"], ["Am"], ["Am"], ["F", "C", "G", "C"]]
    start = np.arange(0, 32, 4)
    pitch = [60, 61, 67, 61, 69, 61, 72, 61]  # bar 1: C on beat 1, G on 3; bar 2: A, C
    melody = Melody.from_notes(start, start + 4, pitch)
    assert rule(melody).tolist() == [0, 0]
    four = Melody.from_notes(start[:4], start[:4] + 4, [65, 64, 62, 61])
    assert Chords("| F C G C |").measure(four) == ["3/4 chord tones"]  # a new chord is a strong beat
    six = Melody.from_notes(16 * np.arange(6), 16 * np.arange(6) + 4, [60, 69, 69, 69, 65, 64])
    assert rule(six).tolist() == 6 * [0]


@given(st.integers(0, 10**6))
def test_a_melody_costs_nothing_exactly_when_what_sounds_is_allowed(seed):
    """`allowed` is about sounding, not only starting: a held note must fit the strong beats it rings through."""
    random = np.random.default_rng(seed)
    rule = Chords("| Dm7 G7 | Cmaj7 | F#m7b5 B7 Em A7 |")
    start = np.flatnonzero(random.random(80) < 0.1)
    melody = Melody.from_notes(start, [*start[1:], 80], random.integers(60, 72, start.size))
    allowed = rule.allowed(80)
    breaks = np.zeros(5, bool)
    for s, e, p in zip(*melody.notes, strict=True):
        breaks[np.arange(s, e)[~allowed[s:e, p - 19]] // 16] = True
    assert (rule(melody) > 0).tolist() == breaks.tolist()
    assert allowed[:, :2].all()
    assert allowed[1].all()
    assert allowed[0, 2:].sum() == 8 + 8 + 7 + 7  # A, C, D, F from A0 to C8


@pytest.mark.parametrize("bars", [1, 7])
def test_chords_are_struck_once_each_and_fill_the_bars(bars):
    chords = Chords("| C G | Am | F C G C |")
    played = chord_notes(chords, bars)
    assert played[0].start == 0
    assert played[-1].end == 16 * bars
    assert all(one.end == other.start for one, other in pairwise(played))
    assert len(played) == sum(len(chords.bars[i % 3]) for i in range(bars))


@given(
    st.lists(
        st.tuples(st.sampled_from("CDEFGAB"), st.sampled_from(["", "#", "b"]), st.sampled_from(sorted(QUALITIES))),
        min_size=1,
        max_size=6,
    )
)
def test_every_chord_is_voiced_close_between_c3_and_c5_over_its_bass(chords):
    rule = Chords("|".join("".join(c) for c in chords))
    for played, (chord,) in zip(chord_notes(rule, len(rule.bars)), rule.bars, strict=True):
        bass, *voices = played.pitches
        assert bass % 12 == chord.bass
        assert 36 <= bass < 48 <= voices[0]
        assert voices[-1] <= 72
        assert voices[-1] - voices[0] < 12
        assert {p % 12 for p in played.pitches} == set(chord.tones)


def test_voices_lead_smoothly():
    """Common tones stay, the others move by step; root positions would leap."""
    played = chord_notes(Chords("| C | Am | F | G | C |"), 5)
    voices = [p.pitches[1:] for p in played]
    for one, other in pairwise(voices):
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 2
    assert [len(set(a) & set(b)) for a, b in pairwise(voices)][:2] == [2, 2]  # C and E; A and C


def test_voices_that_climb_and_fall_stay_between_c3_and_c5():
    names = ["C", "D", "E", "F#", "G#", "A#"]
    for order in (names, names[::-1]):
        voices = [p.pitches[1:] for p in chord_notes(Chords("|".join(order)), 36)]
        assert min(map(min, voices)) >= 48
        assert max(map(max, voices)) <= 72


def test_over_another_bass_a_full_chord_leaves_its_fifth_out():
    bass, *voices = chord_notes(Chords("C9/E"), 1)[0].pitches
    assert bass == 40
    assert {p % 12 for p in voices} == {0, 2, 4, 10}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "chords: '' begins with no chord; for example | Dm7 | G7 | C |"),
        ("| % | C |", "begins with no chord"),
        ("| C | H7 |", "chords: 'H7' is not a chord; known are C, Cm"),
        ("| C4 |", "'C4' is not a chord"),
        ("| C/ |", "'C/' is not a chord"),
        ("C D E F G A B C D", r"chords: a bar has 1 to 8 chords, not 9 \(C D E F G A B C D\); bars are parted by"),
        ("estimated", "begins with no chord"),
        ("| C % |", "'%' is not a chord"),
    ],
)
def test_what_is_no_progression(text, message):
    with pytest.raises(ValueError, match=message.replace("| Dm7 | G7 | C |", r"\| Dm7 \| G7 \| C \|")):
        Chords(text)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("CM7", "Cmaj7"), ("C\u0394", "Cmaj7"), ("C-7", "Cm7"), ("Cmin7", "Cm7"), ("C\u00f8", "Cm7b5"), ("C\u00b0", "Cdim"),
        ("C+", "Caug"), ("C7(b9)", "C7b9"), ("Csus", "Csus4"), ("C6/9", "C69"), ("CmM7", "Cmmaj7"), ("B\u266dm", "Bbm"),
    ],
)  # fmt: skip
def test_usual_spellings_of_a_chord(name, ours):
    assert parse_chord(name) == parse_chord(ours)
    assert parse_chord(name).name == ours


def test_three_chords_share_the_four_beats_of_a_bar():
    played = chord_notes(Chords("| C F G |"), 1)
    assert [(chord.start, chord.end) for chord in played] == [(0, 8), (8, 12), (12, 16)]


def test_no_chord_asks_nothing_and_is_not_played():
    rule = Chords("| NC | C N.C. |")
    assert str(rule) == "| N.C. | C N.C. |"
    melody = Melody.from_notes([0, 8, 16, 24], [8, 16, 24, 32], [61, 61, 61, 61])
    assert rule.measure(melody) == ["0/0 chord tones", "0/1 chord tones"]
    assert rule(melody).tolist() == [0, 1]
    assert [(one.start, one.end) for one in chord_notes(rule, 2)] == [(16, 24)]


def test_a_chord_that_stays_is_no_new_chord():
    melody = Melody.from_notes([0, 4, 8, 12], [4, 8, 12, 16], [60, 61, 64, 71])
    assert Chords("| C C C G |").measure(melody) == ["3/3 chord tones"]
    assert Chords("| C F C G |").measure(melody) == ["3/4 chord tones"]


def test_a_guess_is_told_as_one():
    rule = Chords(" estimated |C|G| ")
    assert str(rule) == "estimated | C | G |" == str(Chords(str(rule)))
    assert rule.bars == Chords("| C | G |").bars


def test_a_chord_that_is_not_known_is_the_nearest_one_that_is():
    names = ["C7alt", "Cmaj11", "Am7omit5", "Bbb", "C#m7b5/E", "Gno3/D", "Verse"]
    assert [nearest_chord(name).name for name in names] == ["C7", "C", "Am7", "A", "C#m7b5/E", "G/D", "N.C."]
