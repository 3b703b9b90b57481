"""`windowed`: a denoiser of 32 phrases for samples of any length, as one.

MultiDiffusion (Bar-Tal et al. 2023, eq. 5) with averaged estimates: overlapping windows see the same x_t, and where
they overlap x0_hat is their mean. Averaging the noised x_t instead would take noise away there, and the network would
be told the wrong level.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.samplers import Denoise
from cantilena.diffusion.schedule import Array

__all__ = ["windowed"]

_BATCH = 16  # windows denoised at once


def windowed(denoise: Denoise, *, size: int = 32, hop: int = 16, circular: bool = False, period: int = 0) -> Denoise:
    """The `denoise` of windows of `size` phrases, for x_t (B, P, D) of P >= `size` phrases.

    Windows begin every `hop` phrases, the last where it ends with the sample; each phrase's x0_hat is the mean of its
    windows', weighted by how far it lies from their ends. `circular` joins the end to the start. A positive `period`
    makes the sample repeat after so many phrases, which must divide P: one x0_hat for all copies of a phrase, each
    with its own noise. Raises ValueError for a sample that does not fit.
    """

    def whole(x_t: Array, log_snr: Array, x0_prev: Array) -> Array:
        phrases = x_t.shape[1]
        if phrases < size or (period and phrases % period):
            raise ValueError(f"windows of {size} phrases, repeating after {period}, do not fit {phrases} phrases")
        if phrases == size and not circular:
            found = denoise(x_t, log_snr, x0_prev)
        else:
            found = _mean(denoise, x_t, log_snr, x0_prev, _places(phrases, size, hop, circular))
        if period:
            copies = found.reshape(len(found), -1, period, found.shape[-1])
            found = np.broadcast_to(copies.mean(1, keepdims=True), copies.shape).reshape(found.shape)
        return found

    return whole


def _places(phrases: int, size: int, hop: int, circular: bool) -> NDArray[np.int64]:
    """Which phrases each window sees: (windows, size)."""
    last = phrases if circular else phrases - size
    first = np.arange(0, last, hop)
    first = first if circular else np.append(first, last)
    return (first[:, None] + np.arange(size)) % phrases


def _mean(denoise: Denoise, x_t: Array, log_snr: Array, x0_prev: Array, places: NDArray[np.int64]) -> Array:
    windows, size = places.shape
    weight = np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1)).astype(x_t.dtype)
    total, share = np.zeros_like(x_t), np.zeros(x_t.shape[1], x_t.dtype)
    np.add.at(share, places.reshape(-1), np.tile(weight, windows))
    for begin in range(0, windows, max(1, _BATCH // len(x_t))):
        some = places[begin : begin + max(1, _BATCH // len(x_t))]
        shape = (len(x_t) * len(some), size, x_t.shape[-1])  # windows of one melody side by side
        cut, cut_prev = x_t[:, some].reshape(shape), x0_prev[:, some].reshape(shape)
        found = denoise(cut, np.repeat(log_snr, len(some)), cut_prev)
        found = found.reshape(len(x_t), len(some), size, -1) * weight[:, None]
        for w, place in enumerate(some):
            total[:, place] += found[:, w]
    return np.asarray(total / share[:, None], x_t.dtype)
