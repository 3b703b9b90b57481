"""`cantilena reproduce`."""

import json

from typer.testing import CliRunner

from cantilena import cli

run = CliRunner(env={"COLUMNS": "100"}).invoke


def test_one_command_makes_table_and_page(corpus, toy_rivals, tmp_path):
    out = tmp_path / "new" / "results"
    command = ["reproduce", "--model", str(toy_rivals), "--corpus", str(corpus.directory), "-o", str(out)]
    result = run(cli.app, [*command, "-n", "10", "--steps", "1", "--workers", "1"])
    assert result.exit_code == 0, result.output
    assert "10 melodies a row on 1 worker(s): about" in result.stdout
    assert "diffusion, infilling: pitch" in result.stdout
    assert json.loads((out / "results.json").read_text())["about"]["steps"] == 1
    assert (out / "index.html").exists()


def test_rows_that_the_model_cannot_make_are_told(corpus, toy_model, tmp_path):
    command = ["reproduce", "--model", str(toy_model), "--corpus", str(corpus.directory), "-o", str(tmp_path)]
    result = run(cli.app, [*command, "-n", "10", "--steps", "1", "--workers", "1"])
    assert "autoregression: left out, the model folder does not hold that network" in result.stdout
    assert "paper: left out" in result.stdout


def test_a_place_that_is_no_folder_is_refused_before_the_work(corpus, toy_model, tmp_path):
    (tmp_path / "file").write_text("mine")
    command = ["reproduce", "--model", str(toy_model), "--corpus", str(corpus.directory)]
    result = run(cli.app, [*command, "-o", str(tmp_path / "file")])
    assert isinstance(result.exception, ValueError)
    assert "is a file, and a folder is needed" in str(result.exception)
    assert (tmp_path / "file").read_text() == "mine"
