"""Losses as pure functions of network outputs: the ELBO and the denoising loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["denoising_weight", "elbo_terms"]


def elbo_terms(logits: Tensor, tokens: Tensor, mean: Tensor, log_var: Tensor) -> tuple[Tensor, Tensor]:
    """Reconstruction and KL of the ELBO (Kingma & Welling 2014, eq. 10), in nats a phrase, averaged over the batch.

    logits (B, 32, 90), tokens (B, 32), mean and log_var (B, Z). The VAE minimises `reconstruction + beta * kl`.
    """
    reconstruction = F.cross_entropy(logits.float().flatten(0, 1), tokens.flatten(), reduction="sum") / len(tokens)
    kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(-1).mean()
    return reconstruction, kl


def denoising_weight(log_snr: Tensor, kind: str, min_snr: float | None) -> Tensor:
    """Weight of each example's squared error (B,): 1, or min-SNR-gamma (Hang et al. 2023, eq. 8) for its prediction.

    With gamma the weight on x_0 is min(SNR, gamma); v divides it by SNR + 1, eps by SNR.
    """
    if min_snr is None:
        return torch.ones_like(log_snr)
    snr = log_snr.exp()
    clamped = snr.clamp(max=min_snr)
    return {"x0": clamped, "v": clamped / (snr + 1), "eps": clamped / snr}[kind]
