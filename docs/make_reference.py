"""`python docs/make_reference.py` writes docs/reference.md out of the structs that the requests are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from cantilena.asked import AskedRules
from cantilena.cli.options import flags
from cantilena.cli.shell import BlendPlan, Output, Steps, Tunes
from cantilena.fields import Described, Field, fields_of
from cantilena.requests import Blend, Bridge, Compose, Extend, Infill, Morph, Pick, Sampled, Vary
from cantilena.sources import Source

HEAD = """# Reference

Written by `make reference` out of `cantilena.requests`; not by hand.

Each request below is four things at once: keywords in Python, a command, a JSON body, and what a receipt holds.

```python
composer.compose(seed=7, bars=16, rules={"key": "D dorian"})
composer(Compose(seed=7, bars=16, rules={"key": "D dorian"}))
composer(decode('{"verb": "compose", "seed": 7, "bars": 16, "rules": {"key": "D dorian"}}'))
```

```sh
cantilena compose --seed 7 --bars 16 --key "D dorian"
```

*Music* is a MIDI file, by name or bytes, a Melody, or a result. In JSON it is `{"name": ..., "sha256": ...}`, and the
bytes are given beside it (`cantilena.codec.with_sources`). *None* is what suits; each receipt says what that was.
"""
_KINDS = {
    bool: "true or false", int: "whole number", float: "number", str: "text", Source: "music", AskedRules: "rules",
}  # fmt: skip


def kind(field: Field) -> str:
    """What a field takes, for the table."""
    told = _kind(field.plain)
    return (
        told if field.low is None else f"{told}, {field.low:g} {'up' if field.high is None else f'to {field.high:g}'}"
    )


def _kind(plain: Any) -> str:
    if get_origin(plain) is Literal:
        return ", ".join(get_args(plain))
    if get_origin(plain) is dict:
        return "numbers by rule" if get_args(plain)[1] is float else "functions by name"
    if get_origin(plain) is tuple:
        return f"list of {_kind(get_args(plain)[0])}"
    if get_origin(plain) in (Union, UnionType):
        return _kind(get_args(plain)[0])
    return _KINDS[plain]


def default(field: Field) -> str:
    """A default as Python has it."""
    value: Any = field.default
    return "required" if field.required else f"`{value!r}`" if value not in ({}, ()) else "none"


def option(field: Field) -> str:
    """How a field is written on the command line."""
    if field.name == "rules":
        return "[rules](#rules)"
    if field.flag == "-":
        return ""
    return field.metavar if field.required and "music" in kind(field) else f"`{' '.join(flags(field))}`"


def table(fields: Sequence[Field]) -> str:
    """The fields, a row each."""
    rows = ["| field | option | takes | default | |", "|---|---|---|---|---|"]
    for field in fields:
        help = field.help.replace("|", "\\|")
        rows.append(f"| `{field.name}` | {option(field)} | {kind(field)} | {default(field)} | {help} |")
    return "\n".join(rows)


def section(title: str, struct: type[Described], without: type[Described] | None = None, more: str = "") -> str:
    """One struct: its sentence and its fields, without those of another."""
    left_out = {field.name for field in fields_of(without)} if without else set()
    fields = [field for field in fields_of(struct) if field.name not in left_out]
    return f"## {title}\n\n{struct.__doc__}{more}\n\n{table(fields)}\n"


def reference() -> str:
    """The whole page."""
    sampled = " It takes the fields of [sampling](#sampling), too."
    parts = [HEAD, section("compose", Compose, Sampled, sampled)]
    parts.append(
        section(
            "pick", Pick, Compose, " It takes all that `compose` takes. On the command line it is `compose --pick`."
        )
    )
    for struct in (Infill, Extend, Bridge, Vary):
        parts.append(section(struct.__name__.lower(), struct, Sampled, sampled))
    parts += [section("morph", Morph), section("blend", Blend)]
    parts += [section("sampling", Sampled), section("rules", AskedRules)]
    shells = [field for struct in (Output, Tunes, Steps, BlendPlan) for field in fields_of(struct)]
    once = list({field.name: field for field in shells}.values())
    said = "Where a result goes, and by which model. This is no part of a request: no path of yours gets into a file."
    parts.append(f"## On the command line only\n\n{said}\n\n{table(once)}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    Path(__file__).with_name("reference.md").write_text(reference())
