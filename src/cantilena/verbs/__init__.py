"""What is done for each request: one function a verb, `(engine, request) -> Outcome`, and nobody calls back up."""

from __future__ import annotations

from importlib import import_module

from cantilena.engine import Engine
from cantilena.requests import Request
from cantilena.verbs.outcome import Outcome

__all__ = ["perform"]

_WHERE = {
    "compose": "compose", "pick": "compose", "infill": "edit", "extend": "edit", "bridge": "edit", "vary": "edit",
    "morph": "mix", "blend": "mix",
}  # fmt: skip


def perform(engine: Engine, request: Request) -> Outcome:
    """Do what is asked. Raises ValueError and MidiError (one line) where it cannot be."""
    if not isinstance(request, Request) or request.verb not in _WHERE:
        raise TypeError(f"a request is one of {', '.join(map(str.title, _WHERE))}, not {type(request).__name__}")
    outcome: Outcome = getattr(import_module(f"cantilena.verbs.{_WHERE[request.verb]}"), request.verb)(engine, request)
    return outcome
