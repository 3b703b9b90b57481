"""Training and measuring the denoiser on encoded windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from cantilena.diffusion.schedule import NoiseSchedule, Prediction, target, to_x0
from cantilena.latent import LatentSpace
from cantilena.training.data import drop_labels
from cantilena.training.latents import Latents
from cantilena.training.losses import denoising_weight
from cantilena.training.networks import LABEL_SIZES

__all__ = ["DenoiserTask", "DiffusionConfig"]


@dataclass(frozen=True)
class DiffusionConfig:
    """What the denoiser predicts, at which noise, with what weight."""

    schedule: str = "cosine"
    T: int = 1000
    prediction: Prediction = "v"
    min_snr: float | None = None  # gamma of min-SNR weighting
    self_conditioning: float = 0.5  # share of steps that feed back the previous x0_hat


class DenoiserTask:
    """The denoising loss on windows of latents, over several draws of transpositions."""

    def __init__(
        self,
        network: nn.Module,
        space: LatentSpace,
        train: Sequence[Latents],
        validation: Latents | None,
        config: DiffusionConfig,
        posterior: Literal["draw", "mean"] = "draw",
    ):
        self.network = network
        self.space, self.train, self.validation, self.config = space, list(train), validation, config
        self.posterior = posterior
        self.schedule = NoiseSchedule.from_config({"name": config.schedule, "T": config.T})
        self._labels = [latents.labels for latents in self.train]
        self._low, self._high = torch.tensor(space.low), torch.tensor(space.high)

    def loss(
        self, network: nn.Module, batch: int, step: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """One batch from one of the transposition draws; noise levels are stratified over the batch."""
        latents_index = int(torch.randint(len(self.train), (), generator=generator))
        latents = self.train[latents_index]
        window = torch.randint(len(latents.windows), (batch,), generator=generator).numpy()
        x_0 = latents.x_0(window, self.space, self.posterior, generator)
        labels = drop_labels(torch.from_numpy(self._labels[latents_index][window]), generator)
        level = (torch.randperm(batch, generator=generator) + torch.rand(batch, generator=generator)) / batch
        eps = torch.randn(x_0.shape, generator=generator)
        feed_back = bool(torch.rand((), generator=generator) < self.config.self_conditioning)
        loss = self._loss(network, x_0, eps, level, labels, feed_back)
        return loss, {}

    def _loss(
        self, network: nn.Module, x_0: Tensor, eps: Tensor, level: Tensor, labels: Tensor, feed_back: bool
    ) -> Tensor:
        t = level.clamp(1e-4, 1).double().numpy() * self.schedule.T
        log_snr = torch.from_numpy(self.schedule.log_snr(t))
        alpha_bar = torch.sigmoid(log_snr)[:, None, None]  # float64, as 1 - alpha_bar needs
        x_t = (alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * eps).float()
        log_snr_32 = log_snr.float()
        x0_prev = torch.zeros_like(x_0)
        if feed_back:
            with torch.no_grad():
                first = network(x_t, log_snr_32, x0_prev, labels)
                x0_prev = to_x0(first, x_t, alpha_bar, self.config.prediction).float()
                x0_prev = torch.minimum(torch.maximum(x0_prev, self._low), self._high)
        prediction = network(x_t, log_snr_32, x0_prev, labels)
        wanted = target(x_0, eps, alpha_bar, self.config.prediction).float()
        error = (prediction - wanted).square().mean((1, 2))
        weight = denoising_weight(log_snr_32, self.config.prediction, self.config.min_snr)
        loss: Tensor = (weight * error).mean()
        return loss

    @torch.no_grad()
    def evaluate(self, network: nn.Module, windows: int = 512) -> dict[str, float]:
        """The loss on fixed validation windows, noise and levels: with labels, without, and with self-conditioning."""
        if self.validation is None:
            return {}
        generator = torch.Generator().manual_seed(0)
        pick = torch.randint(len(self.validation.windows), (windows,), generator=generator).numpy()
        x_0 = torch.from_numpy(self.space.normalize(self.validation.means(pick)))
        eps = torch.randn(x_0.shape, generator=generator)
        level = (torch.randperm(windows, generator=generator) + 0.5) / windows
        given = torch.from_numpy(self.validation.labels[pick])
        null = torch.tensor(LABEL_SIZES).expand_as(given)
        figures = {}
        for name, labels, feed_back in (
            ("labels", given, False),
            ("no_labels", null, False),
            ("self_conditioned", null, True),
        ):
            parts = [
                self._loss(network, x_0[i : i + 64], eps[i : i + 64], level[i : i + 64], labels[i : i + 64], feed_back)
                for i in range(0, windows, 64)
            ]
            figures[name] = float(torch.stack(parts).mean())
        return figures
