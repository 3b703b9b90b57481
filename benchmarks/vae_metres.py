"""How well a model of tunes rebuilds phrases, by metre.

    python benchmarks/vae_metres.py TUNES.npz [MODEL] [N] [SPLIT] [ROLES]

Of each metre that the model knows, the phrases with notes of melodies of a split (2, the test; 1 is for validation) and
of some roles (01: tunes and top parts), as many as make N (500) phrases. Printed are token accuracy and the share of
exactly rebuilt phrases, from the posterior's mean, as edits read them: the decoder is told the metre, and neither style
nor role. Each alone, as if nothing were known of others, and whole melodies, each phrase after those before it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cantilena.model import DEFAULT_MODEL, Model
from cantilena.music.melody import is_silent
from cantilena.music.metre import Metre
from cantilena.training.tunes import Tunes
from cantilena.voices import VOICES
from cantilena.writing import Manner


def main(tunes_file: str, name: str = DEFAULT_MODEL, number: str = "500", split: str = "2", roles: str = "01") -> None:
    tunes, model = Tunes.open(Path(tunes_file)), Model.load(name)
    known: dict[Metre, list[NDArray[np.int8]]] = {metre: [] for metre in model.metres}
    every = np.concatenate([tunes.split(int(split), role=role) for role in map(int, roles)])
    for tune in np.random.default_rng(0).permutation(every).tolist():
        chosen = known.get(tunes.metre(tune))
        if chosen is not None and sum(map(len, chosen)) < int(number):
            chosen.append(tunes.phrases(tune))
    print(f"{model.name} {model.fingerprint}, split {split}, roles {roles}, exactly rebuilt from the mean")
    print(f"{'metre':16}{'melodies':>10}{'phrases':>10}{'tokens':>10}{'alone':>10}{'in melody':>10}")
    for metre, melodies in known.items():
        if not melodies:
            print(f"{metre!s:16}{0:10}")
            continue
        sounds = ~is_silent(np.concatenate(melodies))
        alone = rebuilt(model, metre, melodies, alone=True)[sounds]
        placed = rebuilt(model, metre, melodies, alone=False)[sounds]
        figures = (alone.mean(), alone.all(1).mean(), placed.all(1).mean())
        told = "".join(f"{figure:10.3f}" for figure in figures)
        print(f"{metre!s:16}{len(melodies):10}{sounds.sum():10,}{told}", flush=True)


def rebuilt(model: Model, metre: Metre, melodies: list[NDArray[np.int8]], *, alone: bool) -> NDArray[np.bool_]:
    """Which tokens (n, steps) of all phrases come back, one melody after another."""
    labels = model.labels.of(VOICES["any"], metre, None)[: model.labels.written]
    manner = Manner(tuple(labels.tolist()), metre=metre)
    right = []
    for phrases in melodies:
        mean, _ = model.encode(phrases)
        back = model.decode(mean[None], manner, alone=alone)[0]
        right.append((back == phrases)[:, : metre.phrase_steps])
    return np.concatenate(right)


if __name__ == "__main__":
    main(*sys.argv[1:])
