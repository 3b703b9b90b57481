"""`Receipt`: what was asked of a result, bar by bar and rule by rule, what came of it, and the recipe that made it.

In a MIDI file a receipt is text meta events at tick 0: a line for people, then JSON in parts:

    Cantilena 0.1.0: compose, seed 7
    cantilena:1/2:9ae0f3c1{"receipt":1,"recipe":{"verb":"compose", ...
    cantilena:2/2: ...

The eight digits before the JSON are its CRC-32: a receipt that lost or changed a byte is said to be damaged.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any

from cantilena.errors import MidiError
from cantilena.model import Model
from cantilena.music.melody import Melody
from cantilena.music.midi import to_midi, write_whole
from cantilena.music.texts import printable, read_texts, write_texts
from cantilena.recipe import Recipe, make_recipe, notes_hash

__all__ = ["Receipt", "Row", "Tune", "make_receipt", "read_receipt", "write_receipt"]

FORMAT = 1
_PART_BYTES = 960  # of JSON in one text event
_PART = re.compile(rb"cantilena:(\d{1,6})/(\d{1,6}):(.*)", re.DOTALL)
_TITLE = re.compile(rb"Cantilena \d[\w.+]*: [a-z]+(, seed \d+)?")
_COLUMNS = ["bar", "rule", "asked", "measured", "met"]


@dataclass(frozen=True)
class Row:
    """One bar and one rule."""

    bar: int  # as a DAW counts, from 1
    rule: str
    asked: str
    measured: str  # on the decoded notes
    met: bool


@dataclass(frozen=True)
class Receipt:
    """The recipe of a result, and what became of each rule in each bar."""

    recipe: Recipe
    rows: tuple[Row, ...] = ()

    def table(self) -> str:
        """For the terminal: the recipe, a line for every answer with the bars that gave it, and totals by rule.

        >>> recipe = Recipe("compose", {"seed": 7}, {}, "pop-64", "1f2e3d4c5b6a7988", "0.1.0", "1.20.1", "arm64", "")
        >>> rows = [Row(bar, "density", "4..6", "9" if bar == 3 else "5", bar != 3) for bar in range(1, 9)]
        >>> print(Receipt(recipe, tuple(rows)).table())
        Cantilena 0.1.0: compose, seed 7 (model pop-64 1f2e3d4c5b6a7988, onnxruntime 1.20.1 on arm64)
        rule     asked  measured          bars
        density  4..6   5         met     1-2,4-8
        density  4..6   9         missed  3
        density 4..6: met in 7 of 8 bars
        """
        r = self.recipe
        made = f"model {r.model} {r.fingerprint}, onnxruntime {r.onnxruntime} on {r.cpu}"
        lines = [f"Cantilena {r.version}: {r.title} ({made})"]
        if self.rows:
            lines += [*_aligned(self._answers()), *self._totals()]
        return "\n".join(printable(line) for line in lines)

    def _answers(self) -> list[tuple[str, ...]]:
        """Bars with equal answers joined, rule by rule, by the first bar of each."""
        bars: dict[tuple[str, str, str, bool], list[int]] = {}
        for row in sorted(self.rows, key=lambda row: row.bar):
            bars.setdefault((row.rule, row.asked, row.measured, row.met), []).append(row.bar)
        place = {rule: i for i, rule in enumerate(dict.fromkeys(row.rule for row in self.rows))}
        answers = sorted(bars.items(), key=lambda item: place[item[0][0]])
        said = [
            (rule, asked, measured, "met" if met else "missed", _spans(where))
            for (rule, asked, measured, met), where in answers
        ]
        return [("rule", "asked", "measured", "", "bars"), *said]

    def _totals(self) -> list[str]:
        lines = []
        for rule in dict.fromkeys(row.rule for row in self.rows):
            rows = [row for row in self.rows if row.rule == rule]
            asked = {row.asked for row in rows}
            bars, missed = {row.bar for row in rows}, {row.bar for row in rows if not row.met}
            what = f"{rule} {rows[0].asked}".rstrip() if len(asked) == 1 else rule
            lines.append(f"{what}: met in {len(bars - missed)} of {len(bars)} bar{'' if len(bars) == 1 else 's'}")
        return lines

    def to_json(self) -> str:
        """One line of ASCII; rows are lists, named by "columns"."""
        rows = [list(astuple(row)) for row in self.rows]
        about = {"receipt": FORMAT, "recipe": asdict(self.recipe), "columns": _COLUMNS, "rows": rows}
        return json.dumps(about, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str, name: str = "receipt") -> Receipt:
        """The inverse of `to_json`. MidiError, beginning with the file's `name`, for anything else."""
        try:
            about = json.loads(text, parse_constant=_refuse)
            found = about["receipt"]
            if isinstance(found, int) and found > FORMAT:
                raise MidiError(f"{name}: its receipt is of format {found}; this version of Cantilena reads {FORMAT}")
            receipt = cls(Recipe(**about["recipe"]), tuple(Row(*row) for row in about["rows"]))
            if found != FORMAT or about["columns"] != _COLUMNS or not _well_typed(receipt):
                raise ValueError("a value is not what it must be")
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise MidiError(f"{name}: its receipt is damaged ({type(error).__name__}: {error})") from error
        return receipt


def make_receipt(
    model: Model,
    verb: str,
    arguments: Mapping[str, Any],
    inputs: Mapping[str, str],
    melody: Melody,
    rows: Iterable[Row] = (),
) -> Receipt:
    """What `make_recipe` says of a `melody`, with what became of each rule in each bar."""
    return Receipt(make_recipe(model, verb, arguments, inputs, melody), tuple(rows))


def write_receipt(midi: bytes, receipt: Receipt, name: str = "MIDI data") -> bytes:
    """The file with the receipt behind its first texts, in place of an older one; every other event stays as it is.

    Raises MidiError where the file's events cannot be followed.
    """
    text = receipt.to_json().encode()
    text = b"%08x" % zlib.crc32(text) + text
    parts = [text[i : i + _PART_BYTES] for i in range(0, len(text), _PART_BYTES)]
    title = f"Cantilena {receipt.recipe.version}: {receipt.recipe.title}".encode("ascii", "backslashreplace")
    numbered = [b"cantilena:%d/%d:" % (i, len(parts)) + part for i, part in enumerate(parts, 1)]
    return write_texts(midi, [title, *numbered], gone=_is_ours, name=name)


def read_receipt(midi: bytes, name: str = "MIDI data") -> Receipt:
    """The inverse of `write_receipt`. MidiError where there is no receipt, or a damaged one."""
    parts: dict[int, bytes] = {}
    size = 0
    for found in filter(None, map(_PART.fullmatch, read_texts(midi, name))):
        i, of, part = int(found[1]), int(found[2]), found[3]
        if parts.get(i, part) != part or of != (size or of):
            raise MidiError(f"{name}: holds parts of more than one receipt of Cantilena")
        parts[i], size = part, of
    if not parts:
        raise MidiError(f"{name}: has no receipt of Cantilena")
    if set(parts) != set(range(1, len(parts) + 1)) or len(parts) != size:
        missing = next(i for i in count(1) if i not in parts)
        raise MidiError(f"{name}: its receipt is damaged (part {missing} of {size} is not there)")
    text = b"".join(parts[i] for i in range(1, size + 1))
    if b"%08x" % zlib.crc32(text[8:]) != text[:8]:
        raise MidiError(f"{name}: its receipt is damaged (its checksum is not that of its text)")
    return Receipt.from_json(text[8:].decode("ascii", "replace"), name)


@dataclass(frozen=True, eq=False, repr=False)
class Tune(Melody):
    """A composed melody with its receipt, which `save` writes into a .mid file.

    What is made of a tune (a slice, a transposition) is a Melody: the receipt would not be of its notes. ValueError
    for a receipt of other notes.
    """

    receipt: Receipt | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.receipt is not None and self.receipt.recipe.notes != notes_hash(self):
            raise ValueError("the receipt is of other notes; what is made of a Tune is a Melody")

    def transpose(self, semitones: int) -> Melody:
        """As of any melody."""
        return Melody(self.events, self.qpm).transpose(semitones)

    def save(
        self, path: str | Path, *, program: int = 0, name: str = "",
        beneath: Sequence[tuple[int, int, Sequence[int]]] = (),
    ) -> None:  # fmt: skip
        """As `Melody.save`; a .mid file holds the receipt, and the chords `beneath` on a second track (`to_midi`)."""
        path = Path(path)
        if path.suffix.lower() not in (".mid", ".midi"):
            super().save(path, program=program, name=name)
            return
        data = to_midi(self, program=program, track_name=name or "Melody", beneath=beneath)
        write_whole(path, data if self.receipt is None else write_receipt(data, self.receipt, path.name))


def _is_ours(text: bytes) -> bool:
    return bool(_PART.fullmatch(text) or _TITLE.fullmatch(text))


def _well_typed(receipt: Receipt) -> bool:
    recipe, rows = receipt.recipe, receipt.rows
    texts = [getattr(recipe, f.name) for f in fields(recipe) if f.name not in ("arguments", "inputs")]
    if not (isinstance(recipe.arguments, dict) and isinstance(recipe.inputs, dict)) or _is_deep(recipe.arguments):
        return False
    texts += [*recipe.inputs.values(), *(text for row in rows for text in (row.rule, row.asked, row.measured))]
    bars = all(type(row.bar) is int and row.bar >= 1 and isinstance(row.met, bool) for row in rows)
    return bars and all(isinstance(text, str) for text in texts)


def _is_deep(value: Any, levels: int = 16) -> bool:
    """Whether lists and dicts stand in each other more than so many deep: code that walks through them would fail."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deep(item, levels - 1) for item in inside)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _spans(bars: Sequence[int]) -> str:
    """Bars in order as they are given: 1-2,4-8."""
    spans: list[list[int]] = []
    for bar in bars:
        if spans and bar <= spans[-1][1] + 1:
            spans[-1][1] = bar
        else:
            spans.append([bar, bar])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
