"""An edit changes the notes that it is told to, and no other event of the file; mido is the second reader."""

import io
from collections import Counter
from dataclasses import replace

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st
from midi_files import midi, raw_chunk, signature, song, tempo, track, tune, variable_length

from cantilena.errors import MidiError
from cantilena.music.midi import read_song
from cantilena.music.splice import TickNote, find_part, read_notes

PITCHES = st.sampled_from([60, 62, 64, 65, 67])


def written(events, *, running):
    """A chunk of (tick, message), messages of one channel and status running on where `running` says so."""
    out, now, status = b"", 0, None
    for tick, message in sorted(events, key=lambda e: e[0]):
        omit = running and message[0] == status and message[0] < 0xF0
        out += variable_length(tick - now) + (message[1:] if omit else message)
        now, status = tick, message[0] if message[0] < 0xF0 else None
    return raw_chunk(out + b"\x00\xff\x2f\x00")


@st.composite
def chunks(draw, channels=(0, 1, 9)):
    """A track with notes on one or two channels (equal pitches may overlap), and everything else a file can hold."""
    events = []
    for channel in draw(st.lists(st.sampled_from(channels), min_size=1, max_size=2, unique=True)):
        for _ in range(draw(st.integers(1, 12))):
            start, length = draw(st.integers(0, 4000)), draw(st.integers(1, 900))
            pitch, velocity = draw(PITCHES), draw(st.integers(1, 127))
            ends = bytes([0x90 | channel, pitch, 0]) if draw(st.booleans()) else bytes([0x80 | channel, pitch, 33])
            events += [(start, bytes([0x90 | channel, pitch, velocity])), (start + length, ends)]
        if draw(st.booleans()):
            events.append((draw(st.integers(0, 3000)), bytes([0xC0 | channel, draw(st.integers(0, 127))])))
    others = st.sampled_from([
        b"\xff\x01\x03abc", b"\xff\x05\x02la", b"\xff\x7f\x03\x00\x01\x02", b"\xf0\x05\x7e\x7f\x09\x01\xf7",
        tempo(90), tempo(140), signature(4, 4), b"\xb0\x40\x7f", b"\xb1\x07\x50", b"\xe0\x00\x40", b"\xd0\x22",
        b"\xff\x59\x02\x02\x00", b"\xff\x20\x01\x00", b"\x80\x3c\x00",
    ])  # fmt: skip
    events += [(draw(st.integers(0, 5000)), draw(others)) for _ in range(draw(st.integers(0, 8)))]
    return written(draw(st.permutations(events)), running=draw(st.booleans()))


def messages(data, index):
    """What mido reads in one track: (tick, bytes) in order, without the end of the track."""
    file = mido.MidiFile(file=io.BytesIO(data))
    out, tick = [], 0
    for message in file.tracks[index]:
        tick += message.time
        if message.type != "end_of_track":
            out.append((tick, tuple(message.bytes())))
    return out


def sounding(data):
    """Every note of every track as symusic reads it, with channels and programs in its order."""
    return [
        Counter(zip(t.start.tolist(), t.end.tolist(), t.pitch.tolist(), strict=True)) for t in read_song(data).tracks
    ]


@given(
    st.lists(chunks(), min_size=1, max_size=3),
    st.integers(0, 99),
    st.tuples(st.integers(0, 4000), st.integers(1, 2000)),
    st.sampled_from([96, 120, 480]),
)
def test_only_the_notes_of_one_track_in_a_region_change(some, pick, region, division):
    data = midi(*some, division=division)
    read = read_song(data)
    index = pick % len(read.tracks)
    part = find_part(read, index)
    begin, end = region[0], sum(region)
    gone = [n for n in part.notes if begin <= n.start < end]
    out = part.replace(gone, [])
    was, now = (mido.MidiFile(file=io.BytesIO(d)) for d in (data, out))
    assert (was.type, was.ticks_per_beat, len(was.tracks)) == (now.type, now.ticks_per_beat, len(now.tracks))
    for k in range(len(was.tracks)):
        before, after = messages(data, k), messages(out, k)
        if k != part.chunk - 1:  # the head is chunk 0
            assert before == after
            continue
        positions = {p for n in gone for p in (n.on, n.off) if p is not None}
        assert [e for i, e in enumerate(before) if i not in positions] == after
        for n in gone:  # mido sees the same notes begin and end there
            tick, message = before[n.on]
            assert (tick, message) == (n.start, (0x90 | part.channel, n.pitch, n.velocity))
            if n.off is not None:
                assert before[n.off][0] == n.end
                assert before[n.off][1][1] == n.pitch
    left = Counter((n.start, n.end, n.pitch) for n in part.notes if n.end is not None and not begin <= n.start < end)
    rest = [notes for notes in [*sounding(data)[:index], left, *sounding(data)[index + 1 :]] if notes]
    if rest:
        assert sounding(out) == rest  # notes of equal pitch still end where they did


@given(chunks(), chunks())
def test_no_edit_gives_the_file_back_byte_for_byte(one, other):
    data = midi(one, other)
    assert find_part(read_song(data), 0).replace([], []) == data


@given(chunks(channels=(0, 3)), st.lists(st.tuples(st.integers(0, 40), st.integers(1, 4)), max_size=8))
def test_new_notes_are_read_back_and_the_others_untouched(chunk, wanted):
    data = midi(chunk)
    read = read_song(data)
    part = find_part(read, 0)
    at, new = 0, []
    for gap, length in wanted:  # pitch 80 is nobody's
        new.append(TickNote(at + gap * 10, at + gap * 10 + length * 10, 80, 71))
        at = new[-1].end
    out = part.replace([], new)
    assert sorted(n for n in read_notes(read_song(out)) if n.pitch == 80) == sorted(new)
    before = messages(data, 0)
    kept = [e for e in messages(out, 0) if not (e[1][0] & 0xE0 == 0x80 and e[1][1] == 80)]
    assert kept == before


def test_at_one_tick_what_ends_comes_first_and_what_begins_last():
    data = song(track([(0, 4, 60), (4, 8, 60), (8, 12, 62)]))
    part = find_part(read_song(data), 0)
    out = part.replace([part.notes[1]], [TickNote(480, 960, 60, 99)])
    assert sounding(out) == sounding(data)
    assert messages(out, 1)[1:4] == [(480, (0x80, 60, 0)), (480, (0x90, 60, 99)), (960, (0x80, 60, 64))]


def test_a_track_that_sounds_like_another_is_the_one_that_was_meant():
    notes = tune(0, 4)
    data = song(track(notes, name="a"), track(notes, name="b"))
    parts = [find_part(read_song(data), k) for k in (0, 1)]
    assert [p.chunk for p in parts] == [2, 3]  # after the head and the conductor


def test_what_no_library_models_is_kept():
    """An escape, a key of nine sharps, a meta event of no known type, a chunk of another kind, bytes behind the last track."""
    odd = b"\x00\xff\x59\x02\x09\x00\x00\xff\x60\x04\x07\xa1\x20\x00"
    body = odd + b"\x00\x90\x3c\x40\x60\x3c\x00\x00\x3e\x40\x60\x3e\x00\x00\xff\x2f\x00"
    escape = b"\x00\xf7\x02\x01\x02\x00\xff\x2f\x00"
    data = midi(raw_chunk(body), b"XFIH\x00\x00\x00\x02hi", raw_chunk(escape)) + b"tail"
    data = data[:10] + b"\x00\x02" + data[12:]
    part = find_part(read_song(data), 0)
    assert part.replace([], []) == data
    out = part.replace([part.notes[0]], [])
    assert odd in out
    assert out.endswith(raw_chunk(escape) + b"tail")
    assert len(out) == len(data) - 7 + 1  # two events less; the next one's status byte is written out


def test_the_end_of_a_track_moves_for_a_later_note_only():
    data = song(track([(0, 4, 60), (4, 8, 62)]), track(tune(0, 4)))
    part = find_part(read_song(data), 0)
    for new, end in (([TickNote(500, 600, 70, 80)], 960), ([TickNote(5000, 5500, 70, 80)], 5500)):
        file = mido.MidiFile(file=io.BytesIO(part.replace([], new)))
        assert sum(m.time for m in file.tracks[1]) == end


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ([TickNote(100, 100, 60, 80)], "end after they begin"),
        ([TickNote(100, 300, 60, 80)], "pitch 60 overlaps"),
        ([TickNote(3000, 3300, 61, 80), TickNote(3200, 3400, 61, 80)], "pitch 61 overlaps"),
    ],
)
def test_new_notes_that_would_not_be_read_back_are_refused(new, message):
    data = song(track([(0, 4, 60), (4, 8, 62)]))
    with pytest.raises(ValueError, match=message):
        find_part(read_song(data), 0).replace([], new)


def test_a_file_that_is_cut_off_is_one_line():
    data = song(track(tune(0)))
    read = read_song(data)
    with pytest.raises(MidiError, match="broken MIDI: it ends before"):
        find_part(replace(read, data=data[:-5]), 0)
    broken = midi(raw_chunk(b"\x00\x90\x3c"))
    with pytest.raises(MidiError, match="cut off"):
        find_part(replace(read, data=broken), 0)
    with pytest.raises(MidiError, match=r"an event begins without a status byte .0x3c, at byte 9 of a track"):
        find_part(replace(read, data=midi(raw_chunk(b"\x00\x3c\x40"))), 0)


def test_notes_are_read_with_their_velocities_and_without_drums():
    data = song(track([(0, 4, 60)]), track([(0, 1, 36)], channel=9))
    assert read_notes(read_song(data)) == [TickNote(0, 480, 60, 80)]
