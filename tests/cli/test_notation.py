"""Songs in MusicXML and ABC through the command line, and results in these formats."""

import json

import pytest

from cantilena.music.extract import extract
from cantilena.music.midi import read_song
from cantilena.notation.chords import Placed, chords_of
from cantilena.notation.reading import to_midi
from cantilena.notation.to_abc import to_abc
from cantilena.notation.to_musicxml import to_musicxml
from cantilena.sources import Source
from command_line import run
from melodies import random_melody

FAST = ("--steps", 1, "--resample", 1, "--seed", 3)


@pytest.mark.parametrize(("name", "writer"), [("a.abc", to_abc), ("a.musicxml", to_musicxml), ("abc.mid", to_abc)])
def test_every_verb_reads_notation(name, writer, toy_model, tmp_path):
    """An edit of a file of notation is the edit of its MIDI file, and can be made again."""
    melody = random_melody(3, 12)
    data = writer(melody, title="A tune")
    (tmp_path / name).write_bytes(data)
    (tmp_path / "same.mid").write_bytes(to_midi(data, name))
    seen = run("inspect", name, cwd=tmp_path)
    assert (seen.returncode, seen.stderr) == (0, "")
    assert "A tune" in seen.stdout
    model = ("--model", toy_model)
    for verb in (("infill", "--bars", "3-4"), ("extend", "--bars", 2), ("vary", "--strength", 0.5)):
        for song in (name, "same.mid"):
            done = run(verb[0], song, *verb[1:], *FAST, *model, "-o", f"{song}.out.mid", "--force", cwd=tmp_path)
            assert done.returncode in (0, 3), done.stderr
        notes = [extract(read_song(tmp_path / f"{song}.out.mid")).melody for song in (name, "same.mid")]
        assert notes[0] == notes[1]
    assert (tmp_path / name).read_bytes() == data
    assert run("again", f"{name}.out.mid", *model, cwd=tmp_path).returncode == 0


def test_a_tune_of_a_book(toy_model, tmp_path):
    """The tunes are listed; one is named by its number, in every place where a song is; and it is said which was read."""
    tunes = [to_abc(random_melody(seed, 8), title=title).decode() for seed, title in ((3, "First"), (4, "Second"))]
    book = tunes[0] + "\nText between.\n\n" + tunes[1].replace("X:1", "X:7")
    (tmp_path / "book.abc").write_bytes(book.replace("\n", "\r\n").encode())
    listed = run("inspect", "book.abc", "--json", cwd=tmp_path)
    rows = json.loads(listed.stdout)["tunes"]
    assert [(row["number"], row["title"], row["metre"], row["bars"]) for row in rows] == [
        (1, "First", "4/4", 8), (7, "Second", "4/4", 8)]  # fmt: skip
    model = ("--model", toy_model)
    done = run("vary", "book.abc", "--bars", "1-2", *FAST, *model, "-o", "first.mid", cwd=tmp_path)
    assert done.stderr == "cantilena: book.abc: holds 2 tunes; the first, First, is read (book.abc#7 is the second)\n"
    done = run("compose", "--chords-of", "book.abc", "--bars", 2, *FAST, *model, "-o", "new", cwd=tmp_path)
    assert "holds 2 tunes; the first, First, is read" in done.stderr
    done = run("bridge", "book.abc#7", "book.abc#1", "--bars", 2, *FAST, *model, "-o", "out.mid", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "book.abc").write_text("A new word.\n\n" + book)  # the tunes are the same, and so is what is made
    assert run("again", "out.mid", *model, cwd=tmp_path).returncode == 0
    (tmp_path / "book.abc").write_text(book.replace("K:", "K:none\nK:"))
    done = run("again", "out.mid", *model, cwd=tmp_path)
    assert done.returncode == 1
    assert "book.abc#7 is not what it was" in done.stderr
    done = run("vary", "book.abc#8", *FAST, *model, "-o", "no.mid", cwd=tmp_path)
    assert done.stderr == (
        "cantilena: book.abc: has no tune 8, but 2 tunes, 1 to 7 (cantilena inspect book.abc lists them)\n"
    )


def test_the_hash_is_that_of_the_file(tmp_path):
    data = to_abc(random_melody(3, 8))
    (tmp_path / "a.abc").write_bytes(data)
    source = Source.of(tmp_path / "a.abc")
    assert source.sha256 == Source.of(data).sha256
    assert source.data[:4] == b"MThd"


def test_results_are_written_as_notation(toy_model, tmp_path):
    given = ("--bars", 8, "--key", "D dorian", "--chords", "| Dm7 | G7 C |", "--model", toy_model, *FAST)
    done = run("compose", *given, "--format", "mid,musicxml,mxl,abc", cwd=tmp_path)
    assert done.returncode in (0, 3), done.stderr
    assert "tune.mid|musicxml|mxl|abc" in done.stdout
    wanted = extract(read_song(tmp_path / "tune.mid")).melody
    for name in ("tune.musicxml", "tune.mxl", "tune.abc"):
        song = Source.of(tmp_path / name).song
        assert extract(song).melody == wanted
        assert [c.name for c in chords_of(song)] == ["Dm7", "G7", "C"] * 4
    assert "K:Ddor" in (tmp_path / "tune.abc").read_text()


def test_an_edit_keeps_the_key_and_the_chords_of_the_song(toy_model, tmp_path):
    chords = [Placed(1, 0, "Abmaj7"), Placed(3, 0.5, "Bb7/D")]
    (tmp_path / "a.musicxml").write_bytes(to_musicxml(random_melody(3, 8), key="F minor", chords=chords))
    done = run(
        "infill",
        "a.musicxml",
        "--bars",
        "5-6",
        *FAST,
        "--model",
        toy_model,
        "--format",
        "abc",
        "-o",
        "out.mid",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "K:Fmin" in (tmp_path / "out.abc").read_text()
    assert chords_of(Source.of(tmp_path / "out.abc").song) == chords


def test_a_score_is_typeset(toy_model, tmp_path):
    pytest.importorskip("verovio")
    pytest.importorskip("typst")
    (tmp_path / "a.abc").write_bytes(to_abc(random_melody(3, 8), title="A tune"))
    done = run("vary", "a.abc", *FAST, "--model", toy_model, "--format", "score,pdf", "-o", "out.mid", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.score.svg").read_text().lstrip().startswith("<svg")
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF-")


def test_hostile_files_are_one_line(toy_model, tmp_path):
    (tmp_path / "bomb.musicxml").write_text('<!DOCTYPE x [<!ENTITY a "aa">]><score-partwise>&a;</score-partwise>')
    (tmp_path / "cut.mxl").write_bytes(b"PK\x03\x04cut")
    for command in (("inspect",), ("vary", "--model", toy_model, "-o", "out.mid")):
        for name in ("bomb.musicxml", "cut.mxl"):
            done = run(command[0], name, *command[1:], cwd=tmp_path)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.startswith(f"cantilena: {name}: ")
            assert done.stderr.count("\n") == 1
