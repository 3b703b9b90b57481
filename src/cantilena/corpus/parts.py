"""`Part`: what was found in a batch of files, as bytes; the unit in which a build is kept and resumed."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cantilena.corpus.time_limit import TooSlowError, time_limit
from cantilena.corpus.tunes import METRE_FIELDS, contents, tune_key
from cantilena.errors import MidiError
from cantilena.music import extract
from cantilena.music.extract import ROLES, Candidate, candidates
from cantilena.music.melody import Melody
from cantilena.music.metre import Metres
from cantilena.music.midi import read_song

__all__ = [
    "CRASHED",
    "EXTRACTOR_VERSION",
    "FEW_BARS",
    "FOUND",
    "MIN_BARS",
    "SECONDS",
    "Extractor",
    "Part",
    "extract_file",
    "file_hash",
    "read_batch",
    "rules",
]

EXTRACTOR_VERSION = 2  # raise it where a file gives other melodies than before: kept parts are then read anew
MIN_BARS = 16  # of a melody in a corpus
FEW_BARS = f"of {extract.MIN_BARS} to {MIN_BARS - 1} bars"
CRASHED = "crashed"
SECONDS = 60.0  # of computing that a file may take; a song of an hour takes 2
FOUND = np.dtype(
    [
        ("file", "<i4"),  # index into Part.files
        ("track", "<i4"),
        ("region", "<i4"),
        ("family", "i1"),
        ("role", "i1"),
        ("dropped", "<f4"),
        ("qpm", "<f8"),
        *METRE_FIELDS,
        ("steps", "<i4"),
        ("contents", "<i4"),  # how many
        ("key", "u1", (16,)),  # tune_key
    ]
)
File = tuple[bytes, bytes]  # hash, data
Extractor = Callable[[bytes], Sequence[Candidate]]


def file_hash(data: bytes) -> bytes:
    """16 bytes that name a file's content."""
    return hashlib.blake2b(data, digest_size=16).digest()


def extract_file(data: bytes, metres: Metres = None) -> list[Candidate]:
    """Every track of a MIDI file in each stretch of one metre, of `metres` if given; MidiError where it is none."""
    return candidates(read_song(data, name="file"), metres)


def rules(extractor: Extractor, seconds: float = SECONDS) -> str:
    """16 hex digits that name what turns a file into melodies: a build does not go on from another's parts."""
    patience = "" if seconds == SECONDS else f" {seconds:g} s"
    told = f"{EXTRACTOR_VERSION} {MIN_BARS} {_name(extractor)}{patience}"
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()


def _name(extractor: Extractor) -> str:
    if isinstance(extractor, partial):
        return f"{_name(extractor.func)} {extractor.args} {sorted(extractor.keywords.items())}"
    return f"{extractor.__module__}.{getattr(extractor, '__qualname__', type(extractor).__qualname__)}"


@dataclass(eq=False)
class Part:
    """Files of a batch, read: `files` says of each {"hash", "reason", "detail", "tracks": {reason: count}}.

    `reason` is "" for a file with melodies; `rows` (melodies,) of dtype FOUND; `events` int8 and `contents` uint64
    of all melodies, one after another.
    """

    files: list[dict[str, Any]] = field(default_factory=list)
    rows: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, FOUND))
    events: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    contents: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))

    def to_bytes(self) -> bytes:
        """As the content of an `.npz` file."""
        buffer = io.BytesIO()
        head = np.frombuffer(json.dumps(self.files).encode(), np.uint8)
        np.savez(buffer, files=head, rows=self.rows, events=self.events, contents=self.contents)
        return buffer.getvalue()

    @classmethod
    def load(cls, path: Path) -> Part:
        """The inverse; ValueError for a file that is no whole part."""
        try:
            with np.load(path, allow_pickle=False) as saved:
                part = cls(json.loads(saved["files"].tobytes()), saved["rows"], saved["events"], saved["contents"])
        except (ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path}: not a whole part ({error})") from error
        if part.rows.dtype != FOUND or part.rows["steps"].sum() != part.events.size:
            raise ValueError(f"{path}: not a part of this version")
        return part

    @classmethod
    def crashed(cls, file: File, detail: str) -> Part:
        """The part of one file that could not be read."""
        return cls([{"hash": file[0].hex(), "reason": CRASHED, "detail": detail, "tracks": {}}])


def read_batch(extractor: Extractor, files: Sequence[File], seconds: float = SECONDS) -> bytes:
    """The Part of some files, as bytes. What one file raises costs that file only; so does one that takes longer.

    MemoryError where there is not enough memory.
    """
    said: list[dict[str, Any]] = []
    tunes_: list[tuple[int, Candidate, Melody, bytes, NDArray[np.uint64]]] = []
    for number, (name, data) in enumerate(files):
        tracks: Counter[str] = Counter()
        reason = detail = ""
        try:
            with time_limit(seconds):
                found = extractor(data)
            long = [(c, c.melody) for c in found if c.melody is not None and c.melody.bars >= MIN_BARS]
            tunes_ += [(number, c, m, tune_key(m), contents(m)) for c, m in long]
        except MidiError as error:
            reason = str(error).removeprefix("file: ").split(" (")[0]
        except TooSlowError:
            reason = f"longer than {seconds:g} s to read"
        except MemoryError:  # of this machine, not of the file
            raise
        except Exception as error:  # a bug, ours or a library's: named in the manifest
            reason, detail = CRASHED, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        else:
            tracks.update(c.reason or FEW_BARS for c in found if c.melody is None or c.melody.bars < MIN_BARS)
            if not long:
                reason = f"no melody of {MIN_BARS} bars or more" if found else "no bars in a metre that is read"
        said.append({"hash": name.hex(), "reason": reason, "detail": detail, "tracks": dict(tracks)})
    rows = np.zeros(len(tunes_), FOUND)
    for row, (number, c, tune, key, words) in enumerate(tunes_):
        labels = (c.family, ROLES.index(c.role), c.dropped, tune.qpm)
        place, metre = (number, c.track, c.region), astuple(tune.metre)
        rows[row] = (*place, *labels, *metre, tune.events.size, words.size, np.frombuffer(key, np.uint8))
    return Part(
        said,
        rows,
        np.concatenate([np.zeros(0, np.int8), *(tune.events for _, _, tune, _, _ in tunes_)]),
        np.concatenate([np.zeros(0, np.uint64), *(words for *_, words in tunes_)]),
    ).to_bytes()
