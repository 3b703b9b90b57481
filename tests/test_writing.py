"""What a decoder writes is heard by what comes after, keeps its bounds, and does not depend on company."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cantilena.model import LABEL_NULLS, Model
from cantilena.music.melody import HOLD, REST, Melody
from cantilena.writing import (
    FREE,
    SIZES,
    UNKNOWN,
    Bounds,
    Manner,
    context,
    interval_kinds,
    is_foreign,
    pitch_classes,
    write,
)
from melodies import random_melody
from oracles import Whim

LITERAL = Manner(LABEL_NULLS)


class Scripted:
    """A decoder whose plan is sure of the tokens that a latent names; `hears` changes logits by what it is told."""

    def __init__(self, book, hears=lambda logits, token, notes, state: logits):
        self.book, self.hears, self.written, self.planned = np.asarray(book, np.int64), hears, 0, 0

    def plan(self, z, sigma, labels):
        plain = 9 * np.eye(90, dtype=np.float32)[self.book[z[:, 0].astype(int)]]
        self.planned += len(z)
        return plain, plain

    def start(self, before, around):
        self.written += len(before)
        return before.astype(np.float32)

    def step(self, plan, plain, token, notes, state):
        return self.hears(plain.copy(), token, notes, state), state


def latents(*numbers):
    return np.array(numbers, np.float32)[None, :, None]


def read(decoder, *numbers, manner=LITERAL, bounds=None, **how):
    return write(decoder, latents(*numbers), manner, bounds, **how)[0]


def book(*melodies):
    return np.concatenate([melody.phrases() for melody in melodies])


def test_a_sure_plan_is_written_as_it_is():
    tune = random_melody(3, 16)
    np.testing.assert_array_equal(read(Scripted(tune.phrases()), *range(8)), tune.phrases())


def test_what_is_written_is_told_to_the_next_step_and_to_the_next_phrase():
    told = []

    def hears(logits, token, notes, state):
        told.append((token.tolist(), notes.tolist(), state.tolist()))
        return logits

    phrase = np.array([[1, 0, 50, 0, 52, *27 * [0]], [0, 0, 1, *29 * [0]]])
    read(Scripted(phrase, hears), 0, 1)
    assert told[0][2] == [[0, 0, 0, 0]]
    assert told[32][2] == [[52, 50, 0, 1]]  # 52 rings into the second phrase
    assert [t[0][0] for t in told[:6]] == [90, 1, 0, 50, 0, 52]
    assert [t[1][0] for t in told[:6]] == [[0, 0], [0, 0], [0, 0], [50, 0], [50, 0], [52, 50]]


def test_every_second_phrase_comes_first_after_a_guess_and_the_others_after_what_stands_there():
    """Where a plan says 50, 60 is written; a phrase begins with the note before it, as far as that is known."""

    def hears(logits, token, notes, state):
        logits[(logits[:, 50] > 8), 60] = 20
        again = (state[:, 0] > 1) & (token == 90)
        logits[again, state[again, 0].astype(int)] = 30
        return logits

    plans = np.zeros((4, 32), np.int64)
    plans[:, 8] = 50
    decoder = Scripted(plans, hears)
    found = read(decoder, 0, 1, 2, 3)
    assert found[:, 8].tolist() == [60, 60, 60, 60]
    assert found[1:, 0].tolist() == [60, 50, 60]
    assert decoder.written == 4


def test_equal_latents_are_planned_once_and_equal_whatever_comes_before_them():
    def hears(logits, token, notes, state):
        logits[token == 90, :] = 0
        logits[token == 90, np.maximum(state[token == 90, 0], 2).astype(int)] = 9
        return logits

    decoder = Scripted(book(random_melody(1, 2), random_melody(2, 2)), hears)
    found = read(decoder, 0, 1, 0, 0, 1)
    assert decoder.planned == 2
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[0], found[3])
    np.testing.assert_array_equal(found[1], found[4])


@given(st.integers(0, 10**6), st.floats(0.02, 1))
def test_nothing_ever_sounds_that_its_bounds_forbid(seed, share):
    random = np.random.default_rng(seed)
    tune = random_melody(seed, 8)
    bounds = Bounds(random.random((4, 32, 90)) < share, np.full((4, 32), FREE, np.int8))
    bounds.sounding[:, 8:24] = bounds.sounding[:, 8:9]  # long enough for a note to be held
    tokens = read(Scripted(tune.phrases()), *range(4), bounds=bounds).reshape(-1)
    sounds, allowed = REST, bounds.sounding.reshape(-1, 90)
    for step, token in enumerate(tokens.tolist()):
        sounds = sounds if token == HOLD else token
        assert allowed[step, sounds] or not allowed[step, 2:].any() or sounds == REST


def test_a_note_ends_before_the_step_that_forbids_it_and_silence_can_be_forbidden():
    phrase = [[50, *31 * [0]]]
    bounds = Bounds.none(1)
    bounds.sounding[0, 4:, 50] = False
    assert read(Scripted(phrase), 0, bounds=bounds)[0, :6].tolist() == [50, 0, 0, 0, 1, 0]
    bounds.sounding[0, 4:, REST] = False  # something must sound: of equals the lowest
    assert read(Scripted(phrase), 0, bounds=bounds)[0, :6].tolist() == [50, 0, 0, 0, 2, 0]


def test_fixed_tokens_stand_and_are_heard_and_do_not_ring_on():
    heard = []

    def hears(logits, token, notes, state):
        heard.append(int(token[0]))
        return logits

    fixed = np.full((1, 32), FREE, np.int8)
    fixed[0, 4:8] = [60, 0, 0, 0]
    bounds = Bounds(Bounds.none(1).sounding, fixed)
    tokens = read(Scripted([[50, *31 * [0]]], hears), 0, bounds=bounds)[0]
    assert tokens[:9].tolist() == [50, 0, 0, 0, 60, 0, 0, 0, 1]
    assert heard[5] == 60


def test_phrases_that_stand_already_are_not_written():
    tune = random_melody(5, 8)
    known = np.tile(np.array([[True], [False], [True], [True]]), 32)
    decoder = Scripted(np.zeros((4, 32)))
    tokens = read(decoder, *range(4), bounds=Bounds.fixing(tune.phrases(), known))
    np.testing.assert_array_equal(tokens[known], tune.phrases()[known])
    assert decoder.written == 1


def test_bounds_are_transposed_with_the_music():
    bounds = Bounds.none(1)
    bounds.sounding[..., 2:] = np.arange(2, 90) == 50
    bounds.fixed[0, 0] = 50
    up = bounds.transpose(3)
    assert np.flatnonzero(up.sounding[0, 0]).tolist() == [0, 1, 53]
    assert up.fixed[0, :2].tolist() == [53, FREE]
    back = up.transpose(-3)
    np.testing.assert_array_equal(back.sounding, bounds.sounding)
    np.testing.assert_array_equal(back.fixed, bounds.fixed)


def test_chance_is_that_of_the_seed_the_same_for_every_phrase_and_draws_as_likely_as_tokens_are():
    def hears(logits, token, notes, state):
        logits[:] = -np.inf
        logits[:, [10, 20, 30]] = np.log([0.6, 0.3, 0.1])
        return logits

    decoder = Scripted(np.zeros((2, 32)), hears)
    drawn = np.stack(
        [read(decoder, 0, 1, manner=Manner(LABEL_NULLS, temperature=1, seeds=(seed,))) for seed in range(300)]
    )
    np.testing.assert_array_equal(drawn[:, 0], drawn[:, 1])
    shares = [(drawn[:, 0] == note).mean() for note in (10, 20, 30)]
    np.testing.assert_allclose(shares, [0.6, 0.3, 0.1], atol=0.02)
    floor = np.stack(
        [read(decoder, 0, manner=Manner(LABEL_NULLS, temperature=1, floor=0.4, seeds=(s,))) for s in range(50)]
    )
    assert set(floor.reshape(-1).tolist()) == {10, 20}


def test_leaning_changes_which_notes_begin_and_not_how_many():
    def hears(logits, token, notes, state):
        logits[:] = -np.inf
        logits[:, [HOLD, 50, 52, 57]] = np.log([0.5, 0.2, 0.2, 0.1])
        return logits

    decoder, leaning = Scripted(np.zeros((1, 32)), hears), np.zeros((2, SIZES), np.float32)
    leaning[:, 0] = -9  # no repeated notes
    counts = []
    for intervals in (None, leaning):
        manner = [Manner(LABEL_NULLS, 0, 1, 0, intervals, seeds=(seed,)) for seed in range(200)]
        drawn = [Melody.from_phrases(read(decoder, 0, manner=m)).notes.pitch for m in manner]
        counts.append(np.mean([pitch.size for pitch in drawn]))
        repeated = np.mean(np.concatenate([np.diff(pitch) == 0 for pitch in drawn]))
        assert repeated > 0.3 if intervals is None else repeated < 0.01
    assert counts[0] == pytest.approx(counts[1], rel=0.05)


def test_kinds_of_intervals_and_what_is_foreign():
    turns, size = interval_kinds(np.array([1, -1, 3, 5, 8, 13]), np.array([-4, -4, 2, -1, 0, -1]))
    assert turns.tolist() == [1, 0, 0, 1, 0, 1]
    assert size.tolist() == [1, 1, 2, 3, 4, 5]
    around = np.zeros((2, 12), np.float32)
    around[0, [0, 4, 7]] = [60, 39, 1]
    notes = is_foreign(around)
    assert not notes[1].any()  # nothing near by tells of a key
    assert not notes[:, :2].any()
    assert [bool(notes[0, token]) for token in (41, 45, 48, 42)] == [False, False, True, True]  # C4 E4 G4 C#4


def test_context_goes_back_to_the_melodys_beginning_and_no_further():
    tunes = [random_melody(seed, 6) for seed in (1, 2)]
    phrases, first = book(*tunes), np.array([1, 0, 0, 1, 0, 0], bool)
    both = context(phrases, first)
    alone = [context(tune.phrases(), np.array([1, 0, 0], bool)) for tune in tunes]
    np.testing.assert_array_equal(both, np.concatenate(alone))
    np.testing.assert_array_equal(
        pitch_classes(phrases, first),
        np.concatenate([pitch_classes(tune.phrases(), np.array([1, 0, 0], bool)) for tune in tunes]),
    )
    notes = tunes[0].notes
    before = (notes.start < 64).sum()
    assert both[2, :3].tolist() == (notes.pitch[:before][::-1][:3] - 19).tolist()
    assert both[2, 3] == int(notes.end[before - 1] >= 64)


def test_alone_a_phrase_knows_nothing_of_others():
    states = []
    decoder = Scripted(book(random_melody(1, 4)), lambda logits, t, n, state: states.append(state) or logits)
    read(decoder, 0, 1, alone=True)
    assert all((state == UNKNOWN).all() for state in states)
    assert len(states) == 32  # so neither waits for the other


def test_a_melody_is_written_the_same_alone_and_among_others(toy_model):
    model = Model.load(toy_model)
    z = np.random.default_rng(0).standard_normal((5, 32, model.space.Z)).astype(np.float32)
    manner = Manner(LABEL_NULLS, 0.5, 1.0, 0.01, seeds=(3, 1, 4, 1, 5))
    together = model.decode(z, manner)
    for k, seed in enumerate(manner.seeds):
        np.testing.assert_array_equal(
            model.decode(z[k], Manner(LABEL_NULLS, 0.5, 1.0, 0.01, seeds=(seed,))), together[k]
        )


def test_notes_begin_where_they_are_asked_to_and_nowhere_else():
    random = np.random.default_rng(3)
    onsets = random.integers(-1, 2, (6, 32)).astype(np.int8)
    bounds = replace(Bounds.none(6), onsets=onsets)
    on = Whim(5, 1.0).to_phrases(latents(*range(6))[0], bounds) > REST
    assert on[onsets == 1].all()
    assert not on[onsets == 0].any()
    assert on[onsets == FREE].any()
    fixed = np.where(random.random((6, 32)) < 0.3, HOLD, FREE).astype(np.int8)
    held = Whim(5, 1.0).to_phrases(latents(*range(6))[0], replace(bounds, fixed=fixed))
    assert (held[fixed == HOLD] == HOLD).all()  # what stands already, stands
