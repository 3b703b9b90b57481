"""Play a `Melody`: an FM electric piano in a small room, in NumPy, from notes to the bytes of a `.wav`.

    tone      sin(p + bark(t) sin p + tine(t) sin 7 p),  p = 2 pi f t          FM (Chowning 1973), two modulators
              made once for each pitch and accent, as long as its longest note; a note is its beginning, faded out
    dry       the sum of the notes, louder on the beats of a bar, as a player would
    stage     dry swaying between left and right, and a room: linear, so nothing is ever distorted
    finish    the peak at -3 dBFS

Nothing is random: the same melody gives the same samples. Sound is made in blocks of some seconds, and a file written
block by block, so that a melody of hours takes no more memory than one of minutes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cantilena.errors import MidiError
from cantilena.music.melody import Melody
from cantilena.music.midi import Song, seconds_of
from cantilena.music.splice import read_notes

__all__ = ["TAIL_SECONDS", "Strokes", "song_to_wav", "strokes_of", "to_samples", "to_wav", "wav_blocks"]

Samples = NDArray[np.float32]

TAIL_SECONDS = 1.5  # sound after the last bar: a release, the room, nothing

_BLOCK_SECONDS = 12  # of sound that are made at once
_KEPT_BYTES = 1 << 26  # of sound that waits for its level; what is longer is made twice
_LONG_SECONDS = 20  # of a tone that is not kept for the next note
_PEAK = 10 ** (-3 / 20)  # -3 dBFS
_ATTACK_SECONDS, _RELEASE_SECONDS, _ROOM_SECONDS = 0.004, 0.16, 1.25
_WET = 0.2  # the room's answer to noise has this share of its amplitude
_SWAY, _SWAY_HZ = 0.12, 3.1
_MOST_WAV = (1 << 32) - 64  # bytes: its sizes are 32 bits
_TAPS = 10  # of the room's resampling filter, for each phase

# How hard a note is struck, by the weight of its step, 0 to -4: the first, a strong one, a beat, its part, the rest.
_ACCENT = np.array([1.0, 0.94, 0.87, 0.79, 0.66])


def to_samples(melody: Melody, *, rate: int = 44_100, mono: bool = False) -> Samples:
    """Sound in -1..1: (samples, 2), left and right, or (samples,) if `mono`; silence stays silence.

    samples = round((melody.seconds + TAIL_SECONDS) * rate), `rate` a second. The highest peak is at -3 dBFS.
    Raises ValueError for a rate outside 8000..192000.

    >>> to_samples(Melody.from_notes([0], [16], [69]), rate=8000).shape  # 2 s of music, 1.5 s of tail
    (28000, 2)
    """
    if not 8_000 <= rate <= 192_000:
        raise ValueError(f"rate (samples a second) must be 8000..192000, not {rate}")
    return np.concatenate(list(_levelled(lambda: _staged(strokes_of(melody, rate), mono))))


def to_wav(melody: Melody, *, rate: int = 44_100, mono: bool = False, bits: Literal[8, 16] = 16) -> bytes:
    """The sound as a WAV file, PCM of 16 `bits`, or of 8 for a quick listen; arguments as in `to_samples`.

    >>> to_wav(Melody.from_notes([0], [16], [69]), rate=8000)[:4]
    b'RIFF'
    """
    return b"".join(_wav(strokes_of(melody, rate), mono, bits))


def wav_blocks(melody: Melody) -> Iterator[bytes]:
    """`to_wav` block by block."""
    return _wav(strokes_of(melody, 44_100), False, 16)


def song_to_wav(song: Song, *, rate: int = 44_100) -> Iterator[bytes]:
    """The blocks of a stereo WAV file: all notes of a song but the drums', at its tempos, as loud as their velocities.

    Raises MidiError where there are none.
    """
    notes = read_notes(song)
    if not notes:
        raise MidiError(f"{song.name}: no notes to play but drums")
    start, end, pitch, velocity = np.array(notes, np.int64).T
    seconds = seconds_of(song, np.stack([start, end]))
    begin, stop = np.rint(seconds * rate).astype(np.int64)
    accent = np.clip(np.rint(velocity / 12.7) / 10, 0.2, 1)
    size = int(stop.max()) + round(TAIL_SECONDS * rate)
    return _wav(Strokes(begin, stop - begin, pitch, accent, size, rate), False, 16)


def _wav(strokes: Strokes, mono: bool, bits: Literal[8, 16]) -> Iterator[bytes]:
    """A WAV file in blocks. ValueError where it would be longer than one may be."""
    channels, width = 1 if mono else 2, bits // 8
    align, rate = channels * width, strokes.rate
    if (size := strokes.size * align) > _MOST_WAV:
        raise ValueError(f"{strokes.size / rate:,.0f} seconds of sound are more than a WAV file holds")

    def blocks() -> Iterator[bytes]:
        form = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * align, align, bits)
        yield b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size)
        for block in _levelled(lambda: _staged(strokes, mono)):
            samples = np.rint(block * 127 + 128).astype("u1") if bits == 8 else np.rint(block * 32767).astype("<i2")
            yield samples.tobytes()

    return blocks()


# -- stage -------------------------------------------------------------------------------------


def _levelled(make: Callable[[], Iterator[Samples]]) -> Iterator[Samples]:
    """The blocks that `make` yields, with their peak at its level: they wait for it, or are made a second time."""
    kept: list[Samples] | None = []
    peak, size = 0.0, 0
    for block in make():
        peak, size = max(peak, float(block.max()), -float(block.min())), size + block.nbytes
        if size > _KEPT_BYTES:
            kept = None
        elif kept is not None:
            kept.append(block)
    for block in make() if kept is None else kept:
        if peak > 0:
            block *= np.float32(_PEAK / peak)
        yield block


def _staged(strokes: Strokes, mono: bool) -> Iterator[Samples]:
    """The sound of all notes on its stage and in its room, (n, 2) or (n,), in blocks."""
    rate = strokes.rate
    factor = max(1, rate // 11_025)  # of the room's own, lower rate; a block begins on one of its samples
    back = factor * (round(_ROOM_SECONDS * rate / factor) + 2 * _TAPS + 2)  # that the room still answers
    block = factor * round(_BLOCK_SECONDS * rate / factor)
    before = np.zeros(back, np.float32)
    for first in range(0, strokes.size, block):
        dry = strokes.dry(first, min(first + block, strokes.size))
        heard = np.concatenate([before, dry])
        wet = _room(heard, rate)[back:]
        before = heard[-back:]
        if mono:
            yield dry + wet.mean(axis=1)
            continue
        sway = np.sin(np.arange(first, first + dry.size).astype(np.float32) * np.float32(2 * np.pi * _SWAY_HZ / rate))
        sway *= np.float32(_SWAY) * dry
        wet[:, 0] += dry + sway
        wet[:, 1] += dry - sway
        yield wet


# -- notes -------------------------------------------------------------------------------------


def strokes_of(melody: Melody, rate: int) -> Strokes:
    """The notes of a melody, struck harder on the beats."""
    step = 60 / melody.qpm / melody.metre.quarter_steps * rate  # samples
    start, end, pitch = melody.notes
    begin = np.rint(start * step).astype(np.int64)
    hold = np.rint(end * step).astype(np.int64) - begin
    accent = _ACCENT[-np.tile(melody.metre.weights, melody.bars)[start]]
    return Strokes(begin, hold, pitch, accent, round((melody.seconds + TAIL_SECONDS) * rate), rate)


@dataclass(frozen=True, eq=False)
class Strokes:
    """Notes as they are struck: when each begins and how long it is held, in samples, its pitch, and how hard."""

    begin: NDArray[np.int64]
    hold: NDArray[np.int64]
    pitch: NDArray[np.int64]
    accent: NDArray[np.float64]  # 0..1
    size: int  # of the whole sound, in samples
    rate: int

    @cached_property
    def release(self) -> Samples:
        """How a note fades out when it is let go."""
        return np.asarray(np.cos(np.linspace(0, np.pi / 2, round(_RELEASE_SECONDS * self.rate), dtype=np.float32)) ** 2)

    @cached_property
    def tones(self) -> dict[tuple[int, float], Samples]:
        """The sound of each key and accent, as long as its longest note, unless that is very long."""
        longest: dict[tuple[int, float], int] = {}
        for pitch, accent, held in zip(self.pitch.tolist(), self.accent.tolist(), self.hold.tolist(), strict=True):
            longest[pitch, accent] = max(longest.get((pitch, accent), 0), held)
        most = min(max(longest.values(), default=0), _LONG_SECONDS * self.rate) + self.release.size
        return {
            key: _tone(*key, 0, min(held + self.release.size, most), self.rate) for key, held in longest.items()
        }  # fmt: skip

    def dry(self, first: int, stop: int) -> Samples:
        """What sounds from sample `first` to before `stop`, before the room: (samples,)."""
        sound = np.zeros(stop - first, np.float32)
        end = self.begin + self.hold + self.release.size
        for i in np.flatnonzero((self.begin < stop) & (end > first)).tolist():
            begin, held = int(self.begin[i]), int(self.hold[i])
            a, b = max(0, first - begin), min(held + self.release.size, stop - begin)  # of the note
            tone = self._part(int(self.pitch[i]), float(self.accent[i]), a, b)
            let = min(b, max(a, held))  # go of from here on
            at = begin - first
            sound[at + a : at + let] += tone[: let - a]
            if let < b:
                sound[at + let : at + b] += tone[let - a :] * self.release[let - held : b - held]
        return sound

    def _part(self, pitch: int, accent: float, first: int, stop: int) -> Samples:
        tone = self.tones[pitch, accent]
        return tone[first:stop] if stop <= tone.size else _tone(pitch, accent, first, stop, self.rate)


def _tone(pitch: int, accent: float, first: int, stop: int, rate: int) -> Samples:
    """A key struck and held, from its sample `first` to before `stop`: (samples,).

    Low keys have more overtones, ring longer and are a little louder, which keeps them even to the ear; a hard stroke
    is louder and brighter. Both modulators fade out where their overtones would pass half the rate.
    """
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    octave = (pitch - 60) / 12  # from middle C
    partials = rate / 2 / frequency  # how many the rate can hold
    bark = min(1.6, 1.35 * 2 ** (-0.4 * octave) * accent, max(0.0, 0.25 * (partials - 2)))
    tine = 0.3 * 2 ** (-0.25 * octave) * accent**2 * min(1.0, max(0.0, (partials - 8) / 4))
    level = accent * 10 ** (-1.4 * octave / 20)
    cycles = np.arange(first, stop) * (frequency / rate)  # in double precision: a long note must not drift
    phase = (2 * np.pi * (cycles - np.floor(cycles))).astype(np.float32)
    seconds = np.arange(first, stop).astype(np.float32) / np.float32(rate)
    tone: Samples = phase + np.sin(phase) * (bark * (0.4 + 0.6 * np.exp(-3 * seconds)))
    tone += np.sin(7 * phase) * (tine * np.exp(-6 * seconds))
    np.sin(tone, out=tone)
    quick, slow = 2 * 2 ** (0.35 * octave), 0.22 * 2 ** (0.5 * octave)  # decay, 1 / seconds
    tone *= level * (0.4 * np.exp(-quick * seconds) + 0.6 * np.exp(-slow * seconds))
    attack = np.sin(np.linspace(0, np.pi / 2, round(_ATTACK_SECONDS * rate), dtype=np.float32))[first:stop] ** 2
    tone[: attack.size] *= attack
    return tone


# -- room --------------------------------------------------------------------------------------


def _room(dry: Samples, rate: int) -> Samples:
    """What the room answers, left and right (samples, 2).

    A room swallows the highs, so its echoes are worked out at about 11 kHz: down with a polyphase filter, convolved
    with decaying noise in overlapping blocks of FFTs, and up with the same filter.
    """
    factor = max(1, rate // 11_025)
    lowpass = _lowpass(factor)
    padded = np.zeros((-(-dry.size // factor), factor), np.float32)
    padded.reshape(-1)[: dry.size] = dry
    low = np.zeros(len(padded) + _TAPS - 1, np.float32)
    for lag in range(factor):
        low += np.convolve(padded[:, lag], lowpass[factor - 1 - lag :: factor])
    echoes = _echoes(rate / factor)
    block = 1 << (echoes.shape[1] - 1).bit_length()
    blocks = np.zeros((-(-low.size // block), block), np.float32)
    blocks.reshape(-1)[: low.size] = low
    spectrum = np.fft.rfft(blocks, 2 * block)
    wet = np.empty((padded.size, 2), np.float32)
    for channel, echo in enumerate(echoes):
        pieces = np.fft.irfft(spectrum * np.fft.rfft(echo, 2 * block), 2 * block)
        answer = pieces[:, :block]
        answer[1:] += pieces[:-1, block:]
        flat = answer.reshape(-1)[: len(padded)].astype(np.float32)
        for lag in range(factor):
            wet[lag::factor, channel] = np.convolve(flat, factor * lowpass[lag::factor])[: len(padded)]
    return wet[: dry.size]


def _lowpass(factor: int) -> Samples:
    """A windowed sinc that keeps what a rate `factor` times lower can hold; each phase has the same gain. (taps,)"""
    middle = (_TAPS * factor - 1) / 2
    taps = np.sinc((np.arange(_TAPS * factor) - middle) * 0.9 / factor) * np.hanning(_TAPS * factor + 2)[1:-1]
    taps = taps.reshape(_TAPS, factor)
    taps /= factor * taps.sum(axis=0)
    return taps.astype(np.float32).reshape(-1)


def _echoes(rate: float) -> Samples:
    """The room's impulse responses (2, n): noise that dies away, its highs first. Always the same noise."""
    size = round(_ROOM_SECONDS * rate)
    noise: NDArray[np.float64] = np.random.PCG64(64).random_raw(2 * size).reshape(2, size) / 2.0**63 - 1
    mellow = np.stack([np.convolve(channel, np.hanning(9)[1:-1] / 4, "same") for channel in noise])
    seconds = np.arange(size) / rate
    response: NDArray[np.float64] = noise * 0.5 * np.exp(-14 * seconds) + mellow * np.exp(-5.5 * seconds)
    response *= np.clip((seconds - 0.012) / 0.03, 0, 1) * (1 - seconds / _ROOM_SECONDS)
    response *= _WET / np.sqrt((response**2).sum(axis=1, keepdims=True))
    return response.astype(np.float32)
