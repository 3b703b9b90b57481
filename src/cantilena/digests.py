"""The digests of a model: what its seeds 0 to 9 come to, so that anyone can check a machine in seconds.

`digests.json` lies beside model.json and is no part of the model's fingerprint:

    {"fingerprint": ..., "machine": [version, onnxruntime, cpu], "notes": [one `receipt.notes_hash` a seed]}
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from cantilena.composer import Composer
from cantilena.errors import ModelError
from cantilena.files import write_whole
from cantilena.model import Model
from cantilena.receipt import Machine, machine
from cantilena.requests import Compose

__all__ = ["FILE", "Digests", "Stored", "compare", "stored", "write"]

FILE = "digests.json"
SEEDS = range(10)
REQUEST = Compose(bars=8, plain=True)  # one draw: where the numbers differ, these notes do


class Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the maker of a model wrote down."""

    fingerprint: str
    machine: Machine
    notes: tuple[str, ...]


class Digests(NamedTuple):
    """What the seeds come to here, and what they came to where the model was made."""

    notes: tuple[str, ...]  # 64 hexadecimal digits a seed
    stored: Stored | None  # None where nothing is stored for these weights

    @property
    def differ(self) -> list[int]:
        """The seeds that come to other notes here; none where nothing is stored."""
        there = self.stored.notes if self.stored else self.notes
        return [seed for seed, (a, b) in enumerate(zip(self.notes, there, strict=True)) if a != b]

    @property
    def verdict(self) -> str:
        """One line for people."""
        if self.stored is None:
            return "no digests are stored for these weights"
        if not self.differ:
            return f"the same notes as where the model was made, seeds 0 to {len(self.notes) - 1}"
        there, here = self.stored.machine, machine()
        on = ", here ".join(f"onnxruntime {m.onnxruntime} on {m.cpu}" for m in (there, here))
        seeds = ", ".join(map(str, self.differ))
        return (
            f"seeds {seeds} come to other notes than where the model was made ({on}); another processor or version of "
            "onnxruntime rounds otherwise, and such notes are as good, but not the same"
        )


def compare(model: Model) -> Digests:
    """Compose the ten melodies, and look at what is stored beside the model. ModelError for a damaged file."""
    there = stored(model)
    return Digests(_notes(model), there)


def stored(model: Model) -> Stored | None:
    """What is stored beside a model, if it is of these weights. ModelError (one line) for a damaged file."""
    path = model.folder / FILE
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Stored)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f"{path}: not the digests of a model ({error})") from error
    if len(found.notes) != len(SEEDS):
        raise ModelError(f"{path}: holds {len(found.notes)} digests, not {len(SEEDS)}")
    return found if found.fingerprint == model.fingerprint else None


def write(folder: str | Path) -> None:
    """Compose the ten melodies of a model, by name or folder, and store what they come to on this machine."""
    model = Model.load(folder)
    said = Stored(model.fingerprint, machine(), _notes(model))
    write_whole(model.folder / FILE, msgspec.json.format(msgspec.json.encode(said), indent=1) + b"\n")


def _notes(model: Model) -> tuple[str, ...]:
    return tuple(made.receipt.notes for made in Composer(model).compose_many(SEEDS, REQUEST))
