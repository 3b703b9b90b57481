"""Training and measuring the autoregressive baseline on encoded windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from cantilena.latent import LatentSpace
from cantilena.training.latents import Latents
from cantilena.training.losses import mixture_log_likelihood

__all__ = ["MDNTask"]


class MDNTask:
    """Negative log-likelihood of each phrase's latent given those before it, on windows without a silent phrase."""

    def __init__(
        self,
        network: nn.Module,
        space: LatentSpace,
        train: Sequence[Latents],
        validation: Latents | None,
        *,
        posterior: Literal["draw", "mean"] = "draw",
        compiled: bool = False,
    ):
        self.network, self.space, self.posterior = network, space, posterior
        self._log_likelihood = torch.compile(mixture_log_likelihood) if compiled else mixture_log_likelihood
        self.train, self.validation = list(train), validation
        self._windows = [_without_rests(latents) for latents in self.train]

    def loss(
        self, network: nn.Module, batch: int, step: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """One batch from one of the transposition draws; nats a dimension."""
        draw = int(torch.randint(len(self.train), (), generator=generator))
        windows = self._windows[draw]
        window = windows[torch.randint(len(windows), (batch,), generator=generator).numpy()]
        return self._loss(network, self.train[draw], window, generator), {}

    def _loss(
        self, network: nn.Module, latents: Latents, window: np.ndarray[tuple[int], np.dtype[np.int64]],
        generator: torch.Generator,
    ) -> Tensor:  # fmt: skip
        x_0 = latents.x_0(window, self.space, self.posterior, generator)
        mixture = network(x_0)
        log_likelihood: Tensor = self._log_likelihood(mixture.log_pi, mixture.mean, mixture.log_std, x_0)
        return -log_likelihood.mean() / self.space.D

    @torch.no_grad()
    def evaluate(self, network: nn.Module, windows: int = 512) -> dict[str, float]:
        """The loss on fixed validation windows and draws: nats a dimension."""
        if self.validation is None or not len(possible := _without_rests(self.validation)):
            return {}
        generator = torch.Generator().manual_seed(0)
        pick = possible[torch.randint(len(possible), (windows,), generator=generator).numpy()]
        parts = [self._loss(network, self.validation, pick[i : i + 64], generator) for i in range(0, windows, 64)]
        return {"nll": float(torch.stack(parts).mean())}


def _without_rests(latents: Latents) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Indices of the windows that the paper uses: no silent phrase."""
    return np.flatnonzero(latents.labels[:, 3] == 0)
