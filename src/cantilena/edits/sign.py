"""`sign`: the receipt of a result, from the arguments of the `Composer` method that made it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cantilena.model import Model
from cantilena.music.melody import Melody
from cantilena.receipt import Receipt, Row, make_receipt
from cantilena.recipe import file_hash
from cantilena.rules import Form, Rhythm, Rules, in_words
from cantilena.sampling import Sampling

__all__ = ["sign"]


def sign(
    model: Model,
    verb: str,
    melody: Melody,
    sampling: Sampling,
    *,
    files: Sequence[str] = (),
    rules: Rules | None = None,
    judged: Melody | None = None,
    numbers: Sequence[int] = (),
    **arguments: Any,
) -> Receipt | None:
    """The receipt of a `melody` that `Composer.verb(**arguments, **sampling)` made.

    `files` are the arguments that name files. `rules` were asked of the bars `judged`, which a DAW counts as `numbers`.
    None where an argument is no text or number, or a pipe: a Melody, or bytes, cannot be composed from again.
    """
    given = {
        name: value for name, value in {**arguments, **sampling}.items() if value is not None and name != "on_step"
    }
    each = [one for value in given.values() for one in (value if isinstance(value, list) else [value])]
    if any(isinstance(one, Melody | bytes) for one in each):
        return None
    named = (given[name] for name in {place.partition(".")[0] for place in files} & given.keys())
    if any(_is_pipe(path) for one in named for path in (one if isinstance(one, list) else [one])):
        return None
    inputs = {}
    for place in files:
        name, _, index = place.partition(".")
        if name in given:
            inputs[place] = file_hash(given[name][int(index)] if index else given[name])
    rows: list[Row] = []
    if rules is not None:
        given["rules"] = in_words(rules)
        for rule in rules.rules:
            if isinstance(rule, Rhythm | Form) and rule.song is not None and Path(str(rule)).is_file():
                inputs[f"rules.{rule.name}"] = file_hash(str(rule))
        found = rules.rows(judged or melody)
        rows = [
            Row(numbers[row.bar - 1] if numbers else row.bar, row.rule, row.asked, row.measured, row.met)
            for row in found
        ]
    return make_receipt(model, verb, given, inputs, melody, rows)


def _is_pipe(path: str | Path) -> bool:
    """Whether what is there can be read once only."""
    return Path(path).exists() and not Path(path).is_file()
