"""What every verb that takes music has in common: a song in and out, its receipt, and one line for what is wrong."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from midi_files import song, track, tune

from cantilena.again import compose_again
from cantilena.composer import load
from cantilena.edits.edited import Edited
from cantilena.errors import MidiError
from cantilena.music.melody import BAR_STEPS, Melody
from cantilena.music.midi import read_song
from cantilena.receipt import Tune, read_receipt
from cantilena.recipe import file_hash, notes_hash
from cantilena.rules import Key
from melodies import random_melody

FAST = {"steps": 1, "resample": 1}


@pytest.fixture(scope="module")
def composer(toy_model):
    return load(toy_model)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bass = track(tune(5, 20, low=30), name="Bass", channel=1)
    Path("song.mid").write_bytes(song(bass, track(tune(1, 20), name="Lead"), qpm=90))
    Path("other.mid").write_bytes(song(track(tune(2, 16), name="Other")))
    Path("keep.mid").write_bytes(song(track([(64, 72, 90)])))
    return tmp_path


# verb, arguments that name files, and the others
EDITS = [
    ("infill", {"song": "song.mid"}, {"bars": "5-8,11"}),
    ("infill", {"song": "song.mid", "keep": "keep.mid"}, {"bars": "5-8", "grid": "even"}),
    ("infill", {"song": "song.mid"}, {"bars": [(5, 8)], "rules": {"key": "D dorian", "density": "4..6"}, "track": 0}),
    ("extend", {"song": "song.mid"}, {"bars": 3}),
    ("extend", {"song": "song.mid"}, {"bars": 4, "before": True}),
    ("bridge", {"a": "song.mid", "b": "other.mid"}, {"bars": 2, "track": 1, "track_b": 0}),
    ("vary", {"song": "song.mid"}, {"strength": 0.5}),
    ("vary", {"song": "song.mid"}, {"strength": 0.0, "bars": "3-4", "grid": "odd"}),
]
FEW = [EDITS[0], EDITS[3], EDITS[5], EDITS[6]]  # each verb once


def edit(composer, verb, files, given, **more):
    return getattr(composer, verb)(**files, **given, **more)


def fast(verb):
    return {"steps": 1} if verb == "vary" else FAST


def without_notes(midi, track):
    """All tracks but one, note by note."""
    tracks = read_song(midi).tracks
    return [(t.name, t.program, t.start.tolist(), t.end.tolist(), t.pitch.tolist()) for t in tracks if t.name != track]


# -- results and receipts ---------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "files", "given"), EDITS)
def test_an_edits_receipt_says_how_and_composes_it_again(composer, here, verb, files, given):
    edited = edit(composer, verb, files, given, seed=3, **fast(verb))
    assert isinstance(edited, Edited)
    recipe = edited.receipt.recipe
    assert recipe.verb == verb
    assert recipe.inputs == {name: file_hash(path) for name, path in files.items()}
    assert recipe.notes == notes_hash(edited.after)
    told = recipe.arguments
    assert told["seed"] == 3
    assert {name: told[name] for name in files} == files
    assert set(told) == {*files, *given, "seed", *fast(verb)} - {n for n, v in given.items() if v is False}
    edited.save("new/out.mid")
    assert read_receipt(Path("new/out.mid").read_bytes()) == edited.receipt
    again = compose_again("new/out.mid", load=lambda name: composer)
    assert again.same
    again.save("again.mid")
    assert Path("again.mid").read_bytes() == Path("new/out.mid").read_bytes()


@pytest.mark.parametrize(("verb", "files", "given"), FEW)
def test_a_seed_is_the_same_edit_and_another_is_another(composer, here, verb, files, given):
    one, same, other = (edit(composer, verb, files, given, seed=s, **fast(verb)) for s in (1, 1, 2))
    assert one.midi == same.midi
    assert one.midi != other.midi


@pytest.mark.parametrize(("verb", "files", "given"), FEW)
def test_a_files_bytes_are_the_same_edit_without_a_receipt(composer, here, verb, files, given):
    read = {name: Path(path).read_bytes() for name, path in files.items()}
    of_bytes = edit(composer, verb, read, given, **fast(verb))
    assert of_bytes.receipt is None
    of_bytes.save("out.mid")
    assert Path("out.mid").read_bytes() == of_bytes.midi == edit(composer, verb, files, given, **fast(verb)).midi
    assert {name: Path(path).read_bytes() for name, path in files.items()} == read


@pytest.mark.parametrize(("verb", "files", "given"), FEW)
def test_a_pipe_is_read_once_and_is_the_same_edit_without_a_receipt(composer, here, verb, files, given):
    pipes = {}
    for name, file in files.items():
        os.mkfifo(pipe := f"{name}.pipe")
        threading.Thread(target=Path(pipe).write_bytes, args=(Path(file).read_bytes(),), daemon=True).start()
        pipes[name] = pipe
    with ThreadPoolExecutor() as pool:
        made = pool.submit(edit, composer, verb, pipes, given, seed=3, **fast(verb)).result(60)
    assert made.midi == edit(composer, verb, files, given, seed=3, **fast(verb)).midi
    assert made.receipt is None


NUMPY = [
    ("compose", {"seed": np.int64(3), "bars": np.int64(8), "qpm": np.float32(90)}),
    ("compose", {"bars": np.uint8(8), "rules": {"density": ["4..6", np.float32(2)]}}),
    ("infill", {"song": "song.mid", "bars": np.array([[5, 8]]), "track": np.int64(1), "resample": np.int16(1)}),
    ("extend", {"song": "song.mid", "bars": np.int32(2), "seed": np.uint64(3)}),
    ("bridge", {"a": "song.mid", "b": "other.mid", "bars": np.int64(2)}),
    ("vary", {"song": "song.mid", "strength": np.float32(0.5)}),
    ("morph", {"a": "song.mid", "b": "other.mid", "steps": np.int64(3), "step": np.int64(2)}),
]


@pytest.mark.parametrize(("verb", "given"), NUMPY)
def test_a_number_of_numpy_is_a_number(composer, here, verb, given):
    def plain(value):
        return value.tolist() if isinstance(value, np.ndarray | np.generic) else value

    least = {"sampling_steps": 1} if verb == "morph" else {"steps": 1}
    same = {name: {k: [plain(v) for v in row] for k, row in value.items()} if name == "rules" else plain(value)
            for name, value in given.items()}  # fmt: skip
    one, other = (getattr(composer, verb)(**arguments, **least) for arguments in (given, same))
    assert one.receipt == other.receipt


@pytest.mark.parametrize("qpm", [float("nan"), float("inf"), 0, 1001, np.float32("nan")])
def test_a_tempo_that_is_none_is_refused_before_anything_is_composed(composer, monkeypatch, qpm):
    monkeypatch.setattr(composer, "sample", lambda *_, **__: pytest.fail("it composed"))
    with pytest.raises(ValueError, match=r"qpm \(quarter notes a minute\) must be 1..1000, not"):
        composer.compose(1, bars=8, qpm=qpm)


def test_of_a_melody_comes_a_melody(composer):
    melody, other = random_melody(1, 20), random_melody(2, 12)
    melody = Melody(melody.events, 90)
    made = {
        20: [composer.infill(melody, "5-8", **FAST), composer.vary(melody, 0.5, steps=1)],
        25: [composer.extend(melody, 5, **FAST), composer.extend(melody, 5, before=True, **FAST)],
        35: [composer.bridge(melody, other, 3, **FAST)],
    }
    for bars, melodies in made.items():
        assert [(type(m), m.bars, m.qpm) for m in melodies] == [(Melody, bars, 90)] * len(melodies)


def test_the_edited_track_is_the_melodys_or_the_one_that_is_asked_for(composer, here):
    for verb, files, given in (EDITS[0], EDITS[3], EDITS[6]):
        for asked, name in ((None, "Lead"), (0, "Bass"), (1, "Lead")):
            edited = edit(composer, verb, files, given, track=asked, **fast(verb))
            assert read_song(edited.midi).tracks[edited.track].name == name
            assert without_notes(edited.midi, name) == without_notes(Path("song.mid"), name)


def test_a_receipt_counts_the_bars_of_the_song(composer, here):
    """Rules see the new bars alone; of those a DAW says that they are bars 5, 6 and 11."""
    edited = composer.infill("song.mid", "5-6,11", rules={"key": "C major", "density": "0..16"}, **FAST)
    assert [(row.bar, row.rule, row.met) for row in edited.receipt.rows] == [
        (bar, rule, True) for bar in (5, 6, 11) for rule in ("key", "density")
    ]
    start, _, pitch = edited.after.notes
    new = np.isin(start // BAR_STEPS + 1, [5, 6, 11])
    assert set((pitch[new] % 12).tolist()) <= Key("C major").scale


def test_a_rule_of_a_file_is_an_input(composer, here):
    edited = composer.infill("song.mid", "5-8", rules={"form": "other.mid", "rhythm": "song.mid"}, **FAST)
    inputs = edited.receipt.recipe.inputs
    assert inputs == {n: file_hash(f) for n, f in (("song", "song.mid"), ("rules.form", "other.mid"),
                                                   ("rules.rhythm", "song.mid"))}  # fmt: skip
    edited.save("out.mid")
    assert compose_again("out.mid", load=lambda name: composer).same
    Path("other.mid").write_bytes(Path("keep.mid").read_bytes())
    with pytest.raises(MidiError, match=r"cannot be composed again: other\.mid is not what it was"):
        compose_again("out.mid", load=lambda name: composer)


# -- morphs -----------------------------------------------------------------------------------


def test_each_step_of_a_morph_has_its_own_receipt(composer, here):
    given = {"steps": 3, "seed": 2, "sampling_steps": 2}
    found = composer.morph("song.mid", "other.mid", **given)
    assert [t.receipt.recipe.arguments["step"] for t in found] == [1, 2, 3]
    assert [composer.morph("song.mid", "other.mid", step=k, **given) for k in (1, 2, 3)] == found
    row = composer.morph("song.mid", "other.mid", step=0, **given)
    assert (type(row), row.bars) == (Tune, sum(t.bars for t in found))
    for tune_ in (row, *found):
        tune_.save("out.mid")
        assert compose_again("out.mid", load=lambda name: composer).same


def test_a_blend_names_its_songs(composer, here):
    made = composer.blend(["song.mid", "other.mid"], [[1, 0], [0, 1]], sampling_steps=2)
    assert made.receipt.recipe.inputs == {"songs.0": file_hash("song.mid"), "songs.1": file_hash("other.mid")}
    made.save("out.mid")
    assert compose_again("out.mid", load=lambda name: composer).same


def test_of_melodies_a_morph_has_no_receipt(composer):
    a, b = random_melody(1, 8), random_melody(2, 10)
    found = composer.morph(a, b, steps=3, sampling_steps=2)
    assert [t.receipt for t in found] == [None] * 3
    assert (found[0], found[2]) == (a, b.slice(1, 8))
    assert composer.blend([a, b], [[1, 0]], sampling_steps=2).receipt is None


# -- what is wrong ----------------------------------------------------------------------------


TUNE = random_melody(1, 8)


@pytest.mark.parametrize(
    ("verb", "given", "message"),
    [
        ("infill", {"song": TUNE, "bars": "5-12"}, "outside"),
        ("infill", {"song": TUNE, "bars": "4-2"}, "bars"),
        ("infill", {"song": TUNE, "bars": ""}, "bars are written like"),
        ("infill", {"song": TUNE, "bars": "1", "track": 0}, "of a Melody no track is chosen"),
        ("infill", {"song": TUNE, "bars": "1", "keep": "keep.mid"}, "the notes to keep are a Melody"),
        ("infill", {"song": "song.mid", "bars": "1", "keep": TUNE}, "the notes to keep are a MIDI file"),
        ("infill", {"song": TUNE, "bars": "1", "grid": "both"}, "odd or even bars, not 'both'"),
        ("infill", {"song": TUNE, "bars": "1", "seed": -1}, "seeds are integers from 0 up, not -1"),
        ("infill", {"song": TUNE, "bars": "1", "voice": "kazoo"}, "a voice is one of"),
        ("infill", {"song": TUNE, "bars": "1", "resample": 11}, "1 to 10 times, not 11"),
        ("infill", {"song": TUNE, "bars": "1", "rules": {"key": "D doric"}}, "key: 'D doric' is not a key"),
        ("extend", {"song": TUNE, "bars": 0}, "1 to 1000 new bars"),
        ("extend", {"song": TUNE, "bars": 1001}, "1 to 1000 new bars"),
        ("extend", {"song": TUNE, "track": 1}, "of a Melody no track is chosen"),
        ("extend", {"song": TUNE, "seed": True}, "seeds are integers from 0 up"),
        ("extend", {"song": Melody.from_notes([], [], [], bars=4)}, "without notes has nothing that could go on"),
        ("extend", {"song": "song.mid", "track": 2}, "a track is 0 to 1, not 2"),
        ("bridge", {"a": TUNE, "b": "song.mid"}, "from one MIDI file to another, or from one Melody to another"),
        ("bridge", {"a": TUNE, "b": TUNE, "track_b": 1}, "of a Melody no track is chosen"),
        ("bridge", {"a": TUNE, "b": TUNE, "bars": 1.5}, "1 to 1000 new bars"),
        ("vary", {"song": TUNE, "strength": 1.1}, "a strength is between 0 .* and 1 .*, not 1.1"),
        ("vary", {"song": TUNE, "strength": float("nan")}, "a strength is between 0"),
        ("vary", {"song": TUNE, "strength": 0.5, "bars": "9"}, "outside"),
        ("vary", {"song": "song.mid", "strength": 0.5, "track": 9}, "a track is 0 to 1, not 9"),
        ("morph", {"a": TUNE, "b": TUNE, "steps": 1}, "a morph has 2 to"),
        ("morph", {"a": TUNE, "b": TUNE, "steps": 4, "step": 5}, "a morph of 4 steps has no step 5"),
        ("morph", {"a": TUNE, "b": TUNE, "tracks": [0, 0]}, "of a Melody no track is chosen"),
        ("morph", {"a": "song.mid", "b": "song.mid", "tracks": [0]}, "tracks are one number a song, 2, not 1"),
        ("blend", {"songs": [TUNE], "weights": [[1]]}, "two songs or more are needed"),
        ("blend", {"songs": [TUNE, TUNE], "weights": [[1, 0, 0]]}, "weights are rows of 2 numbers"),
        ("blend", {"songs": [TUNE, TUNE], "weights": [[1, -1]]}, "weights are 0 or more"),
    ],
)  # fmt: skip
def test_a_wrong_argument_says_what_is_right(composer, here, verb, given, message):
    with pytest.raises((ValueError, MidiError), match=message) as caught:
        getattr(composer, verb)(**given)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("text.mid", b"hello"),
        ("empty.mid", b""),
        ("gone.mid", None),
        ("drums.mid", song(track(tune(1, 20), channel=9))),
        ("waltz.mid", song(track(tune(1, 20)), signatures=[(0, 3, 4)])),
        ("short.mid", song(track([(0, 4, 60)]))),
    ],
)
def test_a_song_that_cannot_be_edited_is_one_line_from_every_verb(composer, here, name, data):
    if data is not None:
        Path(name).write_bytes(data)
    for verb, given in (
        ("infill", (name, "1")), ("extend", (name,)), ("bridge", (name, "song.mid")), ("bridge", ("song.mid", name)),
        ("vary", (name, 0.5)), ("morph", (name, "song.mid")), ("blend", (["song.mid", name], [[1, 1]])),
    ):  # fmt: skip
        with pytest.raises(MidiError, match=f"^{name}: ") as caught:
            getattr(composer, verb)(*given)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("rules", "told"),
    [({"key": "C major"}, "key C major"), ({"range": "C4-C5"}, "range C4-C5"), ({"chords": "| C |"}, "chords"),
     ({"key": "F# major", "range": "C4-F#6"}, None), ({"key": "F# major", "chords": "| G#m | F# |"}, "chords"),
     ({"key": "F# major", "chords": "| F# | G#m |"}, None)],
)  # fmt: skip
def test_a_note_to_keep_that_a_hard_rule_forbids_is_named(composer, here, rules, told):
    """F#6 in bar 5, of a MIDI file and of a Melody; notes outside the bars are nobody's business."""
    melody, keep = random_melody(1, 20), Melody.from_notes([64], [72], [90], bars=20)
    for source, kept in (("song.mid", "keep.mid"), (melody, keep)):
        given = {"bars": "5-6", "keep": kept, "rules": rules, **FAST}
        if told is None:
            assert composer.infill(source, **given)
            continue
        with pytest.raises(ValueError, match=f"^the note to keep, F#6 in bar 5, and {told}.* contradict each other$"):
            composer.infill(source, **given)


def test_bars_in_three_four_are_named(composer, here):
    """Twelve bars in 4/4, then 3/4: there no bar is composed, nor after it."""
    Path("mixed.mid").write_bytes(song(track(tune(1, 20)), signatures=[(192, 3, 4)]))
    with pytest.raises(MidiError, match=r"^mixed\.mid: bar 14 is in 3/4"):
        composer.infill("mixed.mid", "14", **FAST)
    with pytest.raises(MidiError, match=r"^mixed\.mid: .* in 3/4; Cantilena composes in 4/4"):
        composer.extend("mixed.mid", 4, **FAST)
    assert composer.infill("mixed.mid", "3", **FAST).after.bars == 12


# -- compose ----------------------------------------------------------------------------------


def test_a_tunes_receipt_composes_it_again(composer, here):
    for given in (
        {"bars": 8},
        {"bars": 66, "resample": 1},
        {"bars": 6, "loop": True, "qpm": 90},
        {"bars": 8, "cadence": True, "voice": "flute"},
        {"bars": 8, "motif": "song.mid", "cadence": True},
        {"bars": 8, "rules": {"key": "D dorian", "density": ["4..6", 2.0]}, "branches": 2},
    ):
        made = composer.compose(5, **given, steps=1)
        assert isinstance(made, Tune)
        assert made.bars == given["bars"]
        made.save("out.mid")
        again = compose_again("out.mid", load=lambda name: composer)
        assert again.same
        assert again.made.qpm == made.qpm


def test_a_tune_of_a_melody_or_of_ones_own_rule_says_so(composer):
    assert composer.compose(1, bars=8, motif=random_melody(1), steps=1).receipt is None
    receipt = composer.compose(1, bars=8, rules=[lambda melody: np.zeros(melody.bars)], steps=1).receipt
    assert [row.measured for row in receipt.rows] == ["cost 0.00"] * 8


def test_picked_tunes_are_those_that_compose_gives_and_differ(composer):
    given = {"bars": 8, "steps": 1, "rules": {"range": "C4-C6"}}
    found = composer.pick(3, of=6, seed=10, **given)
    seeds = [t.receipt.recipe.arguments["seed"] for t in found]
    assert len(set(seeds)) == 3
    assert set(seeds) <= set(range(10, 16))
    assert [composer.compose(s, **given) for s in seeds] == found
    assert composer.pick(3, of=6, seed=10, **given) == found
    with pytest.raises(ValueError, match="1 to 6 of 6 draws can be picked, not 7"):
        composer.pick(7, of=6)
