"""Every other verb on the command line: what the library does, with what was asked; else one line, and no file."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from midi_files import song, track, tune

from cantilena.codec import with_sources
from cantilena.composer import load
from cantilena.edits.cadence import has_cadence
from cantilena.edits.motif import read_motif
from cantilena.music.extract import extract
from cantilena.music.midi import read_song
from cantilena.receipt import read_receipt
from cantilena.rules import Key
from cantilena.sources import Source
from command_line import run

FAST = ["--seed", 3, "--steps", 1]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bass = track(tune(5, 20, low=30), name="Bass", channel=1)
    Path("song.mid").write_bytes(song(bass, track(tune(1, 20), name="Lead")))
    Path("other.mid").write_bytes(song(track(tune(2, 16), name="Other")))
    Path("waltz.mid").write_bytes(song(track(tune(1, 20)), signatures=[(0, 3, 4)]))
    Path("drums.mid").write_bytes(song(track(tune(1, 20), channel=9)))
    Path("text.mid").write_bytes(b"hello")
    Path("empty.mid").write_bytes(b"")
    Path("a-file").write_text("mine")
    return tmp_path


def melody_of(path):
    return extract(read_song(path)).melody


def done(*arguments, model, cwd):
    """What is printed of a command that must go well."""
    found = run(*arguments, "--model", model, cwd=cwd)
    assert (found.returncode, found.stderr) == (0, "")
    return found.stdout


# -- edits ------------------------------------------------------------------------------------


EDITS = [
    (["extend", "song.mid", "--bars", 3, "--resample", 1], "extend", ["song.mid", 3], {"resample": 1},
     "out.mid  3 bars after track 1  seed 3  Melody(23 bars, "),
    (["extend", "song.mid", "--bars", 2, "--before", "--track", 0, "--voice", "bass", "--resample", 1], "extend",
     ["song.mid", 2], {"before": True, "track": 0, "voice": "bass", "resample": 1},
     "out.mid  2 bars before track 0  seed 3  Melody(22 bars, "),
    (["bridge", "song.mid", "other.mid", "--bars", 4, "--track", 1, "--track-b", 0, "--temperature", 0.8,
      "--resample", 1], "bridge", ["song.mid", "other.mid", 4],
     {"track": 1, "track_b": 0, "temperature": 0.8, "resample": 1},
     "out.mid  4 bars between, on track 1  seed 3  Melody(40 bars, "),
    (["vary", "song.mid", "--strength", 0.6, "--bars", "5-8", "--grid", "even", "--guidance", 1.5], "vary",
     ["song.mid", 0.6], {"bars": "5-8", "grid": "even", "guidance": 1.5},
     "out.mid  bars 5-8 of track 1  strength 0.6  seed 3  Melody(20 bars, "),
]  # fmt: skip


@pytest.mark.parametrize(("command", "verb", "given", "more", "said"), EDITS)
def test_an_edit_is_the_one_that_python_gives(toy_model, here, command, verb, given, more, said):
    before = Path("song.mid").read_bytes()
    assert done(*command, *FAST, "-o", "out.mid", model=toy_model, cwd=here).startswith(said)
    same = getattr(load(toy_model), verb)(*given, seed=3, steps=1, **{"guidance": 1.0, **more})
    same.save("same.mid")
    assert read_receipt(Path("out.mid").read_bytes()) == same.receipt
    assert [t.pitch.tolist() for t in read_song("out.mid").tracks] == [
        t.pitch.tolist() for t in read_song("same.mid").tracks
    ]
    assert Path("song.mid").read_bytes() == before
    assert run("again", "out.mid", "--model", toy_model, cwd=here) == (
        0, f"out.mid: the same notes ({verb}, seed 3)\n", "",
    )  # fmt: skip


def test_a_seed_that_is_not_given_is_drawn_and_told(toy_model, here):
    said = done("vary", "song.mid", "--steps", 1, "-o", "out.mid", model=toy_model, cwd=here)
    seed = read_receipt(Path("out.mid").read_bytes()).request.seed
    assert f"  seed {seed}  " in said


def test_a_morph_is_one_file_and_each_step_another(toy_model, here):
    given = ["--steps", 3, "--sampling-steps", 1, "--seed", 2]
    said = done(
        "morph", "song.mid", "other.mid", *given, "--separate", "each", "-o", "out.mid", model=toy_model, cwd=here
    )
    assert said.startswith("out.mid  3 steps of 16 bars  seed 2  Melody(48 bars, ")
    found = load(toy_model).morph("song.mid", "other.mid", steps=3, seed=2, sampling_steps=1).parts
    assert sorted(p.name for p in Path("each").iterdir()) == ["morph-01.mid", "morph-02.mid", "morph-03.mid"]
    for k, melody in enumerate(found, 1):
        file = Path(f"each/morph-0{k}.mid")
        assert melody_of(file) == melody.melody
        assert read_receipt(file.read_bytes()) == melody.receipt
        given = ["--with", "song.mid", "--with", "other.mid", "--model", toy_model]
        assert run("again", file, *given, cwd=here).returncode == 0
    assert run("again", "out.mid", "--model", toy_model, cwd=here).returncode == 0


def test_a_blend_mixes_songs_as_its_rows_or_a_plan_say(toy_model, here):
    """`morph --plan` was its name once, and is still understood."""
    Path("plan.json").write_text(json.dumps({"songs": ["song.mid", "other.mid"], "weights": [[1, 0], [0, 1]]}))
    rest = ["--tracks", "1,0", "--sampling-steps", 1, "--seed", 2, "-o", "out.mid", "--force"]
    given = {"tracks": [1, 0], "sampling_steps": 1, "seed": 2}
    same = load(toy_model).blend(["song.mid", "other.mid"], [[1, 0], [0, 1]], **given)
    for command in (
        ["blend", "song.mid", "other.mid", "--weights", "1,0 0,1"], ["blend", "--plan", "plan.json"],
        ["morph", "--plan", "plan.json"],
    ):  # fmt: skip
        assert done(*command, *rest, model=toy_model, cwd=here).startswith("out.mid  2 songs  seed 2  Mel")
        assert Path("out.mid").read_bytes() == same.file
    assert run("again", "out.mid", "--model", toy_model, cwd=here).returncode == 0


def test_a_picture_and_a_sound_of_an_edit_stand_beside_it(toy_model, here):
    done("vary", "song.mid", *FAST, "--format", "mid,svg,wav", "-o", "new/out.mid", model=toy_model, cwd=here)
    assert sorted(p.name for p in Path("new").iterdir()) == ["out.mid", "out.svg", "out.wav"]


# -- compose ----------------------------------------------------------------------------------


def composed(here, toy_model, *arguments):
    return done("compose", *FAST, "--format", "mid", "--force", *arguments, model=toy_model, cwd=here)


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (["--bars", 7], {"bars": 7}),
        (["--bars", 70, "--resample", 1], {"bars": 70, "resample": 1}),
        (["--bars", 6, "--loop"], {"bars": 6, "loop": True}),
        (["--bars", 8, "--cadence", "--voice", "flute"], {"bars": 8, "cadence": True, "voice": "flute"}),
        (["--bars", 8, "--motif", "song.mid", "--cadence"], {"bars": 8, "motif": "song.mid", "cadence": True}),
        (["--bars", 8, "--key", "D dorian", "--density", "4..6", "--weights", "density=2"],
         {"bars": 8, "rules": {"key": "D dorian", "density": ["4..6", 2.0]}}),
        (["--bars", 8, "--rhythm", "other.mid", "--form-of", "song.mid"],
         {"bars": 8, "rules": {"rhythm": "other.mid", "form": "song.mid"}}),
    ],
)  # fmt: skip
def test_a_tune_is_the_one_that_python_gives(toy_model, here, arguments, given):
    made = run("compose", *FAST, "--format", "mid", "--model", toy_model, *arguments, cwd=here)
    assert made.returncode in (0, 3 if "rules" in given else 0)  # what is untrained does not always keep its rules
    assert ("a rule is kept in fewer than half of its bars (seed 3)" in made.stderr) == (made.returncode == 3)
    assert made.stdout.startswith(f"tune.mid  seed 3  Melody({given['bars']} bars, ")
    same = load(toy_model).compose(3, steps=1, **given)
    assert read_receipt(Path("tune.mid").read_bytes()) == same.receipt
    assert Path("tune.mid").read_bytes() == same.file
    assert run("again", "tune.mid", "--model", toy_model, cwd=here).returncode == 0


def test_a_motif_opens_the_tune_which_comes_to_rest(toy_model, here):
    composed(here, toy_model, "--bars", 8, "--motif", "song.mid", "--cadence")
    receipt, motif = read_receipt(Path("tune.mid").read_bytes()), read_motif("song.mid")
    made = load(toy_model)(with_sources(receipt.request, [Source.of("song.mid")]))
    assert made.slice(1, 2) == motif
    assert has_cadence(made)
    assert read_song("tune.mid").tracks[0].name == "Cantilena, song, seed 3"


def test_chords_are_heard_beneath_on_a_second_track(toy_model, here):
    composed(here, toy_model, "--bars", 4, "--chords", "| C | F | G7 | C |", "--chord-track")
    lead, chords = read_song("tune.mid").tracks
    assert (lead.name, chords.name) == ("Cantilena, lead, seed 3", "Chords")
    bars = [{int(p) % 12 for p in chords.pitch[chords.start == bar * 1920]} for bar in range(4)]
    assert bars == [{0, 4, 7}, {5, 9, 0}, {7, 11, 2, 5}, {0, 4, 7}]
    strong = lead.start % 960 == 0
    assert strong.any()
    for start, pitch in zip(lead.start[strong].tolist(), lead.pitch[strong].tolist(), strict=True):
        assert pitch % 12 in bars[start // 1920]
    assert run("again", "tune.mid", "--model", toy_model, cwd=here).returncode == 0


def test_the_receipt_is_shown_as_a_table_or_as_json(toy_model, here):
    rules = ["--bars", 4, "--key", "A minor", "--density", "0..16"]
    said = composed(here, toy_model, *rules)
    assert "key A minor: met in 4 of 4 bars" in said
    assert "density 0..16: met in 4 of 4 bars" in said
    shown = json.loads(composed(here, toy_model, *rules, "--json"))
    assert shown == json.loads(read_receipt(Path("tune.mid").read_bytes()).to_json())
    assert [row[:2] for row in shown["rows"]] == [[bar, rule] for bar in (1, 2, 3, 4) for rule in ("key", "density")]
    assert composed(here, toy_model, "--bars", 4).count("\n") == 1  # no rules, no table
    found = done(
        "infill", "song.mid", "--bars", "5-6", "--range", "C4-C5", *FAST, "--resample", 1, "--json", "-o", "out.mid",
        model=toy_model, cwd=here,
    )  # fmt: skip
    assert [row[0] for row in json.loads(found)["rows"]] == [5, 6]
    for command in (["vary", "song.mid"], ["morph", "song.mid", "other.mid"]):
        found = done(*command, "--seed", 1, "--json", "-o", "out.mid", "--force", model=toy_model, cwd=here)
        assert json.loads(found) == json.loads(read_receipt(Path("out.mid").read_bytes()).to_json())


def test_several_are_one_json_each(toy_model, here):
    lines = composed(here, toy_model, "--bars", 4, "-n", 3, "--json").splitlines()
    assert [json.loads(line)["request"]["seed"] for line in lines] == [3, 4, 5]


def test_picked_tunes_keep_the_rules_and_the_seed_that_composes_each_alone(toy_model, here):
    given = ["--bars", 4, "--key", "A minor"]
    composed(here, toy_model, *given, "--pick", 2, "--of", 5, "-o", "picked")
    files = sorted(Path("picked").iterdir())
    assert len(files) == 2
    for file in files:
        seed = int(file.stem.removeprefix("tune-"))
        assert 3 <= seed < 8
        composed(here, toy_model, *given, "--seed", seed)
        assert Path("tune.mid").read_bytes() == file.read_bytes()
        assert set((read_song(file).tracks[0].pitch % 12).tolist()) <= Key("A minor").scale
    composed(here, toy_model, *given, "--pick", 1, "--of", 5)
    assert np.isin(read_song("tune.mid").tracks[0].pitch.tolist(), read_song(files[0]).tracks[0].pitch.tolist()).any()


# -- what is wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["extend", "song.mid", "--bars", 0], "1 to 1000 new bars are composed, not 0", 2),
        (["extend", "song.mid", "--bars", "many"], "Invalid value for '--bars'", 2),
        (["extend", "song.mid", "--track", 5], "a track is 0 to 1, not 5", 2),
        (["extend", "song.mid", "--voice", "kazoo"], "a voice is one of", 2),
        (["extend"], "Missing argument 'SONG'", 2),
        (["bridge", "song.mid"], "Missing argument 'B'", 2),
        (["vary", "song.mid", "--strength", 2], "a strength is between 0", 2),
        (["vary", "song.mid", "--strength", "nan"], "a strength is between 0", 2),
        (["vary", "song.mid", "--bars", "19-24"], "song.mid: bars 19-24 are outside the song", 1),
        (["vary", "song.mid", "--bars", "x"], "bars are written like", 2),
        (["vary", "song.mid", "--grid", "both"], "odd or even bars, not 'both'", 2),
        (["morph", "song.mid"], "Missing argument 'B'", 2),
        (["morph", "song.mid", "other.mid", "--steps", 1], "a morph has 2 to", 2),
        (["morph", "song.mid", "other.mid", "--tracks", "1,x"], "tracks are numbers joined by commas", 2),
        (["morph", "song.mid", "other.mid", "--tracks", "1"], "tracks are one number a song, 2, not 1", 2),
        (["morph", "song.mid", "other.mid", "--plan", "text.mid"], "give it alone", 2),
        (["morph", "--plan", "text.mid"], "text.mid: a plan is", 2),
        (["blend", "song.mid", "--weights", "1"], "two songs or more are needed, not 1", 2),
        (["blend", "song.mid", "other.mid", "--weights", "1,x"], "weights are rows of numbers", 2),
        (["blend", "song.mid", "other.mid", "--weights", "1,0,0"], "weights are rows of 2 numbers", 2),
        (["blend", "song.mid", "other.mid"], "--weights is missing", 2),
        (["vary", "song.mid", "--format", "mp3"], "--format is mid, svg, wav", 2),
        (["morph", "--plan", "none.json"], "none.json: cannot be read", 2),
        (["morph", "song.mid", "other.mid", "--separate", "a-file"], "--separate a-file: is a folder", 2),
        *((["vary", "song.mid", "-o", name], f"-o {name}: a MIDI file is written", 2) for name in ("out.wav", "out")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_and_nothing_is_written(toy_model, here, arguments, message, code):
    there = {p.name: p.read_bytes() for p in here.iterdir()}
    out = [] if "-o" in arguments else ["-o", "out.mid"]
    found = run(*arguments, *out, "--model", toy_model, cwd=here)
    assert (found.returncode, found.stdout) == (code, "")
    assert message in found.stderr
    assert found.stderr.count("\n") == 1
    assert {p.name: p.read_bytes() for p in here.iterdir()} == there


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bars", 1], "a melody has 2 to 1000 bars, not 1"),
        (["--bars", 7, "--loop"], "a loop is phrases of two bars"),
        (["--loop", "--cadence"], "a loop does not come to rest"),
        (["--loop", "--motif", "song.mid"], "a tune of a motif takes no loop"),
        (["--motif", "song.mid", "--key", "C major"], "a tune of a motif takes no rules"),
        (["--motif", "song.mid", "--bars", 2], "a tune of a motif has 4 bars or more"),
        (["--motif", "text.mid"], "text.mid: not a MIDI file"),
        (["--motif", "waltz.mid"], "waltz.mid: no motif there"),
        (["--motif", "drums.mid"], "drums.mid: no motif there"),
        (["--key", "H major"], "key: 'H major' is not a key"),
        (["--range", "C5-C4"], "range: the lower pitch comes first"),
        (["--density", "many"], "density: 'many' is not a number of notes a bar"),
        (["--rhythm", "slow"], "rhythm: 'slow' is not syncopated or straight"),
        (["--rhythm", "none.mid"], "none.mid: cannot be read"),
        (["--contour", "zigzag"], "contour: "),
        (["--chords", "| Q7 |"], "chords: "),
        (["--form", "A1"], "form: "),
        (["--form", "AABA", "--form-of", "song.mid"], "form and form_of: give one"),
        (["--form-of", "drums.mid"], "drums.mid: no melody"),
        (["--weights", "key=2"], "weights: 'key' is not a rule that is asked for (none is asked for)"),
        (["--key", "C major", "--weights", "key=much"], "weights: 'key=much'"),
        (["--key", "C major", "--weights", "key=-1"], "weight"),
        (["--key", "C major", "--weights", "key=nan"], "weight"),
        (["--density", "4..6", "--sampler", "ddim"], "rules are for the sampler ddpm"),
        (["--key", "B minor pentatonic", "--range", "C4-C#4"], "leave no note"),
        (["--chord-track"], "a chord track plays the chords that the rules ask for"),
        (["--pick", 9, "--of", 4], "1 to 4 of 4 draws can be picked, not 9"),
        (["-o", "a-file"], "-o a-file: is a file, and a folder is needed"),
        (["--model", "a-file"], "a-file"),
    ],
)
def test_a_tune_that_cannot_be_is_one_line_and_nothing_is_written(toy_model, here, arguments, message):
    there = {p.name: p.read_bytes() for p in here.iterdir()}
    model = [] if "--model" in arguments else ["--model", toy_model]
    found = run("compose", *FAST, *model, *arguments, cwd=here)
    assert (found.returncode, found.stdout) == (1 if ".mid: " in message or "--model" in arguments else 2, "")
    assert message in found.stderr
    assert found.stderr.count("\n") == 1
    assert {p.name: p.read_bytes() for p in here.iterdir()} == there


VERBS = {
    "infill": [["infill", "{}", "--bars", "1"], ["infill", "song.mid", "--bars", "1", "--keep", "{}"]],
    "extend": [["extend", "{}"], ["extend", "{}", "--before"]],
    "bridge": [["bridge", "{}", "song.mid"], ["bridge", "song.mid", "{}"]],
    "vary": [["vary", "{}"]],
    "morph": [["morph", "{}", "song.mid"], ["morph", "song.mid", "{}"]],
    "blend": [["blend", "{}", "song.mid", "--weights", "1,1"], ["blend", "song.mid", "{}", "--weights", "1,1"]],
    "again": [["again", "{}"]],
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", ["text.mid", "empty.mid", "none.mid", "drums.mid", "waltz.mid", "."])
def test_a_song_that_cannot_be_edited_is_one_line(toy_model, here, verb, name):
    there = {p.name: p.read_bytes() for p in here.iterdir()}
    for command in VERBS[verb]:
        if "--keep" in command and name in ("waltz.mid", "drums.mid"):
            continue  # notes to keep need no bars
        found = run(*(word.format(name) for word in command), "-o", "out.mid", "--model", toy_model, cwd=here)
        assert found.returncode in (1, 2)
        assert found.stderr.count("\n") == 1
        assert ": a bug" not in found.stderr
        assert name.strip(".") in found.stderr
    assert {p.name: p.read_bytes() for p in here.iterdir()} == there


@pytest.mark.parametrize("verb", VERBS)
def test_a_song_is_never_written_over_unless_that_is_asked(toy_model, here, verb):
    run("vary", "song.mid", *FAST, "-o", "song2.mid", "--model", toy_model, cwd=here)
    Path("song2.mid").replace("song.mid")  # one with a receipt, for `again`
    before = Path("song.mid").read_bytes()
    Path("link.mid").symlink_to("song.mid")
    for command in VERBS[verb]:
        given = [word.format("song.mid") for word in command]
        found = run(*given, "-o", "link.mid", "--model", toy_model, cwd=here)
        assert found.returncode == 2
        assert "is what is read; give another name" in found.stderr
        assert Path("song.mid").read_bytes() == before


def test_ctrl_c_in_the_middle_of_an_edit_leaves_the_file_that_was_there(toy_model, here):
    Path("out.mid").write_bytes(b"mine")
    command = [sys.executable, "-m", "cantilena", "extend", "song.mid", "--bars", "1000", "--steps", "1000"]
    process = subprocess.Popen(
        [*command, "--model", str(toy_model), "-o", "out.mid", "--force"],
        cwd=here,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=4)  # it is composing
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, said) == (130, "cantilena: stopped\n")
    assert Path("out.mid").read_bytes() == b"mine"
    assert not list(here.glob(".*"))
