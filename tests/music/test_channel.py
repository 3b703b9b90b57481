"""New bars are played as their track is, whatever the song left on its channel; the song itself loses nothing."""

from collections import Counter

import pytest
from midi_files import STEP, chunk, midi, song, track, tune
from test_timeline import counted, timed

from cantilena.music.channel import set_channel
from cantilena.music.insert import insert_after, insert_before, insert_between
from cantilena.music.midi import read_song
from cantilena.music.timeline import later

BAR = 16 * STEP


def played(setup, bars=12, channel=0, *behind):
    """A chunk of a tune among other messages (tick, bytes)."""
    notes = [(s * STEP, bytes([0x90 | channel, p, 80])) for s, _, p in tune(1, bars)]
    notes += [(e * STEP, bytes([0x80 | channel, p, 0])) for _, e, p in tune(1, bars)]
    return chunk([*setup, *notes])


def state(data, tick, channel=0):
    """What the channel is set to at a tick, as a synthesiser keeps it: by status and controller."""
    found = {}
    file = sorted((q * 480, m) for messages in timed(data) for q, m in messages)
    for at, m in sorted(file, key=lambda item: item[0]):
        if at <= tick and m[0] & 0xF == channel and m[0] >> 4 in (0xB, 0xC, 0xD, 0xE):
            found[m[:2] if m[0] >> 4 == 0xB else m[:1]] = m[-1]
    return found


LEFT = {
    "volume": (b"\xb0\x07\x64", b"\xb0\x07\x00", (0xB0, 7), 100),
    "expression": (b"\xb0\x0b\x60", b"\xb0\x0b\x03", (0xB0, 11), 0x60),
    "expression, never set before": (b"", b"\xb0\x0b\x03", (0xB0, 11), 127),
    "modulation": (b"", b"\xb0\x01\x7f", (0xB0, 1), 0),
    "bend": (b"", b"\xe0\x00\x10", (0xE0,), 0x40),
    "pedal": (b"\xb0\x40\x00", b"\xb0\x40\x7f", (0xB0, 64), 0),
    "sostenuto": (b"", b"\xb0\x42\x7f", (0xB0, 66), 0),
    "pressure": (b"", b"\xd0\x55", (0xD0,), 0),
    "program": (b"\xc0\x05", b"\xc0\x30", (0xC0,), 5),
    "pan": (b"\xb0\x0a\x20", b"\xb0\x0a\x7f", (0xB0, 10), 0x20),
}


@pytest.mark.parametrize("left", LEFT)
def test_what_is_left_at_the_end_is_not_under_new_bars(left):
    setup, last, setting, value = LEFT[left]
    song_ = midi(played([(0, setup)] * bool(setup) + [(12 * BAR - 10, last)]))
    passage = insert_after(song_, 2)
    assert state(passage.song.data, 12 * BAR)[setting] == value
    assert not counted(timed(song_)) - counted(timed(passage.song.data))
    both = insert_between(song_, song(track(tune(3, 8), channel=5)), 2)
    assert state(both.song.data, 12 * BAR)[setting] == value


def test_a_fade_that_goes_on_in_the_new_bars_is_set_back_at_each_step():
    fade = [(11 * BAR + k * 960, bytes([0xB0, 7, 90 - 10 * k])) for k in range(8)]
    passage = insert_after(midi(played([(0, b"\xb0\x07\x64"), *fade])), 2)
    for tick in (12 * BAR, 12 * BAR + 960, 13 * BAR, 14 * BAR - 1):
        assert state(passage.song.data, tick)[0xB0, 7] == 100


def test_a_fade_in_comes_after_the_new_bars_before_it():
    fade = [(k * 480, bytes([0xB0, 7, min(20 * k, 100)])) for k in range(6)]
    passage = insert_before(midi(played(fade)), 2)
    assert state(passage.song.data, 0)[0xB0, 7] == 100
    assert [state(passage.song.data, 2 * BAR + tick)[0xB0, 7] for tick in (0, 480, 960)] == [0, 20, 40]


def test_a_program_comes_with_its_bank():
    setup = [(0, b"\xb0\x00\x08"), (0, b"\xc0\x05"), (12 * BAR - 10, b"\xb0\x00\x00"), (12 * BAR - 10, b"\xc0\x05")]
    passage = insert_after(midi(played(setup)), 2)
    new = counted(timed(passage.song.data)) - counted(timed(midi(played(setup))))
    assert new == Counter({(48, (0xB0, 0, 8)): 1, (48, (0xC0, 5)): 1})


def test_what_another_chunk_leaves_counts_and_other_channels_do_not():
    loud = [(0, b"\xb0\x07\x64"), (12 * BAR - 10, b"\xb0\x07\x00"), (0, b"\xb1\x07\x00"), (0, b"\xc0\x21")]
    passage = insert_after(midi(chunk(loud), played([])), 2)
    found = state(passage.song.data, 12 * BAR)
    assert (found[0xB0, 7], found[0xC0,]) == (100, 0x21)
    assert state(passage.song.data, 12 * BAR, channel=1) == {(0xB1, 7): 0}


def test_a_track_that_is_as_it_was_needs_nothing():
    steady = [
        (0, b"\xb0\x07\x64"),
        (0, b"\xe0\x00\x40"),
        (0, b"\xc0\x05"),
        (960, b"\xe0\x00\x60"),
        (1920, b"\xe0\x00\x40"),
    ]
    data = midi(played(steady), track(tune(2, 8), channel=1, program=9))
    assert set_channel(read_song(data), 0, 12 * BAR, 14 * BAR) == data


# -- programs inside a track -------------------------------------------------------------------


def test_a_track_set_up_late_sounds_as_itself_before():
    """Program 5 is chosen at tick 100; new notes before bar 5 need it at tick 0, and nothing else differs."""
    notes = [(100, b"\xc0\x05"), (480, b"\x90\x3c\x50"), (960, b"\x80\x3c\x00")]
    data = later(midi(chunk(notes)), 7680, "x")
    out = set_channel(read_song(data), 0, 0, 7680)
    assert counted(timed(out)) - counted(timed(data)) == Counter({(0, (0xC0, 5)): 1})
    assert set_channel(read_song(out), 0, 0, 7680) == out


def test_the_program_is_given_back_to_what_comes_next():
    """Program 5 plays up to the new bars; 7 was set there for the note behind them, which has it still."""
    notes = [(0, b"\xc0\x05"), (0, b"\x90\x3c\x50"), (480, b"\x80\x3c\x00"), (480, b"\xc0\x07")]
    notes += [(1920, b"\x90\x40\x50"), (2400, b"\x80\x40\x00")]
    data = midi(chunk(notes))
    extra = counted(timed(set_channel(read_song(data), 0, 960, 1920))) - counted(timed(data))
    assert extra == Counter({(2, (0xC0, 5)): 1, (4, (0xC0, 7)): 1})


def test_a_program_set_behind_a_note_at_its_tick_is_not_that_notes():
    notes = [(0, b"\x90\x3c\x50"), (0, b"\xc0\x06"), (480, b"\x80\x3c\x00"), (480, b"\x90\x3e\x50")]
    data = later(midi(chunk([*notes, (960, b"\x80\x3e\x00")])), 1920, "x")
    assert set_channel(read_song(data), 0, 0, 1920) == data
