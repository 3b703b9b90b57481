"""`merge`: the parts of a build -> a corpus: one melody a tune, song groups, splits, shards and a manifest.

The events stay on disk; memory holds the melodies' labels, keys and 4-bar contents (some 5 kB a melody at the peak).
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cantilena.corpus.manifest import counts, kept_and_left_out, song_group_sizes
from cantilena.corpus.other_metres import (
    again_in_another_metre,
    kinds_of,
    pairs_across_metres,
    relative_key,
    runs,
)
from cantilena.corpus.parts import FOUND, Part
from cantilena.corpus.sources import Found, Sources
from cantilena.corpus.store import FORMAT, MELODY, Corpus, fingerprint
from cantilena.corpus.tunes import METRE_FIELDS, SPLITS, song_groups, split_of
from cantilena.errors import CorpusError
from cantilena.files import write_whole
from cantilena.music.melody import Melody

__all__ = ["Seen", "merge"]

SHARD_STEPS = 16 << 20  # a shard is closed before it grows past this
SAME_FILE, ONLY_SAME_TUNES = "the same file again", "only tunes found elsewhere"


class Seen:
    """The files of the sources: a name for each content, and how many could not be had."""

    def __init__(self) -> None:
        self.names: dict[bytes, str] = {}  # by hash; of several names the first in alphabetical order
        self.left_out: Counter[str] = Counter()

    def add(self, file: Found, name: bytes) -> bool:
        """Whether the file is new and readable; `name` is its hash."""
        if file.reason:
            self.left_out[file.reason] += 1
            return False
        known = self.names.get(name)
        self.names[name] = min(known or file.name, file.name)
        self.left_out[SAME_FILE] += known is not None
        return known is None

    def digest(self) -> str:
        """32 hex digits that name the contents, in whatever order they came."""
        return hashlib.blake2b(b"".join(sorted(self.names)), digest_size=16).hexdigest()


@dataclass(eq=False)
class _Gathered:
    """All melodies of the parts, in the order of their files' hashes; `begin` is their offset in the spool."""

    files: list[dict[str, Any]]  # by hash, ascending
    rows: NDArray[np.void]  # (melodies,) parts.FOUND, file being an index into files
    begin: NDArray[np.int64]  # (melodies,)
    contents: list[NDArray[np.uint64]]


def merge(seen: Seen, found: Sources, parts: Path, directory: Path, spool: Path, rules: str) -> None:
    """Write the corpus of the files in `seen` into the new folder `directory`, by way of the scratch file `spool`.

    Raises CorpusError where there is no melody, or where a song group is too large.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    gathered = _gather(seen, parts, spool)
    if not len(gathered.rows):
        raise CorpusError(_no_melody(gathered, seen))
    events = np.memmap(spool, np.int8, "r")
    again, pairs = _across_metres(gathered, events)
    kept = _first_of_each_tune(gathered.rows["key"])
    kept = kept[~again[kept]]
    keys = [bytes(key) for key in gathered.rows["key"]]
    roots = song_groups(gathered.rows["file"].astype(np.int64), keys, gathered.contents, pairs)
    gathered.contents.clear()
    names = [bytes.fromhex(file["hash"]) for file in gathered.files]
    groups, group = np.unique(roots[kept], return_inverse=True)
    split = np.array([SPLITS.index(split_of(names[f])) for f in gathered.rows["file"][groups]])

    table = np.zeros(kept.size, MELODY)
    for field in ("file", "track", "region", "family", "role", "dropped", "qpm", "steps", *dict(METRE_FIELDS)):
        table[field] = gathered.rows[field][kept]
    table["group"], table["split"] = group, split[group]
    table["shard"], table["offset"] = _places(table["steps"])
    _write_shards(directory, table, events, gathered.begin[kept])
    _save(directory / "melodies.npy", table)
    shards = [np.load(path, mmap_mode="r") for path in sorted(directory.glob("events-*.npy"))]
    corpus = Corpus(directory, {}, table, shards)

    with_melody = set(np.unique(table["file"]).tolist())
    for number, file in enumerate(gathered.files):
        file["name"] = seen.names[names[number]]
        file["reason"] = file["reason"] or ("" if number in with_melody else ONLY_SAME_TUNES)
    lines = [json.dumps({key: file[key] for key in ("name", "hash", "reason")}) for file in gathered.files]
    write_whole(directory / "files.jsonl", ("\n".join(lines) + "\n").encode())
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "fingerprint": fingerprint(table, names, shards),
        "rules": rules,
        "input": seen.digest(),
        "sources": [{"name": name, "files": n} for name, n in zip(found.names, found.files, strict=True)],
        "melodies": len(table),
        "shards": [int(shard.size) for shard in shards],
        **kept_and_left_out(gathered.files, seen.left_out, len(gathered.rows), len(table)),
        **counts(corpus),
        "groups": song_group_sizes(table, gathered.files),
    }
    write_whole(directory / "manifest.json", (json.dumps(manifest, indent=1) + "\n").encode())


def _gather(seen: Seen, parts: Path, spool: Path) -> _Gathered:
    """Everything of the parts but the events, which go into the spool."""
    files: dict[bytes, dict[str, Any]] = {}
    where: list[NDArray[np.void]] = [np.zeros(0, "V16")]
    rows: list[NDArray[np.void]] = [np.zeros(0, FOUND)]
    begin: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    words: list[NDArray[np.uint64]] = []
    with open(spool, "wb") as out:
        for path in sorted(parts.glob("*.npz")):
            part = Part.load(path)
            names = [bytes.fromhex(file["hash"]) for file in part.files]
            new = np.array([name in seen.names and name not in files for name in names], bool)
            files.update((name, file) for name, file, is_new in zip(names, part.files, new, strict=True) if is_new)
            mine = new[part.rows["file"]]
            ends = np.cumsum(part.rows["contents"], dtype=np.int64)
            every = np.split(part.contents, ends[:-1]) if ends.size else []
            words += [w.copy() for w, is_mine in zip(every, mine, strict=True) if is_mine]
            where.append(np.array(names, "V16")[part.rows["file"]][mine])
            rows.append(part.rows[mine])
            begin.append(out.tell() + (np.cumsum(part.rows["steps"], dtype=np.int64) - part.rows["steps"])[mine])
            out.write(part.events.data)
    ranked = sorted(files)
    rank = {name: number for number, name in enumerate(ranked)}
    all_rows = np.concatenate(rows)
    all_rows["file"] = [rank[bytes(name)] for name in np.concatenate(where)]
    order = np.argsort(all_rows["file"], kind="stable")
    contents = [words[i] for i in order]
    return _Gathered([files[name] for name in ranked], all_rows[order], np.concatenate(begin)[order], contents)


def _across_metres(gathered: _Gathered, events: NDArray[np.int8]) -> tuple[NDArray[np.bool_], list[tuple[int, int]]]:
    """Which melodies are there before in another metre, and pairs that are one tune in two metres."""
    metres, of, kinds = kinds_of(gathered.rows)
    if not kinds.any():
        return np.zeros(len(kinds), bool), []
    keys: list[bytes] = []
    found: list[NDArray[np.uint64]] = []
    for begin, steps, metre in zip(gathered.begin.tolist(), gathered.rows["steps"].tolist(), of.tolist(), strict=True):
        melody = Melody(events[begin : begin + steps], metre=metres[metre])
        keys.append(relative_key(melody))
        found.append(runs(melody))
    pairs = pairs_across_metres(gathered.rows["file"].astype(np.int64), kinds, keys, found)
    return again_in_another_metre(kinds, keys), pairs


def _first_of_each_tune(keys: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Ascending indices of the first row of each distinct key (n, 16)."""
    _, first = np.unique(np.ascontiguousarray(keys).view("V16").ravel(), return_index=True)
    return np.sort(first).astype(np.int64)


def _no_melody(gathered: _Gathered, seen: Seen) -> str:
    reasons = seen.left_out + Counter(file["reason"] for file in gathered.files)
    said = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common(4))
    return f"no melody in {reasons.total():,} files ({said or 'none has the name of a song'})"


def _places(steps: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Shard and offset of melodies of so many steps."""
    shards, offsets, shard, offset = [], [], 0, 0
    for n in steps.tolist():
        if offset and offset + n > SHARD_STEPS:
            shard, offset = shard + 1, 0
        shards.append(shard)
        offsets.append(offset)
        offset += n
    return np.array(shards, np.int64), np.array(offsets, np.int64)


def _write_shards(directory: Path, table: NDArray[np.void], events: NDArray[np.int8], begin: NDArray[np.int64]) -> None:
    for shard in range(int(table["shard"].max()) + 1):
        here = np.flatnonzero(table["shard"] == shard)
        steps = table["steps"][here].tolist()
        joined = np.concatenate([events[b : b + n] for b, n in zip(begin[here].tolist(), steps, strict=True)])
        _save(directory / f"events-{shard:04}.npy", np.asarray(joined))


def _save(path: Path, array: NDArray[Any]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_whole(path, buffer.getvalue())
