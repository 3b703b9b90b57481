"""Ctrl-C ends a command at any moment, quietly, and what was written stays."""

import os
import signal
import subprocess
import sys
import time

import pytest

from cantilena.music.midi import read_song

UP = "import os; os.write(1, b'up\\n'); from cantilena.__main__ import main; main()"


def start(*words, cwd):
    """Begin a command, and wait until Python itself is there: nobody keeps it from a traceback before that."""
    command = [sys.executable, "-c", f"import signal; signal.signal(2, signal.SIG_DFL); {UP}", *map(str, words)]
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    return process


@pytest.mark.parametrize("moment", [0.075 * k for k in range(20)])
def test_it_ends_quietly_at_any_moment(moment, toy_model, tmp_path):
    words = ["compose", "-n", 500, "--plain", "--format", "mid", "--seed", 1, "--model", toy_model, "-o", "tunes"]
    with start(*words, cwd=tmp_path) as process:
        time.sleep(moment)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)[1]
    assert process.returncode in (130, -signal.SIGINT)
    assert said in ("", "cantilena: stopped\n")
    for file in (tmp_path / "tunes").glob("*"):
        assert file.suffix == ".mid"
        assert read_song(file).tracks


def test_what_is_done_stays(toy_model, tmp_path):
    words = ["compose", "-n", 500, "--plain", "--format", "mid", "--seed", 1, "--model", toy_model, "-o", "tunes"]
    with start(*words, cwd=tmp_path) as process:
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (130, "cantilena: stopped\n")
    written = {file.name for file in (tmp_path / "tunes").iterdir()}
    told = {line.split()[0].removeprefix("tunes/") for line in [first, *out.splitlines()]}
    assert told <= written
    assert 1 <= len(written) < 500


def test_an_interrupt_in_a_place_that_nothing_can_be_raised_from():
    code = (
        "import sys, cantilena.__main__ as entry\n"
        "sys.unraisablehook = entry._unraisable\n"
        "class Lock:\n    def __del__(self): raise KeyboardInterrupt\n"
        "Lock()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert (done.returncode, done.stderr) == (130, "cantilena: stopped\n")
