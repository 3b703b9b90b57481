"""The sound is the melody: right length, pitches and rests, even and free of clicks, the same every time."""

import io
import time
import tracemalloc
import wave

import numpy as np
import pytest

from cantilena.music import render
from cantilena.music.melody import Melody
from cantilena.music.render import TAIL_SECONDS, to_samples, to_wav
from melodies import random_melody

RATE = 44_100
STEP = 0.125  # seconds of a sixteenth at 120 qpm


def frequency(pitch):
    return 440 * 2 ** ((np.asarray(pitch) - 69) / 12)


def one(pitch: int, bars: int = 4) -> Melody:
    return Melody.from_notes([0], [bars * 16], [pitch])


def mono(melody: Melody, rate: int = RATE) -> np.ndarray:
    return to_samples(melody, rate=rate, mono=True).astype(float)


def cut(sound: np.ndarray, start: float, end: float) -> np.ndarray:
    return sound[round(start * RATE) : round(end * RATE)]


def power(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in Hz and power, 8 times finer than the length gives."""
    size = 1 << (8 * sound.size - 1).bit_length()
    return np.fft.rfftfreq(size, 1 / RATE), np.abs(np.fft.rfft(sound * np.hanning(sound.size), size)) ** 2


def level(sound: np.ndarray) -> float:
    """dB, root mean square."""
    return 10 * np.log10(np.mean(np.square(sound)) + 1e-20)


# -- form --------------------------------------------------------------------------------------


@pytest.mark.parametrize("qpm", [47.3, 120, 1000])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_it_lasts_as_long_as_its_bars_and_the_tail(qpm, rate):
    melody = Melody.from_notes([3, 20], [9, 31], [60, 84], bars=3, qpm=qpm)
    samples = to_samples(melody, rate=rate)
    assert samples.dtype == np.float32
    assert samples.shape == (round((3 * 4 * 60 / qpm + TAIL_SECONDS) * rate), 2)
    with wave.open(io.BytesIO(to_wav(melody, rate=rate))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, rate)
        assert file.getnframes() == len(samples)
        pcm = np.frombuffer(file.readframes(len(samples)), "<i2").reshape(-1, 2)
    assert np.abs(pcm / 32767 - samples).max() < 0.51 / 32767


@pytest.mark.parametrize("pitches", [[21], [60, 64, 67], [108], [21, 108] * 8])
@pytest.mark.parametrize("as_mono", [False, True])
def test_the_peak_is_at_minus_3_dbfs(pitches, as_mono):
    start = np.arange(len(pitches)) * 4
    samples = to_samples(Melody.from_notes(start, start + 4, pitches), mono=as_mono)
    assert np.abs(samples).max() == pytest.approx(10 ** (-3 / 20), rel=1e-5)


def test_no_notes_no_sound():
    samples = to_samples(Melody(np.zeros(64, np.int8)))
    assert samples.shape == (round((8 + TAIL_SECONDS) * RATE), 2)
    assert not samples.any()


def test_the_same_melody_gives_the_same_bytes():
    melody = Melody.from_notes([0, 4, 6], [4, 6, 16], [60, 62, 64])
    assert to_wav(melody) == to_wav(melody)
    assert to_wav(melody) != to_wav(melody.transpose(1))


@pytest.mark.parametrize("rate", [0, 7_999, 200_000])
def test_it_refuses_a_rate_no_one_can_play(rate):
    with pytest.raises(ValueError, match=r"rate .* must be 8000..192000"):
        to_samples(one(60), rate=rate)


# -- notes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pitch", [21, 28, 40, 55, 60, 69, 76, 88, 97, 108])
def test_a_note_has_its_pitch(pitch):
    """The fundamental is within 2 cents, leads, and all that is not one of its overtones is 75 dB below."""
    hertz, energy = power(cut(mono(one(pitch)), 0.5, 7.5))
    near = np.abs(1200 * np.log2(np.maximum(hertz, 1) / frequency(pitch))) < 200
    found = hertz[near][energy[near].argmax()]
    assert abs(1200 * np.log2(found / frequency(pitch))) < 2
    assert energy[near].max() >= 0.5 * energy.max()
    partial = hertz / frequency(pitch)
    foreign = np.abs(partial - np.rint(partial)) * frequency(pitch) > 8
    assert 10 * np.log10(energy[foreign].sum() / energy.sum()) < -75


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050])
@pytest.mark.parametrize("pitch", [60, 84, 100, 106])
def test_overtones_never_fold_back(pitch, rate):
    sound = mono(one(pitch), rate)[: 2 * rate]
    hertz, energy = np.fft.rfftfreq(2 * rate, 1 / rate), np.abs(np.fft.rfft(sound * np.hanning(2 * rate))) ** 2
    partial = hertz / frequency(pitch)
    foreign = np.abs(partial - np.rint(partial)) * frequency(pitch) > 20
    assert 10 * np.log10(energy[foreign].max() / energy.max()) < -50


@pytest.mark.parametrize("qpm", [60, 120, 201.7])
def test_each_note_sounds_at_its_place(qpm):
    """In the later half of each note no other pitch of the tune is as strong as its own."""
    rng = np.random.default_rng(5)
    end = np.cumsum(rng.integers(4, 9, 30))
    start, pitches = np.append(0, end[:-1]), np.arange(60, 90)
    own = rng.permutation(pitches)
    step = 15 / qpm
    sound = mono(Melody.from_notes(start, end, own, qpm=qpm))
    for first, last, pitch in zip(start * step, end * step, own, strict=True):
        part = cut(sound, (first + last) / 2, last)
        waves = np.exp(-2j * np.pi * np.outer(frequency(pitches), np.arange(part.size) / RATE))
        strength = 20 * np.log10(np.abs(waves @ (part * np.hanning(part.size))))
        apart = np.abs(frequency(pitches) - frequency(pitch)) > 2 / (
            part.size / RATE
        )  # as far as so short a part tells
        assert apart.sum() > 15
        assert strength[pitch - 60] > strength[apart].max() + 5


def test_notes_add_up():
    """A tune is the sum of its notes, whatever else it holds: nothing is cut, shared or bent."""
    first, second = ([0, 16, 40], [8, 17, 64], [60, 72, 60]), ([9, 20, 36], [16, 28, 38], [60, 61, 72])
    both = np.concatenate([first, second], axis=1)
    both = both[:, both[0].argsort()]
    a, b, tune = (mono(Melody.from_notes(*notes, bars=4)) for notes in (first, second, both))
    parts = np.stack([a, b], axis=1)
    gains, *_ = np.linalg.lstsq(parts, tune, rcond=None)
    assert np.abs(parts @ gains - tune).max() < 1e-5


def test_the_beats_are_stronger():
    melody = Melody.from_notes(np.arange(0, 64, 3), np.arange(0, 64, 3) + 1, [69] * 22, bars=5)
    sound = mono(melody)
    strength = {step % 16: level(cut(sound, step * STEP, step * STEP + 0.1)) for step in range(0, 64, 3)}
    assert strength[0] > strength[8] + 0.3 > strength[4] + 0.6
    assert min(strength[4], strength[12]) > max(strength[s] for s in strength if s % 2) + 1


def test_the_keyboard_is_even():
    """Loudness of ITU-R BS.1770 over half a second, each note with the same stroke: within 4 dB from C1 to C7."""
    pitches = np.arange(24, 97, 6)
    start = np.arange(pitches.size) * 32
    sound = mono(Melody.from_notes(start, start + 4, pitches))
    s = 2j * np.pi * np.fft.rfftfreq(RATE // 2, 1 / RATE)
    low, high = 2 * np.pi * 38.135, 2 * np.pi * 1681.97
    weight = s**2 / (s**2 + s * low / 0.5003 + low**2)
    weight *= (1.585 * s**2 + 1.2588 * s * high / 0.7072 + high**2) / (s**2 + s * high / 0.7072 + high**2)
    loudness = [10 * np.log10(np.sum(np.abs(np.fft.rfft(cut(sound, t, t + 0.5)) * weight) ** 2)) for t in start * STEP]
    assert max(loudness) - min(loudness) < 4


# -- rests and edges ---------------------------------------------------------------------------


def test_rests_are_silent():
    """16-bit zeros before the first note and a tail after the last, and the note itself is gone much sooner."""
    melody = Melody.from_notes([16, 64], [32, 68], [48, 84], bars=8)
    pcm = np.frombuffer(to_wav(melody)[44:], "<i2").reshape(-1, 2).astype(float)
    assert not cut(pcm, 0, 2 - 1e-3).any()
    assert cut(pcm, 2, 4).any(axis=0).all()
    assert not cut(pcm, 4 + TAIL_SECONDS, 8 - 1e-3).any()
    assert not cut(pcm, 8.5 + TAIL_SECONDS, 99).any()
    assert level(cut(pcm, 4.2, 4.3)) < level(cut(pcm, 3.7, 4)) - 15
    assert level(cut(pcm, 4.5, 4.6)) < level(cut(pcm, 3.7, 4)) - 25
    assert level(cut(pcm, 5.0, 5.1)) < level(cut(pcm, 3.7, 4)) - 45


@pytest.mark.parametrize(
    ("pitch", "band"),
    [(25, (5_000, 22_050)), (33, (6_000, 22_050)), (48, (10_000, 22_050)), (60, (14_000, 22_050)), (84, (0, 150)),
     (96, (0, 400)), (107, (0, 1_500))],
)  # fmt: skip
def test_no_note_clicks(pitch, band):
    """A jump puts energy everywhere: where these notes have none, it stays 72 dB below full scale.

    A note begins in silence, is cut by its neighbour, by itself, by a lower one, and ends in silence.
    """
    melody = Melody.from_notes([4, 11, 13, 14, 19], [11, 13, 14, 19, 26], pitch + np.array([0, 1, 1, -4, 0]))
    sound = mono(melody)
    size = 1024
    frames = np.lib.stride_tricks.sliding_window_view(sound, size)[:: size // 8] * np.blackman(size)
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    spectrum = np.abs(np.fft.rfft(frames)) / (np.blackman(size).sum() / 2)
    assert 20 * np.log10(spectrum[:, (hertz >= band[0]) & (hertz <= band[1])].max()) < -72


@pytest.mark.parametrize("pitch", [21, 45, 60, 84, 108])
def test_no_sample_jumps_further_than_the_wave_does(pitch):
    """At the edges the steepest slope is that of the wave itself, in the middle of the note just struck."""
    sound = mono(Melody.from_notes([4, 11, 13], [11, 13, 20], [pitch] * 3))
    slope = np.abs(np.diff(sound))
    within = max(cut(slope, t * STEP + 0.01, t * STEP + 0.11).max() for t in (4, 11, 13))
    for edge in (4, 11, 13, 20):
        assert cut(slope, edge * STEP - 0.005, edge * STEP + 0.008).max() < 1.5 * within


# -- stage -------------------------------------------------------------------------------------


def test_left_and_right_differ_and_balance():
    melody = one(64, bars=8)
    left, right = to_samples(melody).T.astype(float)
    assert abs(level(left) - level(right)) < 0.5
    assert -30 < level(left - right) - level(left + right) < -10
    middle, both = mono(melody), left + right
    assert np.corrcoef(middle, both)[0, 1] > 0.99999


# -- speed -------------------------------------------------------------------------------------


def test_64_busy_bars_take_no_time():
    """Measured: 0.4 s on one core for every sixteenth a new pitch; the bound leaves room for a busy machine."""
    steps = np.arange(1024)
    melody = Melody.from_notes(steps, steps + 1, np.random.default_rng(0).integers(21, 109, 1024))
    start = time.process_time()
    to_wav(melody)
    assert time.process_time() - start < 2.5


# -- in blocks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mono", [False, True])
def test_no_block_is_heard(mono, monkeypatch):
    notes = [(0, 4, 60), (4, 60, 72), (60, 62, 60), (70, 90, 40), (91, 160, 90)]
    melody = Melody.from_notes(*map(list, zip(*notes, strict=True)), bars=11)
    whole = np.frombuffer(to_wav(melody, mono=mono)[44:], "<i2").astype(int)
    monkeypatch.setattr(render, "_BLOCK_SECONDS", 0.37)  # shorter than the room rings
    monkeypatch.setattr(render, "_KEPT_BYTES", 10_000)  # made twice
    monkeypatch.setattr(render, "_LONG_SECONDS", 1)  # long tones are made in parts
    cut = np.frombuffer(to_wav(melody, mono=mono)[44:], "<i2").astype(int)
    assert cut.shape == whole.shape
    assert np.abs(cut - whole).max() <= 1
    assert np.abs(whole).max() > 20_000


def test_memory_does_not_grow_with_length():
    melody = random_melody(1, 500)
    tracemalloc.start()
    size = sum(map(len, render.wav_blocks(melody)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 170_000_000
    assert peak < 130_000_000


def test_more_than_a_wav_file_holds_is_refused():
    with pytest.raises(ValueError, match=r"240,002 seconds of sound are more than a WAV file holds"):
        render.wav_blocks(Melody.from_notes([0], [4], [60], bars=1000, qpm=1))
