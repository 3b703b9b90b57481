"""Every verb in every metre: what is locked stays, what is written reads back, and what is not known is said."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cantilena.composer import load
from cantilena.edits.cadence import has_cadence, long_note
from cantilena.errors import MidiError, ModelError
from cantilena.music.extract import candidates
from cantilena.music.melody import HOLD, REST, Melody
from cantilena.music.metre import COMMON, FOUR_FOUR, Metre, grids
from cantilena.music.midi import read_song, to_midi
from cantilena.rules import Chords, Form
from melodies import random_melody

METRES = [
    Metre(*m)
    for m in ((3, 4), (2, 4), (6, 8), (3, 8), (9, 8), (12, 8), (5, 4), (2, 2), (3, 2), (4, 4), (7, 8), (4, 4, 3))
]
FAST = {"steps": 2, "resample": 1}


@pytest.fixture(scope="module")
def composer(toy_model, tmp_path_factory):
    """The toy model as one that knows all of them."""
    folder = tmp_path_factory.mktemp("models") / "metres"
    folder.mkdir()
    for file in Path(toy_model).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(about | {"metres": [str(metre) for metre in METRES]}))
    return load(folder)


def tune(seed: int, bars: int, metre: Metre) -> Melody:
    """A random melody on beats and their halves, a note a beat or so, without silent bars."""
    random = np.random.default_rng(seed)
    step = max(1, metre.beat_steps // (3 if metre.compound else 2))
    start = np.flatnonzero(
        (random.random(bars * metre.bar_steps) < 0.7) & (np.arange(bars * metre.bar_steps) % step == 0)
    )
    start = np.union1d(start, np.arange(bars) * metre.bar_steps)
    end = np.append(start[1:], bars * metre.bar_steps)
    pitch = 60 + np.cumsum(random.integers(-2, 3, start.size)) % 12
    return Melody.from_notes(start, end, pitch, bars=bars, metre=metre)


def parts(melody: Melody) -> list[tuple[int, int, int]]:
    return list(zip(*(a.tolist() for a in melody.notes), strict=True))


@pytest.mark.parametrize("metre", METRES, ids=str)
def test_phrases_are_whole_bars_and_the_rest_of_their_tokens_is_silence(metre):
    melody = tune(3, 3 * metre.phrase_bars, metre)
    phrases = melody.phrases()
    assert phrases.shape == (3, 32)
    assert metre.phrase_bars in (4, 2, 1)
    assert (
        metre.phrase_steps + metre.phrase_bars * metre.bar_steps * (metre.phrase_bars < 4) > 32
        or metre.phrase_bars == 4
    )
    assert (phrases[:, metre.phrase_steps + 1 :] == HOLD).all()
    assert metre.phrase_steps == 32 or (phrases[:, metre.phrase_steps] == REST).all()
    assert Melody.from_phrases(phrases, metre=metre) == melody


@pytest.mark.parametrize("metre", METRES, ids=str)
def test_a_note_that_rings_past_a_phrase_goes_on_in_the_next(metre):
    size = metre.phrase_steps
    melody = Melody.from_notes([size - 2], [size + 3], [64], bars=2 * metre.phrase_bars, metre=metre)
    phrases = melody.phrases()
    assert phrases[1, :4].tolist() == [HOLD, HOLD, HOLD, REST]
    assert parts(Melody.from_phrases(phrases, metre=metre)) == [(size - 2, size + 3, 64)]


@pytest.mark.parametrize("metre", METRES, ids=str)
def test_what_is_written_to_a_file_is_read_back(metre):
    melody = tune(4, 8, metre)
    (found,) = candidates(read_song(to_midi(melody)))
    assert (found.melody, found.off) == (melody, 0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(METRES), st.integers(1, 9), st.integers(1, 6))
def test_an_infill_changes_no_note_outside_its_bars(composer, seed, metre, first, count):
    melody = tune(seed, 14, metre)
    last = first + count - 1
    after = composer.infill(melody, f"{first}-{last}", seed=seed, **FAST).melody
    assert (after.metre, after.bars) == (metre, 14)
    inside = range((first - 1) * metre.bar_steps, last * metre.bar_steps)
    assert [n for n in parts(after) if n[0] not in inside] == [n for n in parts(melody) if n[0] not in inside]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(METRES), st.sampled_from(["extend", "before", "vary", "bridge"]))
def test_edits_of_a_file_keep_its_other_notes(composer, seed, metre, verb):
    melody = tune(seed, 9, metre)
    data = to_midi(melody)
    match verb:
        case "extend":
            after, at = composer.extend(data, 5, seed=seed, **FAST), 0
        case "before":
            after, at = composer.extend(data, 5, before=True, seed=seed, **FAST), 5 * metre.bar_steps
        case "bridge":
            after, at = composer.bridge(data, data, 3, seed=seed, **FAST), 0
        case _:
            after, at = composer.vary(data, 0.0, seed=seed, **FAST), 0
    kept = {(s + at, e + at, p) for s, e, p in parts(melody)}
    assert kept <= set(parts(after.melody))
    assert after.melody.bars == {"extend": 14, "before": 14, "bridge": 21, "vary": 9}[verb]
    read = read_song(after.file)
    assert read.time_signatures[0][1:] == (metre.numerator, metre.denominator)


@pytest.mark.parametrize("metre", METRES, ids=str)
@pytest.mark.parametrize(
    "asked",
    [
        {"plain": True},
        {"plain": True, "cadence": True},
        {"loop": True},
        {},
        {"rules": {"key": "C major", "density": "2..6"}},
    ],
    ids=str,
)
def test_composing(composer, metre, asked):
    bars = 4 * metre.phrase_bars
    tune = composer.compose(seed=3, bars=bars, metre=str(metre), steps=2, branches=2, **{"voice": "flute"} | asked)
    assert (tune.melody.metre, tune.melody.bars) == (metre, bars)
    if "cadence" in asked:
        assert tune.melody.notes.end[-1] == tune.melody.events.size
        assert tune.melody.events.size - tune.melody.notes.start[-1] >= long_note(metre)
        assert has_cadence(tune.melody)
    if "rules" in asked:
        assert set((tune.melody.notes.pitch % 12).tolist()) <= {0, 2, 4, 5, 7, 9, 11}


@pytest.mark.parametrize("metre", [Metre(3, 4), Metre(2, 4), Metre(12, 8), Metre(4, 4, 3)], ids=str)
def test_a_motif_opens_the_tune_in_its_own_metre(composer, metre):
    motif = tune(2, metre.phrase_bars, metre)
    made = composer.compose(seed=1, bars=4 * metre.phrase_bars, motif=motif, steps=2, resample=1).melody
    assert made.metre == metre
    assert parts(made)[: motif.notes.start.size - 1] == parts(motif)[:-1]


def test_melodies_between_melodies_are_in_one_metre(composer):
    waltz, other = tune(1, 8, Metre(3, 4)), tune(2, 8, Metre(3, 4))
    assert composer.morph(waltz, other, 3).melody.metre == Metre(3, 4)
    with pytest.raises(ValueError, match="are in one metre, not in 3/4 and 4/4"):
        composer.morph(waltz, random_melody(1, 8), 3)


def test_a_song_that_changes_metre_is_edited_in_each_of_its_metres(composer):
    """Eight bars of 4/4 and eight of 3/4: each is edited alone, and bars across the change are refused by name."""
    from midi_files import song, track

    notes = [*parts(tune(1, 8, COMMON)), *((s + 128, e + 128, p) for s, e, p in parts(tune(2, 8, Metre(3, 4))))]
    data = song(track(notes), signatures=[(0, 4, 4), (128, 3, 4)])
    for bars, metre in (("3-4", COMMON), ("11-12", Metre(3, 4))):
        after = composer.infill(data, bars, seed=1, **FAST)
        assert after.melody.metre == metre
        (first, last) = (int(n) for n in bars.split("-"))
        at = lambda bar: 16 * (bar - 1) if bar <= 9 else 128 + 12 * (bar - 9)  # noqa: E731
        changed = set(read_notes(after.file)) ^ set(read_notes(data))
        assert changed
        assert all(at(first) * 120 <= start < at(last + 1) * 120 for start, _ in changed)
    with pytest.raises(MidiError, match="a change of metre between the bars"):
        composer.infill(data, "7-10", seed=1, **FAST)


def read_notes(data):
    return [(int(s), int(p)) for t in read_song(data).tracks for s, p in zip(t.start, t.pitch, strict=True)]


def test_a_model_says_which_metres_it_knows(toy_model):
    paper = load(toy_model)
    assert paper.model.metres == FOUR_FOUR
    with pytest.raises(ModelError, match="3/4 is a metre that this model does not know; it knows 4/4 and 2/2"):
        paper.compose(bars=8, metre="3/4")
    with pytest.raises(MidiError, match="bar 3 is in 3/4, which this model does not know; it knows 4/4 and 2/2"):
        paper.infill(to_midi(tune(1, 8, Metre(3, 4))), "3")
    with pytest.raises(ModelError, match="a style is for models that know some"):
        paper.compose(bars=8, style="irish")


@pytest.mark.parametrize("text", ["4", "3/5", "0/4", "4/4 swing", "9/4", "waltz", "1/64", "3/4/4", ""])
def test_what_is_no_metre(text):
    with pytest.raises(ValueError, match=r"metre|is not 1 to 32 whole"):
        Metre.parse(text)


@pytest.mark.parametrize("metre", METRES, ids=str)
def test_a_metre_is_read_as_it_is_written(metre):
    assert Metre.parse(str(metre)) == metre
    assert metre in grids(metre.numerator, metre.denominator)


def test_chords_share_the_beats_of_a_bar():
    waltz = Metre(3, 4)
    allowed = Chords("| C G7 | F |").allowed(24, waltz)

    def fits(step, pitch):
        return bool(allowed[step, pitch - 19])

    assert [fits(0, 60), fits(0, 62), fits(8, 62), fits(8, 60), fits(12, 65), fits(4, 61)] == [
        True, False, True, False, True, True,
    ]  # fmt: skip


def test_parts_of_a_form_are_whole_phrases_of_the_metre():
    assert Form("AB").target(16, Metre(2, 4)).shape == (16, 16)
    with pytest.raises(ValueError, match=r"2 parts of 4 bars or more, so 6 bars are too few"):
        Form("AB").target(6, Metre(2, 4))
