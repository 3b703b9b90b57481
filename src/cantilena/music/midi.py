"""`.mid` bytes <-> notes: reading any song, writing one melody."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cantilena.errors import MidiError
from cantilena.music.chunks import Event, file_chunks, track_chunk, track_events, write_number
from cantilena.music.melody import Melody
from cantilena.music.metre import Metre
from cantilena.music.voices import DRUM_CHANNEL, Voice, read_voices

__all__ = ["MAX_QUARTERS", "Song", "TimeSignature", "Track", "read_song", "seconds_of", "to_midi"]

MAX_QUARTERS = 16_000  # 4,000 bars, over two hours at 120 qpm: longer is a broken file
_MAX_NOTES = 500_000
_TPQ = 480
_BENEATH_VELOCITY = 48
_TEMPO, _SIGNATURE = b"\xff\x51\x03", b"\xff\x58"
_APART = 2  # the format of a file whose chunks are pieces, each by itself


class TimeSignature(NamedTuple):
    """A change of metre at `tick`."""

    tick: int
    numerator: int
    denominator: int


@dataclass(frozen=True, eq=False)
class Track:
    """The notes of one track, a chunk's on one channel, in ticks, sorted by start.

    `program` is that of most of its notes, None where the file names none.
    """

    name: str
    program: int | None  # General MIDI 0..127
    is_drum: bool
    start: NDArray[np.int64]  # (notes,) ticks
    end: NDArray[np.int64]  # (notes,) ticks
    pitch: NDArray[np.int64]  # (notes,) MIDI numbers


@dataclass(frozen=True, eq=False)
class Song:
    """A MIDI file as music: tracks, metre and tempo on the file's own beat grid."""

    name: str
    ticks_per_quarter: int
    tracks: tuple[Track, ...]
    time_signatures: tuple[TimeSignature, ...]  # in order; the first at tick 0
    qpm: float  # the tempo that holds longest
    data: bytes  # the file that it was read from

    @cached_property
    def end(self) -> int:
        """Tick at which the last note ends."""
        return max((int(t.end.max()) for t in self.tracks if t.end.size), default=0)


def read_song(source: str | Path | bytes, *, name: str | None = None) -> Song:
    """Read a Standard MIDI File from a path or from bytes.

    Raises MidiError (one line, beginning with the file's name) for anything that is not a playable song: no MIDI,
    division 0 or SMPTE time, broken events, no notes, more than `MAX_QUARTERS` quarters.
    """
    if isinstance(source, bytes):
        data, name = source, name or "MIDI data"
    else:
        name = name or Path(source).name or Path(source).resolve().name or str(source)
        try:
            data = Path(source).read_bytes()
        except OSError as error:
            raise MidiError(f"{name}: cannot be read ({error.strerror or error})") from error
    if data[:4] == b"RIFF" and (at := data.find(b"MThd")) > 0:  # an .rmi wrapper
        data = data[at:]
    *chunks, _ = file_chunks(data, name)
    form, division = (int.from_bytes(data[at : at + 2], "big") for at in (8, 12))
    if division == 0 or division & 0x8000:
        raise MidiError(f"{name}: {'division is 0' if division == 0 else 'SMPTE time'}, so it has no beat grid")
    events = [track_events(chunk, name) for chunk in chunks]
    tracks = tuple(_track(voice) for voice in read_voices(events, apart=form == _APART))
    metas = sorted((e for some in events for e in some if e.status == 0xFF), key=lambda e: e.tick)
    end = max((int(track.end.max()) for track in tracks), default=0)
    song = Song(name, division, tracks, _time_signatures(metas), _main_tempo(metas, end), data)
    if not tracks:
        raise MidiError(f"{name}: no notes")
    if song.end > MAX_QUARTERS * division:
        raise MidiError(f"{name}: longer than {MAX_QUARTERS // 4:,} bars: a broken file")
    if sum(t.start.size for t in tracks) > _MAX_NOTES:
        raise MidiError(f"{name}: more than {_MAX_NOTES:,} notes: a broken file")
    return song


def _track(voice: Voice) -> Track:
    start, end, pitch = np.array([note[:3] for note in voice.notes], np.int64).T
    order = np.lexsort((-pitch, start))
    return Track(voice.name, voice.program, voice.channel == DRUM_CHANNEL, start[order], end[order], pitch[order])


def _time_signatures(metas: Sequence[Event]) -> tuple[TimeSignature, ...]:
    changes = {0: TimeSignature(0, 4, 4)}  # what a file means that says nothing
    for event in metas:
        if event.message[:2] == _SIGNATURE and len(event.text) >= 2:
            changes[event.tick] = TimeSignature(event.tick, event.text[0], 2 ** event.text[1])
    return tuple(changes.values())


def seconds_of(song: Song, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
    """When ticks of a song sound, in seconds from its start, by all of its tempos."""
    *chunks, _ = file_chunks(song.data, song.name)
    metas = (e for chunk in chunks for e in track_events(chunk, song.name) if e.status == 0xFF)
    tempos = dict([(0, 120.0), *_tempos(sorted(metas, key=lambda e: e.tick))])
    tempos |= {max(int(ticks.max()), *tempos) + 1: 120.0}
    at = np.array(list(tempos))
    lengths = np.diff(at) * 60 / np.array(list(tempos.values()))[:-1] / song.ticks_per_quarter
    return np.asarray(np.interp(ticks, at, np.append(0, np.cumsum(lengths))))


def _tempos(metas: Sequence[Event]) -> list[tuple[int, float]]:
    """Every tempo, as the tick that it begins at and its quarters a minute."""
    return [(e.tick, 60e6 / max(int.from_bytes(e.text, "big"), 1)) for e in metas if e.message[:3] == _TEMPO]


def _main_tempo(metas: Sequence[Event], end: int) -> float:
    """The tempo that holds longest, in quarters a minute."""
    tempos = _tempos(metas) or [(0, 120.0)]
    ends = [tick for tick, _ in tempos[1:]] + [max(end, tempos[-1][0] + 1)]
    qpm = max(zip(tempos, ends, strict=True), key=lambda item: item[1] - item[0][0])[0][1]
    return float(np.clip(qpm, 10, 400))


def to_midi(
    melody: Melody,
    *,
    program: int = 0,
    track_name: str = "Melody",
    beneath: Sequence[tuple[int, int, Sequence[int]]] = (),
) -> bytes:
    """A MIDI file of `melody` on one track; `program` is the General MIDI program 0..127 (ValueError otherwise).

    `beneath` are chords to hear with it, on a second track: start and end in steps, and their pitches.
    Reading it back with `read_song` and the extractor gives the same melody (tests/music/test_midi.py).
    """
    if not 0 <= program <= 127:
        raise ValueError(f"a General MIDI program is 0..127, not {program}")
    metre, quarter = melody.metre, min(round(60e6 / melody.qpm), 0xFFFFFF)  # microseconds, as many as a file can say
    ticks = _TPQ // metre.quarter_steps
    notes = [(s * ticks, e * ticks, p, _velocity(s, metre)) for s, e, p in zip(*melody.notes, strict=True)]
    head = [
        b"\xff\x58\x04" + bytes([metre.numerator, metre.denominator.bit_length() - 1, 24, 8]),
        _TEMPO + quarter.to_bytes(3, "big"),
    ]
    chunks = [_written(0, track_name, program, notes, head)]
    if beneath:
        held = [(s * ticks, e * ticks, p, _BENEATH_VELOCITY) for s, e, pitches in beneath for p in pitches]
        chunks.append(_written(1, "Chords", 0, held))
    return b"MThd" + struct.pack(">IHHH", 6, 1, len(chunks), _TPQ) + b"".join(chunks)


def _velocity(step: int, metre: Metre) -> int:
    """The metre, lightly."""
    return 96 if step % metre.bar_steps == 0 else 84 if step % metre.beat_steps == 0 else 76


def _written(
    channel: int, name: str, program: int, notes: Sequence[tuple[int, int, int, int]], head: Sequence[bytes] = ()
) -> bytes:
    """A track chunk of notes (start, end, pitch, velocity) in ticks; a note ends before another begins."""
    text = name.encode()
    named = [b"\xff\x03" + write_number(len(text)) + text] if text else []
    first = [*head, *named, bytes([0xC0 | channel, program])]
    struck = [(end, 0, bytes([0x80 | channel, p, v])) for _, end, p, v in notes]
    struck += [(start, 1, bytes([0x90 | channel, p, v])) for start, _, p, v in notes]
    timed = [(0, message) for message in first] + [(tick, m) for tick, _, m in sorted(struck, key=lambda e: e[:2])]
    last = timed[-1][0] + 1
    return track_chunk([Event(tick, message, True) for tick, message in [*timed, (last, b"\xff\x2f\x00")]])
