"""Every command and every line of Python that the README shows runs as it stands there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cantilena.music.midi import to_midi
from command_line import run
from melodies import random_melody

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SHORT = {  # training takes hours; here it takes two steps with toy networks
    "vae": ["network.width=16", "network.layers=1", "network.heads=2", "network.hidden=16", "loop.steps=2"],
    "denoiser": ["network.width=16", "network.layers=1", "network.heads=2", "network.hidden=16", "loop.steps=2"],
    "mdn": ["network.width=16", "network.layers=1", "network.heads=2", "network.hidden=16", "loop.steps=2"],
}
# learns a few steps, however busy the machine is: its clock goes on by a second with each
ADAPT = """
import itertools, types
from cantilena.training import adapt
adapt.RATE, adapt.BATCH, adapt.EVERY, adapt.DRAWN = 2e-3, 8, 5, 1
adapt.time = types.SimpleNamespace(monotonic=itertools.count().__next__)
from cantilena.__main__ import main
main()
"""
SEEDED = ("compose", "infill", "extend", "bridge", "vary", "morph", "blend")  # by chance where no seed is given


def shown(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with what the README takes for granted: songs, and the recipes."""
    desk = tmp_path_factory.mktemp("desk")
    (desk / "songs").mkdir()
    for seed in range(160):
        (desk / "songs" / f"{seed}.mid").write_bytes(to_midi(random_melody(seed)))
    (desk / "my-tunes").mkdir()
    for seed in range(8):  # of one habit, so that there is something to learn
        four = random_melody(seed, 4)
        (desk / "my-tunes" / f"{seed}.mid").write_bytes(to_midi(four.like(np.tile(four.events, 8))))
    (desk / "recipes").symlink_to(ROOT / "recipes")
    return desk


def start(words, cwd):
    """Run Python with these arguments."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *words], cwd=cwd, capture_output=True, text=True, env=environment)


def test_every_command_runs(desk):
    commands = [line for block in shown("sh") for line in block.splitlines() if line]
    assert len(commands) >= 10
    started = set()
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "cantilena", command
        if words[1] == "train":
            words += [word for setting in SHORT[words[2]] for word in ("--set", setting)]
        if words[1] in ("compose", "infill", "extend", "bridge", "vary"):
            steps = {"--density": "12", "256": "8"}  # with others the gate has these drawn again and again
            words += ["--steps", next((n for word, n in steps.items() if word in words), "4")]
        if words[1] in SEEDED and "--seed" not in words:
            words += ["--seed", "7"]
        if words[1] == "adapt":
            words += ["--minutes", "0.2", "--threads", "1"]
        if words[1] in ("morph", "blend"):
            words += ["--sampling-steps", "3"]
        if words[1] == "reproduce":
            words += ["-n", "10", "--steps", "1", "--workers", "1"]
        if words[1] in started:
            done = run(*words[1:], cwd=desk)
        else:  # each verb once as a process of its own: it must find all that it needs
            started.add(words[1])
            python = ["-c", ADAPT] if words[1] == "adapt" else ["-m", "cantilena"]
            done = start([*python, *words[1:]], desk)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert sorted(p.suffix for p in desk.glob("tune.*")) == [".mid", ".svg", ".wav"]
    assert len(list((desk / "tunes").glob("*.mid"))) == 4


def test_the_python_runs(desk):
    (block,) = shown("python")
    done = start(["-c", block], desk)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Result(compose, seed 7: 64 bars")


def test_the_two_make_targets_it_opens_with_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^    make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_what_it_links_to_is_there():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / target).exists(), target
