"""Play a `Melody`: an FM electric piano in a small room, in NumPy, from notes to the bytes of a `.wav`.

    tone      sin(p + bark(t) sin p + tine(t) sin 7 p),  p = 2 pi f t          FM (Chowning 1973), two modulators
              made once for each pitch and accent, as long as its longest note; a note is its beginning, faded out
    dry       the sum of the notes, louder on the beats of a bar, as a player would
    stage     dry swaying between left and right, and a room: linear, so nothing is ever distorted
    finish    the peak at -3 dBFS

Nothing is random: the same melody gives the same samples.
"""

from __future__ import annotations

import io
import wave
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cantilena.music.melody import Melody

__all__ = ["TAIL_SECONDS", "to_samples", "to_wav"]

Samples = NDArray[np.float32]

TAIL_SECONDS = 1.5  # sound after the last bar: a release, the room, nothing

_PEAK = 10 ** (-3 / 20)  # -3 dBFS
_ATTACK_SECONDS, _RELEASE_SECONDS, _ROOM_SECONDS = 0.004, 0.16, 1.25
_WET = 0.2  # the room's answer to noise has this share of its amplitude
_SWAY, _SWAY_HZ = 0.12, 3.1
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
    sound: Samples
    dry = _dry(melody, rate)
    wet = _room(dry, rate)
    if mono:
        sound = dry + wet.mean(axis=1)
    else:
        sway = np.sin(np.arange(dry.size, dtype=np.float32) * np.float32(2 * np.pi * _SWAY_HZ / rate))
        sway *= np.float32(_SWAY) * dry
        sound = wet
        sound[:, 0] += dry + sway
        sound[:, 1] += dry - sway
    peak = max(float(sound.max()), -float(sound.min()))
    if peak > 0:
        sound *= np.float32(_PEAK / peak)
    return sound


def to_wav(melody: Melody, *, rate: int = 44_100, mono: bool = False, bits: Literal[8, 16] = 16) -> bytes:
    """The sound as a WAV file, PCM of 16 `bits`, or of 8 for a quick listen; arguments as in `to_samples`.

    >>> to_wav(Melody.from_notes([0], [16], [69]), rate=8000)[:4]
    b'RIFF'
    """
    sound = to_samples(melody, rate=rate, mono=mono)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1 if mono else 2)
        out.setsampwidth(bits // 8)
        out.setframerate(rate)
        samples = np.rint(sound * 127 + 128).astype("u1") if bits == 8 else np.rint(sound * 32767).astype("<i2")
        out.writeframes(samples.tobytes())
    return file.getvalue()


# -- notes -------------------------------------------------------------------------------------


def _dry(melody: Melody, rate: int) -> Samples:
    """All notes, one channel (samples,), before the room."""
    step = 60 / melody.qpm / melody.metre.quarter_steps * rate  # samples
    release = round(_RELEASE_SECONDS * rate)
    fade = np.cos(np.linspace(0, np.pi / 2, release, dtype=np.float32)) ** 2
    start, end, pitch = melody.notes
    begin = np.rint(start * step).astype(np.int64)
    hold = np.rint(end * step).astype(np.int64) - begin
    accent = _ACCENT[-np.tile(melody.metre.weights, melody.bars)[start]]
    keys = list(zip(pitch.tolist(), accent.tolist(), strict=True))
    longest: dict[tuple[int, float], int] = {}
    for key, size in zip(keys, hold.tolist(), strict=True):
        longest[key] = max(longest.get(key, 0), size)
    tones = {key: _tone(*key, size + release, rate) for key, size in longest.items()}
    dry = np.zeros(round((melody.seconds + TAIL_SECONDS) * rate), np.float32)
    for key, first, size in zip(keys, begin.tolist(), hold.tolist(), strict=True):
        tone = tones[key]
        dry[first : first + size] += tone[:size]
        dry[first + size : first + size + release] += tone[size : size + release] * fade
    return dry


def _tone(pitch: int, accent: float, size: int, rate: int) -> Samples:
    """A key struck and held: (size,) samples.

    Low keys have more overtones, ring longer and are a little louder, which keeps them even to the ear; a hard stroke
    is louder and brighter. Both modulators fade out where their overtones would pass half the rate.
    """
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    octave = (pitch - 60) / 12  # from middle C
    partials = rate / 2 / frequency  # how many the rate can hold
    bark = min(1.6, 1.35 * 2 ** (-0.4 * octave) * accent, max(0.0, 0.25 * (partials - 2)))
    tine = 0.3 * 2 ** (-0.25 * octave) * accent**2 * min(1.0, max(0.0, (partials - 8) / 4))
    level = accent * 10 ** (-1.4 * octave / 20)
    cycles = np.arange(size) * (frequency / rate)  # in double precision: a long note must not drift
    phase = (2 * np.pi * (cycles - np.floor(cycles))).astype(np.float32)
    seconds = np.arange(size, dtype=np.float32) / np.float32(rate)
    tone: Samples = phase + np.sin(phase) * (bark * (0.4 + 0.6 * np.exp(-3 * seconds)))
    tone += np.sin(7 * phase) * (tine * np.exp(-6 * seconds))
    np.sin(tone, out=tone)
    quick, slow = 2 * 2 ** (0.35 * octave), 0.22 * 2 ** (0.5 * octave)  # decay, 1 / seconds
    tone *= level * (0.4 * np.exp(-quick * seconds) + 0.6 * np.exp(-slow * seconds))
    attack = min(size, round(_ATTACK_SECONDS * rate))
    tone[:attack] *= np.sin(np.linspace(0, np.pi / 2, attack, dtype=np.float32)) ** 2
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
