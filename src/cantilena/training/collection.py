"""An archive of tunes with its index -> `tunes.npz`: roles by source, melodies in every metre, split by song.

    python -m cantilena.training.collection tunes.tar.xz index.tsv -o tunes.npz

The index is a table with tabs between its columns: file, tier, collection, style and year are read. Only music that
anyone may use is taken (TIERS; of OpenEWLD, whose claims are weaker, songs up to 1930). A melody is the highest note
of each onset of one track within one metre, on a grid of sixteenths or, where they fit better, triplet eighths; a
phrase is as many whole bars (4, 2 or 1) as fit 32 steps.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import lzma
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cantilena.errors import CorpusError
from cantilena.music.melody import MAX_PITCH, MIN_PITCH, phrases_of, to_token
from cantilena.music.metre import bars_a_phrase

__all__ = [
    "gather",
    "is_open",
    "melody_of",
    "members",
    "open_rows",
    "roles_of",
    "sources_of",
]

TIERS = ("cc0", "ccby", "mit", "pd")
LAST_YEAR = 1930  # of OpenEWLD
QUARTER = 480  # ticks
GRIDS = ((120, 4), (160, 3))  # ticks a step, steps a quarter
FURTHEST = 0.04  # quarters that onsets may lie from the grid, on average
TUNES = ("openewld", "cre_irish", "lilypond_songs", "openhymnal")  # collections whose first part is a tune
FIELDS = ["file", "role", "style", "col", "metre", "bar", "per", "at", "n", "qpm", "split"]
_ROW = list[Any]


@dataclass(frozen=True, eq=False)
class Part:
    """One melody of a file."""

    role: int  # index into tunes.ROLES
    metre: tuple[int, int, int]  # numerator, denominator, steps a quarter
    bar: int  # steps of a bar
    per: int  # bars of a phrase
    qpm: float
    tokens: NDArray[np.int8]  # (n, 32)


def is_open(row: Mapping[str, str]) -> bool:
    """Whether anyone may use a file of the index.

    >>> is_open({"tier": "mit", "collection": "openewld", "year": "1931"})
    False
    """
    if row["tier"] not in TIERS:
        return False
    if row["collection"] != "openewld":
        return True
    year = re.search(r"\d{4}", row["year"] or "")
    return year is not None and int(year.group()) <= LAST_YEAR


def roles_of(row: Mapping[str, str], tracks: Sequence[str]) -> list[int]:
    """The role of each track by its name and the file's collection: 0 tune, 1 top part, 2 accompaniment, 3 bass.

    >>> roles_of({"collection": "lieder", "style": "lied"}, ["Voice (lyrics)", "Piano RH", "Piano LH"])
    [0, 2, 3]
    """
    names, collection, style = [t.lower() for t in tracks], row["collection"], row["style"]
    sung = [k for k, name in enumerate(names) if "lyrics" in name]
    roles = [2] * len(names)
    if len(names) > 1:
        roles[-1] = 3
    if collection in TUNES or (collection == "mutopia" and style in ("folk", "hymn")):
        roles[0] = 0
    elif collection == "lieder" or (collection == "polish" and style == "song"):
        roles[sung[0] if sung else 0] = 0 if sung else 1
        if collection == "lieder":
            for k, name in enumerate(names):
                if k in sung[1:]:
                    roles[k] = 1
                elif name.endswith(" rh") and k > 0:
                    roles[k] = 2
                elif name.endswith(" lh"):
                    roles[k] = 3
    elif roles:
        roles[0] = 1
    return roles


def melody_of(
    notes: Mapping[str, NDArray[Any]], begin: int, end: int, grid: int
) -> tuple[NDArray[np.int8], float] | None:
    """Events (steps,) of the notes between two ticks, and how far onsets lie from the grid, in quarters.

    The highest note of each onset wins; a lower one that begins while a higher one still sounds is left out. None
    where there are fewer than 8 notes.
    """
    here = (notes["time"] >= begin) & (notes["time"] < end)
    time, length, pitch = (notes[name][here] for name in ("time", "duration", "pitch"))
    on = np.round((time - begin) / grid).astype(np.int64)
    off = np.maximum(np.round((time + length - begin) / grid).astype(np.int64), on + 1)
    steps = (end - begin) // grid
    order = np.lexsort((-pitch.astype(np.int64), on))
    on, off, pitch = on[order], off[order], pitch[order].astype(np.int64)
    first = np.append(True, on[1:] != on[:-1])[: on.size]
    ok = first & (on < steps) & (pitch >= MIN_PITCH) & (pitch <= MAX_PITCH)
    on, off, pitch = on[ok], off[ok], pitch[ok]
    kept: list[int] = []
    for k in range(on.size):
        if kept and off[last := kept[-1]] > on[k]:
            if pitch[last] > pitch[k] and off[last] - on[k] > 1:
                continue
            off[last] = on[k]
        kept.append(k)
    if len(kept) < 8:
        return None
    events = np.zeros(steps + 1, np.int8)
    events[np.minimum(off[kept], steps)] = 1
    events[on[kept]] = to_token(pitch[kept])
    far = np.abs((time - begin) - np.round((time - begin) / grid) * grid).mean() / QUARTER
    return events[:-1], float(far)


def parts_of(data: bytes, row: Mapping[str, str]) -> list[Part]:
    """The melodies of a MIDI file: of each track, within each of its metres."""
    import symusic

    score: Any = symusic.Score.from_midi(data)
    if score.ticks_per_quarter != QUARTER:
        score = score.resample(QUARTER, 1)
    metres = [(s.time, s.numerator, s.denominator) for s in score.time_signatures] or [(0, 4, 4)]
    stops = [*(m[0] for m in metres[1:]), score.end()]
    tracks = [t for t in score.tracks if len(t.notes) and not t.is_drum]
    qpm = float(score.tempos[0].qpm) if len(score.tempos) else 100.0
    found = []
    for track, role in zip(tracks, roles_of(row, [t.name for t in tracks]), strict=True):
        notes = track.notes.numpy()
        for (begin, numerator, denominator), stop in zip(metres, stops, strict=True):
            ticks, odd = divmod(4 * QUARTER * numerator, denominator)
            if odd or stop <= begin:
                continue
            end = begin + -(-(stop - begin) // ticks) * ticks
            part = _best(notes, begin, end, ticks, (numerator, denominator))
            if part is not None:
                metre, bar, per, events = part
                found.append(Part(role, metre, bar, per, qpm, phrases_of(events, bar * per)))
    return found


def _best(
    notes: Mapping[str, NDArray[Any]], begin: int, end: int, ticks: int, signature: tuple[int, int]
) -> tuple[tuple[int, int, int], int, int, NDArray[np.int8]] | None:
    """The melody of a region on the grid that fits better, without silent bars at its ends; None where it is none."""
    best: tuple[NDArray[np.int8], float, int, int] | None = None
    for grid, quarter in GRIDS:
        if ticks % grid or not bars_a_phrase(ticks // grid):
            continue
        made = melody_of(notes, begin, end, grid)
        if made is not None and (best is None or made[1] < best[1] - 0.01):
            best = (*made, quarter, ticks // grid)
    if best is None or best[1] > FURTHEST:
        return None
    events, _, quarter, bar = best
    on = np.flatnonzero(events > 1)
    if on.size < 12 or np.unique(events[on]).size < 5:
        return None
    changes = np.flatnonzero(events)
    last = changes[-1] if events[changes[-1]] == 1 else events.size - 1
    events = events[on[0] // bar * bar : (last // bar + 1) * bar]
    bars = events.size // bar
    if bars < 4 or on.size < 0.75 * bars:
        return None
    return (*signature, quarter), bar, bars_a_phrase(bar), events


def gather(archive: Path, index: Path, target: Path, *, seed: int = 5) -> Counter[str]:
    """Write `tunes.npz` from an archive and its index; what was counted.

    Melodies that are the same but for transposition are one, with the role that is nearest to a tune, and their songs
    stay on one side of the split: a twentieth for validation, one for the test. CorpusError where nothing is found.
    """
    rows = open_rows(index)
    styles, collections = (sorted({r[key] for r in rows.values()}) for key in ("style", "collection"))
    counts: Counter[str] = Counter()
    metres: dict[tuple[int, int, int], int] = {}
    seen: dict[bytes, int] = {}
    song: dict[int, int] = {}  # files that share a melody with an earlier one
    table: list[_ROW] = []
    tokens: list[NDArray[np.int8]] = []
    files: list[str] = []
    at = 0
    for name, data in members(archive, rows):
        row, number = rows[name], len(files)
        files.append(name)
        try:
            parts = parts_of(data, row)
        except (RuntimeError, ValueError):  # symusic says what is wrong with a file in either
            counts["unreadable files"] += 1
            continue
        for part in parts:
            key = _key(part.tokens)
            if key in seen:
                twin = table[seen[key]]
                twin[1] = min(twin[1], part.role)
                first = int(twin[0])
                song[number] = song.get(first, first)
                counts["the same again"] += 1
                continue
            seen[key] = len(table)
            kind = metres.setdefault(part.metre, len(metres))
            style, collection = styles.index(row["style"]), collections.index(row["collection"])
            length = len(part.tokens)
            table.append([number, part.role, style, collection, kind, part.bar, part.per, at, length, part.qpm])
            tokens.append(part.tokens)
            at += length
    if not table:
        raise CorpusError(f"{archive}: no open tune of 4 bars among {len(files)} files that the index knows")
    order = np.random.default_rng(seed).permutation(len(files))
    split = np.zeros(len(files), np.int32)
    part_size = len(files) // 20
    split[order[:part_size]], split[order[part_size : 2 * part_size]] = 1, 2
    whole = [(*entry, split[song.get(entry[0], entry[0])]) for entry in table]
    kinds = [(field, "f8" if field == "qpm" else "i4") for field in FIELDS]
    np.savez(
        target,
        tokens=np.concatenate(tokens),
        table=np.array(whole, dtype=kinds),
        styles=styles,
        cols=collections,
        metres=np.array(list(metres)),
        files=files,
        titles=[rows[name].get("title", "") for name in files],
        sources=json.dumps(sources_of([rows[name] for name in files], archive, index)),
    )
    return counts + Counter({"files": len(files), "melodies": len(table), "phrases": at})


def sources_of(rows: Sequence[Mapping[str, str]], archive: Path, index: Path) -> dict[str, Any]:
    """Where the files of a collection come from: by source and licence their number and credits; hashes of the two."""
    found: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        kind = tuple(row.get(key, "") for key in ("collection", "source", "licence"))
        found.setdefault(kind, []).append(row.get("attribution", ""))
    return {
        "of": [
            {"collection": kind[0], "source": kind[1], "licence": kind[2], "files": len(credits),
             "credit": "; ".join(sorted(set(credits) - {""}))}
            for kind, credits in sorted(found.items())
        ],
        "archive": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "index": hashlib.sha256(index.read_bytes()).hexdigest(),
    }  # fmt: skip


def open_rows(index: Path) -> dict[str, dict[str, str]]:
    """The rows of an index, a .tsv or .tsv.xz, that anyone may use, by file."""
    open_index = lzma.open if index.suffix == ".xz" else open
    with open_index(index, "rt", encoding="utf-8") as file:
        return {r["file"]: r for r in csv.DictReader(file, delimiter="\t") if is_open(r)}


def members(archive: Path, rows: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """The files of an archive that the index knows, by its names."""
    with tarfile.open(archive) as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            known = next((n for n in (name, name.partition("/")[2]) if n in rows), None)
            file = tar.extractfile(member) if member.isfile() and known is not None else None
            if file is not None and known is not None:
                yield known, file.read()


def _key(tokens: NDArray[np.int8]) -> bytes:
    """What names a melody, whatever its transposition."""
    moved, on = tokens.astype(np.int8), tokens > 1
    moved[on] += 2 - moved[on].min()
    return hashlib.blake2b(moved.tobytes(), digest_size=12).digest()


def main() -> None:
    """Gather tunes from the command line."""
    parser = argparse.ArgumentParser(prog="python -m cantilena.training.collection", description=gather.__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("index", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_args()
    for what, count in gather(asked.archive, asked.index, asked.output).items():
        print(f"{count:,} {what}")


if __name__ == "__main__":
    main()
