"""Rules from the words of a command line, and back: `parse_rule(rule.name, str(rule)) == rule`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, TypeAlias

from cantilena.music.melody import Melody
from cantilena.rules.chords import Chords
from cantilena.rules.contour import Contour
from cantilena.rules.form import Form
from cantilena.rules.pitch import Key, Range
from cantilena.rules.rhythm import Density, Rhythm
from cantilena.rules.rule import MusicRule, Rule
from cantilena.rules.weighted import Rules

__all__ = ["RULES", "Asked", "in_words", "make_rules", "parse_rule"]

RULES: dict[str, type[MusicRule]] = {
    rule.name: rule for rule in (Key, Range, Density, Rhythm, Contour, Chords, Form)
}  # fmt: skip


def parse_rule(name: str, text: str, read: Callable[[str], Melody] | None = None) -> MusicRule:
    """The rule `name` that asks for `text`; ValueError (one line) for an unknown name or text.

    A rhythm or form may be a file's: a text that ends like a file's name is given to `read`, which returns its melody.

    >>> parse_rule("density", "4..6")
    Density(asked='4..6')
    """
    if name not in RULES:
        raise ValueError(f"a rule is one of {', '.join(RULES)}, not {name!r}")
    rule = RULES[name]
    if read is not None and issubclass(rule, Rhythm | Form) and Path(text).suffix:
        return rule.of(read(text), text)
    return rule(text)


Asked: TypeAlias = Rules | Mapping[str, Any] | Sequence[Rule]


def make_rules(asked: Asked, read: Callable[[str], Melody] | None = None) -> Rules:
    """Rules from rules, or from words: {"key": "D dorian", "density": ["4..6", 2]}, where 2 is a weight.

    Raises ValueError (one line) for what is not understood, or cannot be kept together.
    """
    if isinstance(asked, Rules):
        return asked
    if not isinstance(asked, Mapping):
        return Rules(list(asked))
    rules, weights = [], []
    for name, given in asked.items():
        text, weight = given if isinstance(given, list | tuple) and len(given) == 2 else (given, 1.0)
        if not isinstance(text, str) or isinstance(weight, bool) or not isinstance(weight, Real):
            raise ValueError(f"{name}: a rule is asked for in words, or in words and a weight, not {given!r}")
        rules.append(parse_rule(name, text, read))
        weights.append(float(weight))
    return Rules(rules, weights)


def in_words(rules: Rules) -> dict[str, Any]:
    """The inverse of `make_rules`, as JSON has it; a rule of your own is named, and cannot be read back."""
    asked = [str(rule) if isinstance(rule, MusicRule) else "" for rule in rules.rules]
    named = zip(rules.names, asked, rules.weights, strict=True)
    return {name: text if weight == 1 else [text, weight] for name, text, weight in named}
