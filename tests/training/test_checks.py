"""`--dry-run` finds what is in the way of a training before it begins."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from cantilena import cli
from cantilena.latent import LatentSpace
from cantilena.training.checks import obstacles
from cantilena.training.recipes import read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
TINY = ["network.width=16", "network.layers=1", "network.heads=2", "network.hidden=16"]


def found(corpus, run, *settings, recipe="small", init=None):
    return obstacles(read_recipe(RECIPES / f"{recipe}.toml", [*TINY, *settings]), corpus, run, init)


def test_nothing_is_in_the_way(corpus, toy_model, tmp_path):
    assert found(corpus, tmp_path / "run", f"data.vae={toy_model}") == []
    assert found(corpus, tmp_path / "run", f"data.vae={toy_model}", f"data.latent={toy_model}") == []
    assert obstacles(read_recipe(RECIPES / "vae.toml", []), corpus, tmp_path / "vae") == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ([], "small: no VAE; --set data.vae=RUN"),
        (["data.vae=/nowhere"], "/nowhere: no checkpoint there"),
        (["network.phrases=3"], "network.phrases is a number from 4 to 128, not 3"),
        (["network.phrases=48"], "no melody of 96 bars in its train songs"),
        (["loop.batch=7", "loop.accumulate=2"], "a batch of 7 cannot be shared by 1 processes in 2 parts"),
    ],
)
def test_each_thing_is_a_line(corpus, tmp_path, settings, message):
    lines = found(corpus, tmp_path / "run", *settings)
    assert any(line.startswith(message) or message in line for line in lines), lines
    assert all("\n" not in line for line in lines)


def test_a_corpus_of_another_kind(corpus, tmp_path):
    lines = obstacles(read_recipe(RECIPES / "open.toml", []), corpus, tmp_path / "run")
    assert "open: denoiser + tune learns from tunes.npz; --corpus is another" in lines


def test_a_latent_space_of_another_vae(corpus, toy_model, tmp_path):
    (tmp_path / "run").mkdir()
    ones = np.ones(5, np.float32)
    LatentSpace(0 * ones, ones, ones > 0, -ones, ones).save(tmp_path / "run" / "latent.npz")
    (line,) = found(corpus, tmp_path / "run", f"data.vae={toy_model}")
    assert "a space of 5 dimensions, and the VAE" in line
    assert line.endswith("has 8")


def test_a_run_of_another_network(corpus, toy_model, tmp_path):
    step = tmp_path / "run" / "step-00000010"
    step.mkdir(parents=True)
    (step / "run.json").write_text(json.dumps({"kind": "denoiser", "network": {"width": 32}, "step": 10}))
    (line,) = found(corpus, tmp_path / "run", f"data.vae={toy_model}")
    assert line.endswith("belongs to another network (width 32, not 16)")


def test_weights_to_begin_with_of_another_shape(corpus, toy_model, tmp_path):
    lines = found(corpus, tmp_path / "run", f"data.vae={toy_model}", "network.width=24", init=toy_model)
    assert any("its network has another shape" in line for line in lines)


def test_a_missing_gpu(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert any("no GPU is at hand" in line for line in found(corpus, tmp_path / "run", "loop.device=cuda"))


def test_the_command_says_so_and_fails(corpus, tmp_path):
    run = ["train", "denoiser", str(RECIPES / "small.toml"), "--corpus", str(corpus.directory), "--run",
           str(tmp_path / "run"), "--dry-run"]  # fmt: skip
    ran = CliRunner().invoke(cli.app, run)
    assert ran.exit_code == 1
    assert "not yet: small: no VAE" in ran.stdout
    assert not (tmp_path / "run").exists()
