"""A folder of baselines: found by the model's name, refused where it belongs to another model or is damaged."""

import json
import shutil

import numpy as np
import pytest

from cantilena.errors import ModelError
from cantilena.model import Model
from cantilena.reproduction.baseline_networks import BaselineNetworks


@pytest.fixture
def folder(toy_baselines, tmp_path):
    return shutil.copytree(toy_baselines, tmp_path / "toy")


@pytest.fixture(scope="module")
def model(toy_model):
    return Model.load(toy_model)


def rewrite(folder, **changed):
    about = json.loads((folder / "baselines.json").read_text())
    (folder / "baselines.json").write_text(json.dumps({k: v for k, v in (about | changed).items() if v is not None}))


def test_the_folder_of_the_models_name_comes_first(folder, model, tmp_path):
    assert model.name == "toy"
    for place in (tmp_path, folder):
        assert BaselineNetworks.load(place, model).folder == folder
    shutil.copytree(folder, tmp_path / "copy")
    rewrite(tmp_path / "copy", mdn=None)
    (folder / "baselines.json").rename(tmp_path / "baselines.json")
    with pytest.raises(ModelError, match=r"mdn.onnx: missing from the folder"):  # the networks are not beside it
        BaselineNetworks.load(tmp_path, model)


def test_what_is_there_can_be_asked_and_what_is_not_says_how_it_is_made(folder, model):
    (folder / "paper.onnx").unlink()
    rewrite(folder, paper=None)
    networks = BaselineNetworks.load(folder, model)
    assert networks.parts == ("mdn",)
    mixture = networks.next_phrase(np.zeros((2, 3, model.space.D), np.float32))
    assert mixture.mean.shape == (2, 3, model.space.D)
    for ask in (lambda: networks.paper_model(model), lambda: networks.fingerprint("paper")):
        with pytest.raises(ModelError, match=r"holds no paper.onnx; `cantilena export MODEL --paper RUN` writes it"):
            ask()


def test_the_papers_choices_take_the_place_of_the_denoiser_alone(folder, model):
    paper = BaselineNetworks.load(folder, model).paper_model(model)
    assert (paper.prediction, paper.schedule.config["name"]) == ("eps", "linear")
    assert (model.prediction, model.schedule.config["name"]) == ("v", "cosine")
    x, labels = np.ones((1, 32, model.space.D), np.float32), np.zeros((1, 4), np.int64)
    one, other = (m.denoise(x, np.zeros(1, np.float32), x, labels) for m in (model, paper))
    assert not np.allclose(one, other)
    phrases = np.tile(np.arange(32), (1, 2, 1))
    np.testing.assert_array_equal(model.to_latents(phrases), paper.to_latents(phrases))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"format": 9}, "format 9; this version of Cantilena reads format 1"),
        ({"latent": None}, "cannot be understood \\(KeyError"),
        ({"paper": {"prediction": "eps"}}, "cannot be understood \\(KeyError: 'schedule'"),
        ({"latent": "another"}, "were trained in latent space another, and toy in"),
    ],
)
def test_a_folder_that_does_not_fit_is_one_line(folder, model, changed, message):
    rewrite(folder, **changed)
    with pytest.raises(ModelError, match=message) as raised:
        BaselineNetworks.load(folder, model)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "3"])
def test_json_that_is_something_else_is_one_line(folder, model, text):
    (folder / "baselines.json").write_text(text)
    with pytest.raises(ModelError, match="cannot be understood"):
        BaselineNetworks.load(folder, model)


def test_a_damaged_network_is_known_before_the_work(folder, model):
    (folder / "mdn.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"mdn.onnx: not a network that onnxruntime can run"):
        BaselineNetworks.load(folder, model)
