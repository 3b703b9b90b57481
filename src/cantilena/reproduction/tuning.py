"""Chooses how each network of the table is decoded: alike for all, on validation songs, within a written budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from cantilena.metrics.pieces import Pieces, window_pieces
from cantilena.metrics.scores import Moments, overlaps, scores
from cantilena.reproduction.baselines import ROWS, Bench, Setting
from cantilena.reproduction.decoding import NETWORKS, TUNED, Decoding, Decodings
from cantilena.reproduction.reproduction import Reproduction

__all__ = ["SEED", "TRIALS", "tune"]

SEED = 1_000_000  # the first: no table's
_DIFFUSION = [Decoding(temperature=t, settle=s) for s in (0.0, 0.3) for t in (1.0, 0.99, 0.98)]
_AUTOREGRESSION = [Decoding(temperature=t, clamp=c) for c in (False, True) for t in (1.0, 0.85, 0.7)]
_VISITS = ((100, 1), (50, 2), (33, 3), (25, 4), (20, 5), (17, 6))  # steps, visits of each level: of about equal cost
TRIALS: dict[tuple[str, Setting], list[Decoding]] = {  # six of each network and setting; the first is plain
    ("diffusion", "unconditional"): _DIFFUSION,
    ("paper", "unconditional"): _DIFFUSION,
    ("autoregression", "unconditional"): _AUTOREGRESSION,
    ("diffusion", "infilling"): [Decoding(steps=s, resample=r) for s, r in _VISITS],
    ("paper", "infilling"): [Decoding(steps=s, resample=r) for s, r in _VISITS],
}  # fmt: skip


def tune(made: Reproduction, n: int = 96, say: Callable[[str], None] = lambda _: None) -> Decodings:
    """Try each of TRIALS with `n` melodies, and choose by C + Var (over pieces) of pitch and duration, summed.

    Both compare with all windows of validation songs, and infilling holds what these have. Infilling takes the
    temperature that was chosen unconditionally. `say` gets a line for each trial.
    """
    windows = made.corpus.windows("validation")
    target = overlaps(window_pieces(made.corpus, windows, "validation")).moments
    order = np.random.default_rng(SEED).permutation(len(windows))
    real = window_pieces(made.corpus, windows[np.resize(order, n)], "validation")
    held = set(made.networks.parts if made.networks else ())
    can = {"diffusion": True, "autoregression": "mdn" in held, "paper": "paper" in held}
    chosen: dict[str, dict[str, Decoding]] = {}
    trials: dict[str, list[dict[str, Any]]] = {}
    for (row, setting), some in TRIALS.items():
        if not can[row] or setting not in ROWS[row]:
            continue
        found: list[tuple[float, Decoding]] = []
        for how in some:
            if setting == "infilling":
                how = replace(how, temperature=chosen[row]["unconditional"].temperature)
            bench = _bench(made, real, how)
            found.append((_sum(bench.make(f"{row}{TUNED}", setting), target), how))
            say(f"{row}, {setting}: {how.text(row)}: {found[-1][0]:.3f}")
        trials[f"{row}, {setting}"] = [{**asdict(how), "sum": round(worth, 4)} for worth, how in found]
        chosen.setdefault(row, {})[setting] = max(found, key=lambda one: one[0])[1]
    how_chosen = (
        f"Chosen by C + Var of pitch and duration, summed, among {len(_DIFFUSION)} decodings of each network and "
        f"setting, {n} melodies each, seeds {SEED:,} on, against {len(windows):,} windows of validation songs."
    )
    return Decodings(chosen, {"how": how_chosen, "model": made.composer.model.fingerprint, "n": n, "trials": trials})


def _bench(made: Reproduction, real: Pieces, how: Decoding) -> Bench:
    """What makes melodies from validation songs, each network decoded so."""
    every = {row: dict.fromkeys(("unconditional", "infilling"), how) for row in NETWORKS}
    bench = made.bench(n=10)
    seeds = range(SEED, SEED + len(real))
    return replace(bench, test=real, seeds=seeds, tuned=Decodings(every, {}))


def _sum(pieces: Pieces, target: dict[str, Moments]) -> float:
    table = scores(pieces, target, resamples=1)
    return sum(table[kind][name].value for kind in table for name in ("C", "var_pieces"))
