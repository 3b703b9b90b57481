"""What every verb that takes music has in common: a song in and out, its receipt, and one line for what is wrong."""

import hashlib
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from midi_files import song, track, tune

from cantilena.again import perform_again
from cantilena.composer import load
from cantilena.errors import MidiError
from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON
from cantilena.music.midi import read_song
from cantilena.receipt import notes_hash, read_receipt
from cantilena.result import Result
from cantilena.rules import Key
from cantilena.voices import VOICES
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
    ("infill", {"song": "song.mid"}, {"bars": [(5, 8)], "rules": {"key": "D dorian", "density": "1..12"}, "track": 0}),
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


def told(result):
    """The request in a receipt, as JSON has it."""
    return json.loads(result.receipt.to_json())["request"]


def hashed(path):
    return {"name": Path(path).name, "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest()}


@pytest.mark.parametrize(("verb", "files", "given"), EDITS)
def test_an_edits_receipt_says_how_and_makes_it_again(composer, here, verb, files, given):
    edited = edit(composer, verb, files, given, seed=3, **fast(verb))
    assert isinstance(edited, Result)
    assert edited.receipt.notes == notes_hash(edited.melody)
    request = told(edited)
    assert (request["verb"], request["seed"]) == (verb, 3)
    assert {name: request[name] for name in files} == {name: hashed(path) for name, path in files.items()}
    edited.save("new/out.mid")
    assert read_receipt(Path("new/out.mid").read_bytes()) == edited.receipt
    again = perform_again("new/out.mid", given=files.values(), load=lambda name: composer, model="toy")
    assert again.same
    assert again.made.receipt == edited.receipt
    again.made.save("again.mid")
    assert Path("again.mid").read_bytes() == Path("new/out.mid").read_bytes()


@pytest.mark.parametrize(("verb", "files", "given"), EDITS)
def test_a_receipt_holds_every_default_as_it_was_used(composer, here, verb, files, given):
    """None is left only of what was not: rules and what belongs to them, notes to keep; a style is a model's own."""
    request = told(edit(composer, verb, files, given))
    steered = "density" in given.get("rules", {})
    unused = {"style", "settle"} if steered else {"style", "branches"}
    unused |= {name for name in ("rules", "keep", "chords") if name in request and name not in {**files, **given}}
    assert {name for name, value in request.items() if value is None} == unused
    assert (request["steps"], request["guidance"], request["sampler"]) == (20, 1.0, "ddpm")
    assert request["temperature"] == (0.985 if steered else 0.97)
    assert request["resample"] == (1 if verb == "vary" else 4)
    assert request["branches" if steered else "settle"] == (8 if steered else 0.0)


@pytest.mark.parametrize(("verb", "files", "given"), FEW)
def test_a_seed_is_the_same_edit_and_another_is_another(composer, here, verb, files, given):
    one, same, other = (edit(composer, verb, files, given, seed=s, **fast(verb)) for s in (1, 1, 2))
    assert one.midi == same.midi
    assert one.midi != other.midi


@pytest.mark.parametrize(("verb", "files", "given"), FEW)
def test_a_files_bytes_are_the_same_edit_of_the_same_hash(composer, here, verb, files, given):
    read = {name: Path(path).read_bytes() for name, path in files.items()}
    of_bytes, of_files = (
        edit(composer, verb, read, given, **fast(verb)),
        edit(composer, verb, files, given, **fast(verb)),
    )
    assert of_bytes.midi == of_files.midi
    assert [told(of_bytes)[name]["sha256"] for name in files] == [told(of_files)[name]["sha256"] for name in files]
    of_bytes.save("out.mid")
    assert perform_again("out.mid", load=lambda name: composer, model="toy").same  # what was given lies beside it
    assert {name: Path(path).read_bytes() for name, path in files.items()} == read


@pytest.mark.parametrize(("verb", "files", "given"), FEW)
def test_a_pipe_is_read_once_and_is_the_same_edit_of_the_same_hash(composer, here, verb, files, given):
    pipes = {}
    for name, file in files.items():
        os.mkfifo(pipe := f"{name}.pipe")
        threading.Thread(target=Path(pipe).write_bytes, args=(Path(file).read_bytes(),), daemon=True).start()
        pipes[name] = pipe
    with ThreadPoolExecutor() as pool:
        made = pool.submit(edit, composer, verb, pipes, given, seed=3, **fast(verb)).result(60)
    of_files = edit(composer, verb, files, given, seed=3, **fast(verb))
    assert made.midi == of_files.midi
    assert [told(made)[name]["sha256"] for name in files] == [told(of_files)[name]["sha256"] for name in files]
    assert [told(made)[name]["name"] for name in files] == list(pipes.values())
    made.save("out.mid")
    again = perform_again("out.mid", given=files.values(), load=lambda name: composer, model="toy")
    assert again.same  # made again from the files: nobody reads the pipe a second time


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


@pytest.mark.parametrize("qpm", [float("nan"), float("inf"), 0, 9, 401, np.float32("nan")])
def test_a_tempo_that_is_none_is_refused_before_anything_is_composed(composer, monkeypatch, qpm):
    monkeypatch.setattr(type(composer.engine), "sample", lambda *_, **__: pytest.fail("it composed"))
    with pytest.raises(ValueError, match=r"^qpm is a number from 10 to 400, not "):
        composer.compose(1, bars=8, qpm=qpm)


def test_of_a_melody_comes_a_result_like_it(composer, here):
    melody, other = random_melody(1, 20), random_melody(2, 12)
    melody = Melody(melody.events, 90)
    made = {
        20: [composer.infill(melody, "5-8", **FAST), composer.vary(melody, 0.5, steps=1)],
        25: [composer.extend(melody, 5, **FAST), composer.extend(melody, 5, before=True, **FAST)],
        35: [composer.bridge(melody, other, 3, **FAST)],
    }
    for bars, results in made.items():
        assert [(type(r), r.bars, r.qpm, r.before) for r in results] == [(Result, bars, 90, melody)] * len(results)
        for result in results:
            result.save("out.mid")
            assert read_song("out.mid").tracks[0].pitch.tolist() == result.notes.pitch.tolist()
            again = perform_again("out.mid", given=[melody, other], load=lambda name: composer, model="toy")
            assert again.same
    with pytest.raises(
        MidiError, match=r"^out\.mid: cannot be made again: melody is not there, nor under another name; "
    ):
        perform_again("out.mid", load=lambda name: composer, model="toy")


def test_a_result_is_music_for_the_next_request(composer, here):
    """Of a song that was edited its file goes on; of a tune, its melody."""
    first = composer.infill("song.mid", "5-6", **FAST)
    second = composer.infill(first, "9-10", **FAST)
    assert without_notes(second.midi, "Lead") == without_notes(Path("song.mid"), "Lead")
    first.save("first.mid")
    assert composer.infill("first.mid", "9-10", **FAST).midi == second.midi
    tune_ = composer.compose(1, bars=8, steps=1)
    assert composer.extend(tune_, 2, **FAST) == composer.extend(tune_.melody, 2, **FAST)


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
    start, _, pitch = edited.notes
    new = np.isin(start // COMMON.bar_steps + 1, [5, 6, 11])
    assert set((pitch[new] % 12).tolist()) <= Key("C major").scale


def test_a_rule_of_a_file_is_an_input(composer, here):
    edited = composer.infill("song.mid", "5-8", rules={"form": "other.mid", "rhythm": "song.mid"}, **FAST)
    rules = told(edited)["rules"]
    assert (rules["form_of"], rules["rhythm_of"]) == (hashed("other.mid"), hashed("song.mid"))
    assert {row.asked for row in edited.receipt.rows} == {"other.mid", "song.mid"}
    edited.save("out.mid")
    assert perform_again("out.mid", load=lambda name: composer, model="toy").same
    Path("other.mid").write_bytes(Path("keep.mid").read_bytes())
    with pytest.raises(MidiError, match=r"cannot be made again: other\.mid is not what it was"):
        perform_again("out.mid", load=lambda name: composer, model="toy")


# -- morphs -----------------------------------------------------------------------------------


def test_each_step_of_a_morph_has_its_own_receipt(composer, here):
    given = {"steps": 3, "seed": 2, "sampling_steps": 2}
    row = composer.morph("song.mid", "other.mid", **given)
    assert [told(part)["step"] for part in row.parts] == [1, 2, 3]
    assert [composer.morph("song.mid", "other.mid", step=k, **given) for k in (1, 2, 3)] == list(row.parts)
    assert (told(row)["step"], row.bars) == (0, sum(part.bars for part in row.parts))
    assert told(row)["tracks"] == [1, 0]
    for result in (row, *row.parts):
        result.save("out.mid")
        assert perform_again("out.mid", load=lambda name: composer, model="toy").same


def test_a_blend_names_its_songs(composer, here):
    made = composer.blend(["song.mid", "other.mid"], [[1, 0], [0, 1]], sampling_steps=2)
    assert told(made)["songs"] == [hashed("song.mid"), hashed("other.mid")]
    made.save("out.mid")
    assert perform_again("out.mid", load=lambda name: composer, model="toy").same


def test_the_ends_of_a_morph_of_melodies_are_these(composer):
    a, b = random_melody(1, 8), random_melody(2, 10)
    first, _, last = composer.morph(a, b, steps=3, sampling_steps=2).parts
    assert (first, last) == (a, b.slice(1, 8))
    assert told(composer.blend([a, b], [[1, 0]], sampling_steps=2))["tracks"] == [None, None]


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
    with pytest.raises(
        MidiError, match=r"^mixed\.mid: .* in 3/4, which this model does not know; it knows 4/4 and 2/2: "
    ):
        composer.extend("mixed.mid", 4, **FAST)
    assert composer.infill("mixed.mid", "3", **FAST).bars == 12


# -- compose ----------------------------------------------------------------------------------


TUNES = [
    {"bars": 8},
    {"bars": 66, "resample": 1},
    {"bars": 6, "loop": True, "qpm": 90},
    {"bars": 6, "loop": True, "rules": {"density": "4..6"}, "branches": 2},
    {"bars": 8, "cadence": True, "voice": "flute"},
    {"bars": 8, "motif": "song.mid", "cadence": True},
    {"bars": 8, "rules": {"key": "D dorian", "density": ["4..6", 2.0]}, "branches": 2},
    {"bars": 8, "rules": {"chords": "| C | F |"}, "chord_track": True, "program": 40},
    {"bars": 8, "sampler": "ddim"},
]


@pytest.mark.parametrize("given", TUNES)
def test_a_tunes_receipt_makes_it_again(composer, here, given):
    made = composer.compose(5, **given, steps=1)
    assert isinstance(made, Result)
    assert made.bars == given["bars"]
    made.save("out.mid")
    again = perform_again("out.mid", load=lambda name: composer, model="toy")
    assert again.same
    assert again.made.file == Path("out.mid").read_bytes()


@pytest.mark.parametrize("given", TUNES)
def test_a_tunes_receipt_holds_every_default_as_it_was_used(composer, here, given):
    request = told(composer.compose(5, **given, steps=1))
    steered = "density" in given.get("rules", {})
    unused = {"style", "settle"} if steered else {"style", "branches"}
    unused |= {"temperature", "settle"} if "sampler" in given else set()
    unused |= {name for name in ("rules", "motif") if name not in given}
    unused |= set() if "loop" in given else {"loop_resample"}
    assert {name for name, value in request.items() if value is None} == unused
    voice = [None, None, 0, None, 0] if "motif" in given else given.get("voice", "lead")
    visits = given.get("resample", 4 if "motif" in given else 1)
    program = given.get("program", VOICES["flute"].program if "voice" in given else 0)
    assert (request["voice"], request["resample"], request["program"]) == (voice, visits, program)
    assert request["qpm"] == pytest.approx(given.get("qpm", 90 if "motif" in given else 120))


def test_what_changed_a_default_changes_no_tune_that_was_made_before(composer, here, monkeypatch):
    """The receipt holds what was used: another default temperature is not asked for by `again`."""
    made = composer.compose(5, bars=8, steps=3)
    made.save("out.mid")
    monkeypatch.setattr("cantilena.verbs.outcome.TEMPERATURE", 0.5)
    assert composer.compose(5, bars=8, steps=3) != made
    assert perform_again("out.mid", load=lambda name: composer, model="toy").same


def test_a_tune_of_a_melody_or_of_ones_own_rule_says_so(composer, here):
    motif = random_melody(1)
    composer.compose(1, bars=8, motif=motif, steps=1).save("of.mid")
    assert perform_again("of.mid", given=[motif], load=lambda name: composer, model="toy").same
    own = composer.compose(1, bars=8, rules=[lambda melody: np.zeros(melody.bars), Key("C major")], steps=1)
    assert {row.measured for row in own.receipt.rows if row.asked == ""} == {"cost 0.00"}
    assert (told(own)["rules"]["own"], told(own)["rules"]["key"]) == ({"<lambda>": None}, "C major")
    own.save("own.mid")
    with pytest.raises(MidiError, match=r"own\.mid: .*<lambda> is a rule of somebody's own: only its name is here"):
        perform_again("own.mid", load=lambda name: composer, model="toy")


def test_picked_tunes_are_those_that_compose_gives_and_differ(composer):
    given = {"bars": 8, "steps": 1, "rules": {"range": "C4-C6"}}
    found = composer.pick(k=3, of=6, seed=10, **given)
    assert found == found.parts[0]
    seeds = [part.receipt.request.seed for part in found.parts]
    assert len(set(seeds)) == 3
    assert set(seeds) <= set(range(10, 16))
    alone = [composer.compose(s, **given) for s in seeds]
    assert [one.file for one in alone] == [part.file for part in found.parts]
    assert composer.pick(k=3, of=6, seed=10, **given).parts == found.parts
    with pytest.raises(ValueError, match="1 to 6 of 6 draws can be picked, not 7"):
        composer.pick(k=7, of=6)


def test_tunes_of_a_motif_are_picked_by_the_voice_that_drew_them(composer, here, monkeypatch):
    asked = []
    denoiser = type(composer.engine).denoiser
    monkeypatch.setattr(
        type(composer.engine),
        "denoiser",
        lambda self, labels, guidance=1.0: asked.append(labels) or denoiser(self, labels, guidance),
    )
    composer.pick(k=1, of=2, bars=8, motif="song.mid", steps=1)
    assert {tuple(row) for labels in asked for row in labels.tolist()} == {(3, 17, 0, 2)}
