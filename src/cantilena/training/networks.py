"""The networks: `MelodyVAE`, `Denoiser` (shipped) and `PaperDenoiser` (the paper's), each on about a page.

All are plain `nn.Module`s with a config dataclass beside them; sequences are 32 long and every position is computed
in parallel, so one ONNX graph serves any batch. Attention is written as two batched products: at 32 positions it is
faster on a CPU than the fused kernel, in bfloat16 by a factor of five.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "LABEL_SIZES",
    "Denoiser",
    "DenoiserConfig",
    "MelodyVAE",
    "PaperDenoiser",
    "PaperDenoiserConfig",
    "VAEConfig",
    "parameter_count",
]

LABEL_SIZES = (3, 17, 3, 2)  # role, family, purity, has rests: one more index each is "not said" (null)


def parameter_count(network: nn.Module) -> int:
    """Trainable numbers in `network`."""
    return sum(p.numel() for p in network.parameters())


class Attention(nn.Module):
    """Multi-head self-attention over all positions, with an optional learned bias for each distance and head."""

    def __init__(self, width: int, heads: int, positions: int = 0):
        super().__init__()
        if width % heads:
            raise ValueError(f"a width of {width} cannot be shared by {heads} heads")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.distance_bias = nn.Parameter(torch.zeros(heads, 2 * positions - 1)) if positions else None
        steps = torch.arange(max(positions, 1))
        self.register_buffer("distance", steps[None] - steps[:, None] + max(positions, 1) - 1, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        B, T, W = x.shape
        heads, d = self.heads, W // self.heads
        qkv = self.qkv(x).view(B, T, 3, heads, d).permute(2, 0, 3, 1, 4).reshape(3, B * heads, T, d)
        q, k, v = qkv.unbind(0)  # (B h, T, d)
        score = torch.bmm(q, k.transpose(1, 2)) * d**-0.5  # (B h, T, T)
        if self.distance_bias is not None:
            bias = self.distance_bias[:, self.distance].to(score.dtype)  # type: ignore[index]
            score = (score.view(B, heads, T, T) + bias).view(B * heads, T, T)
        y = torch.bmm(score.softmax(-1, dtype=score.dtype), v)  # (B h, T, d)
        out: Tensor = self.out(y.view(B, heads, T, d).transpose(1, 2).reshape(B, T, W))
        return out


class FeedForward(nn.Module):
    """Two layers with a squared ReLU (So et al. 2021, Primer): cheap, and as good as GELU."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(F.relu(self.up(x)).square())
        return out


class Block(nn.Module):
    """A pre-norm transformer layer."""

    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.feed_forward = FeedForward(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        out: Tensor = x + self.feed_forward(self.norm2(x))
        return out


# -- the phrase VAE --------------------------------------------------------------------------------


@dataclass(frozen=True)
class VAEConfig:
    """Shape of a `MelodyVAE`; 1,032,826 parameters as it stands."""

    vocabulary: int = 90
    steps: int = 32
    width: int = 128
    layers: int = 3
    heads: int = 4
    hidden: int = 256
    slot: int = 32  # numbers each position hands to the latent
    latent: int = 64  # Z


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
        self.expand = nn.Linear(c.latent, c.steps * c.slot)
        self.unsqueeze = nn.Linear(c.slot, c.width)
        self.decoder_position = nn.Parameter(0.02 * torch.randn(c.steps, c.width))
        self.decoder = nn.ModuleList(Block(c.width, c.heads, c.hidden) for _ in range(c.layers))
        self.decoder_norm = nn.LayerNorm(c.width)
        self.logits = nn.Linear(c.width, c.vocabulary)
        nn.init.normal_(self.embed.weight, std=0.5)

    def encode(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """tokens (B, 32) -> mean and log-variance of q(z | phrase), (B, Z) each, float32."""
        x = self.embed(tokens) + self.encoder_position
        for block in self.encoder:
            x = block(x)
        mean, log_var = self.posterior(self.squeeze(self.encoder_norm(x)).flatten(1)).float().chunk(2, dim=-1)
        return mean, log_var.clamp(-12, 4)

    def decode(self, z: Tensor) -> Tensor:
        """z (B, Z) -> logits (B, 32, 90), all positions at once."""
        c = self.config
        x = self.unsqueeze(self.expand(z).view(-1, c.steps, c.slot)) + self.decoder_position
        for block in self.decoder:
            x = block(x)
        out: Tensor = self.logits(self.decoder_norm(x))
        return out

    def forward(self, tokens: Tensor, eps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits from z = mean + std * eps, and the posterior: (B, 32, 90), (B, Z), (B, Z)."""
        mean, log_var = self.encode(tokens)
        return self.decode(mean + (0.5 * log_var).exp() * eps), mean, log_var


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


class Denoiser(nn.Module):
    """A transformer over phrases with adaptive layer norm (Peebles & Xie 2023; one shared table as in PixArt).

    Stateless: it sees a noise level and not an index, the previous estimate of x_0 (self-conditioning, Chen et al.
    2023; zeros are always allowed), and labels, of which each may be its null (index LABEL_SIZES[i]).
    """

    def __init__(self, config: DenoiserConfig):
        super().__init__()
        self.config = c = config
        self.inputs = nn.Linear(2 * c.D, c.width)
        self.position = nn.Parameter(0.02 * torch.randn(c.phrases, c.width))
        self.labels = nn.ModuleList(nn.Embedding(size + 1, c.width) for size in LABEL_SIZES)
        self.level = nn.Sequential(nn.Linear(64, c.width), nn.SiLU(), nn.Linear(c.width, c.width))
        self.modulation = nn.Linear(c.width, 6 * c.width)  # shared; each layer adds its own offset
        self.layer_offset = nn.Parameter(torch.zeros(c.layers, 6 * c.width))
        self.norms = nn.ModuleList(nn.LayerNorm(c.width, elementwise_affine=False) for _ in range(2 * c.layers))
        self.attentions = nn.ModuleList(Attention(c.width, c.heads, c.phrases) for _ in range(c.layers))
        self.feed_forwards = nn.ModuleList(FeedForward(c.width, c.hidden) for _ in range(c.layers))
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

    def forward(self, x_t: Tensor, log_snr: Tensor, x0_prev: Tensor, labels: Tensor) -> Tensor:
        """x_t (B, 32, D), log_snr (B,), x0_prev (B, 32, D), labels (B, 4) -> prediction (B, 32, D), float32."""
        c = self.config
        angle = log_snr[:, None] * self.frequencies / 2  # (B, 32)
        cond = self.level(torch.cat([angle.sin(), angle.cos()], dim=-1))
        for i, embedding in enumerate(self.labels):
            cond = cond + embedding(labels[:, i])
        shared = self.modulation(F.silu(cond))  # (B, 6 W)
        x = self.inputs(torch.cat([x_t, x0_prev], dim=-1)) + self.position
        for i in range(c.layers):
            modulation = (shared + self.layer_offset[i])[:, None]  # (B, 1, 6 W)
            scale1, shift1, gate1, scale2, shift2, gate2 = modulation.chunk(6, dim=-1)
            x = x + gate1 * self.attentions[i](self.norms[2 * i](x) * (1 + scale1) + shift1)
            x = x + gate2 * self.feed_forwards[i](self.norms[2 * i + 1](x) * (1 + scale2) + shift2)
        out: Tensor = self.prediction(self.last_norm(x)).float()
        return out


# -- the paper's denoiser --------------------------------------------------------------------------


@dataclass(frozen=True)
class PaperDenoiserConfig:
    """Shape of the paper's network: 25,579,946 parameters at D = 42."""

    D: int
    phrases: int = 32
    width: int = 128
    layers: int = 6
    heads: int = 8
    hidden: int = 2048
    film_blocks: int = 2


class PaperDenoiser(nn.Module):
    """Mittal et al. 2021, section 3.2: 6 transformer layers, then residual dense blocks with FiLM on the noise level.

    Called like `Denoiser`; x0_prev and labels are ignored, because the paper has neither.
    """

    def __init__(self, config: PaperDenoiserConfig):
        super().__init__()
        self.config = c = config
        self.inputs = nn.Linear(c.D, c.width)
        self.layers = nn.ModuleList(PaperLayer(c.width, c.heads, c.hidden) for _ in range(c.layers))
        self.norm = nn.LayerNorm(c.width)
        self.widen = nn.Linear(c.width, c.hidden)
        self.films = nn.ModuleList(FiLM(c.width, c.hidden) for _ in range(c.film_blocks))
        self.residuals = nn.ModuleList(FiLMBlock(c.hidden) for _ in range(c.film_blocks))
        self.last_norm = nn.LayerNorm(c.hidden)
        self.prediction = nn.Linear(c.hidden, c.D)
        self.register_buffer("position", sinusoids(torch.arange(c.phrases).float(), c.width), persistent=False)

    def forward(self, x_t: Tensor, log_snr: Tensor, x0_prev: Tensor, labels: Tensor) -> Tensor:
        """x_t (B, 32, D), log_snr (B,) -> eps_hat (B, 32, D)."""
        level = torch.sigmoid(log_snr).sqrt()  # sqrt(alpha_bar), the paper's continuous noise level
        x = self.inputs(x_t) + self.position
        for layer in self.layers:
            x = layer(x)
        x = self.widen(self.norm(x))
        for film, residual in zip(self.films, self.residuals, strict=True):
            x = residual(x, *film(level))
        out: Tensor = self.prediction(self.last_norm(x)).float()
        return out


class PaperLayer(nn.Module):
    """The pre-norm transformer layer of the paper: `Block` with GELU."""

    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        out: Tensor = x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))
        return out


class FiLM(nn.Module):
    """Noise level -> scale and shift of every hidden feature (Perez et al. 2018; encoding as in WaveGrad)."""

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.channels = channels
        self.first, self.second = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, 4 * channels)
        self.scale, self.shift = nn.Linear(4 * channels, hidden), nn.Linear(4 * channels, hidden)

    def forward(self, level: Tensor) -> tuple[Tensor, Tensor]:
        y = self.second(F.silu(self.first(sinusoids(5000 * level, self.channels))))[:, None]
        return self.scale(y), self.shift(y)


class FiLMBlock(nn.Module):
    """Two dense layers, each normalised, modulated and rectified, around a shortcut."""

    def __init__(self, hidden: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.dense1, self.dense2 = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)

    def forward(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        y = self.dense1(F.silu(scale * self.norm1(x) + shift))
        out: Tensor = x + self.dense2(F.silu(scale * self.norm2(y) + shift))
        return out


def sinusoids(value: Tensor, channels: int) -> Tensor:
    """(N,) -> (N, channels): sines and cosines at geometric frequencies 1 .. 1e-4 (Vaswani et al. 2017)."""
    half = channels // 2
    angle = value[:, None] * torch.exp(-math.log(10_000) * torch.arange(half) / (half - 1))
    return torch.cat([angle.sin(), angle.cos()], dim=-1)
