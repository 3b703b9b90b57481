"""`Receipt`: the request as it was performed, what came of each rule in each bar, and the model and machine.

In a MIDI file a receipt is text meta events at tick 0: a line for people, then JSON in parts:

    Cantilena 0.1.0: compose, seed 7
    cantilena:1/2:9ae0f3c1{"receipt":2,"request":{"verb":"compose", ...
    cantilena:2/2: ...

The eight digits before the JSON are its CRC-32: a receipt that lost or changed a byte is said to be damaged.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import zlib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Annotated, NamedTuple, cast

import msgspec
from msgspec import Meta, Struct

from cantilena.errors import MidiError
from cantilena.fields import plain, revive
from cantilena.model import Model
from cantilena.music.melody import Melody
from cantilena.music.texts import printable, read_texts, write_texts
from cantilena.requests import AnyRequest, Request

__all__ = [
    "FORMAT",
    "Machine",
    "Receipt",
    "Row",
    "machine",
    "make_receipt",
    "notes_hash",
    "read_receipt",
    "write_receipt",
]

FORMAT = 2
_MOST_BYTES = 4_000_000  # of JSON: seven rules in 4,000 bars are 2 MB
_PART_BYTES = 960  # of JSON in one text event
_PART = re.compile(rb"cantilena:(\d{1,6})/(\d{1,6}):(.*)", re.DOTALL)
_TITLE = re.compile(rb"Cantilena \d[\w.+]*: [a-z]+(, seed \d+)?")


class Row(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One bar and one rule; in JSON a list."""

    bar: Annotated[int, Meta(ge=1)]  # as a DAW counts, from 1
    rule: str
    asked: str
    measured: str  # on the decoded notes
    met: bool


class Machine(NamedTuple):
    """What notes may depend on beside request and model: floating point is not the same everywhere."""

    version: str  # Cantilena's
    onnxruntime: str
    cpu: str


class Receipt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that made some notes, and what became of each rule in each bar: `cantilena again` performs it once more."""

    request: AnyRequest  # every default settled; music by name and hash
    model: str
    fingerprint: str
    version: str
    onnxruntime: str
    cpu: str
    notes: str  # `notes_hash` of what was composed
    rows: tuple[Row, ...] = ()
    draw: int = 1  # of the seed: those before it were no music
    receipt: int = FORMAT

    @property
    def title(self) -> str:
        """The verb and the seed: "compose, seed 7"."""
        return self.request.title

    def table(self) -> str:
        """For the terminal: what was done, a line for every answer with the bars that gave it, and totals by rule.

        >>> from cantilena.requests import Compose
        >>> rows = [Row(bar, "density", "4..6", "9" if bar == 3 else "5", bar != 3) for bar in range(1, 9)]
        >>> made = {"model": "pop-64", "fingerprint": "1f2e", "notes": ""}
        >>> here = {"version": "0.1.0", "onnxruntime": "1.20.1", "cpu": "arm64"}
        >>> print(Receipt(request=Compose(seed=7), **made, **here, rows=tuple(rows)).table())
        Cantilena 0.1.0: compose, seed 7 (model pop-64 1f2e, onnxruntime 1.20.1 on arm64)
        rule     asked  measured          bars
        density  4..6   5         met     1-2,4-8
        density  4..6   9         missed  3
        density 4..6: met in 7 of 8 bars
        """
        made = f"model {self.model} {self.fingerprint}, onnxruntime {self.onnxruntime} on {self.cpu}"
        drawn = f", draw {self.draw}: nearer to what was asked than those before it" if self.draw > 1 else ""
        lines = [f"Cantilena {self.version}: {self.title}{drawn} ({made})"]
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
        """One line of ASCII."""
        built = msgspec.to_builtins(self, enc_hook=plain)
        return json.dumps({"receipt": FORMAT, **built}, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes, name: str = "receipt") -> Receipt:
        """The inverse of `to_json`. MidiError, beginning with the file's `name`, for anything else."""
        try:
            found = msgspec.json.decode(text, type=_Head).receipt
            if found == FORMAT:
                return msgspec.json.decode(text, type=cls, dec_hook=revive)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise MidiError(printable(f"{name}: its receipt is damaged ({error})")) from error
        raise MidiError(f"{name}: its receipt is of format {found}; this version of Cantilena reads {FORMAT}")


class _Head(Struct):
    receipt: int


def make_receipt(
    model: Model, request: Request, melody: Melody, rows: Iterable[Row] = (), draw: int = 1
) -> Receipt:  # fmt: skip
    """The receipt of a `melody` that this machine made by `model`, for a `request` whose defaults are settled."""
    here = machine()
    return Receipt(
        request=cast("AnyRequest", request), model=model.name, fingerprint=model.fingerprint, version=here.version,
        onnxruntime=here.onnxruntime, cpu=here.cpu, notes=notes_hash(melody), rows=tuple(rows), draw=draw,
    )  # fmt: skip


def notes_hash(melody: Melody) -> str:
    """SHA-256 over a melody's events, one byte a step: its notes and its length; the tempo is no note.

    >>> notes_hash(Melody.from_notes([0], [16], [60]))[:16]
    'b9b0030223d3ad1e'
    """
    return hashlib.sha256(melody.events.tobytes()).hexdigest()


@cache
def machine() -> Machine:
    """This one."""
    import onnxruntime  # after `cantilena.model`, which tells it to report to nobody

    model = platform.processor()
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
        model = next((line.split(":", 1)[1] for line in text.splitlines() if line.startswith("model name")), model)
    except OSError:
        pass  # not Linux
    words = dict.fromkeys([platform.machine(), *model.split()])
    return Machine(version("cantilena"), str(onnxruntime.__version__), " ".join(w for w in words if w) or "unknown")


def write_receipt(midi: bytes, receipt: Receipt, name: str = "MIDI data") -> bytes:
    """The file with the receipt behind its first texts, in place of an older one; every other event stays as it is.

    Raises MidiError where the file's events cannot be followed.
    """
    text = receipt.to_json().encode()
    text = b"%08x" % zlib.crc32(text) + text
    parts = [text[i : i + _PART_BYTES] for i in range(0, len(text), _PART_BYTES)]
    title = f"Cantilena {receipt.version}: {receipt.title}".encode("ascii", "backslashreplace")
    numbered = [b"cantilena:%d/%d:" % (i, len(parts)) + part for i, part in enumerate(parts, 1)]
    return write_texts(midi, [title, *numbered], gone=_is_ours, name=name)


def read_receipt(midi: bytes, name: str = "MIDI data") -> Receipt:
    """The inverse of `write_receipt`. MidiError where there is no receipt, a damaged one, or one of over 4 MB."""
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
    if len(text) > _MOST_BYTES:
        raise MidiError(f"{name}: its receipt is damaged ({len(text):,} bytes, and {_MOST_BYTES:,} are the most)")
    if b"%08x" % zlib.crc32(text[8:]) != text[:8]:
        raise MidiError(f"{name}: its receipt is damaged (its checksum is not that of its text)")
    return Receipt.from_json(text[8:].decode("ascii", "replace"), name)


def _is_ours(text: bytes) -> bool:
    return bool(_PART.fullmatch(text) or _TITLE.fullmatch(text))


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
