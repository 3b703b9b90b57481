"""`BaselineNetworks`: the two trained networks that the paper's table compares a model with.

    FOLDER/baselines.json    {"format": 1, "latent": fingerprint, "mdn": {...}, "paper": {...}}
           mdn.onnx          the autoregressive baseline: phrases so far -> a mixture of Gaussians for the next one
           paper.onnx        a denoiser with the paper's own schedule, prediction and training

They live in the latent space of their model and share its VAE. Composing needs neither, so the package holds none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cantilena.errors import ModelError
from cantilena.model import Model, open_network

__all__ = ["FORMAT", "PARTS", "BaselineNetworks", "Mixture", "checkout_baselines"]

FORMAT = 1
PARTS = ("mdn", "paper")  # .onnx


class Mixture(NamedTuple):
    """K diagonal Gaussians in D dimensions a melody: what the autoregressive baseline expects the next phrase to be."""

    log_pi: NDArray[np.float32]  # (B, K) log weights
    mean: NDArray[np.float32]  # (B, K, D)
    log_std: NDArray[np.float32]  # (B, K, D)


def checkout_baselines() -> Path:
    """The folder `baselines` of the checkout that this package runs from; an installed package has none there."""
    return Path(str(files("cantilena"))).parents[1] / "baselines"


@dataclass(frozen=True, eq=False)
class BaselineNetworks:
    """The baselines in a folder, opened. Made by `BaselineNetworks.load`."""

    folder: Path
    about: Mapping[str, Any]  # baselines.json
    _sessions: Mapping[str, onnxruntime.InferenceSession] = field(repr=False)

    @classmethod
    def load(cls, folder: str | Path, model: Model) -> BaselineNetworks:
        """Open the baselines of `model`: those in FOLDER/NAME, by the model's name, or else in FOLDER itself.

        Raises ModelError (one line) where there are none, where one is damaged, and where they belong to another
        latent space than the model's.
        """
        places = (Path(folder) / model.name, Path(folder))
        place = next((p for p in places if (p / "baselines.json").is_file()), None)
        if place is None:
            raise ModelError(f"{folder}: no baselines of {model.name} there (expected baselines.json and its networks)")
        try:
            about = json.loads((place / "baselines.json").read_text(encoding="utf-8"))
            if about["format"] != FORMAT:
                raise ValueError(f"format {about['format']!r}; this version of Cantilena reads format {FORMAT}")
            latent, parts = str(about["latent"]), [part for part in PARTS if part in about]
            for key in ("schedule", "prediction") if "paper" in parts else ():
                about["paper"][key]
        except (OSError, KeyError, TypeError, ValueError) as error:
            what = f"{type(error).__name__}: {error}"
            raise ModelError(f"{place}/baselines.json: cannot be understood ({what})") from error
        if latent != model.space.fingerprint:
            raise ModelError(
                f"{place}: the baselines were trained in latent space {latent}, "
                f"and {model.name} in {model.space.fingerprint}"
            )
        return cls(place, about, {part: open_network(place / f"{part}.onnx", model.threads) for part in parts})

    @property
    def parts(self) -> tuple[str, ...]:
        """Which baselines the folder holds: "mdn" (autoregressive), "paper" (the paper's own choices)."""
        return tuple(self._sessions)

    @property
    def training(self) -> dict[str, dict[str, Any]]:
        """What the training of each part cost: steps, batch, hours, FLOPs."""
        return {part: dict(self.about[part].get("training", {})) for part in self.parts}

    def fingerprint(self, part: str) -> str:
        """16 hexadecimal digits over the network of a part."""
        self._session(part)
        return hashlib.sha256((self.folder / f"{part}.onnx").read_bytes()).hexdigest()[:16]

    def next_phrase(self, x_0: NDArray[np.float32]) -> Mixture:
        """Phrases so far (B, t, D), 0 <= t < 32 -> the mixture of the next one, by the autoregressive baseline.

        Raises ModelError where the folder holds none.
        """
        place = np.zeros((len(x_0), 1, x_0.shape[-1]), np.float32)  # of the phrase that is asked for: never looked at
        x_0 = np.concatenate([np.asarray(x_0, np.float32), place], axis=1)
        return Mixture(*self._session("mdn").run(None, {"x_0": x_0}))

    def paper_model(self, model: Model) -> Model:
        """`model` with the paper's own choices in place of its denoiser: schedule, prediction and weights.

        Raises ModelError where the folder holds none.
        """
        return model.with_denoiser(self._session("paper"), self.about["paper"])

    def _session(self, part: str) -> onnxruntime.InferenceSession:
        if part not in self._sessions:
            raise ModelError(f"{self.folder}: holds no {part}.onnx; `cantilena export MODEL --{part} RUN` writes it")
        return self._sessions[part]
