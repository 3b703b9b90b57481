"""A few of the faults of `make faults`, which has all of them: kills, a full disk, a fork, threads, little memory."""

import os
import subprocess
import sys
from contextlib import nullcontext

import pytest
from commands import Inputs, differences, digest, is_plain, processes, start, torn

import faults
from cantilena.cli import _explained, train
from toys import write_songs


@pytest.fixture(scope="module")
def bench(tmp_path_factory, corpus, toy_model):
    """The inputs that most tests have: songs and a model, without runs."""
    inputs = Inputs(tmp_path_factory.mktemp("faults") / "inputs")
    inputs.folder.mkdir()
    write_songs(inputs.songs, 40)
    os.symlink(toy_model, inputs.model)
    return faults.Bench(inputs.folder.parent, inputs)


def test_a_build_that_is_killed_goes_on(bench):
    assert faults.kill(bench, "corpus build", times=2).trouble == ""


def test_a_full_disk_is_one_line_and_with_room_all_is_well(bench):
    assert faults.full(bench, "corpus build").trouble == ""


def test_where_nothing_can_be_written_is_one_line(bench):
    assert faults.read_only(bench, "corpus build").trouble == ""


def test_a_fork_composes_as_its_parent(bench):
    assert faults.fork(bench, 1).trouble == ""


def test_eight_threads_compose_as_one(bench):
    assert faults.threads(bench).trouble == ""


@pytest.mark.parametrize("error", [
    MemoryError(), MemoryError("Unable to allocate 8 MiB"), RuntimeError("std::bad_alloc"),
    ImportError("libx.so: failed to map segment from shared object"), OSError(12, "Cannot allocate memory"),
    RuntimeError("can't start new thread"),
])  # fmt: skip
def test_too_little_memory_is_no_bug(error):
    said, status = _explained(error)
    assert said.startswith("there is not enough memory")
    assert status == 1
    outer = ImportError("many lines of advice")
    outer.__cause__ = error
    assert _explained(outer)[1] == 1
    assert _explained(ImportError("no such thing"))[1] == 3


# -- the harness finds what is wrong ---------------------------------------------------------------


def test_what_is_left_missing_other_or_torn_is_found(tmp_path):
    inputs, place = Inputs(tmp_path / "inputs"), tmp_path / "place"
    place.mkdir()
    (place / "a.json").write_text(f'{{"seconds": 1.5, "of": "{inputs.folder}"}}')
    (place / "b.svg").write_text("<svg></svg>")
    wanted = digest(place, inputs)
    (place / "a.json").write_text(f'{{"seconds": 2.5, "of": "{inputs.folder}"}}')
    assert differences(digest(place, inputs), wanted) == ""
    (place / "a.json").write_text('{"seconds": 2.5')
    assert torn(place, wanted, inputs) == "torn: a.json"
    (place / "b.svg").unlink()
    (place / ".left").touch()
    assert differences(digest(place, inputs), wanted) == "left behind: .left; missing: b.svg; other: a.json"


def test_orphans_are_found_and_ended():
    code = "import subprocess, sys; subprocess.Popen(['sleep', '60']); import time; time.sleep(60)"
    running = start([], code=code)
    while len(list(processes(running.mark))) < 2:
        pass
    assert running.kill_after(0.01)
    assert len(running.orphans(0.1)) == 1
    assert running.orphans(5) == []


@pytest.mark.parametrize(("said", "plain"), [
    ("cantilena: a line\n", True), ("files 3/4\ncantilena: a line", True), ("", False),
    ("Traceback (most recent call last)\ncantilena: a line", False), ("cantilena: a bug: KeyError", False),
    ("cantilena: one\ncantilena: two", False),
])  # fmt: skip
def test_plain_is_one_line(said, plain):
    assert is_plain(said) == plain


def test_it_runs_from_the_command_line():
    found = subprocess.run([sys.executable, faults.__file__, "nothing"], capture_output=True, text=True)
    assert found.returncode == 2
    assert "kill, full, read-only" in found.stderr


@pytest.mark.parametrize(("most", "refused"), [(500 << 20, True), (-1, False), (2 << 30, False)])
def test_pytorch_is_not_imported_into_too_little_memory(monkeypatch, most, refused):
    """There it would end the process without a word."""
    monkeypatch.setattr(train, "_most_memory", lambda: most)
    with pytest.raises(MemoryError, match="PyTorch takes more than 600 MB") if refused else nullcontext():
        train.training_modules("training")
