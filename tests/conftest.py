"""What many tests need: melodies, a small real corpus of MIDI files, and a model folder with toy networks."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest
import torch
from hypothesis import settings

from cantilena.corpus.build import build
from cantilena.corpus.store import Corpus
from cantilena.latent import LatentSpace
from cantilena.training.export import Baseline, export_baselines
from cantilena.training.networks import Denoiser, DenoiserConfig, MDNConfig, MelodyVAE, TransformerMDN
from toys import make_networks, write_model, write_songs

torch.set_num_threads(1)
# on a busy machine: no deadline, and the same examples every time
settings.register_profile("cantilena", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("cantilena")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """160 songs of 70 bars, built by the product's own command."""
    songs = tmp_path_factory.mktemp("songs")
    write_songs(songs, 160)
    return build([songs], tmp_path_factory.mktemp("corpus") / "toy", workers=1)


@pytest.fixture(scope="session")
def toy_networks() -> tuple[MelodyVAE, Denoiser, LatentSpace]:
    """Untrained networks."""
    return make_networks()


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory, toy_networks: tuple[MelodyVAE, Denoiser, LatentSpace]) -> Path:
    """The toy networks as a model folder."""
    folder = tmp_path_factory.mktemp("models") / "toy"
    write_model(folder, toy_networks)
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
