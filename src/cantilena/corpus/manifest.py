"""The manifest of a corpus: what was kept, what was left out and why, and how large the song groups are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cantilena.corpus.parts import CRASHED
from cantilena.corpus.store import PURITIES, Corpus, distinct
from cantilena.corpus.tunes import SPLITS
from cantilena.errors import CorpusError
from cantilena.music.extract import FAMILIES, ROLES
from cantilena.music.melody import REST

__all__ = ["MAX_GROUP", "MAX_GROUP_SHARE", "counts", "kept_and_left_out", "song_group_sizes"]

MAX_GROUP_SHARE = 0.05  # of the corpus: a larger song group is an artefact, and the split means nothing
MAX_GROUP = 100  # melodies that one song and its covers may have in however small a corpus (a symphony has 80)
SAME_TUNE = "the same tune again"


def kept_and_left_out(
    files: Sequence[dict[str, Any]], unread: Counter[str], melodies: int, kept: int
) -> dict[str, Any]:
    """Every file and every track, kept or counted under a reason.

    `files` are the distinct ones that could be read, `unread` counts the others by reason; of `melodies` of the right
    kind, `kept` are left when each tune is kept once.
    """
    reasons = Counter(file["reason"] for file in files) + unread
    whole = reasons.pop("", 0)
    tracks: Counter[str] = Counter()
    for file in files:
        tracks.update(file["tracks"])
    tracks[SAME_TUNE] += melodies - kept
    crashed = [{"name": file["name"], "detail": file["detail"]} for file in files if file["reason"] == CRASHED]
    return {
        "files": {"found": whole + reasons.total(), "kept": whole, "left_out": _by_count(reasons)},
        "tracks": {"found": kept + tracks.total(), "kept": kept, "left_out": _by_count(tracks)},
        "crashed": sorted(crashed, key=lambda file: str(file["name"])),
    }


def _by_count(reasons: Counter[str]) -> dict[str, int]:
    return dict(sorted((+reasons).items(), key=lambda item: (-item[1], item[0])))


def counts(corpus: Corpus) -> dict[str, Any]:
    """Melodies, bars, phrases and windows of each split, and labels."""
    splits: dict[str, dict[str, int]] = {}
    every: list[NDArray[np.int8]] = []
    for split in SPLITS:
        rows = corpus.table[corpus.indices(split)]
        phrases, count = corpus.unique_phrases(split)
        every.append(phrases)
        splits[split] = {
            "melodies": len(rows),
            "groups": np.unique(rows["group"]).size,
            "files": np.unique(rows["file"]).size,
            "bars": int(corpus.bars[corpus.indices(split)].sum()),
            "phrases": int(count.sum()),
            "unique_phrases": _with_onset(phrases),
            "windows": len(corpus.windows(split)),
            "windows_16_bars": len(corpus.windows(split, stride=8)),
            "windows_with_rests": len(corpus.windows(split, max_silent=8)),
        }
    table = corpus.table
    phrases = np.concatenate(every)
    phrases, _ = distinct(phrases, np.ones(len(phrases), np.int64))
    return {
        "splits": splits,
        "unique_phrases": _with_onset(phrases),
        "melodies_of_bars": {str(n): int((corpus.bars >= n).sum()) for n in (16, 32, 64)},
        "metres": _by_count(Counter(str(corpus.metre(i)) for i in range(len(table)))),
        "roles": _histogram(table["role"], ROLES),
        "purities": _histogram(corpus.purity(np.arange(len(table))), PURITIES),
        "families": _histogram(table["family"], FAMILIES),
    }


def _with_onset(phrases: NDArray[np.int8]) -> int:
    return int((phrases > REST).any(axis=1).sum())


def _histogram(values: NDArray[np.integer], names: tuple[str, ...]) -> dict[str, int]:
    return dict(zip(names, np.bincount(values, minlength=len(names)).tolist(), strict=True))


def song_group_sizes(table: NDArray[np.void], files: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Sizes of the song groups; CorpusError where the largest is more than any song can be.

    A group above 5 % of the corpus is an artefact; but in a corpus of a few songs any song is that much, so groups of
    up to 100 melodies (one symphony, one song and its covers) are let pass.
    """
    sizes = np.bincount(table["group"])
    largest = []
    for group in np.argsort(-sizes, kind="stable")[:10].tolist():
        of = np.unique(table["file"][table["group"] == group]).tolist()
        largest.append({"melodies": int(sizes[group]), "files": len(of), "example": min(files[i]["name"] for i in of)})
    top = largest[0]
    if top["melodies"] > max(MAX_GROUP_SHARE * len(table), MAX_GROUP):
        raise CorpusError(
            f"one song group holds {top['melodies']:,} of {len(table):,} melodies ({top['files']:,} files, among them "
            f"{top['example']}); more than {MAX_GROUP_SHARE:.0%} cannot be one song, so no split would be honest"
        )
    edges = [1, 2, 4, 8, 16, 32, 64, 128, 1 << 30]
    names = ["1", *(f"{a} to {b - 1}" for a, b in pairwise(edges[1:-1])), f"{edges[-2]} or more"]
    number = np.histogram(sizes, edges)[0].tolist()
    return {
        "count": sizes.size,
        "largest_share": round(top["melodies"] / len(table), 5),
        "sizes": {name: n for name, n in zip(names, number, strict=True) if n},
        "largest": largest,
    }
