"""Tunes as training sees them: tokens of whole melodies in every metre, each with what is known of it.

A folder `tunes.npz` of the arrays

    tokens   int8 (n, 32)     phrases of all melodies, joined; one shorter than 32 steps ends in silence
    table    (m,)             a row a melody: `FIELDS`
    styles, cols, metres      what the numbers in `table` stand for: a metre is numerator, denominator, steps a quarter
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cantilena import labels
from cantilena.errors import CorpusError
from cantilena.labels import DENSITIES, REGISTERS, density_class, form_letters, register_class
from cantilena.music.melody import REST, Melody, to_pitch
from cantilena.music.metre import Metre
from cantilena.music.scales import home_of

__all__ = [
    "DENSITIES",
    "METRES",
    "PITCH_CLASSES",
    "REGISTERS",
    "ROLES",
    "Tunes",
    "form_letters",
    "label_sizes",
    "metre_class",
    "notes_a_quarter",
    "sings",
]

ROLES = ("tune", "top part", "accompaniment", "bass")
METRES = ("4/4", "3/4", "2/4", "6/8", "2/2", "3/8", "9/8", "12/8", "3/2", "6/4", "triplets", "other")
PITCH_CLASSES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
FIELDS = ("role", "style", "col", "metre", "bar", "per", "at", "n", "split")


@dataclass(frozen=True, eq=False)
class Tunes:
    """Melodies of a collection of tunes, split by song."""

    tokens: NDArray[np.int8]  # (n, 32)
    table: NDArray[Any]  # (m,) with FIELDS; split is 0 train, 1 validation, 2 test
    styles: tuple[str, ...]
    collections: tuple[str, ...]
    metres: tuple[tuple[int, int, int], ...]
    sources: Mapping[str, Any] = field(default_factory=dict)  # `collection.sources_of`
    files: tuple[str, ...] = ()  # of which "file" in the table is the number
    titles: tuple[str, ...] = ()  # of the files

    @classmethod
    def open(cls, path: Path) -> Tunes:
        """Read `tunes.npz`; CorpusError where there is none or something is missing in it."""
        try:
            with np.load(path, allow_pickle=False) as d:
                metres = tuple((int(a), int(b), int(c)) for a, b, c in d["metres"])
                styles, collections = (tuple(str(s) for s in d[k]) for k in ("styles", "cols"))
                sources = json.loads(str(d["sources"])) if "sources" in d.files else {}
                files, titles = (tuple(map(str, d[k])) if k in d.files else () for k in ("files", "titles"))
                found = cls(d["tokens"], d["table"], styles, collections, metres, sources, files, titles)
        except (OSError, KeyError, ValueError) as error:
            raise CorpusError(f"{path}: no tunes there ({error})") from error
        if missing := [f for f in FIELDS if f not in (found.table.dtype.names or ())]:
            raise CorpusError(f"{path}: its table lacks {', '.join(missing)}")
        return found

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits over all melodies and what is known of them."""
        digest = hashlib.sha256(np.ascontiguousarray(self.tokens).tobytes())
        for name in FIELDS:
            digest.update(np.ascontiguousarray(self.table[name]).astype(np.int64).tobytes())
        return digest.hexdigest()[:32]

    def phrases(self, tune: int) -> NDArray[np.int8]:
        """The phrases of one melody (n, 32)."""
        row = self.table[tune]
        return self.tokens[row["at"] : row["at"] + row["n"]]

    def melody(self, tune: int) -> Melody:
        """One melody, whole."""
        return Melody.from_phrases(self.phrases(tune), metre=self.metre(tune))

    def metre(self, tune: int) -> Metre:
        """The metre of one melody."""
        return Metre(*self.metres[self.table["metre"][tune]])

    def style(self, tune: int) -> str:
        """The style of one melody."""
        return self.styles[int(self.table["style"][tune])]

    def split(self, split: int, *, role: int | None = None, least: int = 4) -> NDArray[np.int64]:
        """Which melodies are of a split (0 train, 1 validation, 2 test), of a role, and have `least` phrases."""
        kept = (self.table["split"] == split) & (self.table["n"] >= least)
        if role is not None:
            kept &= self.table["role"] == role
        return np.flatnonzero(kept)

    def known(self, tune: int) -> tuple[int, int, int]:
        """Role, style and class of metre of a melody."""
        row = self.table[tune]
        return int(row["role"]), int(row["style"]), metre_class(self.metres[row["metre"]])

    def home(self, tune: int) -> tuple[int, int]:
        """The scale and the tonic of a melody, as `music.scales.home_of`; "not said" where it has no notes."""
        melody = self.melody(tune)
        return home_of(melody) if melody.notes.pitch.size else (len(PITCH_CLASSES), len(PITCH_CLASSES))

    def steps(self, tune: int) -> int:
        """How many of the 32 tokens of a phrase of this melody are played."""
        row = self.table[tune]
        return int(row["bar"] * row["per"])

    def quarters(self, tune: int) -> float:
        """Quarter notes that a phrase of this melody lasts."""
        return self.steps(tune) / float(self.metres[self.table["metre"][tune]][2])


def label_sizes(styles: int) -> tuple[int, ...]:
    """How many values role, style, metre, register, density, scale and tonic have; one index more is "not said"."""
    return (
        len(ROLES),
        styles,
        len(METRES),
        len(REGISTERS) + 1,
        len(DENSITIES) + 1,
        len(PITCH_CLASSES),
        len(PITCH_CLASSES),
    )


def metre_class(metre: tuple[int, int, int]) -> int:
    """The index in METRES of (numerator, denominator, steps a quarter).

    >>> [METRES[metre_class(m)] for m in ((6, 8, 4), (4, 4, 3), (5, 4, 4))]
    ['6/8', 'triplets', 'other']
    """
    return labels.metre_class(Metre(*metre), METRES)


def register_of(tokens: NDArray[np.integer]) -> int:
    """In which register phrases lie, by the median of their pitches."""
    pitch = to_pitch(tokens[tokens > REST].astype(np.int64))
    return register_class(float(np.median(pitch))) if pitch.size else len(REGISTERS) // 2


def density_of(tokens: NDArray[np.integer], quarters: float) -> int:
    """How dense phrases (n, 32) of so many quarters each are, by notes a quarter."""
    return density_class(notes_a_quarter(tokens, quarters))


def notes_a_quarter(tokens: NDArray[np.integer], quarters: float) -> float:
    """How many notes begin in a quarter of phrases (n, 32) of so many quarters each, on average."""
    return float((tokens > REST).sum() / (len(tokens) * quarters))


def sings(tokens: NDArray[np.integer]) -> bool:
    """Whether phrases move as a tune does: by step, seldom by leap, not low, mostly in one scale."""
    pitch = to_pitch(tokens[tokens > REST].astype(np.int64))
    if pitch.size < 12:
        return False
    move = np.abs(np.diff(pitch))
    classes = np.bincount(pitch % 12, minlength=12) / pitch.size
    scale = np.array([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1])
    in_scale = max(float(np.roll(scale, k) @ classes) for k in range(12))
    by_step = float(((move > 0) & (move <= 2)).mean())
    return bool(
        np.median(pitch) >= 55
        and by_step >= 0.35
        and (move > 7).mean() <= 0.1
        and (move == 0).mean() <= 0.4
        and in_scale >= 0.85
    )
