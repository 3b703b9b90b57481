"""Picking: the best first, no melody twice, and the denoising error as an oracle knows it."""

from __future__ import annotations

import numpy as np
import pytest

from cantilena.diffusion import NoiseSchedule
from cantilena.edits.pick import choose, denoising_error, kinship
from cantilena.music.melody import Melody
from melodies import random_melody

SCHEDULE = NoiseSchedule.cosine()


def tunes(n: int) -> list[Melody]:
    return [random_melody(i, bars=16) for i in range(n)]


def test_the_best_come_first() -> None:
    assert choose(tunes(5), 3, [0.5, 0.1, 0.9, 0.0, 0.3], [1.0] * 5) == [3, 1, 4]


def test_no_melody_twice_also_at_another_pitch() -> None:
    a, b, c = tunes(3)
    down = 1 if a.notes.pitch.min() > 21 else -1
    same = a.transpose(-down)
    assert kinship(a, same) == 1
    assert choose([a, same, b, a, c], 5, [0, 0, 0.5, 0, 0.9], [1.0] * 5) == [0, 2, 4]


def test_what_is_far_from_the_others_error_is_left_to_the_last() -> None:
    """Too much is noise, too little is silence."""
    assert choose(tunes(5), 5, [0] * 5, [1.0, 1.1, 9.0, 0.9, 0.0])[-1] == 2
    assert choose(tunes(4), 4, [0] * 4, [1.0, 1.1, 0.95, 0.0])[-1] == 3


def test_an_oracle_makes_no_error() -> None:
    x_0 = np.random.default_rng(0).normal(size=(3, 32, 4)).astype(np.float32)
    assert denoising_error(lambda x_t, log_snr, prev: x_0, x_0, SCHEDULE).tolist() == [0, 0, 0]
    off = denoising_error(
        lambda x_t, log_snr, prev: x_0 + np.array([0, 1, 2], np.float32)[:, None, None], x_0, SCHEDULE
    )
    assert off == pytest.approx([0, 1, 4], rel=1e-5)


def test_none_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 melody"):
        choose(tunes(2), 0, [0, 0], [0, 0])
