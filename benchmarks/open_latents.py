"""How real and complete a model of tunes is, by phrases: `python benchmarks/open_latents.py TUNES.npz [MODEL] [N]`.

N (200) tunes of 16 phrases, in the styles and metres of as many unseen human tunes (test split): as `compose` makes
them, and one plain draw each. Their phrases are encoded as the human ones are, and compared in latent space (Frechet
distance, MMD, improved precision and recall), with as many phrases in each set; the last row is one half of the human
tunes against the other, beside training tunes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cantilena.composer import Composer, load
from cantilena.metrics.latent_distances import latent_table
from cantilena.model import DEFAULT_MODEL
from cantilena.music.melody import is_silent
from cantilena.training.tunes import Tunes

SEED = 50_000
PHRASES = 16


def main(tunes_file: str, name: str = DEFAULT_MODEL, number: str = "200") -> None:
    tunes, composer = Tunes.open(Path(tunes_file)), load(name)
    random = np.random.default_rng(SEED)
    known = [t for t in tunes.split(2, role=0).tolist() if tunes.metre(t) in composer.model.metres]
    some = random.permutation(known)[: int(number)].tolist()
    real = [phrases for t in some if len(phrases := sung(tunes.phrases(t)[:PHRASES]))]
    before = random.permutation(tunes.split(0, role=0))[: len(some)].tolist()
    sets = {
        "songs": [made(composer, tunes, t, SEED + k, plain=False) for k, t in enumerate(some)],
        "plain": [made(composer, tunes, t, SEED + k, plain=True) for k, t in enumerate(some)],
        "training tunes": [sung(tunes.phrases(t)[:PHRASES]) for t in before],
    }
    size = min(sum(map(len, found)) for found in (real, *sets.values()))
    human = latents(composer, real, size)
    print(f"{composer.model.name} {composer.model.fingerprint}: {len(some)} tunes, {size:,} phrases of each")
    for label, found in sets.items():
        figures = latent_table(latents(composer, found, size), human)
        print(f"{label:16}" + "  ".join(f"{key} {value:.3f}" for key, value in figures.items()), flush=True)


def made(composer: Composer, tunes: Tunes, tune: int, seed: int, plain: bool) -> NDArray[np.int8]:
    """The phrases of a tune of ours, in the style and metre of a human one."""
    metre, style = tunes.metre(tune), tunes.style(tune)
    bars = PHRASES * metre.phrase_bars
    return sung(composer.compose(seed=seed, bars=bars, metre=str(metre), style=style, plain=plain).phrases())


def sung(phrases: NDArray[np.int8]) -> NDArray[np.int8]:
    """Those of the phrases in which something sounds, each once."""
    return np.unique(phrases[~is_silent(phrases)], axis=0)


def latents(composer: Composer, found: list[NDArray[np.int8]], size: int) -> NDArray[np.float32]:
    """So many phrases, chosen by chance, encoded: (size, D)."""
    phrases = np.random.default_rng(0).permutation(np.concatenate(found))[:size]
    return composer.model.to_latents(phrases)


if __name__ == "__main__":
    main(*sys.argv[1:])
