"""Training and measuring the phrase VAE."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cantilena.training.data import SHIFTS, Phrases, shift_pitches
from cantilena.training.losses import elbo_terms
from cantilena.training.networks import MelodyVAE

__all__ = ["VAETask", "measure_vae"]


class VAETask:
    """`reconstruction + beta * KL` on transposed distinct phrases; beta rises from 0 over `beta_warmup` steps."""

    def __init__(
        self, network: MelodyVAE, train: Phrases, validation: Phrases, *, beta: float, beta_warmup: int = 1000
    ):
        self.network: nn.Module = network
        self.latent = network.config.latent
        self.train, self.validation = train, validation
        self.beta, self.beta_warmup = beta, beta_warmup
        self._cumulative = train.sampler()

    def loss(
        self, network: nn.Module, batch: int, step: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """One batch; figures are nats a phrase."""
        u = torch.rand(batch, generator=generator, dtype=torch.float64).numpy()
        rows = np.searchsorted(self._cumulative, u)
        shift = torch.randint(SHIFTS[0], SHIFTS[-1] + 1, (batch,), generator=generator).numpy()
        tokens = torch.from_numpy(shift_pitches(self.train.tokens[rows], shift))
        eps = torch.randn(batch, self.latent, generator=generator)
        logits, mean, log_var = network(tokens, eps)
        reconstruction, kl = elbo_terms(logits, tokens, mean, log_var)
        beta = self.beta * min(1.0, step / max(1, self.beta_warmup))
        return reconstruction + beta * kl, {"reconstruction": float(reconstruction.detach()), "kl": float(kl.detach())}

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """`measure_vae` on at most 4,096 validation phrases drawn by occurrence."""
        some = np.random.default_rng(0).choice(
            len(self.validation.tokens), min(4096, len(self.validation.tokens)), replace=False
        )
        figures = measure_vae(network, self.validation.tokens[some], self.validation.counts[some])
        return {k: v for k, v in figures.items() if isinstance(v, float)}


@torch.no_grad()
def measure_vae(
    network: nn.Module, tokens: NDArray[np.int8], weight: NDArray[np.int64], *, seed: int = 0
) -> dict[str, Any]:
    """Token accuracy and share of exactly rebuilt phrases, from the mean and from a sampled z; KL; deviations.

    tokens (n, 32); each phrase counts `weight` times. `deviation` is the posterior's, averaged, for each dimension.
    """
    assert isinstance(network, MelodyVAE)
    generator = torch.Generator().manual_seed(seed)
    rows = []
    deviation = torch.zeros(network.config.latent)
    share = torch.from_numpy(weight / weight.sum()).float()
    for begin in range(0, len(tokens), 1024):
        x = torch.from_numpy(tokens[begin : begin + 1024].astype(np.int64))
        mean, log_var = network.encode(x)
        std = (0.5 * log_var).exp()
        z = mean + std * torch.randn(mean.shape, generator=generator)
        right_mean = network.decode(mean).argmax(-1) == x
        right_z = network.decode(z).argmax(-1) == x
        kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(-1)
        rows.append(
            torch.stack([right_mean.float().mean(1), right_mean.all(1), right_z.float().mean(1), right_z.all(1), kl], 1)
        )
        deviation += (std * share[begin : begin + len(x), None]).sum(0)
    names = ("accuracy_mean", "exact_mean", "accuracy_sampled", "exact_sampled", "kl")
    averaged = (torch.cat(rows) * share[:, None]).sum(0)
    figures: dict[str, Any] = {name: float(value) for name, value in zip(names, averaged, strict=True)}
    return {**figures, "kept": float((deviation < 0.9).sum()), "deviation": deviation.tolist()}
