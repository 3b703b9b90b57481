"""`Recipe`: all that made some notes, so that they can be made again, and checked."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

from cantilena.model import Model
from cantilena.music.melody import Melody

__all__ = ["VERBS", "Machine", "Recipe", "file_hash", "machine", "make_recipe", "notes_hash"]

# methods of Composer that a recipe may name
VERBS = ("blend", "bridge", "compose", "extend", "infill", "morph", "vary")


class Machine(NamedTuple):
    """What notes may depend on beside their recipe: floating point is not the same everywhere."""

    version: str  # Cantilena's
    onnxruntime: str
    cpu: str


@dataclass(frozen=True)
class Recipe:
    """All that made the notes: `cantilena again` follows it."""

    verb: str  # a method of Composer, one of VERBS
    arguments: Mapping[str, Any]  # its keywords; JSON values
    inputs: Mapping[str, str]  # place of a file's name in the arguments ("song", "songs.1") -> SHA-256 of the file
    model: str
    fingerprint: str
    version: str
    onnxruntime: str
    cpu: str
    notes: str  # `notes_hash` of what was composed

    @property
    def title(self) -> str:
        """The verb and the seed: "compose, seed 7"."""
        seed = self.arguments.get("seed")
        return f"{self.verb}, seed {seed}" if isinstance(seed, int) else self.verb


def make_recipe(
    model: Model, verb: str, arguments: Mapping[str, Any], inputs: Mapping[str, str], melody: Melody
) -> Recipe:
    """The recipe of a `melody` that this machine composed by `model` with `Composer.verb(**arguments)`.

    `inputs` are hashes of the files that arguments name, by `file_hash`: see `Recipe`. Paths in the arguments become
    text, tuples lists. Raises ValueError for a verb that is not one of VERBS and for what JSON cannot hold.
    """
    if verb not in VERBS:
        raise ValueError(f"a recipe's verb is one of {', '.join(VERBS)}, not {verb!r}")
    plain = {name: _plain(value) for name, value in arguments.items()}
    return Recipe(verb, plain, dict(inputs), model.name, model.fingerprint, *machine(), notes_hash(melody))


def notes_hash(melody: Melody) -> str:
    """SHA-256 over a melody's events, one byte a step: its notes and its length; the tempo is no note.

    >>> notes_hash(Melody.from_notes([0], [16], [60]))[:16]
    'b9b0030223d3ad1e'
    """
    return hashlib.sha256(melody.events.tobytes()).hexdigest()


def file_hash(source: str | Path | bytes) -> str:
    """SHA-256 of a file, or of its bytes."""
    return hashlib.sha256(source if isinstance(source, bytes) else Path(source).read_bytes()).hexdigest()


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


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    match value:
        case None | bool() | str():
            return value
        case Path():
            return str(value)
        case Integral():
            return int(value)
        case Real() if math.isfinite(value):
            return float(value)
        case Mapping() if all(isinstance(key, str) for key in value):
            return {key: _plain(item) for key, item in value.items()}
        case Sequence() if not isinstance(value, bytes | bytearray):
            return [_plain(item) for item in value]
    raise ValueError(f"a receipt holds JSON values, and paths, not {value!r}")
