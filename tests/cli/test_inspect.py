"""`cantilena inspect` shows a row a track, with bars as a DAW counts them and nothing that steers a terminal."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from midi_files import chunk, midi, song, track, tune

from command_line import run


def rows(done):
    assert done.returncode == 0, done.stderr
    return [line.split(maxsplit=4) for line in done.stdout.splitlines()[2:]]


def shifted(notes, steps):
    return [(s + steps, e + steps, p) for s, e, p in notes]


def test_bars_are_those_of_infill(tmp_path):
    waltz = song(track(shifted(tune(1, 12), 48), name="A"), signatures=[(0, 3, 4), (48, 4, 4)])
    (tmp_path / "waltz.mid").write_bytes(waltz)
    assert rows(run("inspect", "waltz.mid", cwd=tmp_path))[0][:4] == ["0", "A", "unknown", "5-16"]
    inside = [(0, 4, 4), (6 * 16, 2, 4), (6 * 16 + 8, 4, 4)]
    notes = [*tune(1, 6), *shifted(tune(2, 6), 6 * 16 + 8)]
    (tmp_path / "two.mid").write_bytes(
        song(track(notes, name="A"), track(tune(3, 6), name="B", channel=1), signatures=inside)
    )
    found = rows(run("inspect", "two.mid", cwd=tmp_path))
    assert [row[3] for row in found] == ["1-6,8-13", "1-6"]
    assert f"{len(notes)} notes, 0% dropped" in found[0][4]


def test_a_metre_that_cannot_be_counted_is_one_line(tmp_path):
    data = midi(chunk([(0, b"\xff\x58\x04\x04\x08\x18\x08")]), track(tune(1, 12)))
    (tmp_path / "odd.mid").write_bytes(data)
    done = run("inspect", "odd.mid", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "from bar 1 on its metre is 4/256" in done.stderr


def test_names_are_written_out(tmp_path):
    name = "\x1b]0;x.mid"
    (tmp_path / name).write_bytes(song(track(tune(1, 8), name="\x1b[31mLead\x00\x07x")))
    done = run("inspect", name, cwd=tmp_path)
    assert done.returncode == 0
    assert r"\x1b[31mLead\x00\x07x" in done.stdout
    (tmp_path / name).write_bytes(b"no music")
    failed = run("inspect", name, cwd=tmp_path)
    assert r"cantilena: \x1b]0;x.mid: not a MIDI file" in failed.stderr
    for text in (done.stdout, failed.stderr):
        assert all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437"])
def test_a_console_that_is_not_utf_8_shows_what_it_can(encoding, tmp_path):
    notes = song(track(tune(1, 8), name="Melody"))
    (tmp_path / "u.mid").write_bytes(notes.replace(b"\xff\x03\x06Melody", b"\xff\x03\x06" + "до♪".encode()[:6]))
    env = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "cantilena", "inspect", "u.mid"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, env=env)
    assert done.returncode == 0, done.stderr
    assert b"lead" in done.stdout


def test_a_pipe_is_read_once(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data = song(track(tune(1, 8), name="A"))
    writer = threading.Thread(target=Path(pipe).write_bytes, args=(data,), daemon=True)
    writer.start()
    assert rows(run("inspect", "pipe", cwd=tmp_path))[0][3] == "1-8"
    writer.join(5)
    assert not writer.is_alive()
