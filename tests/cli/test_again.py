"""`cantilena again`: the same notes, other notes, and every reason why it cannot be told."""

import json
import zlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import midi_files
import pytest
import typer
from midi_files import song, track, tune
from test_splice import sounding
from typer.testing import CliRunner

import cantilena.again
from cantilena import Melody, load
from cantilena.again import compose_again
from cantilena.cli.again import again
from cantilena.errors import CantilenaError, MidiError, ModelError
from cantilena.music.midi import read_song, to_midi, write_whole
from cantilena.music.texts import write_texts
from cantilena.receipt import Receipt, Tune, make_receipt, read_receipt, write_receipt
from cantilena.recipe import file_hash
from melodies import random_melody


@dataclass
class Edit:
    midi: bytes
    track: int
    receipt: Receipt | None

    def save(self, path):
        write_whole(Path(path), self.midi)


class Stub:
    """A composer whose music is known: a seed is a random melody, an edit transposes a song's second track."""

    def __init__(self, name="toy", fingerprint="0123456789abcdef", off=0):
        self.model = SimpleNamespace(name=name, fingerprint=fingerprint)
        self.off = off  # semitones by which another machine misses bar 3

    def compose(self, seed, *, bars=16, qpm=120.0):
        melody = random_melody(seed, bars)
        start, end, pitch = melody.notes
        there = (start >= 32) & (start < 48)
        melody = Melody.from_notes(start, end, pitch + self.off * there, bars=bars, qpm=qpm)
        given = {"seed": seed, "bars": bars, "qpm": qpm}
        return Tune(melody.events, qpm, make_receipt(self.model, "compose", given, {}, melody))

    def infill(self, song, *, seed=0, keep=None):
        inputs = {name: file_hash(path) for name, path in (("song", song), ("keep", keep)) if path is not None}
        lead = [(s, e, p + 1 + self.off) for s, e, p in tune(seed, 20)]
        midi = midi_files.song(track(tune(5, 20, low=30), name="Bass"), track(lead, name="Lead"))
        melody = Melody.from_notes(*zip(*lead, strict=True), bars=20)
        receipt = make_receipt(self.model, "infill", {"song": song, "seed": seed, "keep": keep}, inputs, melody)
        return Edit(write_receipt(midi, receipt), 1, receipt)

    def morph(self, songs):
        melody = random_melody(0, 4)
        inputs = {f"songs.{i}": file_hash(path) for i, path in enumerate(songs)}
        return Tune(melody.events, receipt=make_receipt(self.model, "morph", {"songs": songs}, inputs, melody))

    def vary(self, **given):
        raise MidiError("song.mid: no \x1b[2J melody")

    def extend(self, **given):
        return random_melody(1)

    def bridge(self, **given):
        return Tune(random_melody(1).events)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stub_here(monkeypatch)
    Stub().compose(7).save("tune.mid", program=33, name="Bâss")
    Path("song.mid").write_bytes(song(track(tune(1, 20))))
    Stub().infill("song.mid", seed=3).save("edit.mid")
    return tmp_path


def stub_here(monkeypatch, **given):
    monkeypatch.setattr(cantilena.again, "compose_again", partial(compose_again, load=lambda name: Stub(**given)))


def run(*arguments):
    """Exit code, what is printed, and the error that `main` would print as one line."""
    app = typer.Typer()
    app.command()(again)
    done = CliRunner().invoke(app, list(map(str, arguments)))
    error = done.exception if isinstance(done.exception, Exception) else None
    assert error is None or isinstance(error, CantilenaError | ValueError)
    assert done.output.count("\n") == (error is None)
    return done.exit_code, done.output.strip(), str(error)


def with_recipe(path, **changed):
    """A tune whose recipe says something else."""
    receipt = read_receipt(Path("tune.mid").read_bytes())
    changed = replace(receipt, recipe=replace(receipt.recipe, **changed))
    Path(path).write_bytes(write_receipt(Path("tune.mid").read_bytes(), changed))
    return path


def test_the_same_notes_and_the_same_file(here):
    assert run("tune.mid", "-o", "new/out.mid") == (0, "tune.mid: the same notes (compose, seed 7)", "None")
    assert (here / "new" / "out.mid").read_bytes() == (here / "tune.mid").read_bytes()
    assert run("edit.mid", "-o", "out.mid") == (0, "edit.mid: the same notes (infill, seed 3)", "None")
    assert (here / "out.mid").read_bytes() == (here / "edit.mid").read_bytes()


def test_another_machine_gives_other_notes(here, monkeypatch):
    stub_here(monkeypatch, off=1)
    with_recipe("tune.mid", onnxruntime="0.9", cpu="abacus")
    code, said, _ = run("tune.mid", "-o", "out.mid")
    assert code == 1
    assert said.startswith(
        "tune.mid: this machine gives other notes: 1 of 16 bars differ (made with onnxruntime 0.9 on ab"
    )
    assert "acus, here onnxruntime " in said
    bar_3 = [
        read_song(name).tracks[0].pitch[read_song(name).tracks[0].start // 1920 == 2]
        for name in ("tune.mid", "out.mid")
    ]
    assert (bar_3[1] - bar_3[0]).tolist() == [1] * len(bar_3[0])
    code, said, _ = run("edit.mid")
    assert (code, "20 of 20 bars differ" in said) == (1, True)


def test_a_file_that_was_changed_since_is_not_said_to_be_the_machines_fault(here):
    receipt = read_receipt((here / "tune.mid").read_bytes())
    start, end, pitch = random_melody(7, 16).notes
    pitch = pitch + (start // 16 == 4) + (start // 16 == 9)
    changed = to_midi(Melody.from_notes(start, end, pitch, bars=16))
    (here / "tune.mid").write_bytes(write_receipt(changed, receipt))
    said = "tune.mid: compose, seed 7 gives the notes of the receipt, but the file was changed: 2 of 16 bars differ"
    assert run("tune.mid") == (1, said, "None")


def test_notes_that_are_not_those_of_the_hash_are_other_notes(here):
    """Even where the file's are: then it is the receipt that was changed."""
    code, said, _ = run(with_recipe("odd.mid", notes="0"))
    assert (code, "this machine gives other notes: 0 of 16 bars differ" in said) == (1, True)


def test_a_file_that_a_program_wrote_on_another_grid_behind_another_track_is_the_same(here):
    notes = [(s, e, p) for s, e, p in zip(*(a.tolist() for a in random_melody(7, 16).notes), strict=True)]
    other = song(track([(0, 32, 40)], name="Chords"), track(notes, step=24), division=96)
    Path("tune.mid").write_bytes(write_receipt(other, read_receipt(Path("tune.mid").read_bytes())))
    assert run("tune.mid")[0] == 0


# -- models -----------------------------------------------------------------------------------


def test_another_model_is_taken_only_when_it_is_given(here, monkeypatch):
    stub_here(monkeypatch, fingerprint="fedcba9876543210", off=2)
    code, said, error = run("tune.mid")
    assert (code, said) == (1, "")
    assert "tune.mid: was made with the model toy 0123456789abcdef; the toy of here is fedcba9876543210" in error
    code, said, _ = run("tune.mid", "--model", "toy")
    assert code == 1
    assert "1 of 16 bars differ (made with toy 0123456789abcdef, onnxruntime" in said
    stub_here(monkeypatch, fingerprint="fedcba9876543210")
    assert run("tune.mid", "--model", "toy")[0] == 0  # other weights, the same notes


@pytest.mark.parametrize("name", ["/root", "../toy", "..", "", "a/b", "a\\b", "\\\\host\\share", "toy\x1b[2J"])
def test_a_receipt_sends_nobody_to_a_path(name, here):
    path = with_recipe("odd.mid", model=name)
    with pytest.raises(ModelError, match="is not a name; give a folder with --model") as caught:
        compose_again(path, load=lambda name: pytest.fail("loaded"))
    assert str(caught.value).isprintable()


# -- what it was made from --------------------------------------------------------------------


def test_a_song_is_found_as_written_or_beside_the_result(here, monkeypatch):
    (here / "far").mkdir()
    (here / "song.mid").rename(here / "far" / "song.mid")
    (here / "edit.mid").rename(here / "far" / "edit.mid")
    assert run("far/edit.mid")[0] == 0
    (here / "song.mid").write_bytes(b"another of that name")
    assert run("far/edit.mid")[0] == 0


def test_a_song_that_is_gone_or_has_changed_is_named(here):
    Path("keep.mid").write_bytes(song(track(tune(2, 20))))
    Stub().infill("song.mid", seed=3, keep="keep.mid").save("both.mid")
    Path("song.mid").write_bytes(song(track(tune(1, 21))))
    said = "edit.mid: cannot be composed again: song.mid is not what it was"
    assert run("edit.mid") == (1, "", said)
    Path("keep.mid").unlink()
    said = "both.mid: cannot be composed again: song.mid is not what it was; keep.mid is not there"
    assert run("both.mid") == (1, "", said)


def test_files_in_lists_are_found_too(here):
    for name in ("a.mid", "b.mid"):
        Path(name).write_bytes(song(track(tune(2, 20), name=name)))
    Stub().morph(["a.mid", "b.mid"]).save("morph.mid")
    assert run("morph.mid") == (0, "morph.mid: the same notes (morph)", "None")
    done = compose_again(Path.cwd() / "morph.mid", load=lambda name: Stub())
    assert done.inputs == (Path("a.mid"), Path("b.mid"))
    Path("far").mkdir()
    for name in ("a.mid", "b.mid", "morph.mid"):
        Path(name).rename(Path("far") / name)
    done = compose_again("far/morph.mid", load=lambda name: Stub())
    assert done.inputs == (Path("far/a.mid"), Path("far/b.mid"))
    assert done.recipe.arguments == {"songs": ["a.mid", "b.mid"]}  # as they were written
    for name in ("a.mid", "b.mid", "morph.mid"):
        (Path("far") / name).rename(name)
    Path("b.mid").write_bytes(b"")
    assert run("morph.mid")[2] == "morph.mid: cannot be composed again: b.mid is not what it was"


@pytest.mark.parametrize("place", ["song", "seed.x", "x.9", "bars.-1", "", ".", "a..b"])
def test_a_file_that_no_argument_names(place, here):
    with pytest.raises(MidiError, match=f"its {place} was not read from a file"):
        compose_again(with_recipe("odd.mid", inputs={place: "0"}), load=lambda name: pytest.fail("loaded"))


@pytest.mark.parametrize("name", ["\0", 5000 * "a", "/dev/zero", ".", "\ud800", "none\x1b[2J.mid"])
def test_a_file_that_cannot_be(name, here):
    path = with_recipe("odd.mid", verb="infill", arguments={"song": name}, inputs={"song": "0"})
    with pytest.raises(MidiError, match="is not there") as caught:
        compose_again(path, load=lambda name: pytest.fail("loaded"))
    assert str(caught.value).isprintable()


def test_nothing_that_is_read_is_written_over(here):
    (here / "link.mid").symlink_to("song.mid")
    for source, out in (("tune.mid", "tune.mid"), ("edit.mid", "song.mid"), ("edit.mid", "link.mid")):
        before = (here / out).read_bytes()
        assert run(source, "-o", out)[2] == f"-o {out}: is what is read; give another name"
        assert (here / out).read_bytes() == before
    assert "a MIDI file is written" in run("tune.mid", "-o", "out.wav")[2]


# -- strangers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"verb": "__init__"}, "does not know how to '__init__'"),
        ({"verb": "save"}, "does not know how to 'save'"),
        ({"verb": "infilled"}, "does not know how to 'infilled'"),
        ({"arguments": {}}, r"recipe cannot be followed \(TypeError: .*missing 1 required"),
        ({"arguments": {"self": 1}}, r"cannot be followed \(TypeError"),
        ({"arguments": {"seed": -1}}, r"cannot be followed \(ValueError"),
        ({"arguments": {"seed": 7, "bars": "\x1b[2J"}}, "cannot be followed"),
        ({"arguments": {"seed": 7, "on_step": 1}}, "unexpected keyword argument 'on_step'"),
        ({"verb": "vary"}, r"song.mid: no \\x1b\[2J melody"),
        ({"verb": "extend"}, "gives nothing that has a receipt"),
        ({"verb": "bridge"}, "gives nothing that has a receipt"),
    ],
)
def test_a_hostile_recipe_is_one_line(recipe, message, here):
    with pytest.raises(MidiError, match=message) as caught:
        compose_again(with_recipe("odd.mid", **recipe), load=lambda name: Stub())
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "x.mid: cannot be read (No such file or directory)"),
        (b"hello", "x.mid: not a MIDI file"),
        (to_midi(random_melody(1, 4)), "x.mid: has no receipt of Cantilena"),
        (
            write_texts(to_midi(random_melody(1, 4)), [b"cantilena:1/2:"], gone=bool, name="x"),
            "x.mid: its receipt is damaged",
        ),
    ],
)
def test_a_file_without_a_receipt(data, message, here):
    if data is not None:
        Path("x.mid").write_bytes(data)
    code, said, error = run("x.mid")
    assert (code, said) == (1, "")
    assert error.startswith(message)


def test_a_receipt_without_notes(here):
    empty = song(track([]))
    Path("x.mid").write_bytes(write_receipt(empty, read_receipt(Path("tune.mid").read_bytes())))
    assert run("x.mid") == (1, "", "x.mid: no notes")


def test_a_receipt_of_tomorrow(here):
    text = json.dumps({"receipt": 2}).encode()
    part = b"cantilena:1/1:%08x" % zlib.crc32(text) + text
    Path("x.mid").write_bytes(write_texts(to_midi(random_melody(1, 4)), [part], gone=bool, name="x"))
    assert run("x.mid")[2] == "x.mid: its receipt is of format 2; this version of Cantilena reads 1"


# -- the real composer ------------------------------------------------------------------------


def test_the_shipped_model_composes_its_tunes_again(tmp_path, monkeypatch):
    composer = load()
    given = {"seed": 7, "bars": 8, "qpm": 96.0, "voice": "flute", "steps": 5}

    class Told:
        model = composer.model

        def compose(self, **given):
            melody = composer.compose(**given)
            return Tune(melody.events, melody.qpm, make_receipt(self.model, "compose", given, {}, melody))

    made = Told().compose(**given)
    made.save(tmp_path / "tune.mid")
    done = compose_again(tmp_path / "tune.mid", load=lambda name: Told())
    assert (done.same, done.differ, done.bars) == (True, 0, 8)
    assert done.recipe.arguments == given
    assert done.made == made
    assert sounding((tmp_path / "tune.mid").read_bytes()) == sounding(to_midi(made))
    other = replace(done.recipe, arguments={**given, "seed": 8})
    Path(tmp_path / "other.mid").write_bytes(write_receipt(to_midi(made), Receipt(other)))
    assert not compose_again(tmp_path / "other.mid", load=lambda name: Told()).same
