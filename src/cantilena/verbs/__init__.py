"""What is done for each request: one function a verb, `(engine, request) -> Outcome`, and nobody calls back up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cantilena.engine import Engine
from cantilena.requests import Blend, Bridge, Compose, Extend, Infill, Morph, Pick, Request, Vary
from cantilena.verbs.compose import compose, pick
from cantilena.verbs.edit import bridge, extend, infill, vary
from cantilena.verbs.mix import blend, morph
from cantilena.verbs.outcome import Outcome

__all__ = ["perform"]

_DONE_BY: dict[type[Request], Callable[[Engine, Any], Outcome]] = {
    Compose: compose, Pick: pick, Infill: infill, Extend: extend, Bridge: bridge, Vary: vary, Morph: morph,
    Blend: blend,
}  # fmt: skip


def perform(engine: Engine, request: Request) -> Outcome:
    """Do what is asked. Raises ValueError and MidiError (one line) where it cannot be."""
    if type(request) not in _DONE_BY:
        known = ", ".join(kind.__name__ for kind in _DONE_BY)
        raise TypeError(f"a request is one of {known}, not {type(request).__name__}")
    return _DONE_BY[type(request)](engine, request)
