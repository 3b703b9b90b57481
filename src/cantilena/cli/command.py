"""Makes commands from structs: each field becomes an option, with its help, its range and its default."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import typer

from cantilena.asked import AskedRules
from cantilena.cli.streams import STREAM, is_stream, song_at
from cantilena.fields import Described, Field, fields_of
from cantilena.sources import Source

__all__ = ["command", "flags", "given_to"]

D = TypeVar("D", bound=Described)


def command(
    run: Callable[[dict[str, Any]], None], name: str, help: str, kinds: Collection[type[Described]],
    *, needs: Collection[str] = (), may_lack: Collection[str] = (),
) -> Callable[..., None]:  # fmt: skip
    """Make a function for typer that calls `run` with the options that were given, by the field names of `kinds`.

    The fields of `AskedRules` take the place of a field `rules`. Options that `needs` names are required here, though
    the structs have defaults for them; those that `may_lack` names are not.
    """
    fields = {field.name: field for kind in kinds for field in _flat(kind)}
    parameters = [_parameter(f, (f.required and f.name not in may_lack) or f.name in needs) for f in fields.values()]

    def taking(**given: Any) -> None:
        run({name: value for name, value in given.items() if value is not None and value is not False})

    taking.__name__, taking.__doc__ = name, help
    taking.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    taking.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return taking


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


def _parameter(field: Field, required: bool) -> inspect.Parameter:
    kind = _kind(field)
    metavar = field.metavar or None
    place: Any
    if field.required and (field.plain is Source or get_origin(kind) is list):
        place = typer.Argument(help=field.help, metavar=metavar)
    else:
        place = typer.Option(*flags(field), help=_told(field), show_default=False, metavar=metavar)
    optional = not required and kind is not bool
    default: Any = inspect.Parameter.empty if required else None if optional else False
    annotation = Annotated[(kind | None) if optional else kind, place]  # type: ignore[valid-type]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _kind(field: Field) -> Any:
    """Return the type that the command line reads; the struct turns texts into what its field holds."""
    if field.plain in (int, float, bool):
        return field.plain
    return list[str] if field.plain is not Source and _is_of_songs(field) else str


def flags(field: Field) -> list[str]:
    """Return the option of a field: `["--track-b"]`."""
    return field.flag.split() or [f"--{field.name.replace('_', '-')}"]


def _told(field: Field) -> str:
    """Return the help with range and default: "Compose this many bars. [2 to 1000; 64]"."""
    told = [field.range] if field.range else [field.takes] if get_origin(field.plain) is Literal else []
    shown = isinstance(field.default, int | float | str) and not isinstance(field.default, bool)
    if shown and field.name != "seed":  # which the command line draws
        told.append(f"{field.default:g}" if isinstance(field.default, float) else f"{field.default}")
    return f"{field.help} [{'; '.join(told)}]" if told else field.help
