"""`Decoding`: how the latents of the table's networks are drawn, plainly as in the paper, or as tuned for each alike.

`Decodings` keeps what was chosen for each network of a model in a file, with the trials that it was chosen from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from cantilena.errors import CantilenaError
from cantilena.files import write_whole
from cantilena.sampling import Sampling

__all__ = ["FILE", "NETWORKS", "TUNED", "Decoding", "Decodings"]

FILE = "decodings.json"
NETWORKS = ("diffusion", "autoregression", "paper")  # rows whose latents a network draws
TUNED = "-tuned"  # what the name of a row ends with whose network is decoded as tuned


@dataclass(frozen=True)
class Decoding:
    """How latents are drawn. As it stands, plainly: ancestral sampling, or each phrase from its mixture."""

    steps: int = 100  # of diffusion
    temperature: float = 1.0  # scales the noise of each step; of autoregression, each deviation
    settle: float = 0.0  # of diffusion: share of the levels, at the end, where notes are decided and no noise is added
    resample: int = 1  # of diffusion: visits of each level
    clamp: bool = False  # of autoregression: a phrase is decoded, and encoded again, before the next is drawn

    @property
    def sampling(self) -> Sampling:
        """The keywords that draw from a denoiser so."""
        found: Sampling = {"steps": self.steps, "temperature": self.temperature, "resample": self.resample}
        if self.settle:
            found["settle"] = self.settle
        return found

    def text(self, row: str) -> str:
        """For people: what differs from plain decoding, of a network."""
        words = {
            "temperature": f"temperature {self.temperature:g}" if row != "autoregression"
            else f"deviations x {self.temperature:g}",
            "settle": f"no noise in the last {self.settle:g} of the levels",
            "resample": f"{self.steps} steps of {self.resample} visits",
            "clamp": "each phrase decoded and encoded again",
        }  # fmt: skip
        other = [words[f.name] for f in fields(self) if f.name in words and getattr(self, f.name) != f.default]
        return ", ".join(other) or "as plain"


@dataclass(frozen=True)
class Decodings:
    """What was chosen for the networks of a model: `chosen[row][setting]`; and from what, in `about`."""

    chosen: Mapping[str, Mapping[str, Decoding]]
    about: Mapping[str, Any]

    def save(self, folder: Path) -> None:
        """Write FOLDER/decodings.json."""
        chosen = {row: {s: asdict(d) for s, d in settings.items()} for row, settings in self.chosen.items()}
        text = json.dumps({"chosen": chosen, **self.about}, indent=1)
        write_whole(folder / FILE, f"{text}\n".encode())

    @classmethod
    def load(cls, path: Path) -> Decodings:
        """Read a file. CantilenaError (one line) where it is none."""
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            chosen = {
                row: {setting: Decoding(**how) for setting, how in settings.items()}
                for row, settings in told.pop("chosen").items()
            }
        except OSError as error:
            raise CantilenaError(f"{path}: cannot be read ({error.strerror})") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CantilenaError(f"{path}: no decodings there ({type(error).__name__}: {error})") from error
        return cls(chosen, told)

    def of(self, row: str, setting: str) -> Decoding | None:
        """How a network is decoded in a setting; None where nothing was chosen."""
        return self.chosen.get(row, {}).get(setting)

    def text(self) -> str:
        """For people: what was chosen, and from what."""
        words = partial("; ".join)
        chosen = words(
            f"{row} {setting}: {how.text(row)}"
            for row, settings in self.chosen.items()
            for setting, how in settings.items()
        )
        return f"{chosen}. {self.about.get('how', '')}".strip()
