"""Networks that see 8 or 48 phrases at once: corpus, latents, denoiser, export and compose."""

from pathlib import Path

import numpy as np
import pytest

from cantilena import load
from cantilena.corpus.build import build
from cantilena.errors import RecipeError
from cantilena.music.midi import to_midi
from cantilena.training.latents import Latents
from cantilena.training.recipes import read_recipe
from cantilena.training.runs import export_run, train_denoiser
from melodies import random_melody
from toys import means_of

RECIPES = Path(__file__).parents[2] / "recipes"
TINY = ["network.width=16", "network.layers=1", "network.heads=2", "network.hidden=16", "loop.steps=3", "loop.batch=4",
        "loop.precision=fp32", "loop.evaluate_every=3", "data.precision=fp32"]  # fmt: skip


@pytest.fixture(scope="module")
def long_corpus(tmp_path_factory):
    """40 songs of 100 bars."""
    songs = tmp_path_factory.mktemp("songs")
    for seed in range(40):
        (songs / f"{seed}.mid").write_bytes(to_midi(random_melody(seed, 100)))
    return build([songs], tmp_path_factory.mktemp("corpus") / "long", workers=1)


@pytest.mark.parametrize("phrases", [8, 48])
def test_from_corpus_to_melody(long_corpus, toy_model, tmp_path, phrases):
    settings = [*TINY, f"network.phrases={phrases}", f"data.vae={toy_model}"]
    recipe = read_recipe(RECIPES / "small.toml", settings)
    assert train_denoiser(recipe, long_corpus, tmp_path / "run") == 3
    (folder,) = long_corpus.directory.glob(f"latents-*/train-1-*-{phrases}")
    latents = Latents.open(folder)
    assert means_of(latents, np.array([0, 1])).shape[:2] == (2, phrases)
    export_run(tmp_path / "run", toy_model, tmp_path / "model", data="random", licence="none")
    composer = load(tmp_path / "model")
    assert composer.model.window == phrases
    assert composer.sample([1, 2], phrases=phrases, steps=2).shape[:2] == (2, phrases)
    for bars in (6, 64, 128):  # shorter than a window, and longer: through several
        assert composer.compose(seed=1, bars=bars, plain=True, steps=2).bars == bars
    assert composer.compose(seed=1, steps=2).bars == 64
    with pytest.raises(ValueError, match=f"at least {phrases} phrases, not 5"):
        composer.sample([1], phrases=5)


@pytest.mark.parametrize("phrases", [3, 129, '"8"'])
def test_what_cannot_be_is_refused(long_corpus, toy_model, tmp_path, phrases):
    recipe = read_recipe(RECIPES / "small.toml", [*TINY, f"network.phrases={phrases}", f"data.vae={toy_model}"])
    with pytest.raises(RecipeError, match=r"network\.phrases is a number from 4 to 128"):
        train_denoiser(recipe, long_corpus, tmp_path / "run")
