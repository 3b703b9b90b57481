"""Small things to work on: songs, and a model of untrained networks."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cantilena.latent import LatentSpace
from cantilena.music.melody import HOLD
from cantilena.music.midi import to_midi
from cantilena.training.export import export_model
from cantilena.training.latents import Latents
from cantilena.training.networks import Denoiser, DenoiserConfig, MelodyVAE, VAEConfig
from melodies import random_melody

TINY_VAE = VAEConfig(width=16, layers=1, heads=2, hidden=16, slot=4, latent=8)
Networks = tuple[MelodyVAE, Denoiser, LatentSpace]


def write_songs(folder: Path, number: int) -> None:
    """Write MIDI files of 70 bars, 0.mid and so on."""
    folder.mkdir(exist_ok=True)
    for seed in range(number):
        (folder / f"{seed}.mid").write_bytes(to_midi(random_melody(seed)))


def make_networks(hold: float = 0) -> Networks:
    """Make untrained networks, with weights large enough that every part of them matters.

    The more they `hold`, the fewer notes they write, and the less latents matter.
    """
    torch.manual_seed(0)
    vae = MelodyVAE(TINY_VAE)
    random = np.random.default_rng(0)
    space = LatentSpace.fit(random.normal(0, 1, (500, 8)), np.abs(random.normal(0.3, 0.05, (500, 8))))
    denoiser = Denoiser(DenoiserConfig(D=space.D, width=16, layers=2, heads=2, hidden=16))
    with torch.no_grad():
        for parameter in denoiser.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        for parameter in vae.decoder.parameters():  # much of it begins at zero: an untrained writer changes nothing
            parameter.add_(0.2 * torch.randn_like(parameter))
        vae.decoder.logits.bias[HOLD] += hold
    return vae.eval(), denoiser.eval(), space


def write_model(folder: Path, networks: Networks) -> None:
    """Write networks as a model folder."""
    vae, denoiser, space = networks
    diffusion = {"schedule": {"name": "cosine", "T": 1000, "s": 0.008}, "prediction": "v"}
    export_model(folder, vae, denoiser, space, diffusion=diffusion, provenance={"data": "none"}, card="# toy\n")


def means_of(latents: Latents, window: NDArray[np.int64]) -> NDArray[np.float32]:
    """Posterior means (B, P, Z) of windows (B,), from what is kept on disk."""
    rows = latents.rows[latents.windows[window, 0, None] + np.arange(latents.phrases)]
    return np.asarray(latents.codes[rows, 0], np.float32)
