"""`-` is standard input and standard output; pipes are read once; `inspect --json` says what the table says."""

import json
import os
import subprocess
import sys
import threading

import pytest
from midi_files import song, track, tune

from cantilena.music.midi import read_song
from cantilena.receipt import read_receipt
from command_line import run


@pytest.fixture
def here(tmp_path):
    (tmp_path / "song.mid").write_bytes(song(track(tune(1, 12), name="Lead"), track(tune(2, 12), channel=9)))
    return tmp_path


def piped(*arguments, here, given=b""):
    command = [sys.executable, "-m", "cantilena", *map(str, arguments)]
    return subprocess.run(command, cwd=here, input=given, capture_output=True, timeout=60)


def fast(toy_model):
    return ["--seed", 1, "--steps", 1, "--model", toy_model]


def test_a_song_comes_in_and_a_file_goes_out_with_nothing_else(toy_model, here):
    given = (here / "song.mid").read_bytes()
    told = ["infill", "--bars", "3-4", *fast(toy_model)]
    done = piped(*told, "-", "-o", "-", here=here, given=given)
    assert done.returncode == 0, done.stderr
    assert done.stderr.decode().startswith("-  bars 3-4 of track 0  seed 1  Melody(")
    assert read_receipt(done.stdout).request.song.name == "standard input"
    run(*told, "song.mid", "-o", "out.mid", cwd=here)
    same = [read_song(data).tracks[0].pitch.tolist() for data in (done.stdout, (here / "out.mid").read_bytes())]
    assert same[0] == same[1]
    assert {p.name for p in here.iterdir()} == {"song.mid", "out.mid"}
    again = piped("again", "-", "--with", "song.mid", "--model", toy_model, here=here, given=done.stdout)
    assert (again.returncode, again.stdout.decode()) == (0, "standard input: the same notes (infill, seed 1)\n")


def test_compose_writes_one_midi_file_to_standard_output(toy_model, here):
    done = piped("compose", "--bars", 8, "--json", *fast(toy_model), "-o", "-", here=here)
    assert done.returncode == 0, done.stderr
    assert read_song(done.stdout).tracks
    assert json.loads(done.stderr)["request"]["seed"] == 1
    for more in (["--format", "svg"], ["--format", "mid,wav"], ["-n", 2], ["--pick", 2], ["--open"]):
        refused = piped("compose", *more, *fast(toy_model), "-o", "-", here=here)
        assert (refused.returncode, refused.stdout) == (2, b"")
        assert refused.stderr.startswith(b"cantilena: -o -: ")
    assert {p.name for p in here.iterdir()} == {"song.mid"}


def test_a_song_named_twice_is_read_once(toy_model, here):
    given = (here / "song.mid").read_bytes()
    done = piped("morph", "-", "-", "--steps", 2, "--model", toy_model, "-o", "-", here=here, given=given)
    assert done.returncode == 0, done.stderr
    assert read_song(done.stdout).tracks


def test_sound_goes_to_standard_output(here):
    done = piped("play", "-", "-o", "-", here=here, given=(here / "song.mid").read_bytes())
    assert (done.returncode, done.stdout[:4], done.stderr) == (0, b"RIFF", b"")


def test_what_is_no_song_is_said_of_standard_input(here):
    done = piped("inspect", "-", here=here, given=b"hello")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"cantilena: standard input: not a MIDI file")


def test_a_pipe_that_is_closed_ends_it_quietly(toy_model, here):
    command = [sys.executable, "-m", "cantilena", "compose", "--bars", "8", *map(str, fast(toy_model)), "-o", "-"]
    with subprocess.Popen(command, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.wait(60) == 1
        assert process.stderr.read() == b""


def feed(pipe, data):
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=[data], daemon=True).start()


def test_a_pipe_is_read_once(toy_model, here):
    data = (here / "song.mid").read_bytes()
    feed(here / "a.mid", data)
    done = piped("infill", "a.mid", "--bars", "3-4", *fast(toy_model), "-o", "out.mid", here=here)
    assert done.returncode == 0, done.stderr
    feed(here / "b.mid", data)
    assert "Lead" in piped("inspect", "b.mid", here=here).stdout.decode()
    feed(here / "c.mid", data)
    assert json.loads(piped("inspect", "c.mid", "--json", here=here).stdout)["melody"] == 0


def test_a_pipe_is_written_to(toy_model, here):
    os.mkfifo(here / "out.mid")
    read = []
    reader = threading.Thread(target=lambda: read.append((here / "out.mid").read_bytes()), daemon=True)
    reader.start()
    done = piped("infill", "song.mid", "--bars", "3-4", *fast(toy_model), "-o", "out.mid", here=here)
    assert done.returncode == 0, done.stderr
    reader.join(10)
    assert read_song(read[0]).tracks


def test_json_is_an_object_a_file(here):
    inside = [(0, 4, 4), (6 * 16, 2, 4), (6 * 16 + 8, 4, 4)]
    later = [(s + 6 * 16 + 8, e + 6 * 16 + 8, p) for s, e, p in tune(2, 6)]
    two = song(track([*tune(1, 6), *later], name="A\x1b"), track(tune(3, 2), name="B", channel=1), signatures=inside)
    (here / "two.mid").write_bytes(two)
    done = run("inspect", "two.mid", "song.mid", "--json", cwd=here)
    assert done.returncode == 0, done.stderr
    found, other = map(json.loads, done.stdout.splitlines())
    assert (found["file"], found["melody"], found["bars"], found["qpm"]) == ("two.mid", 0, 13, 120)
    a, b = found["tracks"]
    assert (a["name"], a["plays"], a["program"], a["role"]) == ("A\x1b", "unknown", None, "lead")
    assert [(span["first"], span["last"], span["metre"]) for span in a["spans"]] == [(1, 6, "4/4"), (8, 13, "4/4")]
    assert [span["notes"] for span in a["spans"]] == [len(tune(1, 6)), len(later)]
    assert (b["role"], b["spans"]) == (None, [])
    assert "shorter than 4 bars" in b["reasons"]
    assert other["tracks"][1]["reasons"] == ["drums"]


def test_a_model_is_json_too(toy_model, here):
    found = json.loads(run("inspect", toy_model, "--json", cwd=here).stdout)
    assert found["denoiser"]["predicts"] == "v"
    assert found["metres"] == ["4/4", "2/2"]
