"""Composing a result again from the receipt in its file, to see whether this machine gives the same notes.

A receipt is a stranger's text. So the verb is one of a fixed tuple, the model is looked up by a name and not a path, a
file that was composed from must have the contents it had, and whatever a recipe's arguments do to a method of
`Composer` is one line that begins with the file's name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np

from cantilena.composer import load as load_composer
from cantilena.errors import CantilenaError, MidiError, ModelError
from cantilena.model import Model
from cantilena.music.bars import bar_lines
from cantilena.music.melody import Melody
from cantilena.music.midi import Song, Track, read_song, to_midi
from cantilena.music.texts import printable
from cantilena.receipt import Receipt, Tune, read_receipt
from cantilena.recipe import VERBS, Recipe, file_hash

__all__ = ["Again", "compose_again"]

_GRID = 480  # ticks a quarter on which two files are compared, whatever each has


class Composes(Protocol):
    """What is asked of a `Composer`, beside the verbs."""

    @property
    def model(self) -> Model: ...


@runtime_checkable
class Edit(Protocol):
    """What is asked of a song after an edit."""

    @property
    def midi(self) -> bytes: ...
    @property
    def track(self) -> int: ...
    @property
    def receipt(self) -> Receipt | None: ...
    def save(self, path: str | Path) -> None: ...


Load: TypeAlias = Callable[[str | Path], Composes]


@dataclass(frozen=True, eq=False)
class Again:
    """A result that was composed again, and how it compares with the file that holds the receipt."""

    name: str  # of the file
    recipe: Recipe  # in the file
    now: Recipe  # of what was composed again
    made: Tune | Edit
    inputs: tuple[Path, ...]  # what it was composed from
    differ: int  # bars of the file that have other notes than `made`
    bars: int
    twin: Track  # of the file: the one that `made` should be

    @property
    def same(self) -> bool:
        """Whether these are the notes of the receipt, and those of the file."""
        return self.now.notes == self.recipe.notes and self.differ == 0

    @property
    def verdict(self) -> str:
        """One line for people."""
        was, now, title = self.recipe, self.now, self.recipe.title
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

    def save(self, path: str | Path) -> None:
        """Write what was composed again, for the instrument and under the name that the file has."""
        if isinstance(self.made, Melody):
            self.made.save(path, program=self.twin.program or 0, name=self.twin.name)
        else:
            self.made.save(path)


def compose_again(path: str | Path, *, model: str | Path | None = None, load: Load = load_composer) -> Again:
    """Follow the recipe in a MIDI file with the model that it names, or another `model`, and compare.

    Raises MidiError or ModelError (one line) where the file has no receipt, the model is not the one that it was made
    with, what it was made from has changed or is missing, or its recipe cannot be followed.
    """
    name = Path(path).name
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise MidiError(f"{name}: cannot be read ({error.strerror or error})") from error
    recipe = read_receipt(data, name).recipe
    arguments, inputs = _found(recipe, Path(path))
    composer = load(_named(recipe, name) if model is None else model)
    if model is None and composer.model.fingerprint != recipe.fingerprint:
        other = f"the {recipe.model} of here is {composer.model.fingerprint}; give its folder with --model"
        raise ModelError(printable(f"{name}: was made with the model {recipe.model} {recipe.fingerprint}; {other}"))
    made = _composed(composer, recipe.verb, arguments, name)
    if not isinstance(made, Tune | Edit) or made.receipt is None:
        raise MidiError(f"{name}: {recipe.verb} with these arguments gives nothing that has a receipt")
    midi, track, bars = (to_midi(made), 0, made.bars) if isinstance(made, Tune) else (made.midi, made.track, 0)
    new, old = read_song(midi, name=name), read_song(data, name=name)
    one = new.tracks[min(track, len(new.tracks) - 1)]  # the last: nothing but rests was composed
    differ, twin = min(((_differing(new, one, old, t), t) for t in old.tracks), key=lambda item: item[0])
    bars = max(bars, len(bar_lines(new)), len(bar_lines(old)))
    return Again(name, recipe, made.receipt.recipe, made, inputs, differ, bars, twin)


def _named(recipe: Recipe, name: str) -> str:
    """The model's name, if it is one: a stranger's file sends nobody to a path."""
    if re.fullmatch(r"\w[\w.+-]*", recipe.model) is None:
        raise ModelError(printable(f"{name}: its model {recipe.model!r} is not a name; give a folder with --model"))
    return recipe.model


def _found(recipe: Recipe, path: Path) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """The arguments with the files that they name where they are: as written, or beside the result."""
    arguments: dict[str, Any] = deepcopy(dict(recipe.arguments))
    found, wrong = [], []
    for place, digest in recipe.inputs.items():
        *way, last = place.split(".")
        holder: Any = arguments
        for step in way:
            holder = _at(holder, step)
        given = _at(holder, last)
        if not isinstance(given, str):
            wrong.append(f"its {place} was not read from a file")
            continue
        try:
            there = [p for p in (Path(given), path.parent / given, path.parent / Path(given).name) if p.is_file()]
            same = next((p for p in there if file_hash(p) == digest), None)
        except OSError:  # it cannot be read
            there, same = [], None
        if same is None:
            wrong.append(f"{given} {'is not what it was' if there else 'is not there'}")
        else:
            found.append(same)
            holder[int(last) if isinstance(holder, list) else last] = str(same)
    if wrong:
        raise MidiError(printable(f"{path.name}: cannot be composed again: {'; '.join(wrong)}"))
    return arguments, tuple(found)


def _at(holder: Any, step: str) -> Any:
    """What stands at a place of the arguments, None where there is no such place."""
    if isinstance(holder, list):
        return holder[int(step)] if step.isdecimal() and len(step) < 7 and int(step) < len(holder) else None
    return holder.get(step) if isinstance(holder, dict) else None


def _composed(composer: Composes, verb: str, arguments: dict[str, Any], name: str) -> object:
    method = getattr(composer, verb, None) if verb in VERBS else None
    if method is None:
        raise MidiError(printable(f"{name}: this version of Cantilena does not know how to {verb!r}"))
    try:
        return cast(object, method(**arguments))
    except CantilenaError as error:
        raise type(error)(printable(str(error))) from error
    except Exception as error:  # a recipe may hold anything
        said = " ".join(str(error).split())[:200]
        raise MidiError(printable(f"{name}: its recipe cannot be followed ({type(error).__name__}: {said})")) from error


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
