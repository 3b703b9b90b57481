"""A model folder that a stranger made: refused in one line, before onnxruntime opens it."""

import io
import json
import shutil
import zipfile

import numpy as np
import onnx
import pytest

from cantilena.cli.inspect import inspect
from cantilena.composer import Composer
from cantilena.errors import ModelError
from cantilena.model import Model, find_model
from cantilena.model_checks import check_network
from cantilena.provenance import KnownTunes


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


def changed(folder, change):
    about = json.loads((folder / "model.json").read_text())
    change(about)
    (folder / "model.json").write_text(json.dumps(about))
    return folder


def refused(folder, match):
    with pytest.raises(ModelError, match=match) as error:
        Model.load(folder)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400 + 2 * len(str(folder))
    assert not any(word in str(error.value) for word in ("KeyError", "TypeError", "ValueError", "UFunc"))


def test_networks_of_another_shape_than_model_json_says_are_refused(tmp_path):
    folder = shutil.copytree(find_model("open-64"), tmp_path / "m")
    about = json.loads((folder / "model.json").read_text())
    del about["labels"]
    (folder / "model.json").write_text(json.dumps(about))
    refused(folder, r"decoder.onnx: its labels is tensor\(int64\) \(batch, 3\); model.json .* \(n, 4\)")
    changed(folder, lambda about: about.update(labels=labels_without_tonic()))
    refused(folder, r"denoiser.onnx: its labels is tensor\(int64\) \(batch, 7\); model.json .* \(n, 5\)")


def labels_without_tonic():
    labels = json.loads((find_model("open-64") / "model.json").read_text())["labels"]
    return {key: names for key, names in labels.items() if key != "tonic"}


@pytest.mark.parametrize(
    ("part", "other", "said"),
    [
        ("decoder", "encoder", "takes tokens and gives mean, std, not z, sigma, labels and plan, plain"),
        ("decoder_step", "decoder_start", "takes before, around, not a plan and a state of known sizes"),
        ("decoder_start", "decoder_step", "takes plan, plain, token, notes, state and gives logits, next_state"),
        ("denoiser", "decoder", "takes z, sigma, labels and gives plan, plain"),
    ],
)
def test_a_network_in_the_place_of_another_is_refused(folder, part, other, said):
    shutil.copy(folder / f"{other}.onnx", folder / f"{part}.onnx")
    refused(folder, f"{part}.onnx: {said}")


def test_a_network_in_the_place_of_the_encoder_is_refused_when_music_is_read(folder):
    shutil.copy(folder / "decoder.onnx", folder / "encoder.onnx")
    with pytest.raises(ModelError, match=r"encoder.onnx: takes z, sigma, labels and gives plan, plain, not tokens"):
        Model.load(folder).encode(np.zeros((1, 32), np.int8))


@pytest.mark.parametrize(
    ("name", "kind", "shape", "said"),
    [
        ("z", onnx.TensorProto.DOUBLE, ["n", 64], r"its z is tensor\(double\) \(n, 64\)"),
        ("z", onnx.TensorProto.FLOAT, ["n", 63], r"its z is tensor\(float\) \(n, 63\)"),
        ("z", onnx.TensorProto.FLOAT, [1, 64], r"its z is tensor\(float\) \(1, 64\)"),
        ("z", onnx.TensorProto.FLOAT, ["n", "m"], r"its z is tensor\(float\) \(n, m\)"),
        ("z", onnx.TensorProto.FLOAT, [64], r"its z is tensor\(float\) \(64\)"),
        ("labels", onnx.TensorProto.FLOAT, ["n", 4], r"its labels is tensor\(float\) \(n, 4\)"),
    ],
)
def test_kinds_ranks_and_shapes_of_inputs_are_checked(folder, name, kind, shape, said):
    inputs = {"z": (onnx.TensorProto.FLOAT, ["n", 64]), "sigma": (onnx.TensorProto.FLOAT, ["n"]),
              "labels": (onnx.TensorProto.INT64, ["n", 4]), name: (kind, shape)}  # fmt: skip
    save_network(folder / "decoder.onnx", inputs, {"plan": [1, 32, 832], "plain": [1, 32, 90]})
    refused(folder, said)


@pytest.mark.parametrize("outputs", [{"plan": [1, 32, 831], "plain": [1, 32, 90]}, {"plain": [1, 32, 90]}])
def test_outputs_are_checked(folder, outputs):
    save_network(folder / "decoder.onnx", DECODER, outputs)
    refused(folder, r"decoder.onnx: (its plan is .*\(1, 32, 831\)|takes .* and gives plain, not .* plan, plain)")


@pytest.mark.parametrize("shape", [(3, 32, 831), (1, 32, 832), (32, 832), ()])
def test_an_output_of_another_shape_than_it_said_is_an_error_of_the_model(shape):
    class Lying(Broken):
        def run(self, *asked):
            return [np.zeros(shape, np.float32), self.real.run(*asked)[1]]

    model = Model.load("open-64")
    model._sessions["decoder"] = Lying(model._sessions["decoder"])
    with pytest.raises(ModelError, match=r"its decoder gives a plan \(.*\), not \(3, 32, 832\)"):
        model.plan(np.zeros((3, 64), np.float32), np.zeros(3, np.float32), np.zeros((3, 3), np.int64))


DECODER = {"z": (onnx.TensorProto.FLOAT, ["n", 64]), "sigma": (onnx.TensorProto.FLOAT, ["n"]),
           "labels": (onnx.TensorProto.INT64, ["n", 4])}  # fmt: skip


def save_network(path, inputs, outputs):
    """A network that gives zeros whatever it takes."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.zeros(shape, np.float32), name))
        for name, shape in outputs.items()
    ]
    given = [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()]
    found = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, *shape[1:]])
        for name, shape in outputs.items()
    ]
    graph = helper.make_graph(nodes, "g", given, found)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())


class Broken:
    """A network that gives no numbers."""

    def __init__(self, real):
        self.real = real

    def __getattr__(self, name):
        return getattr(self.real, name)

    def run(self, *asked):
        return [np.full_like(found, np.nan) for found in self.real.run(*asked)]


@pytest.mark.parametrize("part", ["denoiser", "decoder", "decoder_start", "decoder_step"])
def test_a_network_that_gives_no_numbers_is_an_error_of_the_model(part):
    model = Model.load("open-64")
    model._sessions[part] = Broken(model._sessions[part])
    with pytest.raises(ModelError, match=f"^open-64: its {part} gives what is no number$"):
        Composer(model).compose(seed=1, bars=4, steps=2)


def test_an_encoder_that_gives_no_numbers_is_an_error_of_the_model(tmp_path):
    model = Model.load("open-64")
    model.encode(np.zeros((1, 32), np.int8))
    model._sessions["encoder"] = Broken(model._sessions["encoder"])
    tune = Composer(Model.load("open-64")).compose(seed=1, bars=8, steps=2).melody
    with pytest.raises(ModelError, match=r"^open-64: its encoder gives what is no number$"):
        Composer(model).vary(tune, steps=2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_an_error_of_the_model(folder, bad):
    network = onnx.load(folder / "decoder.onnx")
    largest = max(network.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    array = onnx.numpy_helper.to_array(largest)
    largest.CopyFrom(onnx.numpy_helper.from_array(np.full_like(array, bad), largest.name))
    onnx.save(network, folder / "decoder.onnx")
    with pytest.raises(ModelError, match="its decoder gives what is no number"):
        Composer(Model.load(folder)).compose(seed=1, steps=2)


@pytest.mark.parametrize("T", [0, -1, 10**9, 1.5, "x", None, True, [5]])
def test_a_schedule_of_impossible_length_is_refused(folder, T):
    refused(changed(folder, lambda about: about["denoiser"]["schedule"].update(T=T)), r"levels T|schedule\[")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("denoiser", "schedule", "s"), 1e9), (("denoiser", "schedule", "s"), -1), (("denoiser", "schedule", "s"), "x"),
        (("denoiser", "schedule"), {"name": "linear", "beta_start": 1e9, "beta_end": 1e9}),
        (("denoiser", "schedule"), {"name": "linear", "beta_start": 0.5, "beta_end": 1}),
        (("denoiser", "prediction"), "y"), (("denoiser", "prediction"), None), (("denoiser",), []), (("vae",), None),
        (("decoder", "sigma"), 1e9), (("decoder", "sigma"), float("nan")), (("decoder", "temperature"), -1),
        (("decoder", "temperature"), 1e30), (("decoder", "floor"), 2), (("decoder", "floor"), "0"),
        (("decoder", "leanings"), {"0": {"intervals": [[1e30] * 6] * 2, "foreign": 0}}),
        (("decoder", "leanings"), {"0": {"intervals": [[0] * 5] * 2, "foreign": 0}}),
        (("decoder", "leanings"), {"x": {"intervals": [[0] * 6] * 2, "foreign": 0}}),
        (("metres",), []), (("metres",), ["1/0"]), (("metres",), "4/4"), (("forms",), {"a": ["?"]}),
        (("homes",), {"a": [[0, 0, 10**30]]}), (("styles",), {"a": {"4/4": "x"}}), (("labels",), {}),
        (("provenance",), ["x"]), (("name",), ["x"]), (("name",), "x" * 10**5), (("name",), "\ud800"), (("name",), "\x1b[31mred"), (("name",), "a\nb"),
        (("denoiser", "latent"), "a\n"), (("denoiser", "network"), "\x1b[2J"), (("vae", "fingerprint"), "\x1b[2J"),
    ],
)  # fmt: skip
def test_what_model_json_cannot_say_is_refused(folder, place, value):
    def change(about):
        for key in place[:-1]:
            about = about[key]
        about[place[-1]] = value

    refused(changed(folder, change), r"model.json: cannot be understood \(")


@pytest.mark.parametrize("key", ["vae", "decoder", "denoiser", "provenance"])
def test_what_model_json_must_say_is_missed_by_its_name(folder, key):
    refused(changed(folder, lambda about: about.pop(key)), f"missing required field `{key}`")


def test_what_people_are_told_of_a_model_has_its_escapes_written_out(folder, capsys):
    changed(folder, lambda about: about.update(provenance={"\x1b]0;x\x07": "\x1b[31m", "deep": [["\n"]]}))
    inspect([folder])
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())


def test_keys_that_are_not_known_are_passed_over_and_count_in_the_fingerprint(folder):
    before = Model.load(folder).fingerprint
    changed(folder, lambda about: about.update(humour="dry"))
    assert Model.load(folder).fingerprint != before


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("mean", 1e30, "mean has numbers beyond"), ("scale", 1e30, "scale has numbers beyond"),
        ("scale", 1e-30, "scale has numbers below"), ("high", 1e30, "high has numbers beyond"),
        ("low", np.nan, "finite"),
    ],
)  # fmt: skip
def test_a_latent_space_of_absurd_numbers_is_refused(folder, name, value, said):
    arrays = dict(np.load(folder / "latent.npz"))
    arrays[name] = np.full_like(arrays[name], value)
    np.savez(folder / "latent.npz", **arrays)
    refused(folder, f"latent.npz: not a latent space .*{said}")


def test_known_tunes_are_measured_by_their_headers(tmp_path):
    folder = shutil.copytree(find_model("open-64"), tmp_path / "m")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|i1", "fortran_order": False, "shape": (1 << 40,)})
    with zipfile.ZipFile(folder / "provenance.npz", "w") as archive:
        archive.writestr("interval.npy", header.getvalue())
    with pytest.raises(ModelError, match="not the tunes that a model learned from"):
        KnownTunes.load(folder, {})
