"""`Corpus`: melodies on disk, de-duplicated, split by song and memory-mapped. `build` makes one.

    corpus/pop/  manifest.json     what it was made of, what was left out and why, counts, fingerprint
                 melodies.npy      one row a melody (`MELODY`): split, group, file, labels, where its events are
                 events-0000.npy   int8 events of many melodies, one after another; bar lines at multiples of 16
                 files.jsonl       one line a distinct file, in the order of `table["file"]`: name, hash, reason

Nothing is pickled. The order of melodies and the fingerprint depend on the music alone, not on names or order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cantilena.corpus.tunes import SPLITS, Split
from cantilena.errors import CorpusError
from cantilena.music.melody import HOLD, REST, Melody, is_silent
from cantilena.music.metre import COMMON, TOKENS

__all__ = ["FORMAT", "MELODY", "PURITIES", "WINDOW_PHRASES", "Corpus", "distinct", "fingerprint", "purity"]

FORMAT = "cantilena corpus 1"
WINDOW_PHRASES = 32  # 64 bars
PURITIES = ("under .1", ".1 to .4", "over .4")  # share of notes that the highest-note rule dropped
MELODY = np.dtype(
    [
        ("split", "i1"),  # index into tunes.SPLITS
        ("group", "<i4"),  # song group, 0.. in order of its first melody; no group is in two splits
        ("file", "<i4"),  # line of files.jsonl
        ("track", "<i4"),  # in the file
        ("region", "<i4"),  # 4/4 region of the file
        ("family", "i1"),  # index into extract.FAMILIES
        ("role", "i1"),  # index into extract.ROLES
        ("dropped", "<f4"),  # share of notes that the highest-note rule dropped, 0..1
        ("qpm", "<f8"),
        ("steps", "<i4"),  # sixteenths
        ("shard", "<i4"),  # number of the events file
        ("offset", "<i8"),  # of the first step in it
    ]
)


class Corpus:
    """A corpus on disk; see the module's text. `Corpus.open(directory)` makes one; it pickles as its path."""

    def __init__(
        self, directory: Path, manifest: dict[str, Any], table: NDArray[np.void], shards: list[NDArray[np.int8]]
    ) -> None:
        self.directory, self.manifest, self.table, self._shards = directory, manifest, table, shards

    @classmethod
    def open(cls, directory: str | Path) -> Corpus:
        """Open a corpus; CorpusError (one line) where there is none, or an incomplete one, or another format."""
        directory = Path(directory)
        if not directory.is_dir():
            raise CorpusError(f"{directory}: no corpus there; make one with `cantilena corpus build`")
        manifest = _manifest(directory)
        try:
            table = np.load(directory / "melodies.npy", allow_pickle=False)
            names = [directory / f"events-{number:04}.npy" for number in range(len(manifest["shards"]))]
            shards = [np.load(name, mmap_mode="r", allow_pickle=False).view(np.ndarray) for name in names]
            whole = table.dtype == MELODY and len(table) == manifest["melodies"]
            whole &= [[s.dtype.str, list(s.shape)] for s in shards] == [["|i1", [n]] for n in manifest["shards"]]
        except (OSError, ValueError, EOFError, KeyError, TypeError) as error:
            raise CorpusError(f"{directory}: an incomplete or damaged corpus ({error}); build it again") from error
        if not whole:
            raise CorpusError(f"{directory}: a damaged corpus (its files and its manifest disagree); build it again")
        table.setflags(write=False)
        return cls(directory, manifest, table, shards)

    def __reduce__(self) -> tuple[Callable[[str], Corpus], tuple[str]]:
        return Corpus.open, (str(self.directory),)

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"Corpus({str(self.directory)!r}, {len(self):,} melodies, {self.fingerprint})"

    @property
    def fingerprint(self) -> str:
        """32 hex digits that name the music, its labels and its split."""
        return str(self.manifest["fingerprint"])

    # -- one melody ----------------------------------------------------------------------------

    def events(self, i: int) -> NDArray[np.int8]:
        """The events (steps,) of melody `i`, a view of the file."""
        row = self.table[i]
        shard: NDArray[np.int8] = self._shards[row["shard"]]
        return shard[row["offset"] : row["offset"] + row["steps"]]

    def melody(self, i: int) -> Melody:
        """Melody `i`, at the tempo of its file."""
        return Melody(self.events(i), float(self.table["qpm"][i]))

    def phrases(self, i: int) -> NDArray[np.int8]:
        """(phrases, 32) tokens of melody `i`; an odd last bar is padded with silence (`windows` never uses it)."""
        return self.melody(i).phrases()

    def purity(self, i: int | NDArray[np.int64]) -> NDArray[np.int64]:
        """Index into PURITIES of melody (or melodies) `i`: 0 under .1 of the notes dropped, 1 up to .4, 2 over."""
        return purity(self.table["dropped"][i])

    def source(self, i: int) -> str:
        """Where melody `i` was found: archive or folder, and path in it."""
        return str(self._files[self.table["file"][i]]["name"])

    # -- many ----------------------------------------------------------------------------------

    def indices(self, split: Split) -> NDArray[np.int64]:
        """The melodies of a split, ascending."""
        if split not in SPLITS:
            raise ValueError(f"a split is one of {', '.join(SPLITS)}, not {split!r}")
        return np.flatnonzero(self.table["split"] == SPLITS.index(split))

    def windows(
        self, split: Split, *, stride: int = 1, max_silent: int = 0, phrases: int = WINDOW_PHRASES
    ) -> NDArray[np.int64]:
        """Training examples (windows, 2): melody and first phrase of `phrases` consecutive phrases.

        At most `max_silent` of them are silent (`melody.is_silent`); first phrases are multiples of `stride`. A
        melody's odd last bar is in no window. No silent phrase is the paper's rule (Mittal et al. 2021, section 4.1).
        """
        if stride < 1 or phrases < 1:
            raise ValueError(f"stride and phrases are at least 1, not {stride} and {phrases}")
        first, silent = self._silence
        melodies = self.indices(split)
        count = np.diff(first)[melodies]
        melodies, count = melodies[count >= phrases], count[count >= phrases]
        each = (count - phrases) // stride + 1
        melody = np.repeat(melodies, each)
        phrase = stride * (np.arange(melody.size) - np.repeat(np.cumsum(each) - each, each))
        begin = first[melody] + phrase
        few = silent[begin + phrases] - silent[begin] <= max_silent
        return np.stack([melody[few], phrase[few]], axis=1)

    def unique_phrases(self, split: Split) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
        """The distinct phrases (n, 32) of a split, sorted, and how often each occurs (n,); odd last bars left out."""
        melodies = self.indices(split)
        found, counts = [np.zeros((0, TOKENS), np.int8)], [np.zeros(0, np.int64)]
        for number in range(len(self._shards)):
            phrases = self._phrases(number, melodies)
            phrases, count = distinct(phrases, np.ones(len(phrases), np.int64))
            found.append(phrases)
            counts.append(count)
        return distinct(np.concatenate(found), np.concatenate(counts))

    def phrases_in_order(self, split: Split) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
        """Every phrase (n, 32) of a split, melody after melody, and which melody each is of (n,); odd last bars not."""
        melodies = self.indices(split)
        phrases = [self._phrases(number, melodies) for number in range(len(self._shards))]
        return (
            np.concatenate([np.zeros((0, TOKENS), np.int8), *phrases]),
            np.repeat(melodies, self.table["steps"][melodies] // TOKENS),
        )

    # -- found once ----------------------------------------------------------------------------

    @cached_property
    def _files(self) -> list[dict[str, str]]:
        with open(self.directory / "files.jsonl", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    @cached_property
    def _silence(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First phrase of each melody (melodies + 1,) and silent phrases before each phrase (phrases + 1,)."""
        first = np.append(0, np.cumsum(self.table["steps"] // TOKENS, dtype=np.int64))
        every = np.arange(len(self))  # melodies lie in the shards in order
        silent = [is_silent(self._phrases(number, every)) for number in range(len(self._shards))]
        return first, np.append(0, np.cumsum(np.concatenate(silent)))

    def _phrases(self, shard: int, melodies: NDArray[np.int64]) -> NDArray[np.int8]:
        """Whole phrases (phrases, 32) of those of the melodies that lie in one shard, in order."""
        rows = self.table[melodies]
        rows = rows[rows["shard"] == shard]
        bars = self._shards[shard].reshape(-1, COMMON.bar_steps)
        begins = self.table["offset"][self.table["shard"] == shard] // COMMON.bar_steps
        count = rows["steps"] // TOKENS
        number = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)  # in its melody
        bar = np.repeat(rows["offset"] // COMMON.bar_steps, count) + 2 * number
        phrases = np.concatenate([bars[bar], bars[bar + 1]], axis=1)
        phrases[~_held_into(bars, begins)[bar] & (phrases[:, 0] == HOLD), 0] = REST
        return phrases


def purity(dropped: ArrayLike) -> NDArray[np.int64]:
    """Index into PURITIES of a share of dropped notes.

    >>> purity([0.05, 0.1, 0.4, 0.5])
    array([0, 1, 1, 2])
    """
    share = np.asarray(dropped, np.float32)
    return np.add(share >= np.float32(0.1), share > np.float32(0.4), dtype=np.int64)


def distinct(phrases: NDArray[np.int8], count: NDArray[np.int64]) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """The distinct rows of `phrases` (n, 32), sorted, and the sum of their counts.

    >>> distinct(np.repeat([[[2], [1], [2]]], 32, axis=2)[0].astype(np.int8), np.array([1, 5, 1]))[1]
    array([5, 2])
    """
    words = np.ascontiguousarray(phrases).view(">u8").astype(np.uint64)  # (n, 4); four sorts beat one of bytes
    order = np.lexsort(np.ascontiguousarray(words.T[::-1]))
    words = words[order]
    begin = np.flatnonzero(np.append(True, (words[1:] != words[:-1]).any(axis=1))[: len(words)])
    return phrases[order[begin]], np.add.reduceat(count[order], begin) if begin.size else count


def fingerprint(table: NDArray[np.void], files: list[bytes], shards: list[NDArray[np.int8]]) -> str:
    """32 hex digits of what training sees: every melody's events, labels, group, split and its file's hash."""
    digest = hashlib.blake2b(FORMAT.encode(), digest_size=16)
    for field in ("split", "group", "track", "region", "family", "role", "dropped", "qpm", "steps"):
        digest.update(np.ascontiguousarray(table[field]).tobytes())
    digest.update(b"".join(files[i] for i in table["file"]))
    for shard in shards:
        digest.update(shard.data)
    return digest.hexdigest()


def _manifest(directory: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((directory / "manifest.json").read_text("utf-8"))
    except FileNotFoundError as error:
        raise CorpusError(f"{directory}: not a corpus (it has no manifest.json)") from error
    except (OSError, ValueError) as error:
        raise CorpusError(f"{directory}: its manifest.json cannot be read ({error}); build it again") from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise CorpusError(f"{directory}: expected the format {FORMAT!r}, not {found!r}; build it again")
    return dict(manifest)


def _held_into(bars: NDArray[np.int8], begins: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a note sounds at the end of the bar before each of `bars` (n, 16); melodies begin at bars `begins`."""
    first = np.zeros(len(bars), bool)
    first[begins] = True
    change = bars != HOLD
    last = np.take_along_axis(bars, COMMON.bar_steps - 1 - change[:, ::-1].argmax(1, keepdims=True), 1)[:, 0]
    tells = change.any(1) | first  # bars that decide what sounds at their end; the others go on
    after = (last > REST)[np.maximum.accumulate(np.where(tells, np.arange(len(bars)), 0))]
    return np.append(False, after[:-1]) & ~first
