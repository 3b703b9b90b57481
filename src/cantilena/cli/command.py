"""Makes commands of verbs for the library that reads command lines, says what is wrong with one, and completes it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Literal, get_origin

import typer

from cantilena.cli.options import Verb, flags, is_place, kind_of
from cantilena.fields import Field

__all__ = ["command"]


def command(verb: Verb) -> Callable[..., None]:
    """Make a function for typer that runs a verb."""
    parameters = [_parameter(field, verb.requires(field)) for field in verb.fields]

    def taking(**given: Any) -> None:
        verb.run({name: value for name, value in given.items() if value is not None and value is not False})

    taking.__name__, taking.__doc__ = verb.name, verb.help
    taking.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    taking.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return taking


def _parameter(field: Field, required: bool) -> inspect.Parameter:
    kind = kind_of(field)
    metavar = field.metavar or None
    place: Any
    if is_place(field):
        place = typer.Argument(help=field.help, metavar=metavar)
    else:
        place = typer.Option(*flags(field), help=_told(field), show_default=False, metavar=metavar)
    optional = not required and kind is not bool
    default: Any = inspect.Parameter.empty if required else None if optional else False
    annotation = Annotated[(kind | None) if optional else kind, place]  # type: ignore[valid-type]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _told(field: Field) -> str:
    """Return the help with range and default: "Compose this many bars. [2 to 1000; 64]"."""
    told = [field.range] if field.range else [field.takes] if get_origin(field.plain) is Literal else []
    shown = isinstance(field.default, int | float | str) and not isinstance(field.default, bool)
    if shown and field.name != "seed":  # which the command line draws
        told.append(f"{field.default:g}" if isinstance(field.default, float) else f"{field.default}")
    return f"{field.help} [{'; '.join(told)}]" if told else field.help
