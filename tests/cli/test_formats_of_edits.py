import re

import pytest
from midi_files import song, track, tune

from cantilena.music.draw import changed_bars, to_svg
from cantilena.music.melody import Melody
from command_line import run

GHOSTS = re.compile(r'<path class="ghost"[^>]* d="([^"]*)"')


@pytest.fixture
def here(tmp_path):
    (tmp_path / "song.mid").write_bytes(song(track(tune(1, 20), name="Lead")))
    return tmp_path


@pytest.mark.parametrize("verb", [["infill", "--bars", "5-8"], ["extend", "--bars", "2"], ["vary"]])
def test_an_edit_is_written_in_every_format_that_is_asked_for(toy_model, here, verb):
    given = ["song.mid", *verb[1:], "--seed", 1, "--steps", 1, "--model", toy_model, "-o", "out.mid"]
    done = run(verb[0], *given, "--format", "mid,svg,wav,html", cwd=here)
    assert done.returncode == 0, done.stderr
    starts = {"mid": b"MThd", "svg": b"<svg", "wav": b"RIFF", "html": b"<!doctype html>"}
    for ending, start in starts.items():
        assert (here / f"out.{ending}").read_bytes().startswith(start)
    page = (here / "out.html").read_text()
    assert "<svg" in page
    assert "const song = {" in page
    assert len(page) < 300_000


def test_no_format_replaces_a_file_unasked(toy_model, here):
    (here / "out.svg").write_text("mine")
    given = ["song.mid", "--bars", "5", "--seed", 1, "--steps", 1, "--model", toy_model, "-o", "out.mid"]
    done = run("infill", *given, "--format", "mid,svg", cwd=here)
    assert done.returncode == 2
    assert "out.svg: is there already" in done.stderr
    assert ((here / "out.svg").read_text(), (here / "out.mid").exists()) == ("mine", False)


def test_the_picture_of_an_edit_shows_what_was_there_before():
    before = Melody.from_notes([0, 16, 32], [16, 32, 48], [60, 62, 64], bars=4)
    after = Melody.from_notes([0, 16, 32], [16, 32, 48], [60, 65, 64], bars=4)
    (outlines,) = GHOSTS.findall(to_svg(after, before=before))
    assert outlines.count("M") == 1  # the D that became an F, and no note that stays
    assert changed_bars(before, after) == [(2, 2)]
    assert not GHOSTS.findall(to_svg(after, before=after))
    assert not GHOSTS.findall(to_svg(after))


def test_lanes_reach_the_notes_that_are_gone():
    after = Melody.from_notes([0], [16], [60], bars=1)
    low = to_svg(after, before=Melody.from_notes([0], [16], [24], bars=1))
    assert ">C1</text>" in low
    assert ">C1</text>" not in to_svg(after)


def test_new_bars_before_a_melody_leave_no_ghosts(toy_model, here):
    given = ["song.mid", "--bars", "2", "--before", "--seed", 1, "--steps", 1, "--model", toy_model, "-o", "out.mid"]
    assert run("extend", *given, "--format", "mid,svg", cwd=here).returncode == 0
    assert not GHOSTS.findall((here / "out.svg").read_text())
