"""Training and measuring the autoregressive baseline on encoded windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from cantilena.latent import LatentSpace
from cantilena.training.latents import Latents, Windows
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
        device: torch.device | str = "cpu",
    ):
        self.network, self.D, self.device = network, space.D, torch.device(device)
        self._log_likelihood = torch.compile(mixture_log_likelihood) if compiled else mixture_log_likelihood
        self.train = [Windows(latents, space, posterior, device) for latents in train]
        self.validation = None if validation is None else Windows(validation, space, posterior, device)
        self._possible = [_without_rests(windows) for windows in self.train]

    def loss(
        self, network: nn.Module, batch: int, step: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """One batch from one of the transposition draws, one after another; nats a dimension."""
        draw = step % len(self.train)
        possible = self._possible[draw]
        pick = possible[torch.randint(len(possible), (batch,), generator=generator, device=self.device)]
        return self._loss(network, self.train[draw].x_0(pick, generator)), {}

    def _loss(self, network: nn.Module, x_0: Tensor) -> Tensor:
        mixture = network(x_0)
        log_likelihood: Tensor = self._log_likelihood(mixture.log_pi, mixture.mean, mixture.log_std, x_0)
        return -log_likelihood.mean() / self.D

    @torch.no_grad()
    def evaluate(self, network: nn.Module, windows: int = 512) -> dict[str, float]:
        """The loss on fixed validation windows and draws: nats a dimension."""
        if self.validation is None or not len(possible := _without_rests(self.validation)):
            return {}
        generator = torch.Generator(self.device).manual_seed(0)
        pick = possible[torch.randint(len(possible), (windows,), generator=generator, device=self.device)]
        x_0 = self.validation.x_0(pick, generator)
        return {"nll": float(torch.stack([self._loss(network, x_0[i : i + 64]) for i in range(0, windows, 64)]).mean())}


def _without_rests(windows: Windows) -> Tensor:
    """Indices of the windows that the paper uses: no silent phrase."""
    return torch.nonzero(windows.labels[:, 3] == 0)[:, 0]
