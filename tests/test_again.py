"""`cantilena again`: the same notes, other notes, and every reason why it cannot be told."""

import json
import zlib
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import midi_files
import pytest
import typer
from midi_files import song, track, tune
from msgspec.structs import replace
from typer.testing import CliRunner

import cantilena.again
from cantilena import Melody, load
from cantilena.again import perform_again
from cantilena.cli.again import again
from cantilena.errors import CantilenaError, MidiError, ModelError
from cantilena.music.midi import read_song, to_midi
from cantilena.music.texts import write_texts
from cantilena.receipt import make_receipt, read_receipt, write_receipt
from cantilena.requests import Blend, Compose, Infill, Vary
from cantilena.result import Result
from cantilena.sources import Source
from melodies import random_melody


class Stub:
    """A composer whose music is known: a seed is a random melody, an edit transposes a song's second track."""

    def __init__(self, name="pop-64", fingerprint="0123456789abcdef", off=0):
        self.model = SimpleNamespace(name=name, fingerprint=fingerprint)
        self.off = off  # semitones by which another machine misses bar 3

    def __call__(self, request):
        match request:
            case Compose():
                return self.composed(request, random_melody(request.seed, request.bars))
            case Infill():
                return self.edited(request)
            case Blend():
                return self.composed(request, random_melody(0, 4))
            case Vary():
                raise MidiError("song.mid: no \x1b[2J melody")
        raise RuntimeError("what \x1b[2J is\nthis")

    def composed(self, request, melody):
        start, end, pitch = melody.notes
        there = (start >= 32) & (start < 48)
        melody = Melody.from_notes(start, end, pitch + self.off * there, bars=melody.bars)
        midi = to_midi(melody, program=33, track_name="Bâss")
        return Result(melody, midi, 0, make_receipt(self.model, request, melody), "Bass")

    def edited(self, request):
        lead = [(s, e, p + 1 + self.off) for s, e, p in tune(request.seed, 20)]
        midi = midi_files.song(track(tune(5, 20, low=30), name="Bass"), track(lead, name="Lead"))
        melody = Melody.from_notes(*zip(*lead, strict=True), bars=20)
        return Result(melody, midi, 1, make_receipt(self.model, request, melody), "Lead", within=True)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stub_here(monkeypatch)
    Stub()(Compose(7, bars=16)).save("tune.mid")
    Path("song.mid").write_bytes(song(track(tune(1, 20))))
    Stub()(Infill("song.mid", "5", seed=3)).save("edit.mid")
    return tmp_path


def stub_here(monkeypatch, **given):
    monkeypatch.setattr(cantilena.again, "perform_again", partial(perform_again, load=lambda name: Stub(**given)))


def run(*arguments):
    """Exit code, what is printed, and the error that `main` would print as one line."""
    app = typer.Typer()
    app.command()(again)
    done = CliRunner().invoke(app, list(map(str, arguments)))
    error = done.exception if isinstance(done.exception, Exception) else None
    assert error is None or isinstance(error, CantilenaError | ValueError)
    assert done.output.count("\n") == (error is None)
    return done.exit_code, done.output.strip(), str(error)


def with_receipt(path, **changed):
    """A tune whose receipt says something else."""
    receipt = replace(read_receipt(Path("tune.mid").read_bytes()), **changed)
    Path(path).write_bytes(write_receipt(Path("tune.mid").read_bytes(), receipt))
    return path


def test_the_same_notes_and_the_same_file(here):
    assert run("tune.mid", "-o", "new/out.mid") == (0, "tune.mid: the same notes (compose, seed 7)", "None")
    assert (here / "new" / "out.mid").read_bytes() == (here / "tune.mid").read_bytes()
    assert run("edit.mid", "-o", "out.mid") == (0, "edit.mid: the same notes (infill, seed 3)", "None")
    assert (here / "out.mid").read_bytes() == (here / "edit.mid").read_bytes()


def test_another_machine_gives_other_notes(here, monkeypatch):
    stub_here(monkeypatch, off=1)
    with_receipt("tune.mid", onnxruntime="0.9", cpu="abacus")
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
    code, said, _ = run(with_receipt("odd.mid", notes="0"))
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
    assert "tune.mid: was made with the model pop-64 0123456789abcdef; the pop-64 of here is fedcba9876543210" in error
    code, said, _ = run("tune.mid", "--model", "mine")
    assert code == 1
    assert "1 of 16 bars differ (made with pop-64 0123456789abcdef, onnxruntime" in said
    stub_here(monkeypatch, fingerprint="fedcba9876543210")
    assert run("tune.mid", "--model", "mine")[0] == 0  # other weights, the same notes


@pytest.mark.parametrize(
    "name", ["/root", "../toy", "..", "", "a/b", "a\\b", "\\\\host\\share", "toy\x1b[2J", "toy", "mine"]
)
def test_a_receipt_sends_nobody_to_a_path(name, here):
    """Not to a folder of that name that stands where one is: only to what is shipped."""
    Path("mine").mkdir()
    Path("mine/model.json").write_text("{}")
    path = with_receipt("odd.mid", model=name)
    with pytest.raises(ModelError, match=r"is not shipped with Cantilena .*; give its folder with --model") as caught:
        perform_again(path, load=lambda name: pytest.fail("loaded"))
    assert str(caught.value).isprintable()


def test_a_folder_with_the_name_of_a_shipped_model_is_not_taken_for_it(here):
    Path("pop-64").mkdir()
    Path("pop-64/model.json").write_text("{}")
    seen = []
    perform_again("tune.mid", load=lambda name: seen.append(name) or Stub())
    assert seen[0].is_absolute()
    assert seen[0].name == "pop-64"


# -- what it was made from --------------------------------------------------------------------


def test_a_song_is_found_beside_the_result_by_what_is_in_it(here):
    """Not where a receipt says, which it does not, and under any name."""
    (here / "far").mkdir()
    (here / "song.mid").rename(here / "far" / "renamed.MID")
    assert run("edit.mid")[0] == 1
    assert run("edit.mid", "--with", "far/renamed.MID")[0] == 0
    (here / "edit.mid").rename(here / "far" / "edit.mid")
    assert run("far/edit.mid")[0] == 0
    (here / "far" / "song.mid").write_bytes(b"another of that name")
    assert run("far/edit.mid")[0] == 0


def test_a_song_that_is_gone_or_has_changed_is_named(here):
    Path("keep.mid").write_bytes(song(track(tune(2, 20))))
    Stub()(Infill("song.mid", "5", seed=3, keep="keep.mid")).save("both.mid")
    Path("song.mid").write_bytes(song(track(tune(1, 21))))
    said = "edit.mid: cannot be made again: song.mid is not what it was; --with FILE gives it"
    assert run("edit.mid") == (1, "", said)
    Path("keep.mid").unlink()
    said = "both.mid: cannot be made again: song.mid is not what it was; keep.mid is not there, nor under another name"
    assert run("both.mid")[2].startswith(said)


def test_files_in_lists_are_found_too(here):
    for name in ("a.mid", "b.mid"):
        Path(name).write_bytes(song(track(tune(2, 20), name=name)))
    Stub()(Blend(["a.mid", "b.mid"], [[1, 1]])).save("blend.mid")
    assert run("blend.mid") == (0, "blend.mid: the same notes (blend, seed 0)", "None")
    Path("far").mkdir()
    for name in ("a.mid", "b.mid", "blend.mid"):
        Path(name).rename(Path("far") / name)
    done = perform_again("far/blend.mid", load=lambda name: Stub())
    assert [path.name for path in done.inputs] == ["a.mid", "b.mid"]
    (Path("far") / "b.mid").write_bytes(b"")
    assert run("far/blend.mid")[2].startswith("blend.mid: cannot be made again: b.mid is not what it was")


@pytest.mark.parametrize("name", ["\0", 255 * "a", "/dev/zero", "/etc/passwd", ".", "..", "none\x1b[2J.mid"])
def test_no_name_in_a_receipt_is_opened(name, here, monkeypatch):
    opened, read = [], Path.read_bytes
    path = with_receipt("odd.mid", request=Infill(Source(name, 64 * "0"), "1"))
    monkeypatch.setattr(Path, "read_bytes", lambda self: opened.append(self.name) or read(self))
    with pytest.raises(MidiError, match="is not there") as caught:
        perform_again(path, load=lambda name: pytest.fail("loaded"))
    assert str(caught.value).isprintable()
    assert set(opened) == {"odd.mid", "tune.mid", "song.mid", "edit.mid"}


def test_nothing_that_is_read_is_written_over(here):
    (here / "link.mid").symlink_to("song.mid")
    for source, out in (("tune.mid", "tune.mid"), ("edit.mid", "song.mid"), ("edit.mid", "link.mid")):
        before = (here / out).read_bytes()
        assert run(source, "-o", out)[2] == f"-o {out}: is what is read; give another name"
        assert (here / out).read_bytes() == before
    assert "a MIDI file is written" in run("tune.mid", "-o", "out.wav")[2]


# -- strangers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"verb":"__init__"', "damaged .*Invalid value '__init__' - at .*verb"),
        ('"verb":"save"', "damaged .*Invalid value 'save'"),
        ('"verb":"compose","on_step":1', "damaged .*unknown field `on_step`"),
        ('"verb":"infill"', "damaged .*unknown field `(metre|qpm)`"),
        ('"verb":"compose","bars":1001', "damaged .*2 to 1000 bars, not 1001"),
        ('"verb":"compose","motif":"/etc/passwd"', "damaged .*a source is"),
    ],
)
def test_a_hostile_request_is_one_line(text, message, here):
    said = (
        read_receipt(Path("tune.mid").read_bytes())
        .to_json()
        .replace('"verb":"compose"', text)
        .replace('"bars":16,', "")
    )
    part = b"cantilena:1/1:%08x" % zlib.crc32(said.encode()) + said.encode()
    Path("x.mid").write_bytes(write_texts(to_midi(random_melody(1, 4)), [part], gone=bool, name="x"))
    with pytest.raises(MidiError, match=message) as caught:
        perform_again("x.mid", load=lambda name: pytest.fail("loaded"))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Vary(song(track(tune(1, 20)))), r"song.mid: no \\x1b\[2J melody"),
        (object, r"odd.mid: its request cannot be performed \(what \\x1b\[2J is this\)"),
    ],
)
def test_what_goes_wrong_is_one_line(request_, message, here, monkeypatch):
    monkeypatch.setattr(Stub, "composed", lambda self, *a: Stub.__call__(self, None))
    given = {"request": request_} if request_ is not object else {}
    with pytest.raises(MidiError, match=message) as caught:
        perform_again(with_receipt("odd.mid", **given), load=lambda name: Stub())
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
    text = json.dumps({"receipt": 3}).encode()
    part = b"cantilena:1/1:%08x" % zlib.crc32(text) + text
    Path("x.mid").write_bytes(write_texts(to_midi(random_melody(1, 4)), [part], gone=bool, name="x"))
    assert run("x.mid")[2] == "x.mid: its receipt is of format 3; this version of Cantilena reads 2"


# -- the real composer ------------------------------------------------------------------------


def test_the_shipped_model_makes_its_tunes_again(tmp_path):
    made = load().compose(seed=7, bars=8, qpm=96, voice="flute", steps=5)
    made.save(tmp_path / "tune.mid")
    done = perform_again(tmp_path / "tune.mid")
    assert (done.same, done.differ, done.bars, done.made) == (True, 0, 8, made)
    other = replace(made.receipt, request=replace(made.receipt.request, seed=8))
    Path(tmp_path / "other.mid").write_bytes(write_receipt(made.midi, other))
    assert not perform_again(tmp_path / "other.mid").same
