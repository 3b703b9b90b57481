"""`cantilena corpus`: parse, one library call, print."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cantilena.cli.corpus import app
from cantilena.corpus.store import Corpus
from cantilena.errors import CorpusError
from cantilena.music.melody import Melody
from cantilena.music.midi import to_midi

run = CliRunner(env={"COLUMNS": "80"}).invoke


def tune(seed: int) -> Melody:
    draw = random.Random(seed)
    start = range(0, 20 * 16, 2)
    return Melody.from_notes(start, [s + 2 for s in start], [60 + draw.randrange(20) for _ in start])


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "songs"
    folder.mkdir()
    for seed in range(3):
        (folder / f"{seed}.mid").write_bytes(to_midi(tune(seed)))
    (folder / "[red]bad.mid").write_bytes(b"not music")
    (folder / ("long name " * 10 + ".mid")).write_bytes(to_midi(tune(9)))
    return folder


@pytest.fixture(scope="module")
def built(songs: Path) -> tuple[Path, str]:
    result = run(app, ["build", str(songs), "-o", str(songs.parent / "out"), "--workers", "1"])
    assert result.exit_code == 0, result.output
    return songs.parent / "out", result.stdout


def test_build_makes_a_corpus_and_prints_it(built: tuple[Path, str]) -> None:
    directory, printed = built
    corpus = Corpus.open(directory)
    assert len(corpus) == 4
    assert f"4 melodies, fingerprint {corpus.fingerprint}" in printed
    assert "from songs (5 files)" in printed
    assert "not a MIDI file" in printed


def test_show_prints_the_same_within_80_columns(built: tuple[Path, str]) -> None:
    shown = run(app, ["show", str(built[0])])
    assert shown.exit_code == 0
    assert shown.stdout == built[1]
    assert max(map(len, shown.stdout.splitlines())) <= 80
    for heading in ("5 files", "4 tracks", "Splits", "Roles", "Notes dropped", "General MIDI families", "song groups"):
        assert heading in shown.stdout


def test_show_names_what_crashed_as_it_is_called(built: tuple[Path, str], tmp_path: Path) -> None:
    for path in built[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    said = json.loads((tmp_path / "manifest.json").read_text())
    said["crashed"] = [{"name": "songs/[red]bad[/]\udcff.mid", "detail": "it killed the process that read it, twice"}]
    (tmp_path / "manifest.json").write_text(json.dumps(said))
    shown = run(app, ["show", str(tmp_path)])
    assert "crashed: songs/[red]bad[/]?.mid (it killed the process that read it, twice)" in shown.stdout


def test_errors_are_those_of_the_library(tmp_path: Path) -> None:
    for command in (["show", str(tmp_path)], ["build", str(tmp_path / "nowhere"), "-o", str(tmp_path / "out")]):
        result = run(app, command)
        assert result.exit_code == 1
        assert isinstance(result.exception, CorpusError)


def test_ctrl_c_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cantilena.corpus.build.build", interrupted)
    result = run(app, ["build", str(tmp_path), "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, CorpusError)
    assert str(result.exception) == "stopped; the same command goes on from there"


@pytest.mark.parametrize(
    "arguments", [["build", "x"], ["build", "-o", "y"], ["build", "x", "-o", "y", "--workers", "0"]]
)
def test_wrong_arguments_are_the_parsers_to_refuse(arguments: list[str]) -> None:
    assert run(app, arguments).exit_code == 2
