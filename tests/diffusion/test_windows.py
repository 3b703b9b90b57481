"""Windows: one window is the denoiser itself, a local denoiser is not changed by them, and joints are seen."""

from __future__ import annotations

import numpy as np
import pytest

from cantilena.diffusion import NoiseSchedule, SeededNoise, SharedPhrases, ddpm, windowed
from cantilena.diffusion.schedule import Array

SCHEDULE = NoiseSchedule.cosine()


def local(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
    """A phrase's estimate depends on that phrase alone."""
    return np.tanh(x_t) * 0.7 + 0.1 * x0_prev + 0.01 * log_snr[:, None, None]


def place(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
    """The estimate is where in its window a phrase stands."""
    return np.broadcast_to(np.arange(x_t.shape[1], dtype=np.float32)[None, :, None], x_t.shape)


def noise_of(shape: tuple[int, ...]) -> Array:
    return SeededNoise(range(shape[0]))(shape)


def test_one_window_is_the_denoiser_itself() -> None:
    x_t, log_snr = noise_of((2, 32, 4)), np.zeros(2, np.float32)
    assert np.array_equal(windowed(place)(x_t, log_snr, x_t), place(x_t, log_snr, x_t))


@pytest.mark.parametrize("phrases", [33, 47, 48, 100])
@pytest.mark.parametrize("circular", [False, True])
def test_a_local_denoiser_is_not_changed_by_windows(phrases: int, circular: bool) -> None:
    x_t, prev = noise_of((3, phrases, 4)), noise_of((3, phrases, 4))[..., ::-1]
    log_snr = np.array([-1, 0, 2], np.float32)
    found = windowed(local, circular=circular)(x_t, log_snr, prev)
    np.testing.assert_allclose(found, local(x_t, log_snr, prev), atol=1e-5)
    assert found.dtype == np.float32


def test_overlaps_are_means_weighted_by_the_distance_from_the_windows_ends() -> None:
    found = windowed(place)(noise_of((1, 48, 1)), np.zeros(1, np.float32), np.zeros((1, 48, 1), np.float32))[0, :, 0]
    assert found[:16].tolist() == list(range(16))  # the first window alone
    assert found[-16:].tolist() == list(range(16, 32))  # the second alone
    # phrase 20 is 20th of the first window (weight 12) and 4th of the second (weight 5)
    assert found[20] == pytest.approx((12 * 20 + 5 * 4) / 17)


def test_a_circular_sample_has_no_beginning() -> None:
    """Turned by a hop, it gives the same, turned."""
    x_t, log_snr = noise_of((1, 64, 3)), np.zeros(1, np.float32)

    def mixing(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
        return np.asarray(np.cumsum(x_t, axis=1) / 32, np.float32)

    circular = windowed(mixing, circular=True)
    turned = circular(np.roll(x_t, 16, axis=1), log_snr, x_t)
    np.testing.assert_allclose(turned, np.roll(circular(x_t, log_snr, x_t), 16, axis=1), atol=1e-5)
    straight = windowed(mixing)
    assert not np.allclose(
        straight(np.roll(x_t, 16, axis=1), log_snr, x_t), np.roll(straight(x_t, log_snr, x_t), 16, 1)
    )


def test_a_period_repeats() -> None:
    x_T = noise_of((2, 32, 3))
    shared = SharedPhrases.of(np.arange(32) % 4)
    *_, last = ddpm(shared.denoiser(windowed(local, circular=True)), x_T, SCHEDULE, SeededNoise([0, 1]), steps=5)
    cycles = last.x_t.reshape(2, 8, 4, 3)
    assert np.array_equal(cycles, np.broadcast_to(cycles[:, :1], cycles.shape))
    assert len(np.unique(cycles[0, 0])) > 4


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="a window of 32 phrases does not fit into 31"):
        windowed(local)(noise_of((1, 31, 1)), np.zeros(1, np.float32), noise_of((1, 31, 1)))
