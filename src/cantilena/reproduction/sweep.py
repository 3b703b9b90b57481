"""`cantilena reproduce --sweep`: measures how quality and time grow with the steps of each sampler."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from cantilena.metrics.pieces import Pieces
from cantilena.metrics.scores import scores
from cantilena.music.melody import Melody
from cantilena.reproduction.reproduction import Reproduction, Say
from cantilena.sampling import Sampling, Voice

__all__ = ["SWEEP", "sweep"]

SWEEP = [("ddpm", s) for s in (20, 100, 1000)] + [("ddim", s) for s in (10, 20, 50, 100)]
SWEEP += [("dpm_solver_pp", s) for s in (5, 10, 20, 50)]


def sweep(made: Reproduction, n: int = 200, say: Say = lambda _: None) -> list[dict[str, Any]]:
    """Measure `n` unconditional melodies for each sampler and number of steps, one after the other to time them.

    One visit of each level and no settling: the samplers as their papers have them. `say` gets a line for each.
    """
    measure, found = made.measures(n), []
    for sampler, steps in SWEEP:
        asked: Sampling = {"sampler": sampler, "steps": steps, "voice": Voice(rests=0)}
        if sampler == "ddpm":
            asked["temperature"] = 1.0
        began = time.perf_counter()
        tokens = made.composer.decode(made.composer.sample(range(n), **asked), range(n), voice=Voice(rests=0))
        seconds = (time.perf_counter() - began) / n
        pieces = Pieces([Melody.from_phrases(t).events for t in tokens], np.arange(n), sampler)
        table = scores(pieces, made.reference.moments)
        found.append(
            {
                "sampler": sampler,
                "steps": steps,
                "seconds": round(seconds, 4),
                **{f"{kind}_C": table[kind]["C"].value for kind in table},
                **{f"{kind}_var": table[kind]["var_pieces"].value for kind in table},
                "frechet": measure.frechet(pieces),
            }
        )
        last = found[-1]
        say(
            f"{sampler} {steps}: {seconds:.3f} s a melody, pitch {last['pitch_C']:.3f} / {last['pitch_var']:.3f}, "
            f"duration {last['duration_C']:.3f} / {last['duration_var']:.3f}, Frechet {last['frechet']:.3f}"
        )
    return found
