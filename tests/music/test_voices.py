"""What sounds in a file is read once, by us: odd events step aside, programs hold as a synthesiser hears them."""

import io

import mido
import pytest
from midi_files import chunk, midi, raw_chunk, song, track, tune, variable_length

from cantilena.errors import MidiError
from cantilena.music.midi import read_song
from cantilena.music.splice import TickNote, find_part, read_notes

BAR = 1920


def on(tick, pitch, channel=0):
    return tick, bytes([0x90 | channel, pitch, 80])


def off(tick, pitch, channel=0):
    return tick, bytes([0x80 | channel, pitch, 0])


def quarters(pitches, at=0, channel=0):
    """Events of one quarter note after another."""
    return [
        e for i, p in enumerate(pitches) for e in (on(at + i * 480, p, channel), off(at + (i + 1) * 480, p, channel))
    ]


def notes(data, track=0):
    found = read_song(data).tracks[track]
    return list(zip(found.start.tolist(), found.end.tolist(), found.pitch.tolist(), strict=True))


# -- events that are not notes ------------------------------------------------------------------


@pytest.mark.parametrize(
    "odd",
    [
        [
            (0, b"\xf0\x03\x43\x12\x00"),
            (480, b"\xf7\x03\x43\x12\x00"),
            (960, b"\xf7\x02\x00\xf7"),
        ],  # one SysEx in three packets
        [(480, b"\xf7\x02\xf3\x01")],  # an escape: a song select
        [(480, b"\xf7\x03\x90\x3c\x50")],  # an escaped note-on is not a note of the file
        [(480, b"\xf7\x00"), (960, b"\xf0\x00")],
        [(480, b"\xf0\x02\x43\x12")],  # never ended
        [(480, b"\xf8"), (960, b"\xfe"), (960, b"\xf6"), (1440, b"\xf2\x01\x02")],  # of the wire, not of a file
    ],
)
def test_what_is_no_note_moves_none_and_stays_as_it_is(odd):
    pitches = [60, 62, 64, 65, 67, 69, 71, 72]
    data = midi(chunk([*quarters(pitches), *odd]))
    assert notes(data) == [(i * 480, (i + 1) * 480, p) for i, p in enumerate(pitches)]
    part = find_part(read_song(data), 0)
    assert part.replace([], []) == data
    out = part.replace([part.notes[-1]], [TickNote(3400, 3800, 74, 90)])
    assert [e for e in find_part(read_song(out), 0).events if e.message in {m for _, m in odd}] == [
        e for e in part.events if e.message in {m for _, m in odd}
    ]


def test_a_status_runs_on_over_a_sysex():
    body = b"\x00\x90\x3c\x50\x60\xf0\x02\x43\xf7\x00\x3c\x00\x00\x3e\x50\x60\x3e\x00\x00\xff\x2f\x00"
    assert notes(midi(raw_chunk(body))) == [(0, 96, 60), (96, 192, 62)]


def test_a_long_head_is_read():
    data = song(track(tune(1, 8)))
    longer = b"MThd\x00\x00\x00\x08" + data[8:14] + b"\x00\x00" + data[14:]
    assert notes(longer) == notes(data)
    assert notes(find_part(read_song(longer), 0).replace([], [])) == notes(data)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\x00\x90\x3c\xc8\x00\xff\x2f\x00", r"a data byte of more than 127 \(200, at byte 9 of a track\)$"),
        (b"\x00\xb0\x07\xff\x00\xff\x2f\x00", r"a data byte of more than 127 \(255, "),
        (b"\x00\x3c\x40\x00\xff\x2f\x00", r"an event begins without a status byte \(0x3c, at byte 9 of a track\)$"),
        (b"\x81\x81\x81\x81\x00\x90\x3c\x40", "a number of more than four bytes"),
        (b"\x00\x90\x3c", "the events of a track are cut off"),
        (b"\x00\xff\x03\x20abc", "the events of a track are cut off"),
    ],
)
def test_broken_events_are_one_line_of_ours(body, message):
    with pytest.raises(MidiError, match=f"^x.mid: broken MIDI: {message}"):
        read_song(midi(raw_chunk(body)), name="x.mid")


def test_what_follows_the_last_track_is_no_track():
    """A head that counts one track: what stands behind it is kept, and is not music."""
    first, rest = chunk(quarters([60, 62])), chunk(quarters([70, 72]))
    data = midi(first) + rest + b"MTrk\x00\x00\x00\x01\x90"
    assert notes(data) == [(0, 480, 60), (480, 960, 62)]
    assert [n.pitch for n in read_notes(read_song(data))] == [60, 62]
    out = find_part(read_song(data), 0).replace([], [TickNote(2000, 2400, 80, 90)])
    assert out.endswith(rest + b"MTrk\x00\x00\x00\x01\x90")
    with pytest.raises(MidiError, match="no notes"):
        read_song(midi(chunk([])) + rest)


def test_a_chunk_that_says_it_is_longer_is_one_line():
    data = midi(raw_chunk(b"\x00\x90\x3c\x40\x60\x3c\x00\x00\xff\x2f\x00"))
    with pytest.raises(MidiError, match=r"it ends before its last track does \(7 bytes are missing\)"):
        read_song(data[:-7])
    with pytest.raises(MidiError, match="its head has 2 bytes, and 6 are needed"):
        read_song(b"MThd\x00\x00\x00\x02" + data[8:])


# -- programs ----------------------------------------------------------------------------------


def test_a_program_change_makes_no_other_track():
    first, second = [60, 62, 64, 65], [67, 69, 71, 72, 74]
    data = midi(chunk([(0, b"\xc0\x49"), *quarters(first), (1700, b"\xc0\x38"), *quarters(second, BAR)]))
    (one,) = read_song(data).tracks
    assert one.pitch.tolist() == first + second
    assert one.program == 0x38  # of most of its notes
    assert len(find_part(read_song(data), 0).notes) == 9


def test_a_program_that_a_conductor_sets_is_the_channels():
    conductor = chunk([(0, b"\xc0\x21"), (0, b"\xc1\x49"), (BAR, b"\xc1\x05")])
    one, two = chunk(quarters([60, 62])), chunk(quarters([60, 62], channel=1))
    own = chunk([(960, b"\xc1\x07"), *quarters([60, 62, 64, 65, 67], channel=1)])
    assert [t.program for t in read_song(midi(conductor, one, two, own)).tracks] == [0x21, 0x49, 7]
    assert [t.program for t in read_song(midi(one, two, conductor)).tracks] == [0x21, 0x49]  # wherever it stands
    assert [t.program for t in read_song(midi(one, track([(0, 4, 60)], program=9))).tracks] == [None, 9]  # for itself
    pieces = midi(conductor, one, two)
    assert [t.program for t in read_song(pieces[:9] + b"\x02" + pieces[10:]).tracks] == [None, None]


@pytest.mark.parametrize("name", ["Lead", "Lead\u0000", 64 * "x", 127 * "y"])
def test_no_name_is_a_program(name):
    data = song(track(tune(1, 8), name=name))
    assert read_song(data).tracks[0].program is None
    assert read_song(song(track(tune(1, 8), name=name, program=0))).tracks[0].program == 0


@pytest.mark.parametrize("text", [b"\xc0\x00", 0xC0 * b"x", b"Lead \xc3\x00"])
def test_no_text_is_a_program(text):
    said = b"\xff\x01" + variable_length(len(text)) + text
    assert (
        read_song(midi(chunk([(0, said), (0, b"\xf0\x03\xc0\x00\xf7"), *quarters([60, 62])]))).tracks[0].program is None
    )


def test_a_program_behind_a_note_is_not_that_notes():
    data = midi(chunk([on(0, 60), (0, b"\xc0\x06"), off(480, 60)]))
    assert read_song(data).tracks[0].program is None


# -- notes without an end ------------------------------------------------------------------------


def test_a_note_without_an_end_sounds_to_the_end_of_its_track():
    data = midi(chunk([*quarters([60, 62]), on(960, 64), (BAR, b"\xb0\x07\x50")]), track([(0, 64, 40)], channel=1))
    assert notes(data) == [(0, 480, 60), (480, 960, 62), (960, BAR, 64)]


def test_a_key_struck_twice_and_let_go_once_is_let_go():
    data = midi(chunk([on(0, 60), on(240, 60), off(480, 60), *quarters([62], 480)]))
    assert notes(data) == [(0, 480, 60), (240, 480, 60), (480, 960, 62)]


@pytest.mark.parametrize("pitch", [64, 70])
def test_new_notes_behind_a_hung_one_leave_its_length(pitch):
    """Of its own key or of another; a second hung note on another channel of the chunk keeps its length, too."""
    data = midi(chunk([*quarters([60, 62]), on(960, 64), on(960, 50, channel=2), (BAR, b"\xb0\x07\x50")]))
    before = read_notes(read_song(data))
    new = TickNote(2 * BAR, 3 * BAR, pitch, 80)
    out = find_part(read_song(data), 0).replace([], [new])
    assert read_notes(read_song(out)) == sorted([*before, new])
    heard, clock = {}, 0
    for message in mido.MidiFile(file=io.BytesIO(out)).tracks[0]:
        clock += message.time
        if message.type == "note_off":
            heard.setdefault((message.channel, message.note), clock)
    assert heard[0, 64] == heard[2, 50] == BAR


def test_new_notes_before_the_end_and_of_other_keys_add_nothing_else():
    data = midi(chunk([*quarters([60, 62]), on(960, 64), (BAR, b"\xb0\x07\x50")]))
    part = find_part(read_song(data), 0)
    out = find_part(read_song(part.replace([], [TickNote(960, 1440, 70, 80)])), 0)
    assert len(out.events) == len(part.events) + 2
