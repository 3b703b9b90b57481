"""Denoisers and latent spaces of somebody's own, by the signature that docs/training.md tells."""

import itertools
import json
import shutil

import numpy as np
import pytest
import torch
from torch import nn

from cantilena import load
from cantilena.diffusion import NoiseSchedule
from cantilena.errors import ModelError
from cantilena.latent import LatentSpace


class Shrinks(nn.Module):
    """The best guess where each number of x_0 is standard normal and nothing else is known: x_t * sqrt(alpha_bar)."""

    def forward(self, x_t, log_snr):
        return x_t * torch.sigmoid(log_snr).sqrt()[:, None, None]


def own_model(source, folder, network, space=None, **about):
    """A model folder with another denoiser, and where it is given another latent space, as the page says."""
    shutil.copytree(source, folder)
    said = json.loads((folder / "model.json").read_text())
    if space is not None:
        space.save(folder / "latent.npz")
        said["denoiser"]["latent"] = space.fingerprint
    D = LatentSpace.load(folder / "latent.npz").D
    torch.onnx.export(
        network, (torch.zeros(2, 32, D), torch.zeros(2)), folder / "denoiser.onnx", dynamo=False,
        input_names=["x_t", "log_snr"], output_names=["prediction"],
        dynamic_axes={name: {0: "batch"} for name in ("x_t", "log_snr", "prediction")},
    )  # fmt: skip
    said["denoiser"] |= {"network": "own", "config": {}, **about}
    (folder / "model.json").write_text(json.dumps(said))
    return folder


def test_an_onnx_graph_of_ones_own_is_the_denoiser(toy_model, tmp_path):
    schedule = NoiseSchedule.linear()
    folder = own_model(toy_model, tmp_path / "own", Shrinks(), prediction="x0", schedule=schedule.to_config())
    composer = load(folder)
    assert composer.compose(seed=1, plain=True, steps=4).bars == 64
    x_T = np.random.default_rng(0).standard_normal((1, 32, composer.model.space.D)).astype(np.float32)
    found = composer.sample([0], x_t=x_T, start=schedule.T, sampler="ddim", steps=3)
    x_t = x_T  # the same by hand: x0_hat = x_t sqrt(bar), and DDIM's way to each level
    levels = schedule.timesteps(3)
    for t, s in itertools.pairwise(levels):
        bar_t, bar_s = (float(schedule.alpha_bar_at(level)) for level in (t, s))
        x_0 = composer.model.space.clip(x_t * float(1 / (1 + np.exp(-schedule.log_snr(t)))) ** 0.5)
        x_t = bar_s**0.5 * x_0 + (1 - bar_s) ** 0.5 * (x_t - bar_t**0.5 * x_0) / (1 - bar_t) ** 0.5
    np.testing.assert_allclose(found, x_0, atol=1e-4)


def test_so_is_a_latent_space_of_ones_own(toy_model, tmp_path):
    ours = LatentSpace.load(toy_model / "latent.npz")
    kept = ours.kept.copy()
    kept[np.flatnonzero(kept)[-2:]] = False  # two dimensions fewer
    space = LatentSpace(ours.mean, ours.scale, kept, ours.low[:-2], ours.high[:-2])
    composer = load(own_model(toy_model, tmp_path / "own", Shrinks(), space))
    melody = composer.compose(seed=1, plain=True, steps=3).melody
    assert composer.encode(melody).shape == (32, ours.D - 2)
    assert composer.decode(composer.sample([4], steps=2)[0]).shape == (32, 32)


def test_a_space_that_the_denoiser_does_not_know_is_refused(toy_model, tmp_path):
    folder = own_model(toy_model, tmp_path / "own", Shrinks())
    said = json.loads((folder / "model.json").read_text())
    said["denoiser"]["latent"] = "0" * 16
    (folder / "model.json").write_text(json.dumps(said))
    with pytest.raises(ModelError, match="the denoiser was trained in latent space 0000000000000000"):
        load(folder)
