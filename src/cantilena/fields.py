"""`Described`: a frozen struct whose fields say what they take, in one place for every way to give them.

    bars: Annotated[int, about("The melody has this many bars.", 2, 1000, says="a melody has 2 to 1000 bars")] = 64

From it come the keyword in Python, the option of the command line, the member in JSON, the line in docs/reference.md,
and what is said of a wrong value. A value is checked when the struct is made, whichever way it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from math import inf
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from msgspec import NODEFAULT, Meta, Struct, ValidationError, convert
from msgspec.structs import fields, force_setattr

__all__ = ["Described", "Field", "about", "fields_of", "meant", "plain", "revive", "values_of"]

_KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def about(
    help: str, low: float | None = None, high: float | None = None, *, says: str = "", flag: str = "",
    metavar: str = "", read: Callable[[Any], Any] | None = None,
) -> Meta:  # fmt: skip
    """What a field is: a sentence of help, its range, and what is said of a wrong value, before ", not ...".

    `flag` is its option where that is not its name; "-" is none, since the command line has no way to give it.
    `read` turns what may be given into what the field holds, and leaves that alone; it raises ValueError.
    """
    schema = {key: end for key, end in (("minimum", low), ("maximum", high)) if end is not None}
    more = {"low": low, "high": high, "says": says, "flag": flag, "metavar": metavar, "read": read}
    return Meta(description=help, extra_json_schema=schema, extra=more)


class Field(NamedTuple):
    """A field of a `Described`."""

    name: str
    type: Any  # as msgspec checks it
    default: Any  # NODEFAULT where the field is required
    help: str
    low: float | None  # the least and the most of a number
    high: float | None
    says: str
    flag: str
    metavar: str
    read: Callable[[Any], Any] | None

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is NODEFAULT

    @property
    def plain(self) -> Any:
        """Its type without None: `int`, `str` ..., or a struct."""
        kinds = [kind for kind in _alternatives(self.type) if kind is not NoneType]
        return kinds[0] if len(kinds) == 1 else str

    @property
    def takes(self) -> str:
        """What it takes, in words: "a whole number from 2 to 1000", "odd or even"."""
        if get_origin(self.plain) is Literal:
            *some, last = get_args(self.plain)
            return f"{', '.join(some)} or {last}"
        kind = _KINDS.get(self.plain, "a value")
        return f"{kind} from {self.range}" if self.range else kind

    @property
    def range(self) -> str:
        """The least and the most of a number: "2 to 1000", "0 up"; "" where there are none."""
        if self.low is None:
            return ""
        return f"{self.low:g} up" if self.high is None else f"{self.low:g} to {self.high:g}"

    def checked(self, given: Any) -> Any:
        """The value that the field holds for what is `given`; ValueError, one line, for a wrong one."""
        value = given.item() if hasattr(given, "item") and not getattr(given, "ndim", 0) else given  # NumPy's numbers
        try:
            value = self.read(value) if self.read is not None and value is not None else value
            value = convert(value, self.type, dec_hook=revive)
        except (ValidationError, TypeError):
            fits = False
        else:
            low, high = (-inf if self.low is None else self.low), (inf if self.high is None else self.high)
            fits = value is None or self.low is None or low <= value <= high  # NaN does not
        if not fits:
            said = self.says or f"{self.name} is {self.takes}"
            raise ValueError(f"{said}, not {' '.join(repr(given).split())[:80]}")
        return value


class Described(Struct, frozen=True, forbid_unknown_fields=True):
    """A struct whose fields are all declared with `about`. Raises ValueError (one line) for a wrong value."""

    def __post_init__(self) -> None:
        for field in fields_of(type(self)):
            given = getattr(self, field.name)
            value = field.checked(given)
            if value is not given:
                force_setattr(self, field.name, value)


@cache
def fields_of(kind: type[Described]) -> tuple[Field, ...]:
    """The fields of a struct, in the order in which they are given by place."""
    return tuple(_field(info) for info in fields(kind))


def values_of(struct: Described) -> dict[str, Any]:
    """What a struct holds, by the names of its fields."""
    return {field.name: getattr(struct, field.name) for field in fields_of(type(struct))}


def meant(unknown: str, names: Iterable[str]) -> str:
    """What is said behind an unknown name, where one of `names` is near.

    >>> meant("temprature", ["seed", "temperature"]), meant("x", ["seed"])
    (': did you mean temperature?', '')
    """
    from difflib import get_close_matches

    near = get_close_matches(unknown, sorted(set(names)), 1)
    return f": did you mean {near[0]}?" if near else ""


def revive(kind: type, value: Any) -> Any:
    """What msgspec calls for a type that is none of its own: its class reads what JSON has (`from_json`)."""
    return value if isinstance(value, kind) else kind.from_json(value)  # type: ignore[attr-defined]


def plain(value: Any) -> Any:
    """The inverse, of a request's music; a function of yours has none."""
    return value.as_json() if hasattr(value, "as_json") else None


def _field(info: Any) -> Field:
    meta = next((one for one in getattr(info.type, "__metadata__", ()) if one.extra), about(""))
    default = info.default if info.default_factory is NODEFAULT else info.default_factory()
    return Field(info.name, info.type, default, meta.description or "", **(meta.extra or {}))


def _alternatives(kind: Any) -> Iterator[Any]:
    """The types that a union holds, or the only one, without what is annotated."""
    if get_origin(kind) is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for inner in get_args(kind):
            yield from _alternatives(inner)
    else:
        yield kind
