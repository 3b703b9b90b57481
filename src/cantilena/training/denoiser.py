"""Training and measuring the denoiser on encoded windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from cantilena.diffusion.schedule import NoiseSchedule, Prediction, target, to_x0
from cantilena.latent import LatentSpace
from cantilena.training.data import drop_labels
from cantilena.training.latents import Latents, Windows
from cantilena.training.losses import denoising_weight
from cantilena.training.networks import LABEL_SIZES

__all__ = ["DenoiserTask", "Diffusion", "DiffusionConfig"]

GOLDEN = (math.sqrt(5) - 1) / 2
Predict: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]  # x_t, log_snr, x0_prev -> prediction


@dataclass(frozen=True)
class DiffusionConfig:
    """What the denoiser predicts, at which noise, with what weight."""

    schedule: str = "cosine"
    T: int = 1000
    prediction: Prediction = "v"
    min_snr: float | None = None  # gamma of min-SNR weighting
    self_conditioning: float = 0.5  # share of steps that feed back the previous x0_hat


class Diffusion:
    """What every denoiser learns, whatever its sequences are: to see through noise of any level, on one device."""

    def __init__(self, space: LatentSpace, config: DiffusionConfig, device: torch.device | str = "cpu"):
        self.config = config
        self.schedule = NoiseSchedule.from_config({"name": config.schedule, "T": config.T})
        self._low, self._high = (torch.tensor(a, device=device) for a in (space.low, space.high))
        t = np.linspace(0, config.T, 4097)  # log_snr is smooth: a table of it, between whose points we draw lines
        self._log_snr = torch.from_numpy(self.schedule.log_snr(np.maximum(t, 1e-4 * config.T))).to(device)

    def log_snr(self, level: Tensor) -> Tensor:
        """log SNR (B,), float64, at levels (B,) of 0 .. 1, on their device."""
        at = level.clamp(1e-4, 1).double() * (len(self._log_snr) - 1)
        below = at.long().clamp(max=len(self._log_snr) - 2)
        return torch.lerp(self._log_snr[below], self._log_snr[below + 1], at - below)

    def level_of(self, share: Tensor) -> Tensor:
        """The levels (B,), 0 .. 1, at which noise is such shares (B,) of what is seen, sqrt(1 - alpha_bar)."""
        below = torch.searchsorted(-self._log_snr, -torch.log(share.double() ** -2 - 1))
        return below / (len(self._log_snr) - 1)

    def noise(self, x_0: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Noise (B, P, D) for x_0, and its levels (B,) of 0 .. 1, stratified over the batch."""
        batch, device = len(x_0), x_0.device
        where = torch.randperm(batch, generator=generator, device=device)
        level = (where + torch.rand(batch, generator=generator, device=device)) / batch
        return _normal(x_0, generator), level

    def feeds_back(self, step: int) -> bool:
        """Whether a step is one with self-conditioning: known to the host, so that no device is waited for."""
        return (step * GOLDEN) % 1 < self.config.self_conditioning

    @torch.no_grad()
    def back(
        self, predict: Predict, x_0: Tensor, level: Tensor, generator: torch.Generator, *, steps: int,
        temperature: float = 1.0,
    ) -> Tensor:  # fmt: skip
        """What x_0 (B, P, D) becomes that is noised to its level (B,) and sampled back in so many steps.

        Ancestral sampling, Ho et al. 2020, algorithm 2, as `samplers.ddpm` has it, with self-conditioning; it gives the
        last x0_hat. `predict` is as in `errors`.
        """
        log_snr = [self.log_snr(level * (steps - k) / steps) for k in range(steps)]
        bars = [torch.sigmoid(of)[:, None, None] for of in log_snr]  # float64
        eps, x0_hat = _normal(x_0, generator), torch.zeros_like(x_0)
        x_t = (bars[0].sqrt() * x_0 + (1 - bars[0]).sqrt() * eps).float()
        for k, (at, bar) in enumerate(zip(log_snr, bars, strict=True)):
            x0_hat = to_x0(predict(x_t, at.float(), x0_hat), x_t, bar, self.config.prediction).float()
            x0_hat = torch.minimum(torch.maximum(x0_hat, self._low), self._high)
            if k + 1 == steps:
                break
            new, left = bars[k + 1], 1 - bar / bars[k + 1]  # eq. 7, at any stride
            mean = (new.sqrt() * left * x0_hat + (bar / new).sqrt() * (1 - new) * x_t) / (1 - bar)
            deviation = ((1 - new) / (1 - bar) * left).sqrt()
            x_t = (mean + temperature * deviation * _normal(x_0, generator)).float()
        return x0_hat

    def errors(self, predict: Predict, x_0: Tensor, eps: Tensor, level: Tensor, feed_back: bool) -> Tensor:
        """The weighted squared error of each phrase (B, P), averaged over its dimensions.

        `predict(x_t, log_snr, x0_prev)` is the network: (B, P, D), (B,), (B, P, D) -> (B, P, D).
        """
        kind = self.config.prediction
        log_snr = self.log_snr(level)
        alpha_bar = torch.sigmoid(log_snr)[:, None, None]  # float64, as 1 - alpha_bar needs
        x_t = (alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * eps).float()
        x0_prev, level_32 = torch.zeros_like(x_0), log_snr.float()
        if feed_back:
            with torch.no_grad():
                x0_prev = to_x0(predict(x_t, level_32, x0_prev), x_t, alpha_bar, kind).float()
                x0_prev = torch.minimum(torch.maximum(x0_prev, self._low), self._high)
        wanted = target(x_0, eps, alpha_bar, kind).float()
        error = (predict(x_t, level_32, x0_prev) - wanted).square().mean(-1)
        weighted: Tensor = denoising_weight(level_32, kind, self.config.min_snr)[:, None] * error
        return weighted


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers of another tensor's shape, on its device."""
    return torch.randn(like.shape, generator=generator, device=like.device)


class DenoiserTask:
    """The denoising loss on windows of latents, over several draws of transpositions, one after another."""

    def __init__(
        self,
        network: nn.Module,
        space: LatentSpace,
        train: Sequence[Latents],
        validation: Latents | None,
        config: DiffusionConfig,
        posterior: Literal["draw", "mean"] = "draw",
        device: torch.device | str = "cpu",
    ):
        self.network, self.device = network, torch.device(device)
        self.train = [Windows(latents, space, posterior, device) for latents in train]
        self.validation = None if validation is None else Windows(validation, space, "mean", device)
        self.diffusion = Diffusion(space, config, device)

    def loss(
        self, network: nn.Module, batch: int, step: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """One batch from one of the transposition draws; noise levels are stratified over it."""
        windows = self.train[step % len(self.train)]
        pick = torch.randint(len(windows), (batch,), generator=generator, device=self.device)
        x_0, labels = windows.x_0(pick, generator), drop_labels(windows.labels[pick], generator)
        eps, level = self.diffusion.noise(x_0, generator)
        return self._loss(network, x_0, eps, level, labels, self.diffusion.feeds_back(step)), {}

    def _loss(
        self, network: nn.Module, x_0: Tensor, eps: Tensor, level: Tensor, labels: Tensor, feed_back: bool
    ) -> Tensor:
        def predict(*noised: Tensor) -> Tensor:
            out: Tensor = network(*noised, labels)
            return out

        return self.diffusion.errors(predict, x_0, eps, level, feed_back).mean()

    @torch.no_grad()
    def evaluate(self, network: nn.Module, windows: int = 512) -> dict[str, float]:
        """The loss on fixed validation windows, noise and levels: with labels, without, and with self-conditioning."""
        if self.validation is None:
            return {}
        generator = torch.Generator(self.device).manual_seed(0)
        pick = torch.randint(len(self.validation), (windows,), generator=generator, device=self.device)
        x_0, given = self.validation.x_0(pick), self.validation.labels[pick]
        eps = torch.randn(x_0.shape, generator=generator, device=self.device)
        level = (torch.randperm(windows, generator=generator, device=self.device) + 0.5) / windows
        null = torch.tensor(LABEL_SIZES, device=self.device).expand_as(given)
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
