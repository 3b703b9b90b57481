"""Which tunes that a model learned from a melody is nearest to, and whether that is nearer than music usually is.

Two melodies share a run where the intervals and the onset differences between its notes, one after the other, are the
same: at any pitch, wherever the bar lines are, however long notes are held, and in notation of half or double values
(2/4 as 4/4). All music shares some: the longest runs that unseen human tunes share with the same index are the measure.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cantilena.errors import ModelError
from cantilena.files import new_file
from cantilena.model_checks import check_arrays
from cantilena.music.melody import Melody

__all__ = ["FILE", "KnownTunes", "Near", "Nearness", "moves_of"]

FILE = "provenance.npz"  # in a model folder
_MOST_BYTES = 1 << 28  # of it, unpacked; that of 3,500 tunes is 2.6 MB
_UNIT = 12  # parts of a quarter: sixteenths are 3, triplet eighths 4
_LONGEST = 255  # units between two onsets; more are as many
_APART = -128  # the interval where a tune ends
_SCALES = ((1, 1), (2, 1), (1, 2))  # of note values: as notated, doubled, halved


class Near(NamedTuple):
    """A tune that a melody shares a run of notes with."""

    title: str
    source: str  # collection and file
    licence: str
    notes: int  # of the run
    bar: int  # of the melody, from 1, in which the run begins


@dataclass(frozen=True)
class Nearness:
    """The tunes that a melody is nearest to, the nearest first."""

    near: tuple[Near, ...]
    notes: int  # of the melody
    human: float  # share of unseen human tunes whose longest run is as long, or shorter

    @property
    def longest(self) -> int:
        """The notes of the longest run."""
        return self.near[0].notes if self.near else 0

    def text(self) -> str:
        """As a table for people, and a sentence."""
        rows = [f"{n.notes:5} notes from bar {n.bar:<4} {n.title}  ({n.source}; {n.licence})" for n in self.near]
        said = (
            f"The longest run that it shares with a tune of the training is {self.longest} of its {self.notes} notes: "
            f"as long as, or longer than, that of {self.human:.0%} of human tunes that were not trained on."
        )
        return "\n".join([*rows, said])


@dataclass(frozen=True, eq=False)
class KnownTunes:
    """The moves from note to note of known tunes, with their names."""

    interval: NDArray[np.int8]  # (n,) semitones to the next note, _APART at a tune's end
    gap: NDArray[np.uint8]  # (n,) twelfths of a quarter to the next onset
    begin: NDArray[np.int64]  # (tunes,) where each begins
    titles: tuple[str, ...]
    files: tuple[str, ...]
    human: NDArray[np.int64]  # (k,) the longest runs of unseen human tunes, ascending
    licences: Mapping[str, str]  # by collection, the first part of a file's name

    @classmethod
    def of(
        cls, melodies: Sequence[Melody], titles: Sequence[str], files: Sequence[str], unseen: Sequence[Melody] = ()
    ) -> KnownTunes:
        """Index melodies, and measure `unseen` ones against them."""
        moves = [moves_of(melody) for melody in melodies]
        begin = np.cumsum([0, *(interval.size for interval, _ in moves)], dtype=np.int64)[:-1]
        interval, gap = (np.concatenate([of[k] for of in moves]) if moves else np.zeros(0) for k in (0, 1))
        made = cls(
            interval.astype(np.int8),
            gap.astype(np.uint8),
            begin,
            tuple(titles),
            tuple(files),
            np.zeros(0, np.int64),
            {},
        )
        human = np.sort([made.nearest(melody, 1).longest for melody in unseen]).astype(np.int64)
        return cls(made.interval, made.gap, begin, made.titles, made.files, human, {})

    def save(self, path: Path) -> None:
        """Write to an .npz file."""
        names = json.dumps([self.titles, self.files]).encode()
        arrays = {"interval": self.interval, "gap": self.gap, "begin": self.begin, "human": self.human}
        with new_file(path) as new, new.open("wb") as file:
            np.savez_compressed(file, **arrays, names=np.frombuffer(names, np.uint8))  # type: ignore[arg-type]

    @classmethod
    def load(cls, folder: Path, about: Mapping[str, Any]) -> KnownTunes:
        """Those of a model folder, whose model.json is `about`. ModelError where it has none, or it is damaged."""
        path = folder / FILE
        if not path.is_file():
            raise ModelError(f"{folder.name}: this model does not say which tunes it learned from")
        check_arrays(path, _MOST_BYTES, "the tunes that a model learned from")
        try:
            with np.load(path, allow_pickle=False) as d:
                titles, files = json.loads(d["names"].tobytes())
                interval, gap, begin, human = (d[name] for name in ("interval", "gap", "begin", "human"))
        except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ModelError(f"{path}: cannot be read ({' '.join(str(error).split())[:160]})") from error
        licences = {str(s["collection"]): str(s["licence"]) for s in about.get("sources", {}).get("of", ())}
        return cls(interval, gap, begin, tuple(titles), tuple(files), human, licences)

    def joined(self, other: KnownTunes) -> KnownTunes:
        """These tunes and others. What unseen tunes share is that of these."""
        interval, gap = (np.concatenate([getattr(self, k), getattr(other, k)]) for k in ("interval", "gap"))
        begin = np.concatenate([self.begin, other.begin + self.interval.size])
        titles, files = self.titles + other.titles, self.files + other.files
        return KnownTunes(interval, gap, begin, titles, files, self.human, self.licences)

    def nearest(self, melody: Melody, most: int = 5) -> Nearness:
        """The tunes with which a melody shares its longest runs of notes, at most so many."""
        interval, gap = moves_of(melody)
        run = np.zeros(len(self.begin), np.int64)  # moves of the longest run with each tune
        last = np.zeros(len(self.begin), np.int64)  # where in the melody it ends
        for up, down in _SCALES:
            scaled, odd = np.divmod(gap.astype(np.int64) * up, down)
            scaled[(odd != 0) | (interval == _APART)] = -1  # no known move is like it
            found, at = _longest_runs(interval, scaled, self.interval, self.gap, self.begin)
            longer = found > run
            run[longer], last[longer] = found[longer], at[longer]
        order = np.argsort(-run, kind="stable")[:most]
        start = melody.notes.start
        near = [
            Near(self.titles[k], self.files[k], self._licence(self.files[k]), int(run[k]) + 1,
                 int(start[last[k] - run[k] + 1]) // melody.metre.bar_steps + 1)
            for k in order.tolist() if run[k]
        ]  # fmt: skip
        longest = near[0].notes if near else 0
        human = float((self.human <= longest).mean()) if self.human.size else float("nan")
        return Nearness(tuple(near), int(start.size), human)

    def _licence(self, file: str) -> str:
        return self.licences.get(file.partition("/")[0], "unknown licence")


def moves_of(melody: Melody) -> tuple[NDArray[np.int8], NDArray[np.uint8]]:
    """From each note to the next: semitones, _APART after the last; and twelfths of a quarter between their onsets.

    >>> [a.tolist() for a in moves_of(Melody.from_notes([0, 4, 6], [4, 6, 8], [60, 62, 59]))]
    [[2, -3, -128], [12, 6, 0]]
    """
    start, _, pitch = melody.notes
    if not start.size:
        return np.zeros(0, np.int8), np.zeros(0, np.uint8)
    gap = np.minimum(np.diff(start) * (_UNIT // melody.metre.quarter_steps), _LONGEST)
    return np.append(np.diff(pitch), _APART).astype(np.int8), np.append(gap, 0).astype(np.uint8)


def _longest_runs(
    interval: NDArray[np.int8],
    gap: NDArray[np.int64],
    known_interval: NDArray[np.int8],
    known_gap: NDArray[np.uint8],
    begin: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The longest run of moves shared with each known tune, and the move of the melody with which it ends.

    A run that ends with the melody's move i and the known move j is one longer than that of i - 1 and j - 1.
    """
    best, where = (np.zeros(len(begin), np.int64) for _ in range(2))
    run = np.zeros(known_interval.size, np.uint16)
    for i in range(interval.size):
        same = (known_interval == interval[i]) & (known_gap == gap[i]) if gap[i] >= 0 else np.zeros(run.size, np.bool_)
        run = np.where(same, np.append(np.uint16(0), run[:-1]) + np.uint16(1), np.uint16(0))
        if len(begin):
            now = np.maximum.reduceat(run, begin).astype(np.int64)
            longer = now > best
            best[longer], where[longer] = now[longer], i
    return best, where
