"""The networks that ship: `MelodyVAE`, `Denoiser` and `TransformerMDN`, each on about a page.

All are plain `nn.Module`s with a config dataclass beside them. Sequences are 32 long; VAE and denoiser compute every
position in parallel, so one ONNX graph serves any batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cantilena.training.layers import Attention, Block, FeedForward
from cantilena.training.phrase_decoder import LABEL_SIZES, PhraseDecoder, PhraseDecoderConfig

__all__ = [
    "LABEL_SIZES",
    "Denoiser",
    "DenoiserConfig",
    "MDNConfig",
    "MelodyVAE",
    "Mixture",
    "PhraseTransformer",
    "TransformerMDN",
    "VAEConfig",
]

# -- the phrase VAE --------------------------------------------------------------------------------


@dataclass(frozen=True)
class VAEConfig:
    """Shape of a `MelodyVAE`."""

    vocabulary: int = 90
    steps: int = 32
    width: int = 128
    layers: int = 3
    heads: int = 4
    hidden: int = 256
    slot: int = 32  # numbers each position hands to the latent
    latent: int = 64  # Z
    writer: int = 224  # hidden units of the recurrent decoder
    labels: tuple[int, ...] = LABEL_SIZES  # values of each label that the decoder is told

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))  # JSON and TOML have lists


class MelodyVAE(nn.Module):
    """One 2-bar phrase (32 tokens) <-> a diagonal Gaussian in Z dimensions (Kingma & Welling 2014)."""

    def __init__(self, config: VAEConfig | None = None):
        super().__init__()
        self.config = c = config or VAEConfig()
        self.embed = nn.Embedding(c.vocabulary, c.width)
        self.encoder_position = nn.Parameter(0.02 * torch.randn(c.steps, c.width))
        self.encoder = nn.ModuleList(Block(c.width, c.heads, c.hidden) for _ in range(c.layers))
        self.encoder_norm = nn.LayerNorm(c.width)
        self.squeeze = nn.Linear(c.width, c.slot)
        self.posterior = nn.Linear(c.steps * c.slot, 2 * c.latent)
        self.decoder = PhraseDecoder(
            PhraseDecoderConfig(
                c.vocabulary, c.steps, c.width, c.layers, c.heads, c.hidden, c.slot, c.latent, c.writer, labels=c.labels
            )
        )
        nn.init.normal_(self.embed.weight, std=0.5)

    def encode(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """tokens (B, 32) -> mean and log-variance of q(z | phrase), (B, Z) each, float32."""
        x = self.embed(tokens) + self.encoder_position
        for block in self.encoder:
            x = block(x)
        mean, log_var = self.posterior(self.squeeze(self.encoder_norm(x)).flatten(1)).float().chunk(2, dim=-1)
        return mean, log_var.clamp(-12, 4)

    def forward(
        self,
        tokens: Tensor,
        labels: Tensor,
        before: Tensor,
        around: Tensor,
        eps: Tensor,
        noise: Tensor,
        sigma: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits from z = mean + std * eps + sigma * noise, and the posterior: (B, 32, 90), (B, Z), (B, Z)."""
        mean, log_var = self.encode(tokens)
        z = mean + (0.5 * log_var).exp() * eps + sigma[:, None] * noise
        return self.decoder(z, sigma, labels, before, around, tokens), mean, log_var


# -- the shipped denoiser --------------------------------------------------------------------------


@dataclass(frozen=True)
class DenoiserConfig:
    """Shape of a `Denoiser` over `phrases` latents of D dimensions."""

    D: int
    phrases: int = 32
    width: int = 192
    layers: int = 6
    heads: int = 6
    hidden: int = 768
    dropout: float = 0.0  # of what each layer adds, in training


class PhraseTransformer(nn.Module):
    """The trunk of a denoiser: a transformer over phrases with adaptive layer norm.

    Peebles & Xie 2023; one shared table as in PixArt. It is told the noise level and labels, of which each may be its
    null (index `sizes[i]`).
    """

    def __init__(self, config: Any, sizes: Sequence[int], attention: Callable[[int, int, int], nn.Module] = Attention):
        super().__init__()
        self.config = c = config
        self.inputs = nn.Linear(2 * c.D, c.width)
        self.position = nn.Parameter(0.02 * torch.randn(c.phrases, c.width))
        self.labels = nn.ModuleList(nn.Embedding(size + 1, c.width) for size in sizes)
        self.level = nn.Sequential(nn.Linear(64, c.width), nn.SiLU(), nn.Linear(c.width, c.width))
        self.modulation = nn.Linear(c.width, 6 * c.width)  # shared; each layer adds its own offset
        self.layer_offset = nn.Parameter(torch.zeros(c.layers, 6 * c.width))
        self.norms = nn.ModuleList(nn.LayerNorm(c.width, elementwise_affine=False) for _ in range(2 * c.layers))
        self.attentions = nn.ModuleList(attention(c.width, c.heads, c.phrases) for _ in range(c.layers))
        self.feed_forwards = nn.ModuleList(FeedForward(c.width, c.hidden) for _ in range(c.layers))
        self.drop = nn.Dropout(c.dropout)
        self.last_norm = nn.LayerNorm(c.width)
        self.prediction = nn.Linear(c.width, c.D)
        self.frequencies: Tensor
        frequencies = torch.exp(torch.linspace(math.log(0.05), math.log(8), 32))
        self.register_buffer("frequencies", frequencies, persistent=False)
        for embedding in self.labels:
            nn.init.normal_(embedding.weight, std=0.02)  # type: ignore[arg-type]
        for linear in (self.modulation, self.prediction):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        with torch.no_grad():  # gates begin small but open
            self.layer_offset.view(c.layers, 6, c.width)[:, (2, 5)] = 0.3

    def begin(self, x_t: Tensor, x0_prev: Tensor) -> Tensor:
        """x_t and x0_prev (B, P, D), in their places: (B, P, width)."""
        out: Tensor = self.inputs(torch.cat([x_t, x0_prev], dim=-1)) + self.position[: x_t.shape[1]]
        return out

    def predict(self, x: Tensor, log_snr: Tensor, labels: Tensor, *to_attention: Tensor) -> Tensor:
        """The prediction (B, P, D), float32, from x (B, P, width); `to_attention` goes to every attention beside x."""
        c = self.config
        angle = log_snr[:, None] * self.frequencies / 2  # (B, 32)
        cond = self.level(torch.cat([angle.sin(), angle.cos()], dim=-1))
        for i, embedding in enumerate(self.labels):
            cond = cond + embedding(labels[:, i])
        shared = self.modulation(F.silu(cond))  # (B, 6 W)
        for i in range(c.layers):
            modulation = (shared + self.layer_offset[i])[:, None]  # (B, 1, 6 W)
            scale1, shift1, gate1, scale2, shift2, gate2 = modulation.chunk(6, dim=-1)
            heard = self.attentions[i](self.norms[2 * i](x) * (1 + scale1) + shift1, *to_attention)
            x = x + gate1 * self.drop(heard)
            thought = self.feed_forwards[i](self.norms[2 * i + 1](x) * (1 + scale2) + shift2)
            x = x + gate2 * self.drop(thought)
        out: Tensor = self.prediction(self.last_norm(x)).float()
        return out


class Denoiser(PhraseTransformer):
    """Denoises 32 phrases.

    Stateless: it sees a noise level and not an index, the previous estimate of x_0 (self-conditioning, Chen et al.
    2023; zeros are always allowed), and labels, of which each may be its null (index LABEL_SIZES[i]).
    """

    def __init__(self, config: DenoiserConfig):
        super().__init__(config, LABEL_SIZES)

    def forward(self, x_t: Tensor, log_snr: Tensor, x0_prev: Tensor, labels: Tensor) -> Tensor:
        """x_t (B, 32, D), log_snr (B,), x0_prev (B, 32, D), labels (B, 4) -> prediction (B, 32, D), float32."""
        return self.predict(self.begin(x_t, x0_prev), log_snr, labels)


# -- the autoregressive baseline -------------------------------------------------------------------


class Mixture(NamedTuple):
    """K diagonal Gaussians in D dimensions for each phrase: what comes next, given the phrases before."""

    log_pi: Tensor  # (B, T, K) log weights, they sum to 1
    mean: Tensor  # (B, T, K, D)
    log_std: Tensor  # (B, T, K, D)


class MixtureHead(nn.Module):
    """Hidden features -> `Mixture`."""

    def __init__(self, hidden: int, components: int, D: int):
        super().__init__()
        self.components, self.D = components, D
        self.linear = nn.Linear(hidden, components * (2 * D + 1))

    def forward(self, x: Tensor) -> Mixture:
        K, D = self.components, self.D
        out = self.linear(x).float()
        log_pi, mean, log_std = out.split([K, K * D, K * D], dim=-1)
        shape = (*x.shape[:2], K, D)
        return Mixture(log_pi.log_softmax(-1), mean.view(shape), log_std.view(shape).clamp(-5, 3))


def shift_right(x: Tensor) -> Tensor:
    """(B, T, D): zeros first, then every phrase but the last, so that a position never sees its own answer."""
    return F.pad(x, (0, 0, 1, 0))[:, :-1]


@dataclass(frozen=True)
class MDNConfig:
    """Shape of a `TransformerMDN` over `phrases` latents of D dimensions."""

    D: int
    phrases: int = 32
    width: int = 160
    layers: int = 3
    heads: int = 5
    hidden: int = 640
    components: int = 16


class TransformerMDN(nn.Module):
    """The denoiser's trunk, causal: phrases so far -> a mixture of Gaussians for the next.

    Mixture density network: Bishop 1994. It has no noise level and so no modulation, and no labels.
    """

    def __init__(self, config: MDNConfig):
        super().__init__()
        self.config = c = config
        self.inputs = nn.Linear(c.D, c.width)
        self.position = nn.Parameter(0.02 * torch.randn(c.phrases, c.width))
        self.norms = nn.ModuleList(nn.LayerNorm(c.width) for _ in range(2 * c.layers))
        self.attentions = nn.ModuleList(Attention(c.width, c.heads, c.phrases, causal=True) for _ in range(c.layers))
        self.feed_forwards = nn.ModuleList(FeedForward(c.width, c.hidden) for _ in range(c.layers))
        self.last_norm = nn.LayerNorm(c.width)
        self.head = MixtureHead(c.width, c.components, c.D)

    def forward(self, x_0: Tensor) -> Mixture:
        """x_0 (B, T, D), T <= 32 -> for each position the mixture of its phrase, given those before it, float32."""
        x = self.inputs(shift_right(x_0)) + self.position[: x_0.shape[1]]
        for i in range(self.config.layers):
            x = x + self.attentions[i](self.norms[2 * i](x))
            x = x + self.feed_forwards[i](self.norms[2 * i + 1](x))
        out: Mixture = self.head(self.last_norm(x))
        return out
