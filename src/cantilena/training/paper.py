"""The networks of the paper, at its sizes: `PaperDenoiser` and `PaperMDN` (Mittal et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cantilena.training.layers import Attention, sinusoids
from cantilena.training.networks import Mixture, MixtureHead, shift_right

__all__ = ["PaperDenoiser", "PaperDenoiserConfig", "PaperMDN", "PaperMDNConfig"]


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

    def __init__(self, width: int, heads: int, hidden: int, causal: bool = False):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, causal=causal)
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
    """Two dense layers, each normalised, modulated where there is a noise level, and rectified, around a shortcut."""

    def __init__(self, hidden: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.dense1, self.dense2 = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)

    def forward(self, x: Tensor, scale: Tensor | float = 1.0, shift: Tensor | float = 0.0) -> Tensor:
        y = self.dense1(F.silu(scale * self.norm1(x) + shift))
        out: Tensor = x + self.dense2(F.silu(scale * self.norm2(y) + shift))
        return out


@dataclass(frozen=True)
class PaperMDNConfig:
    """Shape of the paper's autoregressive baseline: 38,050,484 parameters at D = 42."""

    D: int
    phrases: int = 32
    width: int = 128
    layers: int = 6
    heads: int = 8
    hidden: int = 2048
    blocks: int = 2
    components: int = 100


class PaperMDN(nn.Module):
    """TransformerMDN of Mittal et al. 2021: the trunk of `PaperDenoiser`, causal, without a noise level."""

    def __init__(self, config: PaperMDNConfig):
        super().__init__()
        self.config = c = config
        self.inputs = nn.Linear(c.D, c.width)
        self.layers = nn.ModuleList(PaperLayer(c.width, c.heads, c.hidden, causal=True) for _ in range(c.layers))
        self.norm = nn.LayerNorm(c.width)
        self.widen = nn.Linear(c.width, c.hidden)
        self.residuals = nn.ModuleList(FiLMBlock(c.hidden) for _ in range(c.blocks))
        self.last_norm = nn.LayerNorm(c.hidden)
        self.head = MixtureHead(c.hidden, c.components, c.D)
        self.register_buffer("position", sinusoids(torch.arange(c.phrases).float(), c.width), persistent=False)

    def forward(self, x_0: Tensor) -> Mixture:
        """x_0 (B, T, D) -> for each position the mixture of its phrase, given those before it."""
        x = self.inputs(shift_right(x_0)) + self.position[: x_0.shape[1]]  # type: ignore[index]
        for layer in self.layers:
            x = layer(x)
        x = self.widen(self.norm(x))
        for residual in self.residuals:
            x = residual(x)
        out: Mixture = self.head(self.last_norm(x))
        return out
