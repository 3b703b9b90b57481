"""Trains the tune score: `python benchmarks/tune_score.py ARCHIVE INDEX [WEIGHTS]`.

ARCHIVE is a .tar of MIDI files, and INDEX a .tsv (.xz) with a line a file: file, tier, collection, style, year. Only
music that anyone may use is learnt from (`collection.is_open`). Which part of a file is a tune says its source: of
lieder and songs the first sung voice, of hymns the soprano, of session tunes and lead sheets the only one; left hands,
lowest parts and basses are none, nor are violas, second violins and right hands beneath a voice. Windows of 8, 16, 32
and 64 bars in 4/4 are weighed so that every collection counts alike on either side. Files of a tenth of all titles are
held out: how many of their windows are told right is printed, by collection. The weights go to WEIGHTS.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections import defaultdict
from collections.abc import Iterator
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np

from cantilena.errors import MidiError
from cantilena.music.extract import candidates
from cantilena.music.midi import read_song
from cantilena.music.tune_score import FEATURES, expand, tune_features
from cantilena.training.collection import members, open_rows

BARS = (8, 16, 32, 64)
RIDGE = 1e-3
TUNE, OTHER, BASS = 1, 0, -1


def part_of(row: dict[str, str], names: list[str]) -> list[int | None]:
    """What each track of a file is: TUNE, OTHER, BASS, or None where its source does not tell."""
    sung = [k for k, name in enumerate(names) if "(lyrics)" in name]
    kinds: list[int | None] = [None] * len(names)
    if row["collection"] in ("openewld", "cre_irish", "lilypond_songs", "openhymnal") or row["style"] == "folk":
        kinds[0] = TUNE
    elif sung and row["style"] in ("lied", "song"):
        kinds[sung[0]] = TUNE
    if row["style"] in ("lied", "song", "hymn", "quartet"):
        for k, name in enumerate(names):
            if kinds[k] is None and k:
                kinds[k] = BASS if k == len(names) - 1 or name.endswith(" LH") else OTHER
    return kinds


def windows(job: tuple[dict[str, str], bytes]) -> list[tuple[str, bool, int, np.ndarray[Any, Any]]]:
    """Of each part of a file a window of each length: collection, held out, what it is, features."""
    row, data = job
    try:
        song = read_song(data, name=row["file"])
    except MidiError:
        return []
    kinds = part_of(row, [track.name for track in song.tracks])
    key = zlib.crc32(row["title"].encode())
    random, found = np.random.default_rng(key), []
    for candidate in candidates(song):
        kind, melody = kinds[candidate.track], candidate.melody
        if kind is None or melody is None:
            continue
        for bars in BARS:
            if melody.bars >= bars:
                first = int(random.integers(melody.bars - bars + 1)) + 1
                features = tune_features(melody.slice(first, first + bars - 1))
                if features is not None:
                    found.append((row["collection"], key % 10 == 0, kind, features))
    return found


def jobs(archive: str, index: str) -> Iterator[tuple[dict[str, str], bytes]]:
    rows = open_rows(Path(index))
    return ((rows[name], data) for name, data in members(Path(archive), rows) if rows[name]["style"] != "church")


def fit(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], weight: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Weighted logistic regression with a ridge, by Newton's method; the last coefficient is the bias."""
    x = np.column_stack([x, np.ones(len(x))])
    found = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ found))
        slope = x.T @ (weight * (p - y)) + RIDGE * found
        curve = (x * (weight * p * (1 - p))[:, None]).T @ x + RIDGE * np.eye(x.shape[1])
        step = np.linalg.solve(curve, slope)
        found = found - step
        if np.abs(step).max() < 1e-8:
            break
    return found


def main(archive: str, index: str, weights: str = "tune_score.json") -> None:
    with Pool(2) as pool:
        rows = [row for some in pool.imap(windows, jobs(archive, index), 16) for row in some]
    collection, held = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    kind, features = np.array([row[2] for row in rows]), np.stack([row[3] for row in rows])
    tune = kind == TUNE
    counts: dict[tuple[str, bool], int] = defaultdict(int)
    for pair in zip(collection[~held].tolist(), tune[~held].tolist(), strict=True):
        counts[pair] += 1
    weight = np.array([1 / max(counts[pair], 1) for pair in zip(collection.tolist(), tune.tolist(), strict=True)])
    for side in (True, False):
        weight[tune == side] /= weight[(tune == side) & ~held].sum()
    mean, deviation = features[~held].mean(0), features[~held].std(0) + 1e-9
    x = expand(features, mean, deviation)
    found = fit(x[~held], tune[~held].astype(float), weight[~held])
    right = (x @ found[:-1] + found[-1] > 0) == tune
    print(f"{(~held).sum():,} windows to learn from, {held.sum():,} held out")
    for name in sorted(set(collection.tolist())):
        for what, some in (("tunes", kind == TUNE), ("other parts", kind == OTHER), ("basses", kind == BASS)):
            if (these := held & (collection == name) & some).any():
                print(f"{name:16}{what:12}{these.sum():6}  told right {right[these].mean():.3f}")
    print(f"balanced: {(right[held & tune].mean() + right[held & ~tune].mean()) / 2:.3f}")
    for name, a, b in sorted(zip(FEATURES, found, found[len(FEATURES) :], strict=False), key=lambda t: -abs(t[1])):
        print(f"  {name:26}{a:8.3f}{b:8.3f}")
    told = {"mean": mean, "deviation": deviation, "weight": found[:-1], "bias": found[-1]}
    text = json.dumps({name: np.round(value, 5).tolist() for name, value in told.items()})
    Path(weights).write_text(text.replace('], "', '],\n"') + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
