"""Bars are played in the order that their signs say; the same signs in MusicXML and in ABC give the same order."""

import pytest
from sheets import abc, ending, heard, note, repeat, score, song_of

from cantilena.errors import MidiError
from cantilena.notation import playing
from cantilena.notation.sheet import Bar, Signs
from cantilena.notation.unfold import played_order


def bars(*signs: Signs) -> list[Bar]:
    return [Bar(length=Bar().full, signs=sign) for sign in signs]


def order(*signs: Signs, parts: str = "") -> list[int]:
    return [k + 1 for k in played_order(bars(*signs), "x", parts)]


PLAIN = Signs()


@pytest.mark.parametrize(
    ("signs", "played"),
    [
        ([PLAIN, Signs(times=2), PLAIN], [1, 2, 1, 2, 3]),
        ([PLAIN, Signs(begins=True), Signs(times=3), PLAIN], [1, 2, 3, 2, 3, 2, 3, 4]),
        ([Signs(times=2), Signs(times=2)], [1, 1, 2, 2]),
        ([PLAIN, Signs(endings=frozenset({1}), times=2), Signs(endings=frozenset({2})), PLAIN], [1, 2, 1, 3, 4]),
        ([PLAIN, Signs(endings=frozenset({1, 3}), times=2), Signs(endings=frozenset({2}), times=2), Signs(endings=frozenset({4}))], [1, 2, 1, 3, 1, 2, 1, 4]),
        ([PLAIN, Signs(endings=frozenset({1})), Signs(endings=frozenset({1}), times=2), Signs(endings=frozenset({2}), times=2), PLAIN], [1, 2, 3, 1, 4, 5]),
        ([PLAIN, Signs(endings=frozenset({1})), Signs(endings=frozenset({2})), PLAIN], [1, 2, 1, 3, 4]),  # no sign at 1.
        ([PLAIN, Signs(fine=True), Signs(jump="D.C.")], [1, 2, 3, 1, 2]),
        ([PLAIN, Signs(segno=True), Signs(fine=True), Signs(jump="D.S.")], [1, 2, 3, 4, 2, 3]),
        ([PLAIN, Signs(segno=True), Signs(to_coda=True), Signs(jump="D.S."), Signs(coda=True)], [1, 2, 3, 4, 2, 3, 5]),
        ([Signs(begins=True), Signs(times=2), Signs(fine=True), Signs(jump="D.C.")], [1, 2, 1, 2, 3, 4, 1, 2, 3]),
        ([PLAIN, Signs(endings=frozenset({1}), times=2), Signs(endings=frozenset({2}), jump="D.C."), PLAIN], [1, 2, 1, 3, 1, 3, 4]),
        ([PLAIN, Signs(endings=frozenset({1}), times=2), Signs(endings=frozenset({2})), PLAIN, Signs(jump="D.C.")], [1, 2, 1, 3, 4, 5, 1, 3, 4, 5]),
    ],
)  # fmt: skip
def test_signs(signs, played):
    assert order(*signs) == played


def test_letters():
    assert order(Signs(part="A"), Signs(part="B"), PLAIN, parts="ABA") == [1, 2, 3, 1]
    assert order(Signs(part="A"), Signs(part="B"), parts="AXA") == order(PLAIN, PLAIN, parts="AB") == [1, 2]


def test_a_pickup_is_played_again_only_where_it_completes_a_bar():
    pickup, full, short = Bar(length=1), Bar(length=4), Bar(length=3, signs=Signs(times=2))
    assert played_order([pickup, full, short], "x") == [0, 1, 2, 0, 1, 2]
    whole = Bar(length=4, signs=Signs(times=2))
    assert played_order([pickup, full, whole], "x") == [0, 1, 2, 1, 2]


def test_repeats_without_end_are_one_line():
    with pytest.raises(MidiError, match="song: more than 20,000 bars with all repeats"):
        heard(score(note("C", 4), note("D", 4) + repeat("backward", times=10**9)))
    with pytest.raises(MidiError, match="20,000 bars"):
        heard(abc("z4 | " * 300 + "C4 |", head="P:(A9)9\n").replace("\nz4", "\nP:A\nz4"))


def test_a_double_line_ends_an_ending():
    assert [p for *_, p in heard(abc("C4 |1 D4 :|2 E4 || F4 | G4 :|"))] == [60, 62, 60, 64, 65, 67, 65, 67]


def test_more_notes_than_a_song_has_are_one_line(monkeypatch):
    monkeypatch.setattr(playing, "_MAX_NOTES", 7)
    assert len(heard(abc("CDEF | GAB |"))) == 7
    with pytest.raises(MidiError, match="song: more than 7 notes"):
        heard(abc("CDEF | GABc |"))


def test_musicxml_and_abc_say_the_same():
    c, d, e, f, g = (note(letter, 4) for letter in "CDEFG")
    xml = score(
        c, repeat("forward") + d, ending("1", "start") + e + ending("1", "stop", back=True),
        ending("2", "start") + f + ending("2", "stop"), g,
    )  # fmt: skip
    played = [60, 62, 64, 62, 65, 67]
    assert [p for *_, p in heard(xml)] == played
    assert [p for *_, p in heard(abc("C4 |: D4 |1 E4 :|2 F4 || G4 |]"))] == played
    jump = score(c, d + '<direction><direction-type><words>Fine</words></direction-type><sound fine="yes"/></direction>',
                 e + '<direction><direction-type><words>D.C. al Fine</words></direction-type></direction>')  # fmt: skip
    played = [60, 62, 64, 60, 62]
    assert [p for *_, p in heard(jump)] == played
    assert [p for *_, p in heard(abc("C4 | D4 !fine! | E4 !D.C.! |]"))] == played


def test_a_coda_of_musicxml():
    def sound(kind: str) -> str:
        return f'<direction><direction-type><words/></direction-type><sound {kind}="x"/></direction>'

    xml = score(
        note("C", 4), sound("segno") + note("D", 4), note("E", 4) + sound("tocoda"), note("F", 4) + sound("dalsegno"),
        sound("coda") + note("G", 4),
    )  # fmt: skip
    assert [p for *_, p in heard(xml)] == [60, 62, 64, 65, 62, 64, 67]


def pitches(data) -> list[int]:
    return [p for *_, p in heard(data)]


def test_a_fine_in_the_middle_of_a_bar_ends_there_where_the_rest_is_a_pickup():
    """A tune of three in a bar with a pickup of one; the trio begins behind the Fine."""
    trio = "G | c2 G | d2 :|".replace(":|", "!D.C.!|")
    played = pitches(abc(f"C | D2 E | F2 !fine! {trio}", metre="3/4"))
    assert played == [60, 62, 64, 65, 67, 72, 67, 74, 60, 62, 64, 65]
    over = pitches(abc(f"C | D2 E | !fine! F2 {trio}", metre="3/4"))  # over the note: the same
    assert over == played
    fine = '<direction><direction-type><words>Fine</words></direction-type><sound fine="yes"/></direction>'
    dacapo = '<direction><direction-type><words>D.C. al Fine</words></direction-type><sound dacapo="yes"/></direction>'
    xml = [note("C"), note("D", 2) + note("E"), note("F", 2) + fine + note("G"),
           note("C", 2, octave=5) + note("G"), note("D", 2, octave=5) + dacapo]  # fmt: skip
    assert pitches(score(*xml, beats="3")) == played


def test_a_fine_over_the_last_note_but_one_of_a_bar_does_not_cut_it():
    """Without a pickup there is nothing that could follow in the same bar: it is only written early."""
    assert pitches(abc("C4 | D2 !fine! E2 | F4 !D.C.!|")) == [60, 62, 64, 65, 60, 62, 64]


def test_segno_and_coda_in_the_middle_of_a_bar():
    jump = pitches(abc("C4 | D2 !segno! E2 | F4 | G2 !D.S.!|"))
    assert jump == [60, 62, 64, 65, 67, 64, 65, 67]
    coda = pitches(abc("!segno! C4 | D2 !tocoda! E2 | F4 !D.S.!| !coda! G2 |]"))
    assert coda == [60, 62, 64, 65, 60, 62, 67]


def test_bars_that_are_cut_are_whole_where_they_are_played_in_a_row():
    song = song_of(abc("C4 | D2 !segno! E2 | F4 | G4 !D.S.!|"))
    assert [(t.tick, t.numerator) for t in song.time_signatures] == [(0, 4)]
    assert pitches(abc("C4 | D2 !segno! E2 | F4 | G4 !D.S.!|")) == [60, 62, 64, 65, 67, 65, 67]  # as a pickup would be


def test_no_note_is_cut():
    assert pitches(abc("C | D3 !fine! | !fine! E3 | F2 !D.C.!|", metre="3/4"))[:4] == [60, 62, 64, 65]
    long = abc("C | D2 E | F2- !fine! F | G2 !D.C.!|", metre="3/4")
    assert pitches(long)[:5] == [60, 62, 64, 65, 67]
