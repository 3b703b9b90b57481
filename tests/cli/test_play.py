import io
import os
import time
import wave

import numpy as np
import pytest
from midi_files import chunk, midi, song, tempo, track, tune

from cantilena.music.midi import read_song, seconds_of
from cantilena.music.render import TAIL_SECONDS, song_to_wav
from command_line import run


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with two songs and a system that has the programs that a test puts into `bin`."""
    (tmp_path / "song.mid").write_bytes(song(track(tune(1, 2), name="Lead")))
    (tmp_path / "drums.mid").write_bytes(song(track(tune(1, 2), channel=9)))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def program(here, name, does):
    file = here / "bin" / name
    file.write_text(f"#!/bin/sh\n{does}\n")
    file.chmod(0o755)


def test_a_song_goes_to_the_player_as_sound(here):
    program(here, "aplay", f'read -r head < "$2"; case "$head" in RIFF*) echo "$1" > {here}/played;; esac')
    done = run("play", "song.mid", cwd=here)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (here / "played").read_text() == "-q\n"


def test_without_a_player_one_line_says_what_to_do(here):
    done = run("play", "song.mid", cwd=here)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "no player of sound is here" in done.stderr
    program(here, "aplay", "echo no card >&2; exit 1")
    done = run("play", "song.mid", cwd=here)
    assert (done.returncode, "plays no sound here (no card)" in done.stderr) == (2, True)
    assert "no notes to play but drums" in run("play", "drums.mid", cwd=here).stderr


def test_the_sound_can_be_kept_and_replaces_nothing_unasked(here):
    assert run("play", "song.mid", "-o", "song.wav", cwd=here).returncode == 0
    data = (here / "song.wav").read_bytes()
    assert data[:4] == b"RIFF"
    assert "is there already" in run("play", "song.mid", "-o", "song.wav", cwd=here).stderr
    assert run("play", "song.mid", "-o", "song.wav", "--force", cwd=here).returncode == 0


def test_a_song_sounds_at_all_of_its_tempos():
    data = midi(chunk([(0, tempo(60)), (4 * 480, tempo(240))]), track([(0, 16, 60), (16, 48, 62)]), division=480)
    assert seconds_of(read_song(data), np.array([0, 480, 1920, 5760])).tolist() == [0, 1, 4, 6]
    with wave.open(io.BytesIO(b"".join(song_to_wav(read_song(data), rate=8_000)))) as file:
        assert file.getnframes() == (6 + TAIL_SECONDS) * 8_000


def test_a_result_is_opened_when_asked(toy_model, here):
    (here / "song.mid").write_bytes(song(track(tune(1, 8), name="Lead")))
    program(here, "xdg-open", f'echo "$1" > {here}/opened')
    given = ["song.mid", "--bars", "1", "--seed", 1, "--steps", 1, "--model", toy_model, "-o", "out.mid"]
    if os.uname().sysname == "Linux":
        assert run("infill", *given, "--format", "mid,svg", "--open", cwd=here).returncode == 0
        for _ in range(100):
            if (here / "opened").exists() and (here / "opened").read_text():
                break
            time.sleep(0.02)
        assert (here / "opened").read_text() == "out.svg\n"


def test_a_folder_is_named_that_is_no_song(here):
    for command in (["inspect", "."], ["infill", ".", "--bars", "1-2", "-o", "out.mid"]):
        done = run(*command, cwd=here)
        assert done.returncode != 0
        assert str(here) in done.stderr
