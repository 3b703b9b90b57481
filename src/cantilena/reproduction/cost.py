"""How long a row of the table takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from cantilena.corpus.store import WINDOW_PHRASES
from cantilena.model import Model
from cantilena.reproduction.baseline_networks import BaselineNetworks
from cantilena.reproduction.baselines import ROWS, Setting
from cantilena.reproduction.decoding import TUNED
from cantilena.reproduction.sampling_config import SamplingConfig

__all__ = ["BEGINNING", "costs"]

BEGINNING = 30.0  # seconds until the reference is measured and the index built
_MEASURING = 0.016  # seconds a melody: overlaps, features, novelty, latent distances
_CHANGED = 0.4  # share of the phrases whose notes a clamp changes, so that they are encoded again


def costs(
    model: Model, config: SamplingConfig, networks: BaselineNetworks | None = None
) -> dict[tuple[str, Setting], float]:
    """Estimate the seconds that a melody of each row and setting takes on a core; time a few calls of each network."""
    x, labels = np.zeros((16, WINDOW_PHRASES, model.space.D), np.float32), np.zeros((16, 4), np.int64)
    denoise = _timed(lambda: model.denoise(x, np.zeros(16, np.float32), x, labels)) / 16
    decode = _timed(lambda: model.to_phrases(x)) / 16
    encode = _timed(lambda: model.encode(np.ones((16, WINDOW_PHRASES, 32), np.int64))) / 16
    found = {}
    for row, setting in ((row, setting) for row, settings in ROWS.items() for setting in settings):
        cost = _MEASURING + decode + encode
        network = row.removesuffix(TUNED)
        tuned = config.tuned.of(network, setting) if config.tuned and row != network else None
        how = tuned or config.plain(network)
        if network in ("diffusion", "paper"):
            cost += how.steps * how.resample * (denoise + how.settle * (decode + _CHANGED * encode))
        elif network == "autoregression" and networks is not None and "mdn" in networks.parts:
            following = _timed(lambda: networks.next_phrase(x[:, : WINDOW_PHRASES // 2])) / 16
            cost += WINDOW_PHRASES * following + how.clamp * (decode + encode)
        found[row, setting] = cost
    return found


def _timed(call: Callable[[], Any]) -> float:
    """Seconds of a call, the second time."""
    call()
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
