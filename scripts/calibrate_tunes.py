"""What a model of tunes should lean to, for its model.json: `python scripts/calibrate_tunes.py TUNES.npz [MODEL]`.

As `training.calibration` does for models of windows: how often intervals of each kind occur, and notes that are foreign
to what is near, is counted in training tunes of each style and metre with LEAST or more, and in as many composed ones;
the logarithm of the ratio is what is added, round after round (Menon et al. 2021, eq. 9). Each round is printed: the
best of several draws turn less and step more than single ones do, so an early round serves them best.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cantilena.composer import load
from cantilena.edits import tune_form
from cantilena.model import DEFAULT_MODEL, Model
from cantilena.music.melody import Melody
from cantilena.music.metre import Metre
from cantilena.training.calibration import SEED, leanings, measured
from cantilena.training.tunes import Tunes

LEAST, EACH, REAL = 60, 12, 120  # tunes of each kind: at least, composed, and listened to
ROUNDS, PHRASES = 7, 16
MOST = 2.5  # of a leaning


def main(tunes_file: str, name: str = DEFAULT_MODEL) -> None:
    """Compose, listen, and print what each round would lean to."""
    tunes, composer = Tunes.open(Path(tunes_file)), load(name)
    kinds: dict[tuple[str, Metre], list[int]] = defaultdict(list)
    for tune in np.random.default_rng(0).permutation(tunes.split(0, role=0)).tolist():
        kinds[tunes.style(tune), tunes.metre(tune)].append(tune)
    kinds = {kind: of for kind, of in kinds.items() if len(of) >= LEAST and kind[1] in composer.model.metres}
    real = [tunes.phrases(tune)[:32] for of in kinds.values() for tune in of[:REAL]]
    drawn: list[tuple[Model, NDArray[np.float32]]] = []

    def heard(model: Model, x_0: NDArray[np.float32], *told: Any) -> Melody:
        drawn.append((model, x_0))
        return written(model, x_0, *told)

    written, tune_form._written = tune_form._written, heard
    tune_form.DRAWS, tune_form._AGAIN = (2,), 0
    for k, (style, metre) in enumerate(kinds):
        for seed in range(SEED + EACH * k, SEED + EACH * (k + 1)):
            composer.compose(seed=seed, bars=PHRASES * metre.phrase_bars, style=style, metre=str(metre))
    wanted, strange = measured(real)

    def decode(intervals: NDArray[np.float32], foreign: float) -> Iterator[NDArray[np.int8]]:
        for model, x_0 in drawn:
            yield model.decode(
                model.space.denormalize(x_0), replace(model.manner, intervals=intervals, foreign=foreign)
            )

    for off, intervals, foreign in islice(leanings(decode, wanted, strange), ROUNDS):
        table = np.clip(intervals.astype(float), -MOST, MOST).round(2).tolist()
        print(f'{off:.3f} off: {{"intervals": {table}, "foreign": {foreign:.2f}}}', flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
