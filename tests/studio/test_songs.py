"""A song as the page has it, and notes changed by hand."""

import pytest

from cantilena.music.chunks import Event, track_chunk
from cantilena.music.melody import Melody
from cantilena.music.midi import read_song, to_midi
from cantilena.studio.songs import change_notes, show
from melodies import random_melody


def file_of(*events: Event, quarter: int = 96) -> bytes:
    end = Event(max((e.tick for e in events), default=0), b"\xff\x2f\x00", False)
    head = b"MThd\x00\x00\x00\x06\x00\x00\x00\x01" + quarter.to_bytes(2, "big")
    return head + track_chunk([*sorted(events, key=lambda e: e.tick), end])


def struck(tick: int, end: int, pitch: int) -> list[Event]:
    return [Event(tick, bytes([0x90, pitch, 80]), False), Event(end, bytes([0x80, pitch, 64]), False)]


def test_bars_tempos_and_metres_are_those_of_a_daw():
    waltz, tempo = Event(0, b"\xff\x58\x04\x03\x02\x18\x08", False), Event(288, b"\xff\x51\x03\x0f\x42\x40", False)
    four = Event(576, b"\xff\x58\x04\x04\x02\x18\x08", False)
    shown = show(read_song(file_of(waltz, tempo, four, *struck(0, 96, 60), *struck(900, 960, 62))))
    assert shown.bars == [0, 288, 576, 960]
    assert shown.metres == [(1, "3/4"), (3, "4/4")]
    assert shown.tempos == [(0, 120.0), (288, 60.0)]
    assert shown.tracks[0].notes == [(0, 96, 60, 80), (900, 960, 62, 80)]
    assert shown.melody is None
    assert "no melody" in shown.why


def test_the_melody_of_a_tune_is_found_and_its_notes_are_those_of_the_file():
    melody = random_melody(3)
    shown = show(read_song(to_midi(melody)))
    assert shown.melody == 0
    assert [note[:3] for note in shown.tracks[0].notes] == [
        (s * 120, e * 120, p) for s, e, p in zip(*(a.tolist() for a in melody.notes), strict=True)
    ]


def test_a_change_by_hand_changes_nothing_else():
    data = to_midi(Melody.from_notes([0, 4, 8], [4, 8, 16], [60, 62, 64]), track_name="Tune")
    song = read_song(data)
    notes = show(song).tracks[0].notes
    after = show(read_song(change_notes(song, 0, [notes[1]], [(480, 720, 65, 70)])))
    assert after.tracks[0].notes == [notes[0], (480, 720, 65, 70), notes[2]]
    assert change_notes(song, 0, [], []) == data
    back = read_song(change_notes(song, 0, [notes[1]], [notes[1]]))
    assert show(back).tracks == show(song).tracks


@pytest.mark.parametrize(
    ("track", "gone", "new", "says"),
    [
        (1, [], [], "a track is 0 to 0, not 1"),
        (0, [(0, 480, 61, 80)], [], "no note of pitch 61 at tick 0"),
        (0, [], [(480, 480, 60, 80)], "start < end"),
        (0, [], [(0, 10, 128, 80)], "pitch 0..127"),
        (0, [], [(0, 10, 60, 0)], "velocity 1..127"),
        (0, [], [(10, 20, 60, 80)], "overlaps another of that pitch"),
    ],
)
def test_what_cannot_be_is_said(track, gone, new, says):
    song = read_song(to_midi(Melody.from_notes([0], [4], [60])))
    with pytest.raises(ValueError, match=says):
        change_notes(song, track, gone, new)
