"""What a job tells while it is performed, as JSON."""

from __future__ import annotations

import base64
import json
from typing import Any, TypeAlias

from msgspec import Struct

from cantilena.music.bars import find_stretch, parse_bars
from cantilena.music.extract import extract, regions
from cantilena.music.melody import Melody
from cantilena.music.midi import read_song
from cantilena.requests import Request
from cantilena.result import Result
from cantilena.sources import Source
from cantilena.studio.songs import Shown, show

__all__ = ["Done", "Error", "Event", "Heard", "Made", "Queued", "Step", "heard", "made", "offset"]

Heard: TypeAlias = tuple[float, float, int]  # start and end in quarters, MIDI pitch


class Queued(Struct, frozen=True, tag_field="event", tag="queued"):
    """The job waits for its turn."""

    ahead: int


class Step(Struct, frozen=True, tag_field="event", tag="step"):
    """A denoising step is done."""

    i: int
    of: int
    seconds_left: float  # of this sample
    notes: list[Heard] | None = None  # what x0_hat means


class Made(Struct, frozen=True):
    """A result: its file, and what the page shows of it."""

    name: str
    sha256: str
    midi: str  # base64
    track: int
    song: Shown
    title: str
    receipt: dict[str, Any]
    table: str


class Done(Struct, frozen=True, tag_field="event", tag="done"):
    """The request is performed."""

    result: Made
    parts: list[Made]
    seconds: float


class Error(Struct, frozen=True, tag_field="event", tag="error"):
    """It could not be: one line for people, and the status that HTTP has for it."""

    error: str
    status: int = 422


Event: TypeAlias = Queued | Step | Done | Error


def made(result: Result) -> Made:
    """A result as the page has it."""
    data = result.file
    source = Source.of(data)
    song = show(read_song(data, name=result.name), result.track)
    receipt = json.loads(result.receipt.to_json())
    midi = base64.b64encode(data).decode()
    return Made(
        result.name, source.sha256, midi, result.track, song, result.receipt.title, receipt, result.receipt.table()
    )


def heard(melody: Melody, at: int, offset: float) -> list[Heard]:
    """A melody as notes in quarters of the song; it stands `at` steps after `offset` quarters."""
    start, end, pitch = melody.notes
    begin, stop = ((steps + at) / melody.metre.quarter_steps + offset for steps in (start, end))
    return [n for n in zip(begin.tolist(), stop.tolist(), pitch.tolist(), strict=True) if n[0] >= offset]


def offset(request: Request) -> float:
    """Quarters from the start of a request's song to that of the bars in one metre that it is performed in."""
    source = getattr(request, "song", None)
    if not isinstance(source, Source) or source.melody is not None:
        return 0.0
    song, bars = source.song, getattr(request, "bars", None)
    if isinstance(bars, str):
        begin = find_stretch(song, parse_bars(bars)).begin
    else:
        begin = regions(song)[extract(song, getattr(request, "track", None)).region].begin
    return begin / song.ticks_per_quarter
