"""Texts come and go; no other event of the file does. mido and symusic are the second readers."""

import io

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st
from midi_files import chunk, midi, raw_chunk, song, track, tune, variable_length
from test_splice import chunks, messages, sounding

from cantilena.errors import MidiError
from cantilena.music.texts import printable, read_texts, write_texts

MINE = st.lists(st.binary(max_size=200).map(lambda b: b"mine:" + b), max_size=4)
MANY = st.lists(chunks(), min_size=1, max_size=3)


def is_mine(text):
    return text.startswith(b"mine:")


@given(MANY, MINE, MINE)
def test_texts_are_added_and_replaced_and_nothing_else_differs(some, first, then):
    data = midi(*some)
    theirs = read_texts(data, "x")
    before = len([m for tick, m in messages(data, 0) if tick == 0 and m[:2] == (0xFF, 1)])
    once = write_texts(data, first, gone=is_mine, name="x")
    assert read_texts(once, "x") == [*theirs[:before], *first, *theirs[before:]]
    twice = write_texts(once, then, gone=is_mine, name="x")
    assert read_texts(twice, "x") == [*theirs[:before], *then, *theirs[before:]]
    for k in range(len(some)):
        new = [(0, (0xFF, 1, *mido.MetaMessage("text", text=t.decode("latin-1")).bytes()[2:])) for t in then]
        assert [m for m in messages(twice, k) if k or m not in new] == messages(data, k)
    assert sounding(twice) == sounding(data)
    assert write_texts(twice, [], gone=is_mine, name="x") == data


def test_a_karaoke_file_says_first_that_it_is_one():
    own = [b"@KMIDI KARAOKE FILE", b"@V0100", b"@TAir", b"\\La"]
    events = [(0, b"\xff\x01" + variable_length(len(text)) + text) for text in own]
    notes = [(0, b"\x90\x3c\x40"), (96, b"\x80\x3c\x00"), (96, b"\xff\x01\x03 la")]
    data = midi(chunk([events[0], (0, b"\xff\x51\x03\x07\xa1\x20"), *events[1:], *notes]))
    out = write_texts(data, [b"mine: a", b"mine: b"], gone=is_mine, name="x")
    assert read_texts(out, "x") == [*own, b"mine: a", b"mine: b", b" la"]
    assert read_texts(write_texts(out, [b"mine: c"], gone=is_mine, name="x"), "x") == [*own, b"mine: c", b" la"]


@given(MANY, st.integers(0, 2), st.integers(0, 3000))
def test_a_text_that_a_program_moved_is_found_and_goes(some, where, tick):
    """To another track, and behind notes: the ticks of what follows it stay."""
    data = midi(*some)
    file = mido.MidiFile(file=io.BytesIO(data))
    moved = file.tracks[where % len(some)]
    at, passed = 0, 0
    while at < len(moved) - 1 and passed + moved[at].time <= tick:
        passed, at = passed + moved[at].time, at + 1
    moved.insert(at, mido.MetaMessage("text", text="mine: moved", time=0))
    saved = io.BytesIO()
    file.save(file=saved)
    assert b"mine: moved" in read_texts(saved.getvalue(), "x")
    out = write_texts(saved.getvalue(), [b"mine: new"], gone=is_mine, name="x")
    assert [t for t in read_texts(out, "x") if is_mine(t)] == [b"mine: new"]
    text = (0, tuple(mido.MetaMessage("text", text="mine: new").bytes()))
    for k in range(len(some)):
        assert [m for m in messages(out, k) if k or m != text] == messages(data, k)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16383, 16384])
def test_a_text_of_any_length(size):
    data = song(track(tune(1, 4)))
    out = write_texts(data, [size * b"a"], gone=is_mine, name="x")
    assert read_texts(out, "x") == [size * b"a"]
    assert mido.MidiFile(file=io.BytesIO(out)).tracks[0][0].text == size * "a"


def test_the_track_that_has_none_to_lose_keeps_its_bytes():
    """A delta written in more bytes than it needs, bytes behind the end of the track, a chunk of another kind."""
    odd = raw_chunk(b"\x80\x00\x90\x3c\x40\x60\x3c\x00\x00\xff\x2f\x00junk")
    data = midi(b"XFIH\x00\x00\x00\x02hi", odd) + b"tail"
    out = write_texts(data, [b"mine: a"], gone=is_mine, name="x")
    event = b"\x00\xff\x01\x07mine: a"
    assert out == data.replace(odd, raw_chunk(event + odd[8:]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x.mid: the file is empty"),
        (b"hello, no music", "x.mid: not a MIDI file"),
        (b"RIFFxxxxRMID", "x.mid: not a MIDI file"),
        (song(track(tune(1)))[:-9], "x.mid: broken MIDI: it ends before"),
        (midi(raw_chunk(b"\x00\x90\x3c")), "x.mid: broken MIDI: the events of a track are cut off"),
        (midi(), "x.mid: has no track"),
    ],
)
def test_what_is_no_file_is_one_line(data, message):
    with pytest.raises(MidiError, match=message):
        write_texts(data, [b"a"], gone=is_mine, name="x.mid")


def test_nothing_of_a_strangers_text_steers_the_terminal():
    assert printable("é, 日本 \x1b]0;x\x07\n\u202e\udcff") == "é, 日本 \\x1b]0;x\\x07\\n\\u202e\\udcff"
