"""The options of a verb, which come from structs: each field is one, with its help, its range and its default.

Most command lines are read right here (`read_plainly`), for half of the time that a verb takes to start would go into
the library that reads command lines. What is not plain is left to that library, and so is all that is said about it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin

from cantilena.asked import AskedRules
from cantilena.cli.streams import STREAM, is_stream, song_at
from cantilena.fields import Described, Field, fields_of
from cantilena.sources import Source

__all__ = ["Verb", "flags", "given_to", "is_place", "kind_of", "read_plainly"]

D = TypeVar("D", bound=Described)
_NUMBERS = {int: re.compile("[0-9]+"), float: re.compile(r"[0-9]+(\.[0-9]+)?")}  # without a sign


@dataclass(frozen=True)
class Verb:
    """A command that is made of structs: `run` is called with the options that were given, by the field names.

    The fields of `AskedRules` take the place of a field `rules`. Options that `needs` names are required here, though
    the structs have defaults for them; those that `may_lack` names are not.
    """

    name: str
    run: Callable[[dict[str, Any]], None]
    help: str
    kinds: tuple[type[Described], ...]
    needs: Collection[str] = ()
    may_lack: Collection[str] = ()

    @property
    def fields(self) -> list[Field]:
        """The options, each once."""
        return list({field.name: field for kind in self.kinds for field in _flat(kind)}.values())

    def requires(self, field: Field) -> bool:
        """Whether there must be such an option."""
        return (field.required and field.name not in self.may_lack) or field.name in self.needs


def read_plainly(verb: Verb, words: Sequence[str]) -> dict[str, Any] | None:
    """What is given in the words of a command line, by field name; None where that is not plain, or something lacks."""
    fields = verb.fields
    by_flag = {flag: field for field in fields for flag in flags(field)}
    given: dict[str, Any] = {}
    places: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or is_stream(word):
            places.append(word)
            continue
        flag, equals, value = word.partition("=")
        field = by_flag.get(flag)
        if field is None or is_place(field) or (equals and (field.plain is bool or not flag.startswith("--"))):
            return None
        if field.plain is bool:
            given[field.name] = True
            continue
        value = value if equals else next(rest, "--")
        if not (number := _NUMBERS.get(kind_of(field))):
            if value.startswith("-") and not is_stream(value):
                return None
            given[field.name] = value
        elif number.fullmatch(value):
            given[field.name] = kind_of(field)(value)
        else:
            return None
    for field in filter(is_place, fields):
        if kind_of(field) is str:
            given |= {field.name: places.pop(0)} if places else {}
        elif places:
            given[field.name], places = places, []
    lacks = any(verb.requires(field) and field.name not in given for field in fields)
    return None if places or lacks else given


def given_to(kind: type[D], given: Mapping[str, Any]) -> D:
    """Make a struct from what was given; ValueError for a wrong value, or one that is missing."""
    given = dict(given)
    _read_streams(kind, given)
    mine = {field.name: given[field.name] for field in fields_of(kind) if field.name in given}
    names = {field.name for field in fields_of(kind)}
    asked = {field.name: given[field.name] for field in fields_of(AskedRules) if field.name in given}
    if "rules" in names and asked:
        mine["rules"] = asked
    for field in fields_of(kind):
        if field.required and field.name not in mine:
            raise ValueError(f"{' or '.join(flags(field))} is missing (--help says more)")
    return kind(**mine)


def _read_streams(kind: type[Described], given: dict[str, Any]) -> None:
    """Put what standard input holds, which is read once, in the place of each song of a request that is `-`."""
    names = [
        field.name for field in _flat(kind)
        if _is_of_songs(field) and ((value := given.get(field.name)) == STREAM or STREAM in _several(value))
    ]  # fmt: skip
    source = song_at(STREAM) if names else None
    for name in names:
        value = given[name]
        given[name] = [source if is_stream(one) else one for one in value] if isinstance(value, list) else source


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_of_songs(field: Field) -> bool:
    """Whether a field holds a song, or several."""
    return field.plain is Source or (get_origin(field.plain) is tuple and get_args(field.plain)[0] is Source)


def _flat(kind: type[Described]) -> list[Field]:
    fields: list[Field] = []
    for field in fields_of(kind):
        fields += fields_of(AskedRules) if field.name == "rules" else [field]
    return [field for field in fields if field.flag != "-"]


def is_place(field: Field) -> bool:
    """Whether a field is given by its place, without an option's name."""
    return field.required and _is_of_songs(field)


def kind_of(field: Field) -> Any:
    """The type that the command line reads; the struct turns texts into what its field holds."""
    if field.plain in (int, float, bool):
        return field.plain
    return list[str] if field.plain is not Source and _is_of_songs(field) else str


def flags(field: Field) -> list[str]:
    """The options of a field: `["--track-b"]`."""
    return field.flag.split() or [f"--{field.name.replace('_', '-')}"]
