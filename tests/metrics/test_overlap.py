from statistics import NormalDist, fmean, pstdev

import numpy as np
import pytest

from cantilena.metrics.overlap import framewise_overlap, normal_overlap, window_moments
from cantilena.music.melody import Melody
from melodies import random_melody


def test_the_area_is_the_standard_librarys():
    random = np.random.default_rng(0)
    mean1, mean2 = random.uniform(40, 90, (2, 2000))
    std1, std2 = 10 ** random.uniform(-6, 1.5, (2, 2000))
    std2[:200] = std1[:200]
    mean2[200:400] = mean1[200:400]
    expected = [NormalDist(a, b).overlap(NormalDist(c, d)) for a, b, c, d in zip(mean1, std1, mean2, std2, strict=True)]
    np.testing.assert_allclose(normal_overlap(mean1, std1, mean2, std2), expected, atol=1e-9)


def slow_moments(melody: Melody) -> list[tuple[float, float, float, float]]:
    start, end, pitch = melody.notes
    rows = []
    for bar in range(0, melody.bars - 3, 2):
        inside = [i for i in range(len(start)) if bar <= start[i] // 16 < bar + 4]
        if not inside:
            rows.append((1.0, 1e-6, 1.0, 1e-6))
            continue
        pitches, durations = [float(pitch[i]) for i in inside], [float(end[i] - start[i]) for i in inside]
        rows.append((fmean(pitches), pstdev(pitches) + 1e-6, fmean(durations), pstdev(durations) + 1e-6))
    return rows


@pytest.mark.parametrize("seed", range(4))
def test_windows_are_summed_up_as_by_hand(seed):
    melody = random_melody(seed, bars=64)
    events = melody.events.copy()
    events[20 * 16 : 27 * 16] = 0  # a held note, then bars in which nothing starts
    melody = Melody.from_tokens(events)
    pitch, duration = window_moments(melody.events[None])
    expected = np.array(slow_moments(melody))
    assert expected.shape == (31, 4)
    np.testing.assert_allclose(np.concatenate([pitch[0], duration[0]], axis=1), expected, atol=2e-6)


def test_a_melody_that_repeats_overlaps_fully_and_one_that_leaps_does_not():
    bar = ([0, 4, 8, 12], [4, 8, 12, 16], [60, 62, 64, 65])
    start = np.concatenate([np.array(bar[0]) + 16 * b for b in range(8)])
    same = Melody.from_notes(start, start + 4, np.tile(bar[2], 8))
    leaping = Melody.from_notes(start, start + 4, np.tile(bar[2], 8) + np.repeat([0, 40], 16))
    overlap = framewise_overlap(np.stack([same.events, leaping.events]))
    assert overlap.pitch[0] == pytest.approx([1, 1])
    assert overlap.pitch[1].max() < 0.5
    assert overlap.duration == pytest.approx(np.ones((2, 2)))
