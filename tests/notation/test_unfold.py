"""Bars are played in the order that their signs say; the same signs in MusicXML and in ABC give the same order."""

import pytest
from sheets import abc, ending, heard, note, repeat, score

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
