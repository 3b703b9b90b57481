"""Reading any song, writing one melody: round trips by hand-made files, and files that are none."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from midi_files import chunk, midi, raw_chunk, signature, song, tempo, track, tune

import cantilena
from cantilena.errors import MidiError
from cantilena.music.melody import MAX_PITCH, MIN_PITCH, Melody
from cantilena.music.midi import read_song, to_midi

SCALE = [(4 * i, 4 * i + 3, 60 + i % 8) for i in range(32)]  # 8 bars


@st.composite
def melodies(draw: st.DrawFn) -> Melody:
    start, end, pitch, at = [], [], [], 0
    for gap, length, p in draw(
        st.lists(
            st.tuples(st.integers(0, 20), st.integers(1, 40), st.integers(MIN_PITCH, MAX_PITCH)),
            min_size=1,
            max_size=40,
        )
    ):
        start.append(at + gap)
        end.append(at + gap + length)
        pitch.append(p)
        at = end[-1]
    return Melody.from_notes(start, end, pitch, qpm=draw(st.floats(20, 300)))


@given(melodies(), st.integers(0, 127))
def test_what_is_written_is_read(melody: Melody, program: int) -> None:
    got = read_song(to_midi(melody, program=program, track_name="Tune"))
    (track,) = got.tracks
    step = got.ticks_per_quarter // 4
    start, end, pitch = melody.notes
    assert np.array_equal(track.start, start * step)
    assert np.array_equal(track.end, end * step)
    assert np.array_equal(track.pitch, pitch)
    assert (track.name, track.program, track.is_drum) == ("Tune", program, False)
    assert got.time_signatures == ((0, 4, 4),)
    assert got.qpm == pytest.approx(melody.qpm, rel=1e-5)  # MIDI counts whole microseconds a quarter


def test_the_same_melody_is_the_same_file() -> None:
    melody = Melody.from_notes(*zip(*SCALE, strict=True))
    assert to_midi(melody) == to_midi(melody)


@pytest.mark.parametrize("program", [-1, 128])
def test_no_such_program(program: int) -> None:
    with pytest.raises(ValueError, match=r"program is 0..127"):
        to_midi(Melody.from_notes([0], [4], [60]), program=program)


def test_a_hand_made_song() -> None:
    got = read_song(
        song(
            track(SCALE, name="Solo", program=40),
            track([(0, 4, 36)], channel=9),
            signatures=[(0, 3, 4), (48, 4, 4)],
            qpm=90,
        ),
        name="hand.mid",
    )
    assert (got.name, got.ticks_per_quarter, got.qpm) == ("hand.mid", 480, pytest.approx(90, rel=1e-5))
    assert got.time_signatures == ((0, 3, 4), (48 * 120, 4, 4))
    solo, drums = got.tracks
    assert (solo.name, solo.program, solo.is_drum, drums.is_drum) == ("Solo", 40, False, True)
    assert solo.start.tolist() == [start * 120 for start, _, _ in SCALE]
    assert got.end == SCALE[-1][1] * 120


def test_program_zero_is_a_piano_only_where_the_file_says_so() -> None:
    assert [t.program for t in read_song(song(track(SCALE), track(SCALE, channel=1, program=7))).tracks] == [None, 7]
    assert read_song(song(track(SCALE, program=0))).tracks[0].program == 0


def test_notes_of_one_onset_are_read_highest_first() -> None:
    chord = read_song(song(track([(0, 4, 60), (0, 4, 67), (0, 4, 64)]))).tracks[0]
    assert chord.pitch.tolist() == [67, 64, 60]


def test_the_tempo_that_holds_longest() -> None:
    tempos = chunk([(0, tempo(60)), (480, tempo(150)), (480 * 7, tempo(80))])
    assert read_song(midi(tempos, track(SCALE[:8]))).qpm == pytest.approx(150, rel=1e-5)


def test_what_says_nothing_is_in_common_time_at_120() -> None:
    got = read_song(midi(track(SCALE)))
    assert (got.qpm, got.time_signatures) == (120, ((0, 4, 4),))


def test_running_status_and_note_on_of_velocity_zero() -> None:
    body = b"\x00\x90\x3c\x50" + b"\x60\x3c\x00" + b"\x00\x3e\x50" + b"\x60\x3e\x00" + b"\x00\xff\x2f\x00"
    got = read_song(midi(raw_chunk(body), division=96)).tracks[0]
    assert (got.start.tolist(), got.end.tolist(), got.pitch.tolist()) == ([0, 96], [96, 192], [60, 62])


def test_a_riff_wrapper_is_looked_through() -> None:
    data = song(track(SCALE))
    wrapped = b"RIFF" + (len(data) + 12).to_bytes(4, "little") + b"RMIDdata" + len(data).to_bytes(4, "little") + data
    assert len(read_song(wrapped).tracks[0].start) == len(SCALE)


GOOD = song(track(SCALE))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the file is empty"),
        (b"GIF89a not music at all", r"not a MIDI file \(it begins with b'GIF8', not b'MThd'\)"),
        (b"MThd\x00\x00", "not a MIDI file"),
        (midi(track(SCALE), division=0), "division is 0, so it has no beat grid"),
        (midi(track(SCALE), division=0xE728), "SMPTE time, so it has no beat grid"),
        (GOOD[:60], "broken MIDI"),
        (midi(), "no notes|broken MIDI"),
        (song(), "no notes"),
        (song(track([(0, 64_001, 60)])), "longer than 4,000 bars"),
        (song(track([(70_000, 70_004, 60)])), "longer than 4,000 bars"),
        (midi(raw_chunk(b"\xff\xff\xff\xff\x7f\x90\x3c\x50\x60\x3c\x00\x00\xff\x2f\x00")), "x.mid: "),
    ],
)
def test_what_is_no_song_is_refused_in_one_line(data: bytes, why: str) -> None:
    with pytest.raises(MidiError, match=why) as refusal:
        read_song(data, name="x.mid")
    assert str(refusal.value).startswith("x.mid: ")
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MidiError, match=r"nowhere.mid: cannot be read \(No such file"):
        read_song(tmp_path / "nowhere.mid")


def test_too_many_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cantilena.music.midi._MAX_NOTES", 10)
    with pytest.raises(MidiError, match="more than 10 notes"):
        read_song(GOOD)


def test_damaged_bytes_are_a_song_or_a_midi_error() -> None:
    draw = random.Random(0)
    for _ in range(300):
        data = bytearray(song(track(tune(1, 8)), signatures=[(0, 4, 4)]))
        for _ in range(draw.choice((1, 3, 20))):
            data[draw.randrange(len(data))] = draw.randrange(256)
        with contextlib.suppress(MidiError):
            read_song(bytes(data))


def test_a_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "songs").mkdir()
    monkeypatch.chdir(tmp_path / "songs")
    for path in (".", Path("."), tmp_path / "songs", "../songs/"):
        with pytest.raises(MidiError, match=r"^songs: cannot be read \(Is a directory\)"):
            read_song(path)


def test_a_melody_is_saved(tmp_path: Path) -> None:
    melody = Melody.from_notes(*zip(*SCALE, strict=True))
    cantilena.save(melody, tmp_path / "a.mid", program=12)
    assert (tmp_path / "a.mid").read_bytes() == to_midi(melody, program=12)
    with pytest.raises(ValueError, match=r"a.txt: melodies are saved as .mid, .midi, .svg, .html or .wav"):
        cantilena.save(melody, tmp_path / "a.txt")


def test_a_signature_at_the_start_replaces_common_time() -> None:
    assert read_song(midi(chunk([(0, signature(6, 8))]), track(SCALE))).time_signatures == ((0, 6, 8),)
