"""How far long work is, is shown on a terminal alone, after a second; tunes are written as they are made."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, redirect_stderr

from cantilena.cli import progress as shown
from cantilena.cli.progress import progress


def test_nobody_is_told_where_nobody_looks():
    with progress("work") as tell:
        assert tell is None


@contextmanager
def terminal():
    """Standard error as a terminal; yields what reads from it."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stream, redirect_stderr(stream):
        yield lambda: os.read(master, 1 << 16).decode() if select.select([master], [], [], 0.2)[0] else ""
    os.close(master)


def test_short_work_shows_nothing():
    with terminal() as read:
        with progress("work") as tell:
            for k in range(100):
                tell(k, 100)
        assert read() == ""


def test_long_work_shows_its_share_and_time_and_goes_away(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(shown, "_AFTER_SECONDS", 0.0)
    with terminal() as read:
        with progress("work") as tell:
            tell(1, 4)
            tell(2, 4)
            tell(1, 4)  # another sample
            time.sleep(0.6)
        said = read()
    assert re.search(r"work, 2\b.* 25%", said)
    assert "\x1b[2K" in said  # nothing of it is left


def test_tunes_are_written_while_others_are_made(toy_model, tmp_path):
    words = ["compose", "-n", 300, "--format", "mid", "--seed", 1, "--model", toy_model, "-o", "tunes"]
    command = [sys.executable, "-m", "cantilena", *map(str, words)]
    master, slave = pty.openpty()
    env = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=slave, text=True, env=env)
    os.close(slave)
    said, until = "", time.monotonic() + 60
    while not re.search(r"composing.* \d+%.*\d:\d\d", said) and time.monotonic() < until:
        said += os.read(master, 1 << 16).decode()
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    try:
        while chunk := os.read(master, 1 << 16).decode():
            said += chunk
    except OSError:  # the end of a terminal
        pass
    lines = [first, *process.stdout.read().splitlines()]
    assert process.wait(20) == 130
    os.close(master)
    assert said.rstrip().endswith("cantilena: stopped")
    assert "Traceback" not in said
    written = {file.name for file in (tmp_path / "tunes").iterdir()}
    assert 1 <= len(written) < 300
    told = {line.split()[0].removeprefix("tunes/") for line in lines}
    assert told <= written
    assert len(written - told) <= 1  # a line follows its file
