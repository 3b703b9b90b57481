"""`Outcome`: what a verb gives back; and what all verbs do alike: settle defaults, and measure rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec.structs import replace

from cantilena.fields import fields_of
from cantilena.music.melody import Melody
from cantilena.receipt import Row
from cantilena.requests import Request, Sampled
from cantilena.rules import HardRule, Rules
from cantilena.sampling import BRANCHES, STEERED, TEMPERATURE, Sampling
from cantilena.voices import Voice

__all__ = ["RESAMPLE", "Outcome", "drawn_by", "measured", "settled"]

RESAMPLE = 4  # visits of each level beside music that is there: benchmarks/edits.py shows the seams
S = TypeVar("S", bound=Sampled)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a request came to."""

    request: Request  # as it was performed: every default settled
    melody: Melody
    midi: bytes  # the file that it stands in
    name: str  # for people
    track: int = 0  # of the file
    before: Melody | None = None
    within: bool = False  # whether the file is a song in which the melody was edited
    rows: tuple[Row, ...] = ()
    parts: tuple[Outcome, ...] = ()


def settled(request: S, rules: Rules | None = None, *, voice: str | Voice, resample: int, **more: Any) -> S:
    """The request with what suits wherever it says nothing: this voice, these visits of each level, and `more`.

    A temperature of its own and the branches belong to `rules` that steer.
    """
    steers = rules is not None and not all(isinstance(rule, HardRule) for rule in rules.rules)
    suits = {"voice": voice, "resample": resample, "guidance": 1.0, **more}
    if request.sampler == "ddpm":
        suits |= (
            {"temperature": STEERED, "branches": BRANCHES} if steers else {"temperature": TEMPERATURE, "settle": 0.0}
        )
    return replace(request, **{name: value for name, value in suits.items() if getattr(request, name) is None})


def drawn_by(request: Sampled) -> Sampling:
    """How a settled request wants its samples drawn, as keywords of `Engine.sample`."""
    every = ((field.name, getattr(request, field.name)) for field in fields_of(Sampled))
    return {name: value for name, value in every if value is not None}  # type: ignore[return-value]


def measured(rules: Rules | None, melody: Melody, numbers: Sequence[int] = ()) -> tuple[Row, ...]:
    """What each rule says of each bar of a melody; a DAW counts the bars as `numbers`, or from 1."""
    rows = [] if rules is None else rules.rows(melody)
    return tuple(Row(numbers[r.bar - 1] if numbers else r.bar, r.rule, r.asked, r.measured, r.met) for r in rows)
