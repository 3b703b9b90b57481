"""`Corpus`: melodies on disk, de-duplicated, split by song and memory-mapped. `build` makes one.

    corpus/pop/  manifest.json     what it was made of, what was left out and why, counts, fingerprint
                 melodies.npy      one row a melody (`MELODY`): split, group, file, labels, where its events are
                 events-0000.npy   int8 events of many melodies, one after another; each begins with a bar
                 files.jsonl       one line a distinct file, in the order of `table["file"]`: name, hash, reason

Nothing is pickled. The order of melodies and the fingerprint depend on the music alone, not on names or order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import astuple
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from cantilena.corpus.tunes import METRE_FIELDS, SPLITS, Split, metres_in
from cantilena.errors import CorpusError
from cantilena.music.melody import HOLD, REST, Melody, is_silent
from cantilena.music.metre import COMMON, TOKENS, Metre, names_of

__all__ = ["FORMAT", "MELODY", "PURITIES", "WINDOW_PHRASES", "Corpus", "distinct", "fingerprint", "purity"]

FORMAT, COMMON_FORMAT = "cantilena corpus 2", "cantilena corpus 1"  # the first had no metres: all was 4/4
WINDOW_PHRASES = 32  # 64 bars of 4/4
PURITIES = ("under .1", ".1 to .4", "over .4")  # share of notes that the highest-note rule dropped
MELODY = np.dtype(
    [
        ("split", "i1"),  # index into tunes.SPLITS
        ("group", "<i4"),  # song group, 0.. in order of its first melody; no group is in two splits
        ("file", "<i4"),  # line of files.jsonl
        ("track", "<i4"),  # in the file
        ("region", "<i4"),  # stretch of one metre in the file
        ("family", "i1"),  # index into extract.FAMILIES
        ("role", "i1"),  # index into extract.ROLES
        ("dropped", "<f4"),  # share of notes that the highest-note rule dropped, 0..1
        ("qpm", "<f8"),
        *METRE_FIELDS,
        ("steps", "<i4"),  # of the melody, on the grid of its metre
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
            if manifest["format"] == COMMON_FORMAT:
                table = _in_common_metre(table)
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

    def only(self, metres: tuple[Metre, ...]) -> Corpus:
        """This corpus, where all of it is in one of `metres`; CorpusError otherwise, with what to do."""
        if others := [str(metre) for metre in self.metres if metre not in metres]:
            raise CorpusError(
                f"{self.directory}: has melodies in {', '.join(others[:4])}{' ...' if others[4:] else ''}; here only "
                f"{names_of(metres)} can be used: build it with `cantilena corpus build --metre {metres[0]}`"
            )
        return self

    # -- one melody ----------------------------------------------------------------------------

    def events(self, i: int) -> NDArray[np.int8]:
        """The events (steps,) of melody `i`, a view of the file."""
        row = self.table[i]
        shard: NDArray[np.int8] = self._shards[row["shard"]]
        return shard[row["offset"] : row["offset"] + row["steps"]]

    def melody(self, i: int) -> Melody:
        """Melody `i`, at the tempo of its file."""
        return Melody(self.events(i), float(self.table["qpm"][i]), self.metre(i))

    def metre(self, i: int) -> Metre:
        """The metre of melody `i`."""
        metres, of = self._by_metre
        return metres[int(of[i])]

    def phrases(self, i: int) -> NDArray[np.int8]:
        """(phrases, 32) tokens of melody `i`; what is missing of the last one is silence (`windows` never uses it)."""
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

        At most `max_silent` of them are silent (`melody.is_silent`); first phrases are multiples of `stride`. Bars at
        the end that are no whole phrase are in no window. A melody is in one metre, and so is a window. No silent
        phrase is the paper's rule (Mittal et al. 2021, section 4.1).
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
        """The distinct phrases (n, 32) of a split, sorted, and how often each occurs (n,); whole ones only."""
        melodies = self.indices(split)
        found, counts = [np.zeros((0, TOKENS), np.int8)], [np.zeros(0, np.int64)]
        for number in range(len(self._shards)):
            phrases = self._phrases(number, melodies)
            phrases, count = distinct(phrases, np.ones(len(phrases), np.int64))
            found.append(phrases)
            counts.append(count)
        return distinct(np.concatenate(found), np.concatenate(counts))

    def phrases_in_order(self, split: Split) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
        """Every whole phrase (n, 32) of a split, melody after melody, and which melody each is of (n,)."""
        melodies = self.indices(split)
        phrases = [self._phrases(number, melodies) for number in range(len(self._shards))]
        return (
            np.concatenate([np.zeros((0, TOKENS), np.int8), *phrases]),
            np.repeat(melodies, self._whole_phrases[melodies]),
        )

    # -- found once ----------------------------------------------------------------------------

    @cached_property
    def _files(self) -> list[dict[str, str]]:
        with open(self.directory / "files.jsonl", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    @property
    def metres(self) -> list[Metre]:
        """The metres that there are, ascending."""
        return self._by_metre[0]

    @property
    def bars(self) -> NDArray[np.int64]:
        """Bars of each melody, of its metre: (melodies,)."""
        return self.table["steps"] // self._of_metres([metre.bar_steps for metre in self.metres])

    @cached_property
    def _by_metre(self) -> tuple[list[Metre], NDArray[np.int64]]:
        """The metres, and the index of each melody's."""
        return metres_in(self.table)

    def _of_metres(self, figures: list[int]) -> NDArray[np.int64]:
        """What is said of each of `metres`, for each melody."""
        return np.array(figures, np.int64)[self._by_metre[1]]

    @cached_property
    def phrase_steps(self) -> NDArray[np.int64]:
        """Steps of a phrase of each melody: (melodies,)."""
        return self._of_metres([metre.phrase_steps for metre in self.metres])

    @property
    def _whole_phrases(self) -> NDArray[np.int64]:
        """How many each melody has: (melodies,)."""
        return self.table["steps"] // self.phrase_steps

    @cached_property
    def _silence(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First phrase of each melody (melodies + 1,) and silent phrases before each phrase (phrases + 1,)."""
        first = np.append(0, np.cumsum(self._whole_phrases))
        every = np.arange(len(self))  # melodies lie in the shards in order
        silent = [is_silent(self._phrases(number, every)) for number in range(len(self._shards))]
        return first, np.append(0, np.cumsum(np.concatenate(silent)))

    def _phrases(self, shard: int, melodies: NDArray[np.int64]) -> NDArray[np.int8]:
        """Whole phrases (phrases, 32) of those of the melodies that lie in one shard, in order."""
        melodies = melodies[self.table["shard"][melodies] == shard]
        count, steps = self._whole_phrases[melodies], self.phrase_steps[melodies]
        first = np.cumsum(count) - count
        number = np.arange(count.sum()) - np.repeat(first, count)  # in its melody
        size = np.repeat(steps, count)
        begin = np.repeat(self.table["offset"][melodies], count) + number * size
        phrases = np.zeros((number.size, TOKENS), np.int8)
        for n in np.unique(steps).tolist():
            here = np.flatnonzero(size == n)
            phrases[here, :n] = sliding_window_view(self._shards[shard], n)[begin[here]]
        phrases[~_held_into(phrases, number == 0) & (phrases[:, 0] == HOLD), 0] = REST
        shorter = np.flatnonzero(size < TOKENS)
        phrases[shorter, size[shorter]] = REST
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
    """32 hex digits of what training sees: every melody's events, labels, group, split and its file's hash.

    Metres count where there is another than 4/4 (or 2/2): a corpus in 4/4 has the fingerprint that it always had.
    """
    digest = hashlib.blake2b(COMMON_FORMAT.encode(), digest_size=16)
    fields = ["split", "group", "track", "region", "family", "role", "dropped", "qpm", "steps"]
    if not all(metre.alike(COMMON) for metre in metres_in(table)[0]):
        fields += [name for name, _ in METRE_FIELDS]
    for field in fields:
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
    if found not in (FORMAT, COMMON_FORMAT):
        raise CorpusError(f"{directory}: expected the format {FORMAT!r}, not {found!r}; build it again")
    return dict(manifest)


def _in_common_metre(table: NDArray[np.void]) -> NDArray[np.void]:
    """The table of a corpus that knew no metre but 4/4, with its metres; ValueError where it is none."""
    names = [name for name in MELODY.names or () if name not in dict(METRE_FIELDS)]
    if list(table.dtype.names or ()) != names:
        raise ValueError(f"expected the columns {', '.join(names)}")
    found = np.zeros(len(table), MELODY)
    found[names] = table
    for (name, _), value in zip(METRE_FIELDS, astuple(COMMON), strict=True):
        found[name] = value
    return found


def _held_into(phrases: NDArray[np.int8], first: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a note sounds at the end of the phrase before each of `phrases` (n, 32); `first` (n,) begin melodies.

    What is left of their 32 tokens is HOLD.
    """
    change = phrases != HOLD
    last = np.take_along_axis(phrases, TOKENS - 1 - change[:, ::-1].argmax(1, keepdims=True), 1)[:, 0]
    tells = change.any(1) | first  # phrases that decide what sounds at their end; the others go on
    after = (last > REST)[np.maximum.accumulate(np.where(tells, np.arange(len(phrases)), 0))]
    return np.append(False, after[:-1])[: len(phrases)] & ~first
