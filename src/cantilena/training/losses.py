"""Losses as pure functions of network outputs: the ELBO, the denoising loss and the likelihood of a mixture."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["denoising_weight", "elbo_terms", "mixture_log_likelihood", "nats"]


def elbo_terms(logits: Tensor, tokens: Tensor, mean: Tensor, log_var: Tensor) -> tuple[Tensor, Tensor]:
    """Reconstruction and KL of the ELBO (Kingma & Welling 2014, eq. 10), in nats a phrase, averaged over the batch.

    logits (B, 32, 90), tokens (B, 32), mean and log_var (B, Z). The VAE minimises `reconstruction + beta * kl`.
    """
    reconstruction = F.cross_entropy(logits.float().flatten(0, 1), tokens.flatten(), reduction="sum") / len(tokens)
    kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(-1).mean()
    return reconstruction, kl


def nats(logits: Tensor, tokens: Tensor) -> Tensor:
    """-log p of each phrase (B,), in nats, of logits (B, 32, 90) for its tokens (B, 32)."""
    return F.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none").view(tokens.shape).sum(1)


def denoising_weight(log_snr: Tensor, kind: str, min_snr: float | None) -> Tensor:
    """Weight of each example's squared error (B,): 1, or min-SNR-gamma (Hang et al. 2023, eq. 8) for its prediction.

    With gamma the weight on x_0 is min(SNR, gamma); v divides it by SNR + 1, eps by SNR.
    """
    if min_snr is None:
        return torch.ones_like(log_snr)
    snr = log_snr.exp()
    clamped = snr.clamp(max=min_snr)
    return {"x0": clamped, "v": clamped / (snr + 1), "eps": clamped / snr}[kind]


def mixture_log_likelihood(log_pi: Tensor, mean: Tensor, log_std: Tensor, x_0: Tensor) -> Tensor:
    """Log density of x_0 (..., D) under mixtures of diagonal Gaussians, (...,): Bishop 1994, eq. 22 and 23.

        log sum_k exp(log_pi_k + sum_d log N(x_d; mean_kd, std_kd))

    log_pi (..., K), mean and log_std (..., K, D). Weights and deviations enter as logarithms and the sum is a
    log-sum-exp, so that nothing over- or underflows however far x_0 lies from every component.
    """
    distance = (x_0[..., None, :] - mean) * (-log_std).exp()
    log_normal = -0.5 * distance.square().sum(-1) - log_std.sum(-1) - 0.5 * mean.shape[-1] * math.log(2 * math.pi)
    return torch.logsumexp(log_pi + log_normal, dim=-1)
