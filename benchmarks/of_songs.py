"""New melodies with the form or the rhythm of songs: `python benchmarks/of_songs.py TUNES.npz [MODEL] [SEEDS]`.

SEEDS (20) melodies, each with the form of another unseen tune, and each with its rhythm: 32 bars of the tune's metre.
Of each the share of bars in which the rule is met: mean, least, and of how many melodies it is .8 or more; how many
are refused as the command line would (a rule kept in fewer than `least_kept` asks); the tune score; and the CPU
seconds of one.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from cantilena.composer import load
from cantilena.model import DEFAULT_MODEL
from cantilena.music.melody import Melody
from cantilena.music.tune_score import tune_score
from cantilena.training.tunes import Tunes

BARS = 32
MET = 0.8


def songs(tunes: Tunes, number: int) -> list[Melody]:
    """The first BARS of unseen tunes that have as many, some of each metre."""
    random, found = np.random.default_rng(12), []
    for tune in random.permutation(tunes.split(1, role=0)).tolist():
        melody = tunes.melody(tune)
        if melody.bars >= BARS and melody.metre.bar_steps <= 16:
            found.append(melody.slice(1, BARS))
        if len(found) == number:
            break
    return found


def main(tunes_file: str, name: str = DEFAULT_MODEL, number: str = "20") -> None:
    composer, some = load(name), songs(Tunes.open(Path(tunes_file)), int(number))
    for rule in ("rhythm_of", "form_of"):
        kept, scores, seconds = [], [], []
        for seed, song in enumerate(some):
            began = time.process_time()
            metre = str(song.metre)
            made = composer.compose(seed=seed, bars=BARS, metre=metre, rules={rule: song})
            seconds.append(time.process_time() - began)
            rows = made.receipt.rows
            kept.append(float(np.mean([row.met for row in rows])))
            scores.append(tune_score(made.melody))
        share = np.mean(np.array(kept) >= MET)
        print(
            f"{rule:10} met in {np.mean(kept):.3f} of the bars, least {min(kept):.3f}, in {MET:g} or more of them in "
            f"{share:.2f} of {len(kept)}; tune score > 0 in {np.mean(np.array(scores) > 0):.2f}; "
            f"CPU s {np.mean(seconds):.2f}, at most {max(seconds):.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
