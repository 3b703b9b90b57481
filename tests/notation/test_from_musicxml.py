"""MusicXML is heard as it is written; what is hostile or broken is one line."""

import contextlib
import tracemalloc

import pytest
from sheets import ending, heard, note, notes_of, packed, repeat, rest, score, song_of

from cantilena.errors import MidiError
from cantilena.music.chunks import file_chunks, track_events
from cantilena.notation import xml_files
from cantilena.notation.chords import chords_of
from cantilena.notation.reading import to_midi

C, D = note("C", 4), note("D", 4)
CONTAINER = b'<container><rootfiles><rootfile full-path="a/s.xml"/></rootfiles></container>'


def test_backup_chord_and_tie():
    tie = '<tie type="start"/>'
    bar = (
        note("C", 2)
        + note("E", 2, more="<chord/>")
        + note("G", 2, more=tie)
        + "<backup><duration>4</duration></backup>"
        + note("A", 4, more="<voice>2</voice>")
    )
    song = song_of(score(bar, note("G", 2, more='<tie type="stop"/>') + rest(2)))
    every = sorted(n for k in range(len(song.tracks)) for n in notes_of(song, k))
    assert every == [(0, 2, 60), (0, 2, 64), (0, 4, 69), (2, 4, 67)]


def test_voices_with_notes_enough_are_lines_of_their_own():
    two = note("E", 4) + "<backup><duration>4</duration></backup>" + note("C", 4, more="<voice>2</voice>")
    assert [notes_of(song_of(score(two, two)), k) for k in (0, 1)] == [
        [(0, 4, 64), (4, 4, 64)],
        [(0, 4, 60), (4, 4, 60)],
    ]
    few = score(*[note("E") * 4] * 3, two)
    assert len(song_of(few).tracks) == 1


def test_divisions_key_grace_and_tuplets():
    first = "<key><fifths>-3</fifths><mode>minor</mode></key>"
    triplet = (
        "<attributes><divisions>3</divisions></attributes><note><grace/><pitch><step>B</step><octave>4</octave></pitch></note>"
        + "".join(note(x, 1) for x in "CDE")
    )
    song = song_of(score(C, triplet + rest(9), first=first))
    assert [(s, round(d, 3), p) for s, d, p in notes_of(song)] == [
        (0, 4, 60),
        (4, 0.333, 60),
        (4 + 160 / 480, 0.333, 62),
        (4 + 320 / 480, 0.333, 64),
    ]
    metas = [
        e.text for c in file_chunks(song.data, "x")[:-1] for e in track_events(c, "x") if e.message[:2] == b"\xff\x59"
    ]
    assert metas == [b"\xfd\x01"]


def test_a_clarinet_sounds_lower_and_so_do_its_chords():
    first = "<key><fifths>2</fifths></key><transpose><chromatic>-2</chromatic></transpose>"
    harmony = "<harmony><root><root-step>D</root-step></root><kind>dominant</kind><bass><bass-step>F</bass-step><bass-alter>1</bass-alter></bass></harmony>"
    song = song_of(score(harmony + D, first=first))
    assert notes_of(song) == [(0, 4, 60)]
    assert [c.name for c in chords_of(song)] == ["C7/E"]
    assert b"\xff\x59\x02\x00\x00" in song.data


def test_pickup_and_a_bar_of_its_own():
    song = song_of(score(note("G"), C, note("D", 3), D, note("E", 5), C))
    assert [s for s, *_ in notes_of(song)] == [3, 4, 8, 11, 15, 20]
    assert [(s.tick / 480, s.numerator, s.denominator) for s in song.time_signatures] == [
        (0, 4, 4), (8, 3, 4), (11, 4, 4), (15, 5, 4), (20, 4, 4)]  # fmt: skip


def test_bars_that_two_lines_divide_are_one():
    """A repeat in the middle of a bar: 3 + 1 quarters are one bar, each time."""
    song = song_of(
        score(note("G"), C, note("D", 3) + '<barline><repeat direction="backward"/></barline>', note("E"), C)
    )
    assert [p for *_, p in notes_of(song)] == [67, 60, 62, 67, 60, 62, 64, 60]
    assert [s[1:] for s in song.time_signatures] == [(4, 4)]


def test_tempo_and_words():
    words = "<direction><direction-type><metronome><beat-unit>eighth</beat-unit><beat-unit-dot/><per-minute>c. 80</per-minute></metronome></direction-type></direction>"
    lyric = '<lyric number="1"><syllabic>begin</syllabic><text>la</text></lyric>'
    song = song_of(score(words + note("C", 4, more=lyric)))
    assert song.qpm == pytest.approx(60)
    assert b"\xff\x05\x03la-" in song.data


def test_timewise_and_mxl_and_encodings_give_the_same():
    plain = score(C, D)
    measures = (
        '<measure number="1"><part id="P1"><attributes><divisions>1</divisions></attributes>'
        + C
        + '</part></measure><measure number="2"><part id="P1">'
        + D
        + "</part></measure>"
    )
    timewise = f'<score-timewise><part-list><score-part id="P1"><part-name>Part 1</part-name></score-part></part-list>{measures}</score-timewise>'
    wanted = heard(plain)
    assert heard(timewise) == wanted
    assert heard(packed({"META-INF/container.xml": CONTAINER, "a/s.xml": plain.encode()})) == wanted
    assert heard(packed({"s.musicxml": plain.encode()})) == wanted
    assert heard(plain.replace('"1.0"', '"1.0" encoding="UTF-16"').encode("utf-16")) == wanted


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"<score-partwise><part-list>", "broken XML"),
        (b"<html><body/></html>", "not MusicXML with a score .it begins with <html>"),
        (b'<!DOCTYPE x [<!ENTITY a "aaa"><!ENTITY b "&a;&a;">]><score-partwise>&b;</score-partwise>', "entities"),
        (b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><score-partwise>&a;</score-partwise>', "entities"),
        ('<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x [<!ENTITY a "b">]><score-partwise/>'.encode("utf-16"), "entities"),
        (b"<a>" * 100 + b"</a>" * 100, "deep"),
        (b"<score-partwise></score-partwise>", "no notes"),
        (score(note("H", 4)).encode(), "bar 1: no step"),
        (score(note("C", 4).replace(">4</dur", ">four</dur")).encode(), "'four' is no number"),
        (score(note("C", 4).replace(">4</dur", ">1e999999999</dur")).encode(), "is no number"),
        (score(note("C", -4)).encode(), "negative duration"),
        (score(C).replace("<divisions>1<", "<divisions>0<").encode(), "divisions of 0"),
        (score(note("C", 999_999_999), D).encode(), "longer than|more ticks|time cannot be played"),
        (b"PK\x03\x04 no archive", "broken .mxl archive"),
        (packed({"readme.txt": b"hello"}), "without a score"),
        (packed({"META-INF/container.xml": CONTAINER}), "without a score"),
        (packed({"META-INF/container.xml": b" " * (1 << 17), "s.xml": b"<a/>"}), "unpacks to more than 64 KiB"),
        (b"", None),
    ],
)  # fmt: skip
def test_what_is_broken_or_hostile_is_one_line(data, says):
    if says is None:
        assert to_midi(data, "x.mxl") == b""  # an empty file, which the reader of MIDI refuses
        return
    with pytest.raises(MidiError, match=f"^x.mxl: .*({says})") as error:
        song_of(data, name="x.mxl")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


def test_a_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(xml_files, "MAX_BYTES", 1 << 20)
    bomb = packed({"s.xml": b" " * (64 << 20)})
    tracemalloc.start()
    with pytest.raises(MidiError, match=r"s\.xml unpacks to more than 1,024 KiB"):
        to_midi(bomb, "x.mxl")
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_a_cut_or_changed_archive_is_one_line():
    whole = packed({"META-INF/container.xml": CONTAINER, "a/s.xml": score(C, D).encode()})
    for at in range(4, len(whole), 7):
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1 :]):
            with contextlib.suppress(MidiError):
                to_midi(data, "x.mxl")


def test_names_do_not_decide():
    with pytest.raises(MidiError, match=r"x\.musicxml: neither MusicXML nor ABC"):
        to_midi(b"hello", "x.musicxml")
    assert to_midi(b"MThd and so on", "x.abc") == b"MThd and so on"
    assert to_midi(b"hello", "x.mid") == b"hello"
    assert heard(score(C), name="x.mid") == [(0, 4, 60)]


def test_music21_hears_the_same():
    """A second reader, on what was written here: repeats, endings, a tuplet, a tie, two parts."""
    music21 = pytest.importorskip("music21")
    tied = note("E", 4, more='<tie type="start"/>')
    high = [C, repeat("forward") + D, ending("1", "start") + tied + ending("1", "stop", back=True),
            ending("2", "start") + note("F", 4) + ending("2", "stop"), note("G", 1) * 4]  # fmt: skip
    c = note("C", 2, octave=3) * 2
    low = [
        c,
        repeat("forward") + c,
        ending("1", "start") + c + ending("1", "stop", back=True),
        ending("2", "start") + c + ending("2", "stop"),
        c,
    ]
    data = score(*high, parts=[low])
    read = music21.converter.parse(data, format="musicxml").expandRepeats()
    theirs = [
        [(n.offset, n.quarterLength, n.pitch.midi) for n in part.stripTies().flatten().notes] for part in read.parts
    ]
    song = song_of(data)
    assert [notes_of(song, k) for k in range(2)] == theirs


def repeated(kind: str, bars: int = 1) -> str:
    number = f"{bars}" if kind == "start" else ""
    sign = f'<measure-repeat type="{kind}">{number}</measure-repeat>'
    return f"<attributes><measure-style>{sign}</measure-style></attributes>"


def test_a_bar_that_repeats_the_one_before():
    e, g = note("E", 4), note("G", 4)
    one = score(C, repeated("start") + rest(4), rest(4), repeated("stop") + rest(4), e)
    assert heard(one) == [(0, 4, 60), (4, 4, 60), (8, 4, 60), (16, 4, 64)]
    two = score(C, D, repeated("start", 2) + rest(4), rest(4), repeated("stop") + e)
    assert [p for *_, p in heard(two)] == [60, 62, 60, 62, 64]
    written = score(C, repeated("start") + g, repeated("stop") + D)  # a program that writes the notes as well
    assert [p for *_, p in heard(written)] == [60, 67, 62]
    assert [p for *_, p in heard(score(repeated("start") + C, D))] == [60, 62]  # nothing before it
    both = song_of(score(C, repeated("start"), parts=[[e, g]]))
    assert [[p for *_, p in notes_of(both, k)] for k in (0, 1)] == [[60, 60], [64, 67]]


def test_chords_of_a_bar_that_is_repeated():
    chord = "<harmony><root><root-step>A</root-step></root><kind>minor</kind></harmony>"
    found = chords_of(song_of(score(chord + C, repeated("start") + rest(4), repeated("stop") + D)))
    assert [(c.bar, c.name) for c in found] == [(1, "Am"), (2, "Am")]


def test_an_archive_is_packed_and_unpacked():
    data = score(C, D).encode()
    archive = xml_files.packed(data)
    assert xml_files.unpacked(archive, "a.mxl") == data
    assert xml_files.packed(data) == archive  # no time of day in it
    assert heard(archive) == heard(data)
