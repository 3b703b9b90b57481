"""Which tracks of a song are melodies, and why the others are not.

The paper's rule (Mittal et al. 2021, section 4.1, after MusicVAE): every non-drum track; 4/4 and 2/2 regions; the
file's own beat grid rounded to sixteenths; the highest note at an onset wins and a new onset cuts the old note;
no splitting at rests. A file in which the metre changes gives one melody for each of its 4/4 regions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cantilena.errors import MidiError
from cantilena.music.melody import BAR_STEPS, MAX_PITCH, MIN_PITCH, QUARTER_STEPS, Melody, Notes
from cantilena.music.midi import Song, Track

__all__ = [
    "FAMILIES",
    "MIN_BARS",
    "ROLES",
    "UNKNOWN_FAMILY",
    "Candidate",
    "Role",
    "candidates",
    "extract",
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
_LEAD_NAME = re.compile(r"melod|vocal|voice|lead|sing", re.IGNORECASE)
_BASS_NAME = re.compile(r"bass(?!oon)", re.IGNORECASE)
_BASS_FAMILY = FAMILIES.index("bass")
_LAST_RING = 1  # bars that the last note may ring past its own


@dataclass(frozen=True, eq=False)
class Candidate:
    """One track in one 4/4 region of a song: a melody, or the reason why it is none."""

    track: int  # index into song.tracks
    name: str  # the track's
    region: int  # index of the 4/4 region
    first_bar: int  # bars from the region's start to the melody's first bar, 0 = its first
    melody: Melody | None
    reason: str  # why not; "" for a melody
    dropped: float  # share of notes that the highest-note rule dropped, 0..1
    family: int  # index into FAMILIES
    role: Role


def candidates(song: Song) -> list[Candidate]:
    """Every (track, 4/4 region) of the song in order, melodies and refused ones, with their labels."""
    found = [
        _candidate(song, index, track, number, begin, end)
        for index, track in enumerate(song.tracks)
        for number, (begin, end) in enumerate(regions(song))
    ]
    return _with_roles(found, song)


def extract(song: Song, track: int | None = None) -> Candidate:
    """The melody of a song: the longest lead, or track number `track` (an index into `song.tracks`).

    Raises ValueError for a number that is no track's, MidiError where there is no melody, saying what the tracks are.
    """
    if track is not None and not 0 <= track < len(song.tracks):
        raise ValueError(f"{song.name}: a track is 0 to {len(song.tracks) - 1}, not {track} (`cantilena inspect`)")
    found = [c for c in candidates(song) if track is None or c.track == track]
    melodies = [c for c in found if c.melody is not None]
    if not melodies:
        reasons = [c.reason for c in found] or ["no 4/4 bars"]
        summary = ", ".join(f"{reasons.count(r)} {r}" for r in dict.fromkeys(reasons))
        raise MidiError(f"{song.name}: no melody of {MIN_BARS} bars or more ({len(song.tracks)} tracks: {summary})")
    order = {"lead": 0, "other": 1, "bass": 2}
    return min(melodies, key=lambda c: (order[c.role], -(c.melody.bars if c.melody else 0), c.dropped))


def regions(song: Song) -> list[tuple[int, int]]:
    """Ticks (begin, end) of the stretches in 4/4 or 2/2; neighbours are joined where bar lines agree."""
    bar = 4 * song.ticks_per_quarter
    ends = [change.tick for change in song.time_signatures[1:]] + [max(song.end, 1)]
    found: list[tuple[int, int]] = []
    for (tick, numerator, denominator), end in zip(song.time_signatures, ends, strict=True):
        if (numerator, denominator) not in ((4, 4), (2, 2)) or end <= tick:
            continue
        if found and found[-1][1] == tick and (tick - found[-1][0]) % bar == 0:
            found[-1] = (found[-1][0], end)
        else:
            found.append((tick, end))
    return found


def _candidate(song: Song, index: int, track: Track, number: int, begin: int, end: int) -> Candidate:
    family = UNKNOWN_FAMILY if track.program is None else track.program // 8

    def refused(reason: str) -> Candidate:
        return Candidate(index, track.name, number, 0, None, reason, 0.0, family, "other")

    if track.is_drum:
        return refused("drums")
    inside = (track.start >= begin) & (track.start < end) & (track.pitch >= MIN_PITCH) & (track.pitch <= MAX_PITCH)
    if not inside.any():
        return refused("without notes in 4/4")
    notes, dropped = skyline(
        to_steps(track.start[inside] - begin, song.ticks_per_quarter),
        to_steps(np.minimum(track.end[inside], end) - begin, song.ticks_per_quarter),
        track.pitch[inside],
    )
    first_bar = int(notes.start[0]) // BAR_STEPS
    last_bar = int(notes.start[-1]) // BAR_STEPS
    ring = (last_bar + 1 + _LAST_RING) * BAR_STEPS
    notes.end[-1] = min(notes.end[-1], ring)
    bars = -(-int(notes.end[-1]) // BAR_STEPS) - first_bar
    offset = first_bar * BAR_STEPS
    if reason := _why_not(Notes(notes.start - offset, notes.end - offset, notes.pitch), bars):
        return refused(reason)
    melody = Melody.from_notes(notes.start - offset, notes.end - offset, notes.pitch, bars=bars, qpm=song.qpm)
    return Candidate(index, track.name, number, first_bar, melody, "", dropped, family, "other")


def to_steps(ticks: NDArray[np.int64], ticks_per_quarter: int) -> NDArray[np.int64]:
    """Round ticks to sixteenths, halves up."""
    return (2 * QUARTER_STEPS * ticks + ticks_per_quarter) // (2 * ticks_per_quarter)


def skyline(start: NDArray[np.int64], end: NDArray[np.int64], pitch: NDArray[np.int64]) -> tuple[Notes, float]:
    """The highest note at each onset, cut by the next; and the share of notes that dropped out."""
    order = np.lexsort((-pitch, start))
    start, end, pitch = start[order], end[order], pitch[order]
    highest = np.append(True, start[1:] != start[:-1])
    start, end, pitch = start[highest], end[highest], pitch[highest]
    end = np.maximum(end, start + 1)
    end[:-1] = np.minimum(end[:-1], start[1:])
    return Notes(start, end, pitch), 1 - highest.mean().item()


def line(track: Track, begin: int, end: int, ticks_per_quarter: int) -> Notes | None:
    """What a track plays from tick `begin` to before `end`, as one line in steps from there; None where nothing sounds.

    Unlike a `candidate` it may be as short or as poor as it is.
    """
    inside = (track.start >= begin) & (track.start < end) & (track.pitch >= MIN_PITCH) & (track.pitch <= MAX_PITCH)
    if track.is_drum or not inside.any():
        return None
    on, off = (to_steps(ticks[inside] - begin, ticks_per_quarter) for ticks in (track.start, track.end))
    return skyline(on, off, track.pitch[inside])[0]


def _why_not(notes: Notes, bars: int) -> str:
    """Why notes (from the first bar on) are no melody, or "" where they are."""
    if bars < MIN_BARS:
        return f"shorter than {MIN_BARS} bars"
    if notes.start.size < MIN_NOTES:
        return f"with fewer than {MIN_NOTES} notes"
    if np.unique(notes.pitch).size < MIN_PITCHES:
        return f"with fewer than {MIN_PITCHES} pitches"
    if notes.start.size < bars:
        return "with less than a note a bar"
    if np.unique(notes.start // BAR_STEPS).size * 2 < bars:
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
