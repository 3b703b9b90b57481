"""`Pieces`: the melodies that are measured. `read_pieces` makes them from anybody's files.

A longer melody gives its first `bars` bars, a shorter one is kept whole, each in its own metre. What a file plays is
not judged by the rules of a corpus: a poor melody is a piece like any other. A file that gives nothing that could be
measured is a failure, counted under its reason in `Pieces.skipped`.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cantilena.corpus.sources import SONGS
from cantilena.corpus.store import Corpus
from cantilena.corpus.tunes import SPLITS, Split
from cantilena.errors import CantilenaError, MidiError
from cantilena.metrics.overlap import MIN_BARS
from cantilena.music.extract import Region, extract, grid_of, line, regions, to_steps
from cantilena.music.melody import MAX_PITCH, MIN_PITCH, REST, VOCABULARY, Melody, Notes, canonical
from cantilena.music.metre import COMMON, TOKENS, Metre, grids
from cantilena.music.midi import Song, Track
from cantilena.sources import Source, file_of

__all__ = ["DAMAGED", "Pieces", "corpus_pieces", "open_split", "read_pieces", "window_pieces"]

DAMAGED = (OSError, ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error)  # of np.load


@dataclass(frozen=True, eq=False)
class Pieces:
    """Melodies to be measured. `Pieces.of` makes them from tokens, `read_pieces` from files."""

    events: list[NDArray[np.int8]]  # each (steps,) as Melody.events: canonical, whole bars
    groups: NDArray[np.int64]  # (n,) song of each piece: the bootstrap resamples songs
    name: str
    skipped: dict[str, int] = field(default_factory=dict)  # reason: files that gave no piece, which are failures
    metres: list[Metre] = field(default_factory=list)  # of each piece; all are in 4/4 where none are given

    def __post_init__(self) -> None:
        if not self.metres:
            object.__setattr__(self, "metres", [COMMON] * len(self.events))

    @classmethod
    def of(
        cls,
        events: Sequence[ArrayLike] | NDArray[np.integer],
        groups: ArrayLike | None = None,
        name: str = "",
        metres: Sequence[Metre] = (),
    ) -> Pieces:
        """Make pieces from tokens, an array (n, steps) or a list of (steps,), that need not be canonical.

        `groups` (n,) says which song each belongs to; every piece is its own if not given. `metres` says the metre of
        each, 4/4 if not given. Raises ValueError for anything else than whole bars of tokens 0..89.

        >>> Pieces.of(np.zeros((2, 96), np.int8), name="silence")
        Pieces('silence', 2 pieces)
        """
        rows = [np.asarray(row) for row in events]
        for row, metre in zip(rows, metres or [COMMON] * len(rows), strict=True):
            if row.ndim != 1 or row.size % metre.bar_steps or not row.size:
                raise ValueError(f"pieces are whole bars of {metre.bar_steps} steps, one or more, not {row.shape}")
            if row.dtype.kind not in "iu":
                raise ValueError(f"events are integer tokens, not {row.dtype}")
            if row.min() < 0 or row.max() >= VOCABULARY:
                raise ValueError(f"tokens are 0..{VOCABULARY - 1}, not {row.min()}..{row.max()}")
        songs = np.arange(len(rows)) if groups is None else np.asarray(groups)
        if songs.shape != (len(rows),) or songs.dtype.kind not in "iu":
            raise ValueError(f"groups are {len(rows)} integers, one a piece, not {songs.dtype} {songs.shape}")
        return cls([canonical(row) for row in rows], songs.astype(np.int64), name, metres=list(metres))

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
        metres = [self.metres[i] for i in kept]
        return replace(self, events=[self.events[i] for i in kept], groups=self.groups[kept], metres=metres)

    def with_failures(self, bars: int = 64) -> Pieces:
        """These pieces, and an empty one of `bars` bars for each file that gave none."""
        empty = [np.zeros(bars * COMMON.bar_steps, np.int8)] * self.failed
        first = int(self.groups.max(initial=-1)) + 1
        groups = np.append(self.groups, np.arange(first, first + self.failed))
        return Pieces([*self.events, *empty], groups, self.name, metres=[*self.metres, *[COMMON] * self.failed])

    def batches(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int8]]]:
        """Group pieces of one metre and length: yield their indices (k,) and events (k, steps), the shortest first."""
        alike: dict[tuple[int, Metre], list[int]] = {}
        for i, (row, metre) in enumerate(zip(self.events, self.metres, strict=True)):
            alike.setdefault((row.size, metre), []).append(i)
        for _, indices in sorted(alike.items()):
            yield np.array(indices, np.int64), np.stack([self.events[i] for i in indices])


def corpus_pieces(corpus: Corpus, split: Split, most: int | None = None, *, seed: int = 0, bars: int = 64) -> Pieces:
    """Take windows of `bars` bars of a split in which no phrase is silent; at most `most`, chosen by `seed`.

    `bars` are those of 4/4: in another metre a window has as many phrases. A piece's group is its song's. Raises
    CantilenaError where there is no such window.
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
    melodies = windows[:, 0]
    each = corpus.phrase_steps[melodies]
    first, steps = windows[:, 1] * each, each * (bars * COMMON.bar_steps // TOKENS)
    events = [canonical(corpus.events(m)[f : f + n]) for m, f, n in zip(melodies, first, steps, strict=True)]
    metres = [corpus.metre(m) for m in melodies.tolist()]
    return Pieces(events, corpus.table["group"][melodies].astype(np.int64), name, metres=metres)


def read_pieces(source: str | Path, *, bars: int = 64, most: int = 10_000, seed: int = 0) -> Pieces:
    """Read pieces from anybody's files, at most `most`, chosen by `seed`.

    `source` is a folder of MIDI, MusicXML and ABC files (searched through) or one such file, of which each, and each
    tune of an ABC book, gives its voice, all of it, where it has one only, and else the melody that `extract` chooses,
    or if that finds none the track with the most notes; an `.npz` with `events` (n, steps), or an `.npy` of that shape;
    or a corpus: "DIR:train", "DIR:validation", "DIR:test", or DIR alone for its test split. Raises CantilenaError (one
    line) where nothing can be had of it, ValueError for wrong `bars` or `most`.
    """
    if bars < MIN_BARS or most < 1:
        raise ValueError(f"pieces have {MIN_BARS} bars or more and are 1 or more, not bars={bars} and most={most}")
    path = Path(source)
    if found := open_split(path):
        return corpus_pieces(*found, most, seed=seed, bars=bars)
    if path.suffix.lower() in (".npz", ".npy"):
        return _arrays(path, bars, most, seed)
    if not file_of(path)[0].exists():
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
        files = [file for file in files if file.suffix.lower() in SONGS]
    else:
        files = [path]
    songs = [one for file in files for one in _tunes_of(file)]
    found: dict[int, Melody] = {}
    skipped: Counter[str] = Counter()
    for number in np.random.default_rng(seed).permutation(len(songs)).tolist():
        if len(found) == most:
            break
        try:
            song = Source.of(songs[number]).song
            melody = _only_voice(song) or _chosen_voice(song)
            found[number] = melody.slice(1, min(bars, melody.bars))
        except MidiError as error:
            if path == songs[number]:
                raise
            skipped[str(error).removeprefix(f"{songs[number].name}: ").split(" (")[0]] += 1
    reasons = dict(skipped.most_common())
    if not found:
        said = ", ".join(f"{n:,} {reason}" for reason, n in reasons.items()) or "no song in it"
        raise MidiError(f"{path}: no melody in {len(songs):,} files ({said})")
    name = path.resolve().name
    melodies = [found[number] for number in sorted(found)]
    events, metres = [melody.events for melody in melodies], [melody.metre for melody in melodies]
    return replace(Pieces.of(events, name=name, metres=metres), skipped=reasons)


def _tunes_of(file: Path) -> Sequence[Path | Source]:
    """The tunes of an ABC book of several; of any other file its path, so that it is read only when it is its turn."""
    if file.suffix.lower() == ".abc":
        with suppress(MidiError):  # said when it is read as a song
            if len(tunes := Source.of(file).songs()) > 1:
                return tunes
    return [file]


def _only_voice(song: Song) -> Melody | None:
    """The one voice of a song in one metre, all of it: what was composed is measured, whatever a corpus would say.

    None of a song that has several voices, or metres.
    """
    played = [track for track in song.tracks if not track.is_drum and track.start.size]
    if len(played) != 1 or len(stretches := regions(song)) != 1:
        return None
    region, track = stretches[0], played[0]
    within = (track.pitch >= MIN_PITCH) & (track.pitch <= MAX_PITCH)
    found = _line(song, track, region)
    if found is None or not within.all() or track.start[0] < region.begin or track.end.max() > region.end:
        return None
    notes, metre = found
    length = int(to_steps(np.array([region.end - region.begin]), song.ticks_per_quarter, metre)[0])
    bars = -(-max(length, int(notes.end[-1])) // metre.bar_steps)
    return Melody.from_notes(*notes, bars=bars, qpm=song.qpm, metre=metre)


def _line(song: Song, track: Track, region: Region) -> tuple[Notes, Metre] | None:
    """What a track plays in a region as one line, on the grid that its notes are nearer to; None where it is silent."""
    inside = (track.start >= region.begin) & (track.start < region.end)
    if not inside.any():
        return None
    ticks = song.ticks_per_quarter
    metre, _ = grid_of(track.start[inside] - region.begin, ticks, grids(region.numerator, region.denominator))
    notes = line(track, region.begin, region.end, ticks, metre)
    return notes and (notes, metre)


def _chosen_voice(song: Song) -> Melody:
    """The melody of a song, or where there is none by the rules of a corpus, what the track with most notes plays.

    Raises MidiError where nothing sounds in a metre that can be read.
    """
    try:
        return cast("Melody", extract(song).melody)  # which raises where there is none
    except MidiError:
        played = [
            found for region in regions(song) for track in song.tracks
            if (found := _line(song, track, region)) is not None
        ]  # fmt: skip
        if not played:
            raise
    notes, metre = max(played, key=lambda found: found[0].start.size)
    return Melody.from_notes(*notes, qpm=song.qpm, metre=metre)


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
