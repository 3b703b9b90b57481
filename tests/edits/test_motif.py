"""A motif opens its tune note for note, comes back, and the tune rests: untrained networks want none of this."""

from functools import partial

import numpy as np
import pytest
from midi_files import song, track

from cantilena.composer import load
from cantilena.edits.cadence import has_cadence
from cantilena.edits.motif import develop, first_phrase, likeness, read_motif, sequence
from cantilena.errors import MidiError
from cantilena.model import Model
from cantilena.music.melody import HOLD, REST, Melody
from cantilena.rules import Key, estimate_key
from melodies import random_melody
from oracles import Oracle

MOTIF = Melody.from_notes([4, 8, 12, 16, 22], [8, 12, 16, 20, 32], [67, 69, 71, 72, 67], bars=2, qpm=96)


@pytest.fixture(scope="module")
def composer(toy_model):
    return load(toy_model)


def notes_of(melody):
    return list(zip(*(a.tolist() for a in melody.notes), strict=True))


class Motif(Oracle):
    """Whatever is encoded is the last phrase of its book."""

    def to_latents(self, phrases):
        return np.full((*phrases.shape[:-1], 1), len(self.book) - 1, np.float32)


def oracle(*phrases):
    return Motif(phrases)


# -- two bars --------------------------------------------------------------------------------


def test_the_motif_is_the_first_bar_with_a_note_and_the_next():
    notes = ([36, 44, 60], [40, 52, 80], [60, 62, 64])
    melody = Melody.from_notes(*notes, bars=6, qpm=80)
    motif = first_phrase(melody)
    assert notes_of(motif) == [(4, 8, 60), (12, 20, 62), (28, 32, 64)]  # the last rang out
    assert (motif.bars, motif.qpm) == (2, 80)


def test_a_motif_of_one_bar_is_filled_with_silence():
    assert notes_of(first_phrase(Melody.from_notes([0, 8], [8, 16], [60, 62]))) == [(0, 8, 60), (8, 16, 62)]
    with pytest.raises(ValueError, match="this one has none"):
        first_phrase(Melody.from_tokens(np.zeros(32, np.int8)))


def test_a_file_with_only_the_motif_is_read_with_its_rests_and_tempo():
    part = [(s + 16, e + 16, p) for s, e, p in notes_of(MOTIF)]
    data = song(track([(0, 2, 36)], channel=9), track([(0, 64, 40)], program=33), track(part), qpm=96)
    assert read_motif(data) == MOTIF


def test_of_a_whole_song_the_melody_opens():
    melody = random_melody(2, 8)
    data = song(track([(8 * i, 8 * i + 8, 30 + i % 5) for i in range(16)], program=33), track(notes_of(melody)))
    assert notes_of(read_motif(data)) == notes_of(first_phrase(melody))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (song(track([(0, 8, 36)], channel=9)), "no motif there"),
        (song(track([(0, 8, 60)]), signatures=[(0, 17, 4)]), "no motif there"),
        (b"hello", "not a MIDI file"),
    ],
)
def test_a_file_without_one_is_one_line(data, message):
    with pytest.raises(MidiError, match=message) as error:
        read_motif(data, name="mine.mid")
    assert str(error.value).startswith("mine.mid: ")
    assert "\n" not in str(error.value)


# -- likeness --------------------------------------------------------------------------------


def test_likeness_knows_repeats_sequences_and_rhythm():
    phrase = MOTIF.events
    higher = Melody.from_notes(*MOTIF.notes[:2], [69, 71, 72, 74, 69], bars=2).events  # a step up in C major
    rhythm = Melody.from_notes(*MOTIF.notes[:2], [40, 90, 50, 80, 60], bars=2).events
    assert likeness(phrase, phrase) == likeness(higher, phrase) == 1
    assert likeness(rhythm, phrase) == pytest.approx((1 + 1 / 5) / 2)
    assert likeness(np.zeros(32, np.int8), phrase) == 0
    assert likeness(random_melody(4, 2).events, phrase) < 0.6


# -- tunes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bars", [4, 5, 8, 14, 32, 64, 70])
def test_the_motif_opens_the_tune_and_the_tune_rests(composer, bars):
    draw = partial(composer.sample, steps=2)
    tune = develop(composer.model, draw, MOTIF, bars, seed=3, cadence=True)
    assert (tune.bars, tune.qpm) == (bars, MOTIF.qpm)
    assert [n for n in notes_of(tune) if n[0] < 32] == notes_of(MOTIF)
    assert has_cadence(tune)
    assert tune == develop(composer.model, draw, MOTIF, bars, seed=3, cadence=True)
    assert tune != develop(composer.model, draw, MOTIF, bars, seed=4, cadence=True)


def test_no_note_of_the_motif_rings_on_though_the_next_phrase_begins_with_a_hold():
    hold = np.full(32, HOLD)
    hold[8] = 50
    model = oracle(hold, MOTIF.phrases()[0])
    tune = develop(model, lambda seeds, **asked: np.zeros((len(seeds), 32, 1), np.float32), MOTIF, 8)
    assert notes_of(tune)[: len(notes_of(MOTIF))] == notes_of(MOTIF)
    assert notes_of(tune)[5][0] == 40


def test_the_motif_is_held_where_every_tune_of_a_draw_has_it():
    known = []

    def draw(seeds, *, phrases, condition):
        known.extend(np.flatnonzero(one).tolist() for one in condition.known)
        assert condition.x_0.shape == (len(seeds), phrases, 1)
        return np.zeros(condition.x_0.shape, np.float32)

    rest = np.full(32, HOLD)
    rest[0] = REST
    model = oracle(rest, MOTIF.phrases()[0])
    develop(model, draw, MOTIF, 16)
    assert known[:2] == 2 * [[8 * tune + at for tune in range(4) for at in (0, 2, 4)]]
    known.clear()
    develop(model, draw, MOTIF, 100)
    assert known == 2 * [[at for at in range(49) if at % 8 in (0, 2, 4)]]


def test_of_the_tunes_drawn_one_that_develops_the_motif_and_rests_is_taken():
    """Five in a draw: nothing like it; it four times; its rhythm alone; a variation and an ending; that without one."""
    theme, rhythm, varied, rests, moves, other = (
        Melody.from_notes(start, end, pitch, bars=2).phrases()[0]
        for start, end, pitch in (
            MOTIF.notes,
            (*MOTIF.notes[:2], [67, 72, 66, 77, 67]),
            (*MOTIF.notes[:2], [72, 71, 69, 67, 72]),
            ([4, 8, 16], [8, 16, 32], [66, 62, 67]),
            ([4, 8, 30], [8, 16, 32], [66, 62, 67]),
            ([1, 3, 5, 9], [3, 5, 9, 32], [90, 40, 83, 56]),
        )
    )
    model = oracle(rhythm, varied, rests, moves, other, theme)
    tunes = [[5, 4, 4, 4], [5, 5, 5, 5], [5, 0, 0, 0], [5, 1, 5, 2], [5, 1, 5, 3], *[[5, 4, 4, 4]] * 3]

    def draw(seeds, *, condition, **asked):
        return np.array([tunes] * len(seeds), np.float32).reshape(-1, 32, 1)

    tune = develop(model, draw, MOTIF, 8, cadence=True)
    higher = sequence(MOTIF, estimate_key(MOTIF), 1).phrases()[0]
    np.testing.assert_array_equal(tune.events, Melody.from_phrases([theme, varied, higher, rests]).events)


@pytest.mark.parametrize("bars", [16, 32, 64])
def test_the_motif_comes_back_as_it_was_and_as_a_sequence_in_its_key(composer, bars):
    """Untrained networks want anything; yet in every 16 bars it is heard three times, and no note is foreign."""
    on = MOTIF.phrases()[0] > 1
    for seed in range(4):
        tune = develop(composer.model, partial(composer.sample, steps=2), MOTIF, bars, seed=seed)
        phrases = tune.events.reshape(-1, 32)
        same = [k for k, phrase in enumerate(phrases) if np.array_equal(phrase * (phrase > 1), MOTIF.phrases()[0] * on)]
        alike = [k for k, phrase in enumerate(phrases) if likeness(phrase, MOTIF.events) == 1]
        assert {k for k in range(bars // 2 - 1) if k % 8 in (0, 4)} <= set(same)
        assert {k for k in range(bars // 2 - 1) if k % 8 in (0, 2, 4)} <= set(alike)
        assert set((tune.notes.pitch % 12).tolist()) <= estimate_key(MOTIF).scale


def test_draws_that_are_told_the_same_are_one_batch():
    """A motif at the top of the piano has no sequence upwards: it comes as it is, and its places bear other letters."""
    model, asked = Model.load("open-64"), []

    def draw(seeds, *, phrases, condition, places):
        asked.append((len(seeds), places[:, 2].tolist()))
        return condition.x_0

    high = Melody.from_notes([0, 8, 16], [8, 16, 32], [104, 106, 108])
    develop(model, draw, high, 8, seed=1)
    assert sorted(asked) == [(8, [0, 32, 0, 32]), (8, [0, 32, 1, 32])]


@pytest.mark.parametrize("steps", [-3, -1, 1, 2, 7])
def test_a_sequence_stays_in_the_scale_and_is_undone_by_its_opposite(steps):
    moved = sequence(MOTIF, Key("C major"), steps)
    assert set((moved.notes.pitch % 12).tolist()) <= Key("C major").scale
    assert (np.sign(moved.notes.pitch - MOTIF.notes.pitch) == np.sign(steps)).all()
    assert sequence(moved, Key("C major"), -steps) == MOTIF


def test_a_sequence_that_would_leave_the_piano_stays():
    high = Melody.from_notes([0, 8], [8, 32], [107, 108])
    assert sequence(high, Key("C major"), 1) == high


def test_a_tune_is_longer_than_its_motif(composer):
    with pytest.raises(ValueError, match="4 bars or more, not 3"):
        develop(composer.model, composer.sample, MOTIF, 3)
