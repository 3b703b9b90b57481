"""Rules from the words of a command line, and back: `parse_rule(rule.name, str(rule)) == rule`."""

from __future__ import annotations

from cantilena.rules.chords import Chords
from cantilena.rules.contour import Contour
from cantilena.rules.form import Form
from cantilena.rules.pitch import Key, Range
from cantilena.rules.rhythm import Density, Rhythm
from cantilena.rules.rule import MusicRule

__all__ = ["RULES", "parse_rule"]

RULES: dict[str, type[MusicRule]] = {
    rule.name: rule for rule in (Key, Range, Density, Rhythm, Contour, Chords, Form)
}  # fmt: skip


def parse_rule(name: str, text: str) -> MusicRule:
    """The rule `name` that asks for `text`; ValueError (one line) for an unknown name or text.

    >>> parse_rule("density", "4..6")
    Density(asked='4..6')
    """
    if name not in RULES:
        raise ValueError(f"a rule is one of {', '.join(RULES)}, not {name!r}")
    return RULES[name](text)
