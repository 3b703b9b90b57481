import pytest
from midi_files import song, track, tune
from test_splice import messages

from cantilena.composer import load
from cantilena.music.midi import read_song
from cantilena.music.splice import read_notes
from cantilena.receipt import read_receipt
from command_line import run


@pytest.fixture
def here(tmp_path):
    (tmp_path / "song.mid").write_bytes(song(track(tune(5, 20, low=30), name="Bass"), track(tune(1, 20), name="Lead")))
    (tmp_path / "waltz.mid").write_bytes(song(track(tune(1, 20)), signatures=[(0, 3, 4)]))
    (tmp_path / "drums.mid").write_bytes(song(track(tune(1, 20), channel=9)))
    (tmp_path / "text.mid").write_bytes(b"hello")
    (tmp_path / "keep.mid").write_bytes(song(track([(64, 72, 90)])))
    return tmp_path


def test_it_does_what_the_library_does(toy_model, here, monkeypatch):
    given = ["--bars", "5-8,11", "--seed", 3, "--steps", 2, "--resample", 2, "--grid", "even", "--voice", "any"]
    more = ["--temperature", 0.8, "--guidance", 1.5, "--keep", "keep.mid", "--track", 1, "--model", toy_model]
    before = (here / "song.mid").read_bytes()
    done = run("infill", "song.mid", *given, *more, "-o", "new/out.mid", cwd=here)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("new/out.mid  bars 5-8,11 of track 1  seed 3  Melody(20 bars, ")
    monkeypatch.chdir(here)
    same = load(toy_model).infill(
        "song.mid", [(5, 8), (11, 11)], seed=3, steps=2, resample=2, grid="even", voice="any",
        temperature=0.8, guidance=1.5, keep="keep.mid", track=1,
    )  # fmt: skip
    saved = (here / "new" / "out.mid").read_bytes()
    assert read_receipt(saved) == same.receipt
    for i in range(3):  # every other event is identical: the song has no texts of its own
        kept = [(tick, message) for tick, message in messages(saved, i) if message[:2] != (0xFF, 0x01)]
        assert kept == messages(same.midi, i)
    assert (64 * 120, 72 * 120, 90, 80) in read_notes(read_song(same.midi))
    assert (here / "song.mid").read_bytes() == before


def test_the_song_itself_is_replaced_only_when_asked(toy_model, here):
    before = (here / "song.mid").read_bytes()
    (here / "link.mid").symlink_to("song.mid")
    given = ["--bars", "5", "--steps", 1, "--seed", 1, "--model", toy_model]
    for out in ("song.mid", "./song.mid", "link.mid"):
        done = run("infill", "song.mid", *given, "-o", out, cwd=here)
        assert done.returncode == 2
        assert "give another name, or --force to replace it" in done.stderr
        assert (here / "song.mid").read_bytes() == before
    assert run("infill", "song.mid", *given, "-o", "song.mid", "--force", cwd=here).returncode == 0
    assert (here / "song.mid").read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["song.mid", "--bars", "19-24"], "song.mid: bars 19-24 are outside the song, which has 20 bars", 1),
        (["song.mid", "--bars", "first"], "bars are written like 17-32,41-44", 2),
        (["song.mid", "--bars", "1", "--track", "7"], "a track is 0 to 1, not 7", 2),
        (["song.mid", "--bars", "1", "--grid", "both"], "odd or even bars, not 'both'", 2),
        (["song.mid", "--bars", "1", "--keep", "keep.mid"], "F#6 in bar 5, is neither in track 1 nor in the bars", 2),
        (["song.mid", "--bars", "1", "--keep", "text.mid"], "text.mid: not a MIDI file", 1),
        (
            ["waltz.mid", "--bars", "3"],
            "waltz.mid: bar 3 is in 3/4, which this model does not know; it knows 4/4 and 2/2",
            1,
        ),
        (["drums.mid", "--bars", "3"], "drums.mid: no melody of 4 bars or more (1 tracks: 1 drums)", 1),
        (["text.mid", "--bars", "3"], "text.mid: not a MIDI file", 1),
        (["none.mid", "--bars", "3"], "none.mid: cannot be read (No such file or directory)", 1),
        (["song.mid", "--bars", "3", "--keep", "drums.mid"], "drums.mid: no notes to keep but drums", 1),
        (["song.mid", "--bars", "3", "-o", "text.mid/out.mid"], "text.mid is a file, and a folder is needed", 2),
        (["song.mid", "--bars", "3", "-o", "out.wav"], "-o out.wav: a MIDI file is written", 2),
        (["song.mid"], "Missing option '--bars'", 2),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(arguments, message, code, toy_model, here):
    there = sorted(p.name for p in here.iterdir())
    out = [] if "-o" in arguments else ["-o", "out.mid"]
    done = run("infill", *arguments, *out, "--model", toy_model, "--steps", 1, cwd=here)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(p.name for p in here.iterdir()) == there
