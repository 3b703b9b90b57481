"""A file moved or put behind another loses nothing: every message comes at its own time, read by mido, in fractions."""

import io
from collections import Counter
from fractions import Fraction

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st
from midi_files import chunk, midi, raw_chunk, signature, song, tempo, track, tune

from cantilena.errors import MidiError
from cantilena.music.midi import read_song
from cantilena.music.splice import read_notes
from cantilena.music.timeline import append_file, last_time_change, later, on_fine_ticks

MOVES = [b"\xff\x05\x02la", b"\xff\x06\x01A", b"\xff\x07\x02go"]  # lyric, marker, cue point
STAYS = [
    b"\xff\x01\x03abc", b"\xff\x02\x01c", b"\xff\x03\x04Lead", b"\xff\x59\x02\x02\x00", b"\xff\x7f\x01\x00",
    b"\xf0\x03\x41\x10\xf7", tempo(90), signature(4, 4), b"\xb0\x40\x7f", b"\xc0\x05", b"\xe0\x00\x50", b"\xd0\x22",
]  # fmt: skip


@st.composite
def chunks(draw, channel=0):
    """A track with notes, and any other messages before them at tick 0, among them and behind them."""
    others = st.sampled_from([*MOVES, *STAYS])
    events = [(0, e) for e in draw(st.lists(others, max_size=4))]
    tick = draw(st.sampled_from([0, 7, 960]))
    for _ in range(draw(st.integers(1, 8))):
        length, pitch = draw(st.integers(1, 700)), draw(st.integers(40, 50))
        events += [(tick, bytes([0x90 | channel, pitch, 80])), (tick + length, bytes([0x80 | channel, pitch, 0]))]
        tick += length + draw(st.integers(0, 50))
    events += draw(st.lists(st.tuples(st.integers(1, 9000), others), max_size=5))
    return chunk(events)


def timed(data, scale=1, at=0):
    """What mido reads of each track: (quarters as a fraction, bytes), without the end of the track."""
    file, found = mido.MidiFile(file=io.BytesIO(data)), []
    for one in file.tracks:
        tick, messages = 0, []
        for message in one:
            tick += message.time
            if message.type != "end_of_track":
                messages.append((at + Fraction(tick, file.ticks_per_beat), tuple(message.bytes())))
        found.append(messages)
    return found


def counted(tracks):
    return Counter(event for messages in tracks for event in messages)


# -- later -----------------------------------------------------------------------------------


@given(st.lists(chunks(), min_size=1, max_size=3), st.sampled_from([96, 480]), st.integers(1, 4000))
def test_everything_moves_but_the_setup_and_nothing_changes_its_order(some, division, ticks):
    data = midi(*some, division=division)
    was, now = timed(data), timed(later(data, ticks, "x"))
    for before, after in zip(was, now, strict=True):
        moved = [
            (q + Fraction(ticks, division), m) if q > 0 or m[0] >> 4 in (8, 9) or bytes(m) in MOVES else (q, m)
            for q, m in before
        ]
        assert sorted(moved, key=lambda e: e[0]) == after


def test_what_follows_a_note_on_its_channel_at_tick_0_moves_with_it():
    """Bank and program of two instruments that both play at tick 0: each note keeps its own; tempo and text stay."""
    events = [
        b"\xc0\x05", b"\x90\x3c\x50", b"\x80\x3c\x00", b"\xc0\x07", tempo(90), b"\xc1\x08", b"\x91\x3e\x50", b"\xff\x01\x01a",
    ]  # fmt: skip
    data = midi(chunk([*((0, e) for e in events), (10, b"\x81\x3e\x00")]))
    (after,) = timed(later(data, 480, "x"))
    stay = [m for q, m in after if q == 0]
    assert stay == [tuple(e) for e in (b"\xc0\x05", tempo(90), b"\xc1\x08", b"\xff\x01\x01a")]
    assert [m for q, m in after if q == 1] == [tuple(events[i]) for i in (1, 2, 3, 6)]


def test_chunks_without_music_and_what_is_no_track_are_copied():
    """Setup alone, an unknown chunk, bytes behind the last track; the end of an empty track stays at tick 0."""
    setup = chunk([(0, tempo(100)), (0, b"\xff\x03\x01x")])
    data = midi(setup, b"XFIH\x00\x00\x00\x02hi", track(tune(1, 4))) + b"tail"
    data = data[:10] + b"\x00\x02" + data[12:]
    out = later(data, 1920, "x")
    assert out[14:].startswith(setup + b"XFIH\x00\x00\x00\x02hi")
    assert out.endswith(b"tail")


# -- one behind the other --------------------------------------------------------------------


@given(
    st.lists(chunks(), min_size=1, max_size=2),
    st.lists(chunks(channel=1), min_size=1, max_size=2),
    st.sampled_from([(480, 480), (480, 384), (96, 1024), (100, 120)]),
    st.integers(0, 99),
)
def test_both_files_are_there_at_their_own_time(ours, theirs, divisions, bar):
    a, b = (midi(*some, division=d) for some, d in zip((ours, theirs), divisions, strict=True))
    at = 40 + bar
    both = append_file(a, b, at * divisions[0], ("a", "b"))
    file = mido.MidiFile(file=io.BytesIO(both))
    assert (file.type, len(file.tracks)) == (1, len(ours) + len(theirs))
    wanted = counted(timed(a)) + counted(timed(b, at=at))
    found = counted(timed(both))
    assert not wanted - found
    added = found - wanted  # what it says of time where b says nothing, and what sets back a's channel messages
    assert all(q == at for q, _ in added)
    assert {m[:2] for _, m in added if m[0] == 0xFF} <= {(0xFF, 0x51), (0xFF, 0x58)}
    one, other = (read_notes(read_song(d)) for d in (a, b))
    scale = [Fraction(file.ticks_per_beat, d) for d in divisions]
    ticks = [(n.start * scale[0], n.end * scale[0], n.pitch) for n in one]
    ticks += [
        ((n.start + at * divisions[1]) * scale[1], (n.end + at * divisions[1]) * scale[1], n.pitch) for n in other
    ]
    assert Counter(ticks) == Counter((n.start, n.end, n.pitch) for n in read_notes(read_song(both)))


def test_time_of_the_second_stands_in_the_first_track():
    a = song(track(tune(1, 8)), qpm=90, division=96, signatures=[(0, 4, 4)])
    b = midi(track(tune(2, 8)), chunk([(0, tempo(150)), (480, tempo(75)), (1920, signature(3, 4))]))
    first, *others = timed(append_file(a, b, 8 * 4 * 96, ("a", "b")))
    assert [(q, m) for q, m in first if q >= 32] == [
        (32, tuple(tempo(150))), (32, tuple(signature(4, 4))), (33, tuple(tempo(75))), (36, tuple(signature(3, 4)))
    ]  # fmt: skip
    assert not any(m[:2] in ((0xFF, 0x51), (0xFF, 0x58)) for one in others for _, m in one)
    read = read_song(append_file(a, b, 8 * 4 * 96, ("a", "b")))
    assert read.time_signatures[-1] == (36 * read.ticks_per_quarter, 3, 4)


def test_what_the_first_set_on_a_shared_channel_is_set_back():
    """Program, volume, bend and pedal of channel 0 would sound on in the second; channel 2 plays only in the first."""
    setup = [b"\xc0\x21", b"\xb0\x07\x10", b"\xe0\x00\x10", b"\xb0\x40\x7f", b"\xc2\x05", b"\xb0\x0b\x20"]
    a = midi(chunk([*((0, e) for e in setup), (0, b"\x90\x3c\x50"), (480, b"\x80\x3c\x00")]))
    b = midi(track([(0, 4, 60)]))
    both = append_file(a, b, 1920, ("a", "b"))
    (first, _) = timed(both)
    assert [m for q, m in first if q == 4 and m[0] < 0xF0] == [
        (0xC0, 0), (0xB0, 7, 100), (0xE0, 0, 64), (0xB0, 64, 0), (0xB0, 11, 127),
    ]  # fmt: skip
    quiet = midi(track([(0, 4, 60)]))
    assert not [m for _, m in timed(append_file(quiet, b, 1920, ("a", "b")))[0] if m[0] >> 4 in (0xB, 0xC)]


def test_ticks_that_do_not_fit_together():
    a, b = song(track(tune(1, 8)), division=480), song(track(tune(1, 8)), division=1001)
    with pytest.raises(MidiError, match=r"^b: 1001 ticks a quarter and a's 480 do not fit together"):
        append_file(a, b, 1920, ("a", "b"))


def test_the_last_change_of_time_is_found_in_any_track():
    a = midi(chunk([(0, tempo(90)), (960, tempo(80))]), chunk([(1920, signature(4, 4)), (2000, b"\xff\x01\x01a")]))
    assert last_time_change(a, "x") == 1920
    assert last_time_change(midi(track([(0, 4, 60)])), "x") == 0


def test_broken_events_are_one_line():
    bad = midi(raw_chunk(b"\x00\x90\x3c\x50\x00\x80\x3c\xff\x00\xff\x2f\x00"))
    for call in (lambda: later(bad, 10, "x"), lambda: append_file(bad, bad, 10, ("x", "x"))):
        with pytest.raises(MidiError, match=r"^x: broken MIDI: a data byte of more than 127 .255"):
            call()


# -- time that files can and cannot say --------------------------------------------------------


@pytest.mark.parametrize(("division", "finer"), [(1, 12), (2, 12), (3, 12), (4, 12), (5, 60), (12, 12), (480, 480)])
def test_ticks_can_say_sixteenths_and_triplets(division, finer):
    data = midi(chunk([(0, tempo(90)), (7, b"\xff\x06\x01A")]), track(tune(1, 8), step=1), division=division)
    read = read_song(data, name="x.mid")
    fine = on_fine_ticks(read)
    assert (fine.ticks_per_quarter, fine.name, fine.qpm) == (finer, "x.mid", read.qpm)
    assert timed(fine.data) == timed(data)
    assert (fine is read) == (finer == division)


@pytest.mark.parametrize("late", [b"\xff\x06\x01A", b"\xb0\x07\x00", b"\x90\x3c\x00"])
def test_an_event_that_would_come_too_late_is_said_to(late):
    body = b"\x00\x90\x3c\x50\x60\x80\x3c\x00" + b"\xff\xff\xff\x7f" + late + b"\x00\xff\x2f\x00"
    data = midi(raw_chunk(body))
    with pytest.raises(
        MidiError, match=r"^x: its time cannot be changed so: an event would come 536,870,910 ticks after"
    ):
        append_file(midi(track([(0, 4, 60)]), division=960), data, 0, ("a", "x"))
    body = b"\x00\xff\x01\x01a" + b"\xff\xff\xff\x7f" + late + b"\x00\xff\x2f\x00"
    with pytest.raises(MidiError, match=r"^x: .* 268,437,375 ticks after another, and 268,435,455 is the most"):
        later(midi(raw_chunk(body)), 1920, "x")
    assert later(midi(raw_chunk(body)), 0, "x") == midi(raw_chunk(body))
