"""ABC is heard as it is written: lengths, keys, tuplets, broken rhythm, ties, voices, chords and words."""

import contextlib
import time

import pytest
from sheets import abc, heard, notes_of, song_of

from cantilena.errors import MidiError
from cantilena.music.chunks import file_chunks, track_events
from cantilena.notation.chords import chords_of
from cantilena.notation.reading import read_notation, to_midi


def pitches(body: str, **given) -> list[int]:
    return [p for *_, p in heard(abc(body, **given))]


def lengths(body: str, **given) -> list[float]:
    return [round(d, 3) for _, d, _ in heard(abc(body, **given))]


def test_octaves_and_lengths():
    assert pitches("C,, C, C c c' c''|") == [36, 48, 60, 72, 84, 96]
    assert lengths("C2 D3/2 E/ F/2 G// A3// B4|", metre="none") == [2, 1.5, 0.5, 0.5, 0.25, 0.75, 4]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("D", [60 + 1, 62, 64, 66, 67, 69, 71]),
        ("Gm", [60, 62, 63, 65, 67, 69, 70]),
        ("Ador", [60, 62, 64, 66, 67, 69, 71]),
        ("A Mixolydian", [61, 62, 64, 66, 67, 69, 71]),
        ("Eb minor", [59, 61, 63, 65, 66, 68, 70]),
        ("F#", [61, 63, 65, 66, 68, 70, 71]),
        ("D exp ^f", [60, 62, 64, 66, 67, 69, 71]),
        ("G ^c", [61, 62, 64, 66, 67, 69, 71]),
        ("HP", [61, 62, 64, 66, 67, 69, 71]),
        ("C clef=bass", [60, 62, 64, 65, 67, 69, 71]),
        ("clef=treble-8", [48, 50, 52, 53, 55, 57, 59]),
        ("none", [60, 62, 64, 65, 67, 69, 71]),
    ],
)
def test_keys(key, expected):
    assert pitches("C D E F | G A B |", key=key) == expected


def test_accidentals_hold_to_the_bar_line_and_over_ties():
    assert pitches("^F F f =F | F _B B z | B |") == [66, 66, 78, 65, 65, 70, 70, 71]
    assert heard(abc("^F4- | F2 F2 |")) == [(0, 6, 66), (6, 2, 65)]


def test_broken_rhythm_and_tuplets():
    assert lengths("C>D E<F | G>>A B2 |") == [1.5, 0.5, 0.5, 1.5, 1.75, 0.25, 2]
    assert (
        lengths("(3CDE (3:2:4F/G/AB (5cdefg |", metre="3/4") == [0.667] * 3 + [0.333, 0.333, 0.667, 0.667] + [0.4] * 5
    )
    assert lengths("(2C/D/ (4C/D/E/F/ |", metre="6/8") == [0.75, 0.75, 0.375, 0.375, 0.375, 0.375]


def test_default_lengths_follow_the_metre():
    assert lengths("CDEF|", unit="").count(0.5) == 4
    assert heard("X:1\nM:2/4\nK:C\nCDEFGABc|")[1] == (0.25, 0.25, 62)


def test_ties_chords_and_grace_notes():
    told = heard(abc("{dc}C2- C z | [CEG]2- [CEG]2 | G2-\nG2 | A2 -|A2 |"))
    assert told == [(0, 3, 60), (4, 4, 67), (4, 4, 64), (4, 4, 60), (8, 4, 67), (12, 4, 69)]


def test_a_pickup_becomes_a_bar_that_begins_with_rest():
    song = song_of(abc("D | GBd ecA | GBd AF2 |]", metre="6/8", unit="1/8", key="G"))
    assert notes_of(song)[0] == (2.5, 0.5, 62)
    assert notes_of(song)[1] == (3, 0.5, 67)
    assert [s[1:] for s in song.time_signatures] == [(6, 8)]


def test_a_repeat_goes_back_to_the_first_whole_bar():
    """The first ending holds the pickup already: the jig is 4 bars, twice, after its pickup."""
    song = song_of(abc("D | GBd ecA |1 GBd G2D :|2 GBd G3 |]", metre="6/8", unit="1/8", key="G"))
    assert [s for s, *_ in notes_of(song)][:1] == [2.5]
    once = [62, 67, 71, 74, 76, 72, 69, 67, 71, 74, 67]
    assert [p for *_, p in notes_of(song)] == once + once
    assert song.end == 480 * 15


def test_metres_change_where_they_do():
    song = song_of(abc("C4 | [M:3/4] D3 | E3 | [M:4/4] F4 | G5 | A4 | B2 | c2 | d4 |]"))
    assert [(s.tick / 480, s.numerator, s.denominator) for s in song.time_signatures] == [
        (0, 4, 4), (4, 3, 4), (10, 4, 4), (14, 5, 4), (19, 4, 4)]  # fmt: skip


def test_voices_are_tracks_and_share_repeats():
    body = 'V:1 name="High"\nV:2 name="Low" clef=bass\n'
    told = abc("[V:1] c4 | d4 :|\n[V:2] C,4 | D,4 |\n[V:1] e4 |]\n[V:2] E,4 |]", head=body)
    song = song_of(told)
    assert [t.name for t in song.tracks] == ["High", "Low"]
    assert [p for *_, p in notes_of(song, 0)] == [72, 74, 72, 74, 76]
    assert [p for *_, p in notes_of(song, 1)] == [48, 50, 48, 50, 52]


def test_chords_words_and_tempo():
    song = song_of(abc('"Am7"C2 "^slowly"D "D7/F#"E | "Bo"F4 :|\nw: Oh my_ dear-est\nw: Then you\n', head="Q:3/8=60\n"))
    assert [(c.bar, c.share, c.name) for c in chords_of(song)] == [
        (1, 0, "Am7"), (1, 0.75, "D7/F#"), (2, 0, "Bdim"), (3, 0, "Am7"), (3, 0.75, "D7/F#"), (4, 0, "Bdim")]  # fmt: skip
    assert song.qpm == pytest.approx(90)
    words = [
        (e.tick / 480, e.text.decode())
        for c in file_chunks(song.data, "x")[:-1]
        for e in track_events(c, "x")
        if e.message[:2] == b"\xff\x05"
    ]
    assert words == [(0, "Oh"), (2, "my"), (4, "dear-"), (8, "Then"), (10, "you"), (12, "dear-")]


def test_the_first_of_several_tunes_is_read_and_said():
    told = read_notation((abc("C4|") + "\n" + abc("D4|").replace("X:1", "X:2")).encode(), "book.abc")
    assert told.remarks == ("book.abc: holds 2 tunes; the first, A tune, is read",)
    assert [p for *_, p in notes_of(song_of(abc("C4|") + "\nWords between.\n\n" + abc("D4|")))] == [60]


def test_comments_and_directives_are_no_music():
    assert pitches("%%MIDI program 40\n% c c c\nC2 D2 % e\n%\nE4 |") == [60, 62, 64]
    assert song_of(abc("C4|", head="%%MIDI program 40\n")).tracks[0].program == 40


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("X:1\nT:Only a head\n", "the ABC tune has no K: field"),
        (abc("z4 | z4 |"), "no notes"),
        (abc("C4 |" + "\nd4|" * 300_000), "more than 1,048,576 characters"),
    ],
)
def test_what_is_no_tune_is_one_line(text, says):
    with pytest.raises(MidiError, match=f"^x.abc: .*{says}") as error:
        to_midi(text.encode(), "x.abc")
    assert "\n" not in str(error.value)


def test_any_text_after_a_head_is_heard_or_refused():
    """Nothing but MidiError comes out of noise."""
    import random

    draw = random.Random(5)
    marks = "ABCDEFGabcdefgzxZ|:[]()<>123/-^_=\"!{}&,'~ \n+VKMLQPw%\\"
    for _ in range(400):
        body = "".join(draw.choice(marks) for _ in range(draw.randrange(1, 120)))
        with contextlib.suppress(MidiError):
            to_midi(abc(body).encode(), "noise.abc")


@pytest.mark.parametrize("mark", ["{", "[", '"', "!", "+a", ":", "[K:", "((", "[1", "<", "|[", "C&", "(3", "^", "P:"])
def test_lines_without_end_take_no_time_without_end(mark):
    began = time.process_time()
    for text in (abc("C4 | " + mark * 50_000), abc("C4 |", head=f"P:{mark * 50_000}\n")):
        with contextlib.suppress(MidiError):
            to_midi(text.encode(), "x.abc")
    assert time.process_time() - began < 10
