"""Requests to JSON and back, and the music in them by its hash."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeVar, get_args

import msgspec
from msgspec.structs import replace

from cantilena.asked import AskedRules
from cantilena.fields import Described, fields_of, meant, plain, revive, values_of
from cantilena.music.texts import printable
from cantilena.requests import AnyRequest, Request
from cantilena.sources import Source

__all__ = ["decode", "encode", "sources_of", "with_sources"]

R = TypeVar("R", bound=Described)
_UNKNOWN = re.compile("unknown field `(.{1,80}?)`")


def encode(request: Request) -> dict[str, Any]:
    """A request as JSON values; music is its name and hash."""
    built: dict[str, Any] = msgspec.to_builtins(request, enc_hook=plain)
    return built


def decode(text: str | bytes) -> AnyRequest:
    """The request in JSON; its music is known by name and hash until `with_sources` finds it. ValueError (one line)."""
    try:
        found: AnyRequest = msgspec.json.decode(text, type=AnyRequest, dec_hook=revive)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        unknown = _UNKNOWN.search(str(error))
        raise ValueError(
            printable(f"not a request: {error}{meant(unknown[1], _names()) if unknown else ''}")
        ) from error
    return found


@cache
def _names() -> list[str]:
    """The fields of every request, and the rules."""
    return [field.name for kind in (*get_args(AnyRequest), AskedRules) for field in fields_of(kind)]


def sources_of(request: Request) -> list[Source]:
    """All the music that a request reads."""
    found: list[Source] = []
    _each_source(request, lambda source: found.append(source) or source)  # type: ignore[func-returns-value]
    return found


def with_sources(request: R, given: Iterable[Source]) -> R:
    """The request with its music found by hash among the sources that are `given`; what is not there stays as it is."""
    there = {source.sha256: source for source in given}
    return _each_source(request, lambda source: there.get(source.sha256, source))


def _each_source(struct: R, change: Callable[[Source], Source]) -> R:
    changed: dict[str, Any] = {}
    for name, value in values_of(struct).items():
        match value:
            case Source():
                changed[name] = change(value)
            case (Source(), *_):
                changed[name] = tuple(change(one) for one in value)
            case AskedRules():
                changed[name] = _each_source(value, change)
    return replace(struct, **changed)
