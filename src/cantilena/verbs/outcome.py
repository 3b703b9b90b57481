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

__all__ = ["HALF", "RESAMPLE", "TUNE_GUIDANCE", "Outcome", "drawn_by", "least_kept", "measured", "settled"]

RESAMPLE = 4  # visits of each level beside music that is there: benchmarks/edits.py shows the seams
HALF = 0.5  # of its bars: a rule that is kept in fewer has failed
TUNE_GUIDANCE = 1.5  # of a network of tunes: the key is kept better than at 1, at 2 notes are repeated more
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
    draw: int = 1  # of its seed: those before it were no music (`verbs.gate`)


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


def least_kept(rows: Sequence[Any]) -> float:
    """The share of its bars in which the rule that is kept least is kept, of rows with `rule` and `met`; 1 of none."""
    kept: dict[str, list[bool]] = {}
    for row in rows:
        kept.setdefault(row.rule, []).append(bool(row.met))
    return min((sum(met) / len(met) for met in kept.values()), default=1.0)
