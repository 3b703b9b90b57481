"""Every command and every line of Python that docs/evaluation.md shows runs as it stands there, and they agree."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cantilena.metrics.features import FEATURES
from cantilena.music.midi import to_midi
from melodies import random_melody

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()


def shown(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def desk(tmp_path, corpus):
    for folder, seeds in (("tunes", range(4)), ("songs", range(2, 10))):
        (tmp_path / folder).mkdir()
        for seed in seeds:
            (tmp_path / folder / f"{seed}.mid").write_bytes(to_midi(random_melody(seed)))
    (tmp_path / "corpus").symlink_to(corpus.directory)
    return tmp_path


def test_what_is_shown_runs_and_python_does_what_the_command_does(desk):
    def run(*words: str) -> str:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, *words], cwd=desk, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    first, second = (shlex.split(block) for block in shown("sh"))
    assert first[0] == second[0] == "cantilena"
    printed = run("-m", *first)
    made = [json.loads((desk / "report.json").read_text()), (desk / "report.svg").read_text()]
    (block,) = shown("python")
    assert run("-c", block).rstrip() == printed.rstrip()
    assert [json.loads((desk / "report.json").read_text()), (desk / "report.svg").read_text()] == made
    assert "REFERENCE  corpus:train" in run("-m", *second)


def test_ten_lines_are_ten_lines():
    (block,) = shown("python")
    assert len([line for line in block.splitlines() if line.strip()]) <= 10


def test_every_feature_is_explained():
    named = re.findall(r"^\| ([a-z ]+) \|", PAGE, re.MULTILINE)
    assert {name.replace("_", " ") for name in FEATURES} <= set(named)
