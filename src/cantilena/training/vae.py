"""Training and measuring the phrase VAE."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cantilena.training.data import Phrases
from cantilena.training.losses import elbo_terms
from cantilena.training.networks import MelodyVAE

__all__ = ["VAETask", "measure_vae"]

NOISED = 0.5  # share of examples with noise on their latent


class VAETask:
    """`reconstruction + beta * KL` on transposed phrases; beta rises from 0 over `beta_warmup` steps.

    The decoder learns to go on from the phrase before, and to doubt its latent: NOISED of the latents get noise of a
    deviation, up to `sigma`, that it is told.
    """

    def __init__(
        self, network: MelodyVAE, train: Phrases, validation: Phrases, *, beta: float, beta_warmup: int = 1000,
        sigma: float = 0.0, device: torch.device | str = "cpu",
    ):  # fmt: skip
        self.network: nn.Module = network
        self.latent, self.sizes = network.config.latent, network.config.labels
        self.train, self.validation = train.to(device), validation.to(device)
        self.beta, self.beta_warmup, self.sigma = beta, beta_warmup, sigma

    def loss(
        self, network: nn.Module, batch: int, step: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One batch; figures are nats a phrase."""
        device = generator.device
        tokens, *told = self.train.draw(batch, generator).less_told(generator, self.sizes)
        eps, noise = torch.randn(2, batch, self.latent, generator=generator, device=device)
        noised, level = torch.rand(2, batch, generator=generator, device=device)
        sigma = self.sigma * level * (noised < NOISED)
        logits, mean, log_var = network(tokens, *told, eps, noise, sigma)
        reconstruction, kl = elbo_terms(logits, tokens, mean, log_var)
        beta = self.beta * min(1.0, step / max(1, self.beta_warmup))
        return reconstruction + beta * kl, {"reconstruction": reconstruction.detach(), "kl": kl.detach()}

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """`measure_vae` on at most 4,096 validation phrases."""
        some = torch.randperm(len(self.validation.tokens), generator=torch.Generator().manual_seed(0))[:4096]
        figures = measure_vae(network, self.validation, some)
        return {k: v for k, v in figures.items() if isinstance(v, float)}


@torch.no_grad()
def measure_vae(network: nn.Module, phrases: Phrases, rows: Tensor, *, seed: int = 0) -> dict[str, Any]:
    """Token accuracy and share of exactly rebuilt phrases, from the mean and from a sampled z; KL; deviations.

    Each of the phrases `rows` is written greedily after its own phrase before. `deviation` is the posterior's,
    averaged, of each dimension.
    """
    assert isinstance(network, MelodyVAE)
    device = next(network.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    phrases, rows = phrases.to(device), rows.to(device)
    found = []
    deviation = torch.zeros(network.config.latent, device=device)
    for begin in range(0, len(rows), 1024):
        some = rows[begin : begin + 1024]
        x, *told = phrases.take(some, torch.zeros_like(some))
        sure = torch.zeros(len(some), device=device)
        mean, log_var = network.encode(x)
        std = (0.5 * log_var).exp()
        z = mean + std * torch.randn(mean.shape, generator=generator, device=device)
        right_mean, right_z = (network.decoder.write(latent, sure, *told) == x for latent in (mean, z))
        kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(-1)
        columns = (right_mean.float().mean(1), right_mean.all(1), right_z.float().mean(1), right_z.all(1), kl)
        found.append(torch.stack([c.float() for c in columns], 1))
        deviation += std.sum(0) / len(rows)
    names = ("accuracy_mean", "exact_mean", "accuracy_sampled", "exact_sampled", "kl")
    figures: dict[str, Any] = dict(zip(names, torch.cat(found).mean(0).tolist(), strict=True))
    return {**figures, "kept": float((deviation < 0.9).sum()), "deviation": deviation.tolist()}
