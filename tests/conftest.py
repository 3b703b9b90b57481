"""What many tests need: melodies, a small real corpus of MIDI files, and a model folder with toy networks."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from cantilena.corpus.build import build
from cantilena.corpus.store import Corpus
from cantilena.latent import LatentSpace
from cantilena.music.midi import to_midi
from cantilena.training.export import Baseline, export_baselines, export_model
from cantilena.training.networks import Denoiser, DenoiserConfig, MDNConfig, MelodyVAE, TransformerMDN, VAEConfig
from melodies import random_melody

torch.set_num_threads(1)
# on a busy machine: no deadline, and the same examples every time
settings.register_profile("cantilena", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("cantilena")

TINY_VAE = VAEConfig(width=16, layers=1, heads=2, hidden=16, slot=4, latent=8)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """160 songs of 70 bars, built by the product's own command."""
    songs = tmp_path_factory.mktemp("songs")
    for seed in range(160):
        (songs / f"{seed}.mid").write_bytes(to_midi(random_melody(seed)))
    return build([songs], tmp_path_factory.mktemp("corpus") / "toy", workers=1)


@pytest.fixture(scope="session")
def toy_networks() -> tuple[MelodyVAE, Denoiser, LatentSpace]:
    """Untrained networks, with weights large enough that every part of them matters."""
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
    return vae.eval(), denoiser.eval(), space


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory, toy_networks: tuple[MelodyVAE, Denoiser, LatentSpace]) -> Path:
    """The toy networks as a model folder."""
    folder = tmp_path_factory.mktemp("models") / "toy"
    vae, denoiser, space = toy_networks
    diffusion = {"schedule": {"name": "cosine", "T": 1000, "s": 0.008}, "prediction": "v"}
    export_model(folder, vae, denoiser, space, diffusion=diffusion, provenance={"data": "none"}, card="# toy\n")
    return folder


@pytest.fixture(scope="session")
def toy_baselines(
    tmp_path_factory: pytest.TempPathFactory, toy_networks: tuple[MelodyVAE, Denoiser, LatentSpace]
) -> Path:
    """Both baselines of the toy model, untrained as well, as a folder."""
    folder = tmp_path_factory.mktemp("baselines") / "toy"
    space = toy_networks[2]
    torch.manual_seed(5)
    mdn = TransformerMDN(MDNConfig(D=space.D, width=16, layers=1, heads=2, hidden=16, components=3))
    paper = Denoiser(DenoiserConfig(D=space.D, width=16, layers=1, heads=2, hidden=16))
    linear = {"schedule": {"name": "linear", "T": 1000}, "prediction": "eps"}
    baselines = {"mdn": Baseline(mdn, {}), "paper": Baseline(paper, linear)}
    export_baselines(folder, baselines, space.fingerprint, space.D)
    return folder
