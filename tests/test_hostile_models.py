"""A model folder that a stranger made: refused in one line, before onnxruntime opens it."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest

from cantilena.composer import Composer
from cantilena.errors import ModelError
from cantilena.model import Model, find_model
from cantilena.model_checks import check_network


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(find_model("pop-64"), tmp_path / "m")


def field(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


OUTSIDE = field(13, field(1, b"location") + field(2, b"../../secret"))  # of a TensorProto


@pytest.mark.parametrize(
    "network",
    [
        field(7, field(5, OUTSIDE)),  # an initializer
        field(7, field(5, bytes([14 << 3, 1]))),  # that says only where its data are
        field(7, field(1, field(5, field(5, OUTSIDE)))),  # a constant
        field(7, field(1, field(5, field(6, field(5, OUTSIDE))))),  # in the branch of an If
    ],
)
def test_weights_in_other_files_are_refused(folder, network):
    (folder / "denoiser.onnx").write_bytes(network)
    with pytest.raises(ModelError, match="keeps weights in other files"):
        Model.load(folder)


def test_the_shipped_networks_hold_their_own(folder):
    for path in folder.glob("*.onnx"):
        check_network(path)


@pytest.mark.parametrize("network", [b"\xff" * 20, field(7, b"\x0a"), b"\x0a\x7f"])
def test_what_is_no_protobuf_is_refused(folder, network):
    (folder / "encoder.onnx").write_bytes(network)
    with pytest.raises(ModelError, match="not a network"):
        Model.load(folder)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": ' + "9" * 5000 + "}", "{}", "[]", " " * (1 << 20 | 1)])
def test_json_that_means_harm_is_refused(folder, text):
    (folder / "model.json").write_text(text)
    with pytest.raises(ModelError) as refused:
        Model.load(folder)
    assert "\n" not in str(refused.value)


def test_arrays_are_measured_by_their_headers(folder):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)})
    with zipfile.ZipFile(folder / "latent.npz", "w") as archive:
        archive.writestr("mean.npy", header.getvalue())
    with pytest.raises(ModelError, match="arrays of over"):
        Model.load(folder)


def test_networks_of_another_shape_than_model_json_says_are_refused(tmp_path):
    folder = shutil.copytree(find_model("open-64"), tmp_path / "m")
    about = json.loads((folder / "model.json").read_text())
    for labels in ({k: v for k, v in about["labels"].items() if k != "tonic"}, None):
        told = {**about, "labels": labels} if labels else {k: v for k, v in about.items() if k != "labels"}
        (folder / "model.json").write_text(json.dumps(told))
        with pytest.raises(
            ModelError, match=r"denoiser.onnx: its labels has 7 numbers, and model.json .* speak of [45]"
        ):
            Model.load(folder)


def test_a_network_that_gives_no_numbers_is_an_error_of_the_model():
    model = Model.load("open-64")

    class Broken:
        def __getattr__(self, name):
            return getattr(real, name)

        def run(self, *asked):
            return [np.full_like(real.run(*asked)[0], np.nan)]

    real = model._sessions["denoiser"]
    model._sessions["denoiser"] = Broken()
    with pytest.raises(ModelError, match="open-64: its denoiser gives what is no number"):
        Composer(model).compose(seed=1, bars=4, steps=2)


@pytest.mark.parametrize("T", [0, -1, 10**9, 1.5, "x", None])
def test_a_schedule_of_impossible_length_is_refused(folder, T):
    about = json.loads((folder / "model.json").read_text())
    about["denoiser"]["schedule"]["T"] = T
    (folder / "model.json").write_text(json.dumps(about))
    with pytest.raises(ModelError, match="levels T"):
        Model.load(folder)
