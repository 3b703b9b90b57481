"""Performing a request again from the receipt in a file, to see whether this machine gives the same notes.

A receipt is a stranger's text, and it is data: its request is decoded by the same strict types as any other, its model
is one that is shipped with Cantilena or one that the caller names, and what it was made from is found by hash, among
the files that are given and those beside the result. Nothing in it is opened as a path.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np

from cantilena.codec import sources_of, with_sources
from cantilena.composer import load as load_composer
from cantilena.errors import CantilenaError, MidiError, ModelError
from cantilena.model import Model, known_models
from cantilena.music.bars import bar_lines
from cantilena.music.midi import Song, Track, read_song
from cantilena.music.texts import printable
from cantilena.receipt import Receipt, read_receipt
from cantilena.requests import Request
from cantilena.result import Result
from cantilena.sources import Music, Source, file_of

__all__ = ["Again", "perform_again"]

_GRID = 480  # ticks a quarter on which two files are compared, whatever each has
_SUFFIXES = (".mid", ".midi", ".kar", ".rmi", ".musicxml", ".xml", ".mxl", ".abc")
_MOST_FILES, _MOST_BYTES = 10_000, 16_000_000  # beside a result, and of each, that are looked at


class Performs(Protocol):
    """What is asked of a `Composer`."""

    @property
    def model(self) -> Model: ...
    def __call__(self, request: Request, /) -> Result: ...


Load: TypeAlias = Callable[[str | Path], Performs]


@dataclass(frozen=True, eq=False)
class Again:
    """A result that was made again, and how it compares with the file that holds the receipt."""

    name: str  # of the file
    receipt: Receipt  # in the file
    made: Result
    inputs: tuple[Path, ...]  # what it was made from
    differ: int  # bars of the file that have other notes than `made`
    bars: int

    @property
    def same(self) -> bool:
        """Whether these are the notes of the receipt, and those of the file."""
        return self.made.receipt.notes == self.receipt.notes and self.differ == 0

    @property
    def verdict(self) -> str:
        """One line for people."""
        was, now, title = self.receipt, self.made.receipt, self.receipt.title
        if self.same:
            return printable(f"{self.name}: the same notes ({title})")
        count = f"{self.differ} of {self.bars} bars differ"
        if was.notes == now.notes:
            return printable(f"{self.name}: {title} gives the notes of the receipt, but the file was changed: {count}")
        told = [(f"onnxruntime {r.onnxruntime} on {r.cpu}", f"{r.model} {r.fingerprint}") for r in (was, now)]
        then, here = (f"{m}, {on}" if was.fingerprint != now.fingerprint else on for on, m in told)
        if was.version != now.version:
            then, here = f"Cantilena {was.version}, {then}", f"{now.version}, {here}"
        return printable(f"{self.name}: this machine gives other notes: {count} (made with {then}, here {here})")


def perform_again(
    tune: str | Path | Source,
    *,
    given: Iterable[Music] = (),
    model: str | Path | None = None,
    load: Load = load_composer,
) -> Again:
    """Perform the request in a MIDI file with the shipped model that it names, or another `model`, and compare.

    What it was made from is looked for by hash, in what is `given` and beside the file. Raises MidiError or ModelError
    (one line) where the file has no receipt, the model is not the one that it was made with, what it was made from has
    changed or is missing, or its request cannot be performed.
    """
    source = Source.of(tune)
    name, data = source.name, source.data
    receipt = read_receipt(data, name)
    offered = [one for music in given for one in _each(Source.of(music))]
    request, inputs = _found(receipt.request, source.path or Path(name), offered)
    composer = load(_named(receipt, name) if model is None else model)
    if model is None and composer.model.fingerprint != receipt.fingerprint:
        other = f"the {receipt.model} of here is {composer.model.fingerprint}; give its folder with --model"
        raise ModelError(printable(f"{name}: was made with the model {receipt.model} {receipt.fingerprint}; {other}"))
    made = _performed(composer, request, name)
    new, old = read_song(made.midi, name=name), read_song(data, name=name)
    one = new.tracks[min(made.track, len(new.tracks) - 1)]  # the last: nothing but rests was composed
    differ = min(_differing(new, one, old, track) for track in old.tracks)
    bars = max(0 if made.within else made.bars, len(bar_lines(new)), len(bar_lines(old)))
    return Again(name, receipt, made, inputs, differ, bars)


def _named(receipt: Receipt, name: str) -> Path:
    """The folder of the shipped model that a receipt names: a stranger's file sends nobody to a path."""
    shipped = known_models()
    if receipt.model not in shipped:
        other = f"is not shipped with Cantilena ({', '.join(shipped)} is); give its folder with --model"
        raise ModelError(printable(f"{name}: its model {receipt.model!r} {other}"))
    return shipped[receipt.model]


def _found(request: Request, path: Path, given: list[Source]) -> tuple[Request, tuple[Path, ...]]:
    """The request with what it reads, and the files that this is in."""
    wanted = {source.sha256: source for source in sources_of(request)}
    found = {source.sha256: source for source in given if source.sha256 in wanted}
    names = {_file_name(source.name) for source in wanted.values()}
    for other in _beside(path, names) if len(found) < len(wanted) else ():
        for source in _each(Source.of(other)):
            if source.sha256 in wanted:
                found.setdefault(source.sha256, source)
        if len(found) == len(wanted):
            break
    missing = [source.name for digest, source in wanted.items() if digest not in found]
    if missing:
        there = {p.name for p in _beside(path, names)} | {_file_name(source.name) for source in given}
        told = (
            f"{one} is {'not what it was' if _file_name(one) in there else 'not there, nor under another name'}"
            for one in missing
        )
        raise MidiError(printable(f"{path.name}: cannot be made again: {'; '.join(told)}; --with FILE gives it"))
    return with_sources(request, found.values()), tuple(s.path for s in found.values() if s.path is not None)


def _file_name(name: str) -> str:
    """The name of the file that music is from: of "book.abc#3" that of the book."""
    return file_of(name)[0].name


def _each(source: Source) -> tuple[Source, ...]:
    """Music, and the tunes in it where it is a book."""
    try:
        return (source, *source.tunes())
    except MidiError:  # a text without an end
        return (source,)


def _beside(path: Path, names: set[str]) -> Iterator[Path]:
    """The songs beside a result, those with one of the `names` first."""
    some = [p for p, _ in zip(path.absolute().parent.iterdir(), range(_MOST_FILES), strict=False)]
    for other in sorted(some, key=lambda p: (p.name not in names, p.name)):
        if other.suffix.lower() in _SUFFIXES and other.is_file() and other.stat().st_size <= _MOST_BYTES:
            yield other


def _performed(composer: Performs, request: Request, name: str) -> Result:
    try:
        return composer(request)
    except CantilenaError as error:
        raise type(error)(printable(str(error))) from error
    except Exception as error:  # a receipt may ask for anything
        said = " ".join(str(error).split())[:200]
        raise MidiError(printable(f"{name}: its request cannot be performed ({said})")) from error


def _differing(a: Song, one: Track, b: Song, other: Track) -> int:
    """In how many bars two tracks of two songs have other notes."""
    bars, others = _by_bar(a, one), _by_bar(b, other)
    return sum(bars.get(bar) != others.get(bar) for bar in {*bars, *others})


def _by_bar(song: Song, track: Track) -> dict[int, list[tuple[int, ...]]]:
    begins = [bar.begin for bar in bar_lines(song)]
    bars = np.searchsorted(begins, track.start, side="right")
    start, end = (np.round(ticks * (_GRID / song.ticks_per_quarter)).astype(int) for ticks in (track.start, track.end))
    found: dict[int, list[tuple[int, ...]]] = defaultdict(list)
    for bar, *note in zip(*(a.tolist() for a in (bars, start, end, track.pitch)), strict=True):
        found[bar].append(tuple(note))
    return {bar: sorted(notes) for bar, notes in found.items()}
