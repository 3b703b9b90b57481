"""`cantilena evaluate`: anybody's files, one table, and one line where it cannot be."""

import json
import subprocess
import sys

import numpy as np
import pytest
from midi_files import song, track, tune
from typer.testing import CliRunner

from cantilena import cli, files
from cantilena.music.midi import to_midi
from melodies import random_melody

run = CliRunner(env={"COLUMNS": "80"}).invoke


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    desk = tmp_path_factory.mktemp("desk")
    (desk / "tunes").mkdir()
    for seed in range(6):
        (desk / "tunes" / f"{seed}.mid").write_bytes(to_midi(random_melody(seed, 32)))
    np.savez(desk / "tokens.npz", events=np.stack([random_melody(seed, 64).events for seed in range(3, 11)]))
    (desk / "empty").mkdir()
    np.savez(desk / "notes.npz", notes=np.zeros((3, 96), int))
    (desk / "odd").mkdir()
    (desk / "odd" / "1.mid").write_bytes(song(track(tune(1)), signatures=[(0, 17, 4)]))
    (desk / "corrupt.npz").write_bytes((desk / "tokens.npz").read_bytes()[:300])
    return desk


def test_it_prints_writes_and_draws(desk, tmp_path):
    out = tmp_path / "deep" / "report.json"
    command = ["evaluate", str(desk / "tunes"), "--reference", str(desk / "tokens.npz"), "--novelty"]
    result = run(cli.app, [*command, "--json", str(out), "--plot", str(tmp_path / "a.svg")])
    assert result.exit_code == 0, result.output
    assert "GENERATED  tunes: 6 pieces" in result.stdout
    assert "REFERENCE  tokens.npz: 8 pieces" in result.stdout
    assert "phrases found there" in result.stdout
    found = json.loads(out.read_text())
    assert set(found) == {"generated", "reference", "scores", "scores_with_failures", "music", "novelty"}
    assert set(found["reference"]["overlap"]["pitch"]) == {"mean", "var_pieces", "var_pooled"}
    assert (tmp_path / "a.svg").read_text().startswith("<svg")


def test_a_corpus_is_a_source(desk, corpus):
    splits = [f"{corpus.directory}:{split}" for split in ("test", "train")]
    result = run(cli.app, ["evaluate", splits[0], "--reference", splits[1], "--novelty"])
    assert result.exit_code == 0, result.output
    assert "REFERENCE  toy:train" in result.stdout


def said(arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cantilena", "evaluate", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    line = capsys.readouterr().err
    assert line.startswith("cantilena: ")
    assert line.count("\n") == 1
    return line, stopped.value.code


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ("nowhere", "no such file or folder"),
        ("nowhere:test", "no corpus there"),
        ("empty", "no song in it"),
        ("notes.npz", "expected an array named events, not notes"),
        ("odd", "1 no melody of 4 bars or more"),
        ("corrupt.npz", "cannot be read as NumPy arrays"),
    ],
)
def test_what_cannot_be_measured_is_one_line(desk, bad, expected, monkeypatch, capsys):
    good = str(desk / "tunes")
    for arguments in ([str(desk / bad), "--reference", good], [good, "--reference", str(desk / bad)]):
        line, code = said(arguments, monkeypatch, capsys)
        assert expected in line
        assert code == 1


def test_wrong_arguments_are_one_line(desk, monkeypatch, capsys):
    tunes, tokens = str(desk / "tunes"), str(desk / "tokens.npz")
    assert said([tunes], monkeypatch, capsys)[1] == 2
    line, code = said([tunes, "--reference", tokens, "--plot", "a.png"], monkeypatch, capsys)
    assert (code, "a picture is written as .svg" in line) == (2, True)
    one = str(desk / "tunes" / "0.mid")
    line, code = said([tunes, "--reference", one], monkeypatch, capsys)
    assert (code, "give more pieces" in line) == (2, True)


def test_what_was_there_stays_until_the_new_is_whole(desk, tmp_path, monkeypatch, capsys):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "report.json").write_text("old")
    monkeypatch.setattr(files.os, "replace", full)
    command = [str(desk / "tunes"), "--reference", str(desk / "tokens.npz"), "--json", str(tmp_path / "report.json")]
    line, code = said(command, monkeypatch, capsys)
    assert (code, "No space left" in line) == (1, True)
    assert (tmp_path / "report.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_it_needs_neither_pytorch_nor_a_model(desk):
    command = ["evaluate", str(desk / "tunes"), "--reference", str(desk / "tokens.npz")]
    code = (
        "import sys, cantilena.metrics.report, cantilena.metrics.report_plot\n"
        "assert not {'torch', 'onnx', 'onnxruntime', 'scipy'} & set(sys.modules), 'too much is loaded'\n"
        "from cantilena.cli import app\n"
        f"app({command!r}, standalone_mode=False)\n"
        "assert not {'torch', 'onnx', 'scipy'} & set(sys.modules), 'too much is loaded'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
