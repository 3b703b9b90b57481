"""Seeds 0 to 9 of a model, stored with it: the same here, other notes, other weights, a damaged file."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from cantilena import cli
from cantilena.composer import Composer, load
from cantilena.digests import FILE, compare, stored, write
from cantilena.errors import ModelError
from cantilena.model import DEFAULT_MODEL, Model


@pytest.fixture(scope="module")
def folder(toy_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("digests") / "toy"
    shutil.copytree(toy_model, folder)
    write(folder)
    return folder


def told(folder):
    ran = CliRunner().invoke(cli.app, ["inspect", str(folder), "--digest", "--json"])
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout)["digests"]


def test_a_stored_digest_is_what_a_seed_comes_to(folder):
    said = told(folder)
    assert said["stored"]
    assert said["differ"] == []
    assert said["told"] == "the same notes as where the model was made, seeds 0 to 9"
    assert said["notes"][7] == load(folder).compose(seed=7, bars=8, plain=True).receipt.notes
    assert len(set(said["notes"])) == 10
    assert Model.load(folder).fingerprint == json.loads((folder / FILE).read_text())["fingerprint"]


def test_other_notes_are_named_with_both_machines(folder, tmp_path):
    shutil.copytree(folder, other := tmp_path / "toy")
    said = json.loads((other / FILE).read_text())
    said["notes"][3] = "0" * 64
    said["machine"] = ["0.1.0", "1.24.1", "another"]
    (other / FILE).write_text(json.dumps(said))
    found = told(other)
    assert found["differ"] == [3]
    assert found["told"].startswith("seeds 3 come to other notes")
    assert "1.24.1 on another, here" in found["told"]


def test_of_other_weights_nothing_is_said(folder, tmp_path):
    shutil.copytree(folder, other := tmp_path / "toy")
    about = json.loads((other / "model.json").read_text())
    about["decoder"]["temperature"] = 0.3
    (other / "model.json").write_text(json.dumps(about))
    assert stored(Model.load(other)) is None
    assert compare(Model.load(other)).verdict == "no digests are stored for these weights"


@pytest.mark.parametrize("text", ["", "[]", "\xff", '{"fingerprint": "", "machine": ["", "", ""], "notes": []}'])
def test_a_damaged_file_is_one_line(folder, tmp_path, text):
    shutil.copytree(folder, other := tmp_path / "toy")
    (other / FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=FILE):
        compare(Model.load(other))


def test_what_ships_was_stored_for_the_weights_that_ship():
    model = Model.load(DEFAULT_MODEL)
    if not (model.folder / FILE).exists():
        pytest.skip("no digests are shipped")
    said = stored(model)
    assert said is not None, "run scripts/write_digests.py"
    made = Composer(model).compose(seed=0, bars=8, plain=True).receipt
    if (made.version, made.onnxruntime, made.cpu) == said.machine:
        assert made.notes == said.notes[0]
