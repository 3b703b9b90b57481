"""`Pieces`: the melodies that are measured. `read_pieces` makes them from anybody's files.

A longer melody gives its first `bars` bars, a shorter one of 6 bars or more is kept whole. What a file plays is not
judged by the rules of a corpus: a poor melody is a piece like any other. A file that gives nothing that could be
measured is a failure, counted under its reason in `Pieces.skipped`.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cantilena.corpus.store import Corpus
from cantilena.corpus.tunes import SPLITS, Split
from cantilena.errors import CantilenaError, MidiError
from cantilena.metrics.overlap import HOP_BARS, WINDOW_BARS
from cantilena.music.extract import extract, line, regions, to_steps
from cantilena.music.melody import MAX_PITCH, MIN_PITCH, REST, VOCABULARY, Melody, canonical
from cantilena.music.metre import COMMON, FOUR_FOUR, TOKENS
from cantilena.music.midi import Song
from cantilena.sources import Source

__all__ = ["DAMAGED", "MIN_BARS", "Pieces", "corpus_pieces", "open_split", "read_pieces", "window_pieces"]

MIN_BARS = WINDOW_BARS + HOP_BARS  # two windows of the framewise self-similarity
_FILES = (".mid", ".midi", ".rmi", ".kar", ".musicxml", ".xml", ".mxl", ".abc")
DAMAGED = (OSError, ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error)  # of np.load


@dataclass(frozen=True, eq=False)
class Pieces:
    """Melodies to be measured. `Pieces.of` makes them from tokens, `read_pieces` from files."""

    events: list[NDArray[np.int8]]  # each (steps,) as Melody.events: canonical, whole bars, MIN_BARS or more
    groups: NDArray[np.int64]  # (n,) song of each piece: the bootstrap resamples songs
    name: str
    skipped: dict[str, int] = field(default_factory=dict)  # reason: files that gave no piece, which are failures

    @classmethod
    def of(
        cls, events: Sequence[ArrayLike] | NDArray[np.integer], groups: ArrayLike | None = None, name: str = ""
    ) -> Pieces:
        """Make pieces from tokens, an array (n, steps) or a list of (steps,), that need not be canonical.

        `groups` (n,) says which song each belongs to; every piece is its own if not given. Raises ValueError for
        anything else than whole bars, 6 or more, of tokens 0..89.

        >>> Pieces.of(np.zeros((2, 96), np.int8), name="silence")
        Pieces('silence', 2 pieces)
        """
        rows = [np.asarray(row) for row in events]
        for row in rows:
            if row.ndim != 1 or row.size % COMMON.bar_steps or row.size < MIN_BARS * COMMON.bar_steps:
                raise ValueError(
                    f"pieces are whole bars of {COMMON.bar_steps} steps, {MIN_BARS} or more, not {row.shape}"
                )
            if row.dtype.kind not in "iu":
                raise ValueError(f"events are integer tokens, not {row.dtype}")
            if row.min() < 0 or row.max() >= VOCABULARY:
                raise ValueError(f"tokens are 0..{VOCABULARY - 1}, not {row.min()}..{row.max()}")
        songs = np.arange(len(rows)) if groups is None else np.asarray(groups)
        if songs.shape != (len(rows),) or songs.dtype.kind not in "iu":
            raise ValueError(f"groups are {len(rows)} integers, one a piece, not {songs.dtype} {songs.shape}")
        return cls([canonical(row) for row in rows], songs.astype(np.int64), name)

    def __len__(self) -> int:
        return len(self.events)

    def __repr__(self) -> str:
        return f"Pieces({self.name!r}, {len(self):,} piece{'' if len(self) == 1 else 's'})"

    @property
    def failed(self) -> int:
        """How many files gave no piece."""
        return sum(self.skipped.values())

    @property
    def silent(self) -> NDArray[np.bool_]:
        """Which pieces have no note: (n,)."""
        return np.array([not (row > REST).any() for row in self.events], bool)

    def sounding(self) -> Pieces:
        """The pieces that have a note."""
        kept = np.flatnonzero(~self.silent)
        return replace(self, events=[self.events[i] for i in kept], groups=self.groups[kept])

    def with_failures(self, bars: int = 64) -> Pieces:
        """These pieces, and an empty one of `bars` bars for each file that gave none."""
        empty = [np.zeros(bars * COMMON.bar_steps, np.int8)] * self.failed
        first = int(self.groups.max(initial=-1)) + 1
        groups = np.append(self.groups, np.arange(first, first + self.failed))
        return Pieces([*self.events, *empty], groups, self.name)

    def batches(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int8]]]:
        """Group pieces of equal length: yield their indices (k,) and events (k, steps), the shortest first."""
        sizes = np.array([row.size for row in self.events], np.int64)
        for size in np.unique(sizes):
            indices = np.flatnonzero(sizes == size)
            yield indices, np.stack([self.events[i] for i in indices])


def corpus_pieces(corpus: Corpus, split: Split, most: int | None = None, *, seed: int = 0, bars: int = 64) -> Pieces:
    """Take windows of `bars` bars of a split in which no phrase is silent; at most `most`, chosen by `seed`.

    A piece's group is its song's. Raises CantilenaError where there is no such window.
    """
    if bars < MIN_BARS or bars * COMMON.bar_steps % TOKENS:
        raise ValueError(f"windows of a corpus are an even number of bars, {MIN_BARS} or more, not {bars}")
    if most is not None and most < 1:
        raise ValueError(f"at most 1 piece or more, not {most}")
    windows = corpus.windows(split, phrases=bars * COMMON.bar_steps // TOKENS)
    name = f"{corpus.directory.name}:{split}"
    if not len(windows):
        raise CantilenaError(f"{name}: no window of {bars} bars without a silent phrase")
    return window_pieces(corpus, windows[_some(len(windows), most, seed)], name, bars=bars)


def window_pieces(corpus: Corpus, windows: NDArray[np.int64], name: str, *, bars: int = 64) -> Pieces:
    """Cut pieces at listed windows (n, 2): melody and first phrase, as `Corpus.windows` gives them."""
    steps = bars * COMMON.bar_steps
    first = windows[:, 1] * TOKENS
    events = [canonical(corpus.events(m)[f : f + steps]) for m, f in zip(windows[:, 0], first, strict=True)]
    return Pieces(events, corpus.table["group"][windows[:, 0]].astype(np.int64), name)


def read_pieces(source: str | Path, *, bars: int = 64, most: int = 10_000, seed: int = 0) -> Pieces:
    """Read pieces from anybody's files, at most `most`, chosen by `seed`.

    `source` is a folder of MIDI, MusicXML and ABC files (searched through) or one such file, of which each gives its
    voice, all of it, where it has one only, and else the melody that `extract` chooses, or if that finds none the track
    with the most notes; an `.npz` with `events` (n, steps), or an `.npy`
    of that shape; or a corpus: "DIR:train", "DIR:validation", "DIR:test", or DIR alone for its test split. Raises
    CantilenaError (one line) where nothing can be had of it, ValueError for wrong `bars` or `most`.
    """
    if bars < MIN_BARS or most < 1:
        raise ValueError(f"pieces have {MIN_BARS} bars or more and are 1 or more, not bars={bars} and most={most}")
    path = Path(source)
    if found := open_split(path):
        return corpus_pieces(*found, most, seed=seed, bars=bars)
    if path.suffix.lower() in (".npz", ".npy"):
        return _arrays(path, bars, most, seed)
    if not path.exists():
        raise CantilenaError(f"{source}: no such file or folder (expected MIDI, an .npz or .npy, or CORPUS:SPLIT)")
    return _songs(path, bars, most, seed)


def open_split(source: str | Path) -> tuple[Corpus, Split] | None:
    """Open the corpus and split that "DIR:SPLIT" names, or DIR for its test split; None where that is no corpus."""
    directory, _, name = str(source).rpartition(":")
    split = next((split for split in SPLITS if split == name), None)
    if directory and split and not Path(source).exists():
        return Corpus.open(directory), split
    return (Corpus.open(source), "test") if Path(source, "manifest.json").is_file() else None


def _some(n: int, most: int | None, seed: int) -> NDArray[np.int64]:
    """Choose which of n are taken: all, or `most` of them in ascending order."""
    if most is None or n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def _songs(path: Path, bars: int, most: int, seed: int) -> Pieces:
    if path.is_dir():
        files = sorted(Path(root, file) for root, _, names in os.walk(path) for file in names)
        files = [file for file in files if file.suffix.lower() in _FILES]
    else:
        files = [path]
    found: dict[int, NDArray[np.int8]] = {}
    skipped: Counter[str] = Counter()
    for number in np.random.default_rng(seed).permutation(len(files)).tolist():
        if len(found) == most:
            break
        try:
            song = Source.of(files[number]).song
            melody = _only_voice(song) or _chosen_voice(song)
            if melody.bars < MIN_BARS:
                raise MidiError(f"{files[number].name}: a melody of fewer than {MIN_BARS} bars")
            found[number] = melody.slice(1, min(bars, melody.bars)).events
        except MidiError as error:
            if path == files[number]:
                raise
            skipped[str(error).removeprefix(f"{files[number].name}: ").split(" (")[0]] += 1
    reasons = dict(skipped.most_common())
    if not found:
        said = ", ".join(f"{n:,} {reason}" for reason, n in reasons.items()) or "no song in it"
        raise MidiError(f"{path}: no melody of {MIN_BARS} bars or more in {len(files):,} files ({said})")
    name = path.resolve().name
    return replace(Pieces.of([found[number] for number in sorted(found)], name=name), skipped=reasons)


def _only_voice(song: Song) -> Melody | None:
    """The one voice of a song in 4/4, all of it: what was composed is measured, whatever a corpus would say of it.

    None of a song that has several voices, or other metres, too.
    """
    played = [track for track in song.tracks if not track.is_drum and track.start.size]
    if len(played) != 1 or len(stretches := regions(song, FOUR_FOUR)) != 1:
        return None
    begin, end = stretches[0][:2]
    track = played[0]
    within = (track.pitch >= MIN_PITCH) & (track.pitch <= MAX_PITCH)
    if not within.all() or track.start[0] < begin or track.end.max() > end:
        return None
    notes = line(track, begin, end, song.ticks_per_quarter)
    assert notes is not None  # it was played
    bars = -(
        -max(int(to_steps(np.array([end - begin]), song.ticks_per_quarter)[0]), int(notes.end[-1])) // COMMON.bar_steps
    )
    return Melody.from_notes(*notes, bars=bars, qpm=song.qpm)


def _chosen_voice(song: Song) -> Melody:
    """The melody of a song, or where there is none by the rules of a corpus, what the track with most notes plays.

    Raises MidiError where nothing sounds in 4/4.
    """
    try:
        return cast("Melody", extract(song, metres=FOUR_FOUR).melody)  # which raises where there is none
    except MidiError:
        played = [
            notes for begin, end, *_ in regions(song, FOUR_FOUR) for track in song.tracks
            if (notes := line(track, begin, end, song.ticks_per_quarter)) is not None
        ]  # fmt: skip
        if not played:
            raise
    notes = max(played, key=lambda notes: notes.start.size)
    return Melody.from_notes(*notes, bars=-(-int(notes.end[-1]) // COMMON.bar_steps), qpm=song.qpm)


def _arrays(path: Path, bars: int, most: int, seed: int) -> Pieces:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            events = loaded
        else:
            with loaded:
                if "events" not in loaded.files:
                    raise CantilenaError(
                        f"{path}: expected an array named events, not {', '.join(loaded.files) or 'none'}"
                    )
                events = loaded["events"]
    except FileNotFoundError as error:
        raise CantilenaError(f"{path}: no such file") from error
    except DAMAGED as error:
        raise CantilenaError(f"{path}: cannot be read as NumPy arrays ({' '.join(str(error).split())})") from error
    if events.ndim != 2 or not len(events):
        raise CantilenaError(f"{path}: events are (n, steps), n 1 or more, not {events.shape}")
    try:
        return Pieces.of(events[_some(len(events), most, seed), : bars * COMMON.bar_steps], name=path.name)
    except ValueError as error:
        raise CantilenaError(f"{path}: {error}") from error
