"""`cantilena reproduce`."""

import json

from typer.testing import CliRunner

from cantilena import cli
from cantilena.errors import ModelError
from cantilena.reproduction import baseline_networks

run = CliRunner(env={"COLUMNS": "100"}).invoke


def test_one_command_makes_table_and_page(corpus, toy_model, toy_baselines, tmp_path):
    out = tmp_path / "new" / "results"
    command = ["reproduce", "--model", str(toy_model), "--corpus", str(corpus.directory), "-o", str(out)]
    command += ["--baselines", str(toy_baselines.parent)]  # by the model's name: toy
    result = run(cli.app, [*command, "-n", "10", "--steps", "1", "--workers", "1"])
    assert result.exit_code == 0, result.output
    assert "10 melodies a row on 1 worker(s): about" in result.stdout
    assert "diffusion, infilling: pitch" in result.stdout
    assert json.loads((out / "results.json").read_text())["about"]["steps"] == 1
    assert (out / "index.html").exists()


def test_without_baselines_their_rows_are_left_out_and_one_line_says_so(corpus, toy_model, tmp_path, monkeypatch):
    monkeypatch.setattr(baseline_networks, "checkout_baselines", lambda: tmp_path / "nowhere")
    command = ["reproduce", "--model", str(toy_model), "--corpus", str(corpus.directory), "-o", str(tmp_path)]
    result = run(cli.app, [*command, "-n", "10", "--steps", "1", "--workers", "1"])
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stdout.splitlines() if "left out" in line]
    assert line.startswith("autoregression, paper: left out (")
    assert "no baselines of toy there" in line
    assert {"autoregression", "paper"}.isdisjoint(json.loads((tmp_path / "results.json").read_text())["rows"])


def test_baselines_that_are_asked_for_must_be_there(corpus, toy_model, tmp_path):
    command = ["reproduce", "--model", str(toy_model), "--corpus", str(corpus.directory), "-o", str(tmp_path / "out")]
    result = run(cli.app, [*command, "--baselines", str(tmp_path)])
    assert isinstance(result.exception, ModelError)
    assert "no baselines of toy there" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_place_that_is_no_folder_is_refused_before_the_work(corpus, toy_model, tmp_path):
    (tmp_path / "file").write_text("mine")
    command = ["reproduce", "--model", str(toy_model), "--corpus", str(corpus.directory)]
    result = run(cli.app, [*command, "-o", str(tmp_path / "file")])
    assert isinstance(result.exception, ValueError)
    assert "is a file, and a folder is needed" in str(result.exception)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_row_can_be_made_alone_and_joins_the_table(corpus, toy_model, toy_baselines, tmp_path):
    command = ["reproduce", "--corpus", str(corpus.directory), "-o", str(tmp_path), "-n", "10", "--steps", "1"]
    command += ["--model", str(toy_model)]
    assert run(cli.app, command).exit_code == 0  # the checkout has baselines, but not of this model
    before = json.loads((tmp_path / "results.json").read_text())["rows"]
    result = run(cli.app, [*command, "--baselines", str(toy_baselines), "--rows", "paper, autoregression"])
    assert result.exit_code == 0, result.output
    assert "left out" not in result.stdout
    after = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert {**after, **before} == after
    assert set(after) - set(before) == {"paper", "autoregression"}
    assert "the paper's own choices" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "samples" / "paper-infilling-07.mid").exists()
    assert "paper-infilling-07.mid" in (tmp_path / "index.html").read_text()
    result = run(cli.app, [*command, "--baselines", str(toy_baselines), "--rows", "paper", "--seeds", "2"])
    assert isinstance(result.exception, ValueError)
    assert "have n 10, not 20" in str(result.exception)
    assert json.loads((tmp_path / "results.json").read_text())["rows"] == after


def test_ctrl_c_says_that_the_command_goes_on(corpus, toy_model, tmp_path, monkeypatch):
    from cantilena.reproduction.reproduction import Reproduction

    monkeypatch.setattr(Reproduction, "run", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    command = ["reproduce", "--corpus", str(corpus.directory), "--model", str(toy_model), "-o", str(tmp_path)]
    result = run(cli.app, [*command, "-n", "10"])
    assert result.exit_code == 130
    assert f"{tmp_path}: stopped; the same command goes on from there" in result.stdout
