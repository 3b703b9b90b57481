"""Which tracks of a song are melodies, and why the others are not.

The paper's rule (Mittal et al. 2021, section 4.1, after MusicVAE): every non-drum track; the file's own beat grid
rounded to sixteenths; the highest note at an onset wins and a new onset cuts the old note; no splitting at rests. The
paper reads regions in 4/4 and 2/2 (`metre.FOUR_FOUR`); here any metre may be read, and where the notes of a region lie
nearer to triplet eighths than to sixteenths, these are its grid. A file in which the metre changes gives one melody
for each of its regions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cantilena.errors import MidiError
from cantilena.music.melody import MAX_PITCH, MIN_PITCH, Melody, Notes
from cantilena.music.metre import COMMON, Metre, Metres, grids, names_of, not_known
from cantilena.music.midi import Song, Track
from cantilena.music.tune_score import NONE, tune_score

__all__ = [
    "FAMILIES",
    "MIN_BARS",
    "ROLES",
    "UNKNOWN_FAMILY",
    "Candidate",
    "Region",
    "Role",
    "candidates",
    "extract",
    "grid_of",
    "is_named",
    "line",
    "regions",
    "skyline",
    "to_steps",
]

Role = Literal["lead", "bass", "other"]
ROLES: tuple[Role, ...] = ("lead", "bass", "other")
FAMILIES = (
    "piano", "chromatic percussion", "organ", "guitar", "bass", "strings", "ensemble", "brass", "reed", "pipe",
    "synth lead", "synth pad", "synth effects", "ethnic", "percussive", "sound effects", "unknown",
)  # fmt: skip
UNKNOWN_FAMILY = len(FAMILIES) - 1
MIN_BARS, MIN_NOTES, MIN_PITCHES = 4, 8, 5
_SHORT = f"shorter than {MIN_BARS} bars"
_LEAD_NAME = re.compile(r"melod|vocal|voice|lead|sing", re.IGNORECASE)
_MELODY_NAME = re.compile(r"melod|vocal|voice|sing", re.IGNORECASE)
_BACKING_NAME = re.compile(r"back|harm|choir|bgv|2nd|second|synvox|single", re.IGNORECASE)
_PART = 16  # bars of which the tune score is that of a tune
_DROPPED, _NOTES = 20.0, 2.0  # dropped notes against it, and many notes for it: benchmarks/melody_track.py
_BASS_NAME = re.compile(r"bass(?!oon)", re.IGNORECASE)
_BASS_FAMILY = FAMILIES.index("bass")
MAX_PARTS = 5000
_LAST_RING = 1  # bars that the last note may ring past its own
_CLEARLY = 0.01  # quarters by which notes lie nearer to triplets, on average, where these are their grid


@dataclass(frozen=True, eq=False)
class Candidate:
    """One track in one region of a song: a melody, or the reason why it is none."""

    track: int  # index into song.tracks
    name: str  # the track's
    region: int  # index into `regions`
    first_bar: int  # bars from the region's start to the melody's first bar, 0 = its first
    melody: Melody | None
    reason: str  # why not; "" for a melody
    dropped: float  # share of notes that the highest-note rule dropped, 0..1
    family: int  # index into FAMILIES
    role: Role
    off: float = 0.0  # how far its notes begin from the grid, on average, in quarters


class Region(NamedTuple):
    """Ticks from `begin` to `end` in one time signature."""

    begin: int
    end: int
    numerator: int
    denominator: int


def candidates(song: Song, metres: Metres = None) -> list[Candidate]:
    """Every (track, region) of the song in order, melodies and refused ones, with their labels.

    Of `metres`, if some are given, only their regions are read, and only on their grids. MidiError where they are more
    than MAX_PARTS: no song has so many.
    """
    every = list(enumerate(regions(song, metres)))
    if len(every) * len(song.tracks) > MAX_PARTS:
        told = f"{len(song.tracks)} tracks, {len(every)} stretches"
        raise MidiError(f"{song.name}: more than {MAX_PARTS:,} parts, tracks times stretches of one metre ({told})")
    found = [
        _candidate(song, index, track, number, region, metres)
        for index, track in enumerate(song.tracks)
        for number, region in every
    ]
    return _with_roles(found, song)


def extract(song: Song, track: int | None = None, metres: Metres = None) -> Candidate:
    """The melody of a song, or of track number `track` (an index into `song.tracks`), in its longest stretch.

    It is that of the track that is named as one, or else, basses last, the one most like the tune of a song: by its
    `tune_score`, how many notes it has, and how few a single line leaves out of it. Raises ValueError for a number that
    is no track's, MidiError where there is no melody, saying what the tracks are.
    """
    if track is not None and not 0 <= track < len(song.tracks):
        raise ValueError(f"{song.name}: a track is 0 to {len(song.tracks) - 1}, not {track} (`cantilena inspect`)")
    found = [c for c in candidates(song, metres) if track is None or c.track == track]
    melodies = [c for c in found if c.melody is not None]
    if not found and (others := regions(song)):
        every = dict.fromkeys(f"{region.numerator}/{region.denominator}" for region in others)
        raise MidiError(f"{song.name}: is {not_known(' and '.join(every), metres)}")
    if not melodies:
        reasons = [c.reason for c in found] or [f"no bars in {names_of(metres)}"]
        summary = ", ".join(f"{reasons.count(r)} {r}" for r in dict.fromkeys(reasons))
        hint = "; `cantilena compose --motif` makes a tune of two bars" if _SHORT in reasons else ""
        told = f"{len(song.tracks)} tracks: {summary}"
        raise MidiError(f"{song.name}: no melody of {MIN_BARS} bars or more ({told}){hint}")
    longest = {c.track: c for c in sorted(melodies, key=_length)}.values()
    named = [c for c in longest if is_named(c.name)] or [c for c in longest if c.role != "bass"] or list(longest)
    return named[0] if len(named) == 1 else max(named, key=lambda c: (_likeness(c), _length(c)))


def is_named(name: str) -> bool:
    """Whether a track is named as the melody; `lead` alone is a guitar as often.

    >>> is_named("Lead Vocal"), is_named("Lead 1"), is_named("Backing Vocals")
    (True, False, False)
    """
    return bool(_MELODY_NAME.search(name)) and not _BACKING_NAME.search(name)


def _length(c: Candidate) -> tuple[int, float]:
    """How long a candidate is, in bars; of equal ones the one that dropped less."""
    return (c.melody.bars if c.melody else 0), -c.dropped


def _likeness(c: Candidate) -> float:
    """How like the tune of its song a candidate is: the median of its parts, and how much it plays, in one line."""
    assert c.melody is not None
    firsts = range(1, max(1, c.melody.bars - _PART + 1) + 1, _PART)
    parts = (c.melody.slice(first, min(first + _PART - 1, c.melody.bars)) for first in firsts)
    scores = [score for score in map(tune_score, parts) if score > NONE] or [NONE]
    return float(np.median(scores)) - _DROPPED * c.dropped + _NOTES * math.log(c.melody.notes.pitch.size)


def regions(song: Song, metres: Metres = None) -> list[Region]:
    """The stretches of a song in one metre (of `metres`, if given); neighbours are joined where bar lines agree.

    4/4 and 2/2 are one metre here. A time signature whose bars are no whole steps, or more than 32, has no region.
    """
    ends = [change.tick for change in song.time_signatures[1:]] + [max(song.end, 1)]
    found: list[Region] = []
    for (tick, numerator, denominator), end in zip(song.time_signatures, ends, strict=True):
        if end <= tick or not grids(numerator, denominator, metres):
            continue
        now = Region(tick, end, numerator, denominator)
        if found and found[-1].end == tick and _agree(found[-1], now, song.ticks_per_quarter):
            found[-1] = found[-1]._replace(end=end)
        else:
            found.append(now)
    return found


def _agree(one: Region, other: Region, ticks_per_quarter: int) -> bool:
    """Whether two neighbours are in one metre, and the second begins on a bar line of the first."""
    signatures = {one[2:], other[2:]}
    if len(signatures) > 1 and not signatures <= {(4, 4), (2, 2)}:
        return False
    return (other.begin - one.begin) * one.denominator % (4 * ticks_per_quarter * one.numerator) == 0


def off_grid(ticks: NDArray[np.int64], ticks_per_quarter: int, quarter_steps: int) -> float:
    """How far ticks lie from a grid, on average, in quarters."""
    place = ticks * quarter_steps / ticks_per_quarter
    return float(np.abs(place - np.round(place)).mean()) / quarter_steps


def grid_of(ticks: NDArray[np.int64], ticks_per_quarter: int, known: Sequence[Metre]) -> tuple[Metre, float]:
    """Which of the metres of one time signature has the grid that ticks lie nearest to, and how far they lie from it.

    That is on average and in quarters; triplets only where they are clearly nearer.
    """
    off = {metre: off_grid(ticks, ticks_per_quarter, metre.quarter_steps) for metre in known}
    metre = min(known, key=lambda m: off[m] + _CLEARLY * (m.quarter_steps == 3))
    return metre, off[metre]


def _candidate(song: Song, index: int, track: Track, number: int, region: Region, metres: Metres) -> Candidate:
    family = UNKNOWN_FAMILY if track.program is None else track.program // 8
    begin, end, numerator, denominator = region
    known, tpq = grids(numerator, denominator, metres), song.ticks_per_quarter

    def refused(reason: str) -> Candidate:
        return Candidate(index, track.name, number, 0, None, reason, 0.0, family, "other")

    if track.is_drum:
        return refused("drums")
    inside = (track.start >= begin) & (track.start < end) & (track.pitch >= MIN_PITCH) & (track.pitch <= MAX_PITCH)
    if not inside.any():
        return refused(f"without notes in {known[0].numerator}/{known[0].denominator}")
    metre, off = grid_of(track.start[inside] - begin, tpq, known)
    notes, dropped = skyline(
        to_steps(track.start[inside] - begin, tpq, metre),
        to_steps(np.minimum(track.end[inside], end) - begin, tpq, metre),
        track.pitch[inside],
    )
    bar = metre.bar_steps
    first_bar = int(notes.start[0]) // bar
    last_bar = int(notes.start[-1]) // bar
    ring = (last_bar + 1 + _LAST_RING) * bar
    notes.end[-1] = min(notes.end[-1], ring)
    bars = -(-int(notes.end[-1]) // bar) - first_bar
    start, stop = notes.start - first_bar * bar, notes.end - first_bar * bar
    if reason := _why_not(Notes(start, stop, notes.pitch), bars, metre):
        return refused(reason)
    melody = Melody.from_notes(start, stop, notes.pitch, bars=bars, qpm=song.qpm, metre=metre)
    return Candidate(index, track.name, number, first_bar, melody, "", dropped, family, "other", off)


def to_steps(ticks: NDArray[np.int64], ticks_per_quarter: int, metre: Metre = COMMON) -> NDArray[np.int64]:
    """Round ticks to the steps of a metre, halves up."""
    return (2 * metre.quarter_steps * ticks + ticks_per_quarter) // (2 * ticks_per_quarter)


def skyline(start: NDArray[np.int64], end: NDArray[np.int64], pitch: NDArray[np.int64]) -> tuple[Notes, float]:
    """The highest note at each onset, cut by the next; and the share of notes that dropped out."""
    order = np.lexsort((-pitch, start))
    start, end, pitch = start[order], end[order], pitch[order]
    highest = np.append(True, start[1:] != start[:-1])
    start, end, pitch = start[highest], end[highest], pitch[highest]
    end = np.maximum(end, start + 1)
    end[:-1] = np.minimum(end[:-1], start[1:])
    return Notes(start, end, pitch), 1 - highest.mean().item()


def line(track: Track, begin: int, end: int, ticks_per_quarter: int, metre: Metre = COMMON) -> Notes | None:
    """What a track plays from tick `begin` to before `end`, as one line in steps from there; None where nothing sounds.

    Unlike a `candidate` it may be as short or as poor as it is.
    """
    inside = (track.start >= begin) & (track.start < end) & (track.pitch >= MIN_PITCH) & (track.pitch <= MAX_PITCH)
    if track.is_drum or not inside.any():
        return None
    on, off = (to_steps(ticks[inside] - begin, ticks_per_quarter, metre) for ticks in (track.start, track.end))
    return skyline(on, off, track.pitch[inside])[0]


def _why_not(notes: Notes, bars: int, metre: Metre) -> str:
    """Why notes (from the first bar on) are no melody, or "" where they are."""
    if bars < MIN_BARS:
        return _SHORT
    if notes.start.size < MIN_NOTES:
        return f"with fewer than {MIN_NOTES} notes"
    if np.unique(notes.pitch).size < MIN_PITCHES:
        return f"with fewer than {MIN_PITCHES} pitches"
    if notes.start.size < bars:
        return "with less than a note a bar"
    if np.unique(notes.start // metre.bar_steps).size * 2 < bars:
        return "mostly empty"
    return ""


def _with_roles(found: list[Candidate], song: Song) -> list[Candidate]:
    """Lead: so named, or the highest track that is no bass and dropped less than a tenth. Bass: so named or played."""

    def is_bass(c: Candidate) -> bool:
        return c.family == _BASS_FAMILY or _BASS_NAME.search(c.name) is not None

    def mean_pitch(c: Candidate) -> float:
        return float(c.melody.notes.pitch.mean()) if c.melody else 0.0

    pure = [c for c in found if c.melody and not is_bass(c) and c.dropped < 0.1]
    highest = max(pure, key=mean_pitch).track if pure else None

    def role(c: Candidate) -> Role:
        if is_bass(c):
            return "bass"
        return "lead" if _LEAD_NAME.search(c.name) or c.track == highest else "other"

    return [Candidate(**{**vars(c), "role": role(c)}) for c in found]
