"""`windowed`: a denoiser of 32 phrases for samples of any length, as one.

MultiDiffusion (Bar-Tal et al. 2023, eq. 5) with averaged estimates: overlapping windows see the same x_t, and where
they overlap x0_hat is their mean. Averaging the noised x_t instead would take noise away there, and the network would
be told the wrong level.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.samplers import Denoise
from cantilena.diffusion.schedule import Array

__all__ = ["windowed"]

_BATCH = 16  # windows denoised at once


def windowed(
    denoise: Callable[..., Array],
    *,
    size: int = 32,
    hop: int = 16,
    circular: bool = False,
    places: NDArray[np.int64] | None = None,
) -> Denoise:
    """The `denoise` of windows of `size` phrases, for x_t (B, P, D) of P >= `size` phrases.

    Windows begin every `hop` phrases, the last where it ends with the sample; each phrase's x0_hat is the mean of its
    windows', weighted by how far it lies from their ends. `circular` joins the end to the start. `places` (P, k) are
    what the network is told of each phrase: `denoise` then takes those of each window, too.
    Raises ValueError for a sample that is shorter than a window.
    """

    def whole(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
        phrases, told = x_t.shape[1], {}
        if phrases < size:
            raise ValueError(f"a window of {size} phrases does not fit into {phrases}")
        if phrases == size and not circular:
            if places is not None:
                told["places"] = np.broadcast_to(places, (len(x_t), *places.shape))
            return denoise(x_t, log_snr, x0_prev, **told)
        return _mean(denoise, x_t, log_snr, x0_prev, _seen(phrases, size, hop, circular), places)

    return whole


def _seen(phrases: int, size: int, hop: int, circular: bool) -> NDArray[np.int64]:
    """Which phrases each window sees: (windows, size)."""
    last = phrases if circular else phrases - size
    first = np.arange(0, last, hop)
    first = first if circular else np.append(first, last)
    return (first[:, None] + np.arange(size)) % phrases


def _mean(
    denoise: Callable[..., Array], x_t: Array, log_snr: Array, x0_prev: Array, seen: NDArray[np.int64],
    places: NDArray[np.int64] | None,
) -> Array:  # fmt: skip
    windows, size = seen.shape
    weight = np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1)).astype(x_t.dtype)
    total, share = np.zeros_like(x_t), np.zeros(x_t.shape[1], x_t.dtype)
    np.add.at(share, seen.reshape(-1), np.tile(weight, windows))
    for begin in range(0, windows, max(1, _BATCH // len(x_t))):
        some = seen[begin : begin + max(1, _BATCH // len(x_t))]
        shape = (len(x_t) * len(some), size, x_t.shape[-1])  # windows of one melody side by side
        cut, cut_prev = x_t[:, some].reshape(shape), x0_prev[:, some].reshape(shape)
        told = {} if places is None else {"places": np.tile(places[some], (len(x_t), 1, 1))}
        found = denoise(cut, np.repeat(log_snr, len(some)), cut_prev, **told)
        found = found.reshape(len(x_t), len(some), size, -1) * weight[:, None]
        for w, place in enumerate(some):
            total[:, place] += found[:, w]
    return np.asarray(total / share[:, None], x_t.dtype)
