"""`Rules`: several rules at once, with weights, and what they say of each bar."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cantilena.music.melody import VOCABULARY, Melody, pitch_name
from cantilena.music.metre import COMMON, Metre
from cantilena.rules.chords import Chords
from cantilena.rules.contour import NEAR, Contour
from cantilena.rules.form import Form
from cantilena.rules.pitch import Key, Range
from cantilena.rules.rhythm import Density, Rhythm
from cantilena.rules.rule import Costs, HardRule, MusicRule, Rule, onsets

__all__ = ["Row", "Rules", "binds"]


_SHOWN = 60  # characters


class Row(NamedTuple):
    """What one rule says of one bar."""

    bar: int  # counted from 1
    rule: str
    asked: str  # "" of a rule of your own
    measured: str
    met: bool
    cost: float  # 0..1


@dataclass(frozen=True)
class Rules:
    """Rules that a melody is to keep together; itself a rule, whose cost is the weighted mean of theirs.

    `weights` are positive, 1 each if none are given; `names` are those of the receipt, the rules' own if none are
    given. Raises ValueError (one line) for rules that no melody can keep together.

    >>> from cantilena.rules.pitch import Key
    >>> rules = Rules([Key("C major"), Density("2..4")], weights=[3, 1])
    >>> tune = Melody.from_notes([0, 4], [4, 8], [60, 61])
    >>> rules(tune), [row.met for row in rules.rows(tune)]
    (array([0.375]), [False, True])
    """

    rules: Sequence[Rule]
    weights: Sequence[float] = ()
    names: Sequence[str] = ()

    def __post_init__(self) -> None:
        rules = tuple(self.rules)
        weights = tuple(float(weight) for weight in self.weights) or (1.0,) * len(rules)
        names = tuple(self.names) or tuple(_name(rule) for rule in rules)
        if not rules:
            raise ValueError("no rules are given")
        if not len(rules) == len(weights) == len(names):
            raise ValueError(f"{len(weights)} weights and {len(names)} names do not fit {len(rules)} rules")
        if not all(0 < weight < math.inf for weight in weights):
            raise ValueError(f"weights are positive numbers, not {', '.join(f'{w:g}' for w in weights)}")
        for one, other in combinations(rules, 2):
            if isinstance(one, MusicRule) and isinstance(other, MusicRule):
                for a, b in ((one, other), (other, one)):
                    if reason := _contradiction(a, b):
                        raise ValueError(f"{one.name} {one} and {other.name} {other} {reason}")
        for name, value in (("rules", rules), ("weights", weights), ("names", names)):
            object.__setattr__(self, name, value)
        self._leave_notes(COMMON)

    def _leave_notes(self, metre: Metre) -> None:
        """ValueError where the hard rules together forbid every note somewhere in a bar of this metre."""
        period = math.lcm(*(len(rule.bars) for rule in self.rules if isinstance(rule, Chords))) * metre.bar_steps
        none = np.flatnonzero(~self.allowed(period, metre)[:, 2:].any(axis=1))
        if none.size:
            asked = " and ".join(f"{rule.name} {rule}" for rule in self._hard())
            bar, step = divmod(int(none[0]), metre.bar_steps)
            where = "" if none.size == period else f" on beat {step // metre.beat_steps + 1} of bar {bar + 1}"
            raise ValueError(f"{asked} leave no note{where}")

    def __call__(self, melody: Melody) -> Costs:  # noqa: D102
        costs = np.stack([self._cost(k, melody) for k in range(len(self.rules))])
        return np.average(costs, axis=0, weights=self.weights)

    def total(self, melody: Melody) -> float:
        """The cost of the melody: the mean of its bars, 0..1."""
        return float(self(melody).mean())

    def rows(self, melody: Melody) -> list[Row]:
        """The receipt, bar after bar: what each rule asked and found; a rule of your own is met where it costs 0."""
        columns = []
        for k, (rule, name) in enumerate(zip(self.rules, self.names, strict=True)):
            cost = self._cost(k, melody)
            if isinstance(rule, MusicRule):
                asked, measured, met = _shown(str(rule)), rule.measure(melody), rule.met(melody)
            else:
                asked, measured, met = "", [f"cost {c:.2f}" for c in cost], cost == 0
            columns.append(
                [Row(i + 1, name, asked, measured[i], bool(met[i]), float(cost[i])) for i in range(melody.bars)]
            )
        return [row for bar in zip(*columns, strict=True) for row in bar]

    def allowed(self, steps: int, metre: Metre = COMMON) -> NDArray[np.bool_]:
        """Which note may sound at each step by all hard rules, as `HardRule.allowed`: (steps, 90)."""
        allowed = np.ones((steps, VOCABULARY), np.bool_)
        for rule in self._hard():
            allowed &= rule.allowed(steps, metre)
        return allowed

    @property
    def key(self) -> Key | None:
        """The key that is asked for."""
        return next((rule for rule in self.rules if isinstance(rule, Key)), None)

    @property
    def binding(self) -> Rules | None:
        """The rules that bind what is written, alone; None where there are none."""
        found = [rule for rule in self.rules if binds(rule)]
        return Rules(found) if found else None

    def _hard(self) -> Iterator[HardRule]:
        return (rule for rule in self.rules if isinstance(rule, HardRule))

    def _cost(self, k: int, melody: Melody) -> Costs:
        cost = np.asarray(self.rules[k](melody), np.float64)
        if isinstance(self.rules[k], MusicRule):
            return cost
        if cost.shape != (melody.bars,):
            raise ValueError(f"{self.names[k]}: a rule gives one cost a bar, ({melody.bars},), not {cost.shape}")
        if not ((cost >= 0) & (cost <= 1)).all():
            raise ValueError(f"{self.names[k]}: the costs of a rule are 0..1, not {cost.min():g}..{cost.max():g}")
        return cost


def binds(rule: Rule) -> bool:
    """Whether a rule binds what is written: a hard one, and the rhythm of a song."""
    return isinstance(rule, HardRule) or (isinstance(rule, Rhythm) and rule.song is not None)


def _shown(asked: str) -> str:
    """What is asked, for each bar's row; of a whole song's chords the first: the request has all of them."""
    return asked if len(asked) <= _SHOWN else f"{asked[:_SHOWN].rpartition(' ')[0]} ..."


def _name(rule: Rule) -> str:
    return str(getattr(rule, "name", None) or getattr(rule, "__name__", None) or type(rule).__name__)


def _contradiction(one: MusicRule, other: MusicRule) -> str:
    """Why no melody can keep both rules, as the end of a sentence; "" if one can, as far as single notes go."""
    if type(one) is type(other) and isinstance(one, Rhythm | Contour | Form) and one != other:
        return f"contradict each other: give one {one.name}"
    if isinstance(one, Density):
        if isinstance(other, Density) and (one.high < other.low or other.high < one.low):
            return "contradict each other"
        if isinstance(other, Rhythm) and other.song is not None:
            count = onsets(other.song).sum(axis=1)
            if ((count < one.low) | (count > one.high)).all():
                return f"contradict each other: its bars have {count.min()} to {count.max()} notes"
        if isinstance(other, Rhythm) and other.asked == "syncopated" and other.song is None and one.high == 0:
            return "contradict each other"
    if isinstance(one, Contour) and isinstance(other, Range):
        for pitch in one.pitches:
            if not other.low - NEAR <= pitch <= other.high + NEAR:
                return f"contradict each other: {pitch_name(pitch)} is outside"
    return ""
