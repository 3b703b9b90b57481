"""Composing by rules, from an oracle whose phrases are known, and from untrained networks that want nonsense."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cantilena.composer import load
from cantilena.edits.steer import Steering, constrain, hold_to
from cantilena.music.melody import BAR_STEPS, Melody, pitch_name
from cantilena.requests import Compose
from cantilena.rules import Chords, Density, Form, Key, Range, Rules
from melodies import random_melody

C_MAJOR = {0, 2, 4, 5, 7, 9, 11}


@pytest.fixture(scope="module")
def composer(toy_model):
    return load(toy_model)


class Oracle:
    """In place of a model: a latent is the number of its phrase in a book."""

    def __init__(self, melody):
        self.book = melody.phrases()

    def to_phrases(self, x_0):
        return self.book[x_0[..., 0].astype(int)]

    def to_logits(self, x_0):
        return np.eye(90, dtype=np.float32)[self.to_phrases(x_0)]


def latents(*numbers):
    return np.array(numbers, np.float32)[..., None]


def sure(tokens, **second):
    """Logits (steps, 90) of these tokens; `second` are what is likely besides, as {"t60": 0.5}."""
    logits = np.eye(90, dtype=np.float32)[tokens]
    for name, value in second.items():
        logits[:, int(name[1:])] += value
    return logits


def only(steps, *tokens):
    """Allowed notes, at every step the same."""
    allowed = np.zeros((steps, 90), np.bool_)
    allowed[:, [0, 1, *tokens]] = True
    return allowed


def rests(melody):
    return np.zeros(melody.bars)


# -- the decoder ------------------------------------------------------------------------------


def test_what_is_allowed_is_left_as_it_is():
    tokens = random_melody(1, 8).events
    np.testing.assert_array_equal(constrain(sure(tokens), np.ones((128, 90), np.bool_)), tokens)
    np.testing.assert_array_equal(constrain(sure(tokens), only(128, *range(2, 90))), tokens)


@pytest.mark.parametrize(
    ("allowed", "taken"),
    [
        ((52, 62), 52),  # 62 is likelier, and more than half an octave away
        ((44, 52), 52),  # of two that are near the likelier
        ((62, 80), 62),  # none is near: the likelier
        ((56, 57), 56),  # half an octave is near
        ((57, 62), 62),  # more is not
        ((44,), 44),
    ],
)
def test_a_forbidden_note_takes_the_likeliest_pitch_of_those_that_are_near(allowed, taken):
    logits = sure([50, 0, 0, 0, 1, 0], t62=0.9, t52=0.5, t44=0.1)
    assert constrain(logits, only(6, *allowed)).tolist() == [taken, 0, 0, 0, 1, 0]


def test_a_note_keeps_one_pitch_that_is_allowed_to_its_end():
    """50 is right where the note begins, not where it still sounds: 53 is right all the way."""
    allowed = only(6, 50, 53)
    allowed[2:4, 50] = False
    assert constrain(sure([50, 0, 0, 0, 1, 0], t53=0.2), allowed).tolist() == [53, 0, 0, 0, 1, 0]


def test_a_note_that_no_pitch_can_hold_ends_before_the_step_that_forbids_it():
    allowed = only(8, 50)
    allowed[3:] = only(5, 52)
    assert constrain(sure([50, 0, 0, 0, 0, 0, 51, 0]), allowed).tolist() == [50, 0, 0, 1, 0, 0, 52, 0]


def test_a_note_is_left_out_where_none_may_begin():
    allowed = only(6, 50)
    allowed[0] = only(1)
    assert constrain(sure([50, 0, 50, 0, 1, 0]), allowed).tolist() == [1, 0, 50, 0, 1, 0]


@given(st.integers(0, 2**31), st.floats(0, 0.3))
def test_no_note_ever_sounds_where_it_is_forbidden(seed, share):
    random = np.random.default_rng(seed)
    logits = random.normal(size=(64, 90)).astype(np.float32)
    logits[:, 0] += 3
    allowed = random.random((64, 90)) < share
    allowed[8:24] = allowed[8]  # and somewhere long enough for a note to be held
    allowed[:, :2] = True
    events, free = constrain(logits, allowed), logits.argmax(-1)
    sounds = 0
    for step, token in enumerate(events.tolist()):
        sounds = sounds if token == 0 else token
        assert sounds < 2 or allowed[step, sounds]
    began = free > 1
    assert (began | (events < 2)).all()  # no note begins where none would
    assert (events[began & allowed[:, 2:].any(1)] > 1).all()  # and each that may begin does


# -- hard rules -------------------------------------------------------------------------------


def chromatic(bars):
    """Every semitone from C4 up and down, in quarters."""
    pitch = [60 + min(i % 24, 24 - i % 24) for i in range(bars * 4)]
    return Melody.from_notes(range(0, bars * 16, 4), range(4, bars * 16 + 4, 4), pitch)


def test_hard_rules_hold_in_the_judged_bars_and_only_there():
    tune = chromatic(8)
    judged = np.isin(np.arange(8), [2, 3, 6])
    steering = Steering(Oracle(tune), Rules([Key("C major")]), judged, tune.events)
    notes = Melody.from_phrases(steering.decode(latents(0, 1, 2, 3))).notes
    there = judged[notes.start // BAR_STEPS]
    assert set((notes.pitch[there] % 12).tolist()) <= C_MAJOR
    np.testing.assert_array_equal(notes.pitch[~there], tune.notes.pitch[~there])
    np.testing.assert_array_equal(notes.start, tune.notes.start)
    assert np.abs(notes.pitch - tune.notes.pitch).max() <= 6


def test_what_is_composed_is_judged_by_the_bars_where_it_stands():
    """Phrases 2 and 3 of a longer melody: chords change by the bar, of the judged bars and no others."""
    tune = chromatic(8)
    judged = np.arange(8) >= 4
    steering = Steering(Oracle(tune), Rules([Chords("| C | F# | C | F# |")]), judged, tune.events, first=2)
    notes = Melody.from_phrases(steering.decode(latents(2, 3))).notes
    strong = notes.start % 8 == 0
    wanted = [{0, 4, 7}, {6, 10, 1}]
    for start, pitch in zip(notes.start[strong].tolist(), notes.pitch[strong].tolist(), strict=True):
        assert pitch % 12 in wanted[start // BAR_STEPS % 2]


def test_a_melody_moves_to_where_the_rules_cost_least_before_any_note_is_changed():
    """In D major, two semitones above C major: all its intervals stay."""
    tune = random_melody(4, 8).transpose(2)
    steering = Steering.alone(Oracle(tune), Rules([Key("C major")]), 4, 8)
    moved = Melody.from_phrases(steering.decode(latents(0, 1, 2, 3), transpose=True))
    assert moved == tune.transpose(-2)
    assert Melody.from_phrases(steering.decode(latents(0, 1, 2, 3))) != moved  # not asked: note by note


@pytest.mark.parametrize("semitones", [-12, -7, 0, 5, 12])
def test_a_melody_moves_into_a_range_up_to_an_octave_away(semitones):
    tune = Melody.from_notes([0, 8], [8, 32], [60, 64])
    rules = Rules([Range(f"{pitch_name(60 + semitones)}-{pitch_name(64 + semitones)}")])
    steering = Steering.alone(Oracle(tune), rules, 1, 2)
    moved = Melody.from_phrases(steering.decode(latents(0), transpose=True))
    assert moved.notes.pitch.tolist() == [60 + semitones, 64 + semitones]
    assert hold_to(steering.rules, tune) == moved


def test_of_moves_that_cost_the_same_the_shortest_is_taken_and_none_leaves_the_piano():
    tune = Melody.from_notes([0, 8], [8, 32], [21, 25])
    for asked, lowest in (("chromatic", 21), ("C major", 24), ("Bb minor", 25)):
        steering = Steering.alone(Oracle(tune), Rules([Key(asked)]), 1, 2)
        assert hold_to(steering.rules, tune).notes.pitch.tolist() == [lowest, lowest + 4]


def test_what_cannot_be_moved_takes_the_nearest_pitch_and_keeps_its_tempo_and_rhythm():
    tune = chromatic(4)
    tune = Melody(tune.events, 90)
    settled = hold_to(Rules([Key("C major")]), tune)
    assert settled.qpm == 90
    np.testing.assert_array_equal(settled.notes.start, tune.notes.start)
    assert set((settled.notes.pitch % 12).tolist()) <= C_MAJOR
    assert np.abs(settled.notes.pitch - tune.notes.pitch).max() == 1


# -- what a sample costs ----------------------------------------------------------------------


def counted(*notes):
    """Bars with so many notes each, sixteenths from the bar line on."""
    start = [16 * bar + i for bar, count in enumerate(notes) for i in range(count)]
    return Melody.from_notes(start, [s + 1 for s in start], [60] * len(start), bars=len(notes))


def test_a_phrase_costs_the_mean_of_its_two_bars():
    """Each note that is missing to 4 or more than 6 costs an eighth: bars of 4, 2, 6, 8, 0 and 5 notes."""
    tune = counted(4, 2, 6, 8, 0, 5)
    steering = Steering.alone(Oracle(tune), Rules([Density("4..6")]), 3, 6)
    found = steering.cost()(latents([0, 1, 2], [2, 2, 1]))
    np.testing.assert_allclose(found, [[0.125, 0.125, 0.25], [0.25, 0.25, 0.125]])


def test_bars_that_are_not_judged_cost_nothing():
    tune = counted(0, 2, 0, 0, 2, 0)
    steering = Steering.alone(Oracle(tune), Rules([Density("4..6")]), 3, 3)
    np.testing.assert_allclose(steering.cost()(latents([0, 1, 2])), [[0.375, 0.25, 0]])


def test_what_is_composed_later_or_was_before_is_judged_with_it():
    """A rule that sees whether bars are alike, of bars 1 and 4: phrase 1 alone is composed."""

    def alike(melody):
        bars = melody.events.reshape(-1, BAR_STEPS)
        return np.array([float((bar != bars[0]).any()) for bar in bars])

    tune, judged = counted(3, 9, 9, 3), np.array([True, False, False, True])
    other = Steering(Oracle(counted(9, 9, 9, 3, 4, 4)), Rules([alike]), judged, tune.events, first=1)
    np.testing.assert_allclose(other.cost()(latents([1], [2])), [[0], [0.5]])


def test_silence_is_no_answer_but_to_a_rule_that_counts_notes():
    tune = counted(0, 1, 2, 3)
    found = Steering.alone(Oracle(tune), Rules([rests]), 2, 4).cost()(latents([0, 1]))
    np.testing.assert_allclose(found, [[0.15, 0]])  # .2 and .1, and two notes are enough
    found = Steering.alone(Oracle(tune), Rules([Density("0..16")]), 2, 4).cost()(latents([0, 1]))
    np.testing.assert_allclose(found, [[0, 0]])


def test_hard_rules_do_not_steer():
    tune = chromatic(4)
    assert Steering.alone(Oracle(tune), Rules([Key("C major"), Range("C4-C5")]), 2, 4).cost() is None
    both = Steering.alone(Oracle(tune), Rules([Key("C major"), Density("8")], [7, 1]), 2, 4).cost()
    np.testing.assert_allclose(both(latents([0, 1])), [[0.5, 0.5]])  # the weight of what steers is all


def test_what_is_locked_is_put_in_before_a_sample_is_judged():
    tune = counted(4, 4, 0, 0)
    locked = tune.phrases()[0]

    def paste(phrases):
        return np.broadcast_to(locked, phrases.shape)

    cost = Steering.alone(Oracle(tune), Rules([Density("4")]), 2, 4).cost(paste)
    np.testing.assert_allclose(cost(latents([1, 1])), [[0, 0]])


# -- the composer -----------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{"bars": 8}, {"bars": 64}, {"bars": 67}, {"bars": 6, "loop": True}])
def test_every_note_of_a_tune_is_in_the_key_and_the_range(composer, given):
    tune = composer.compose(3, rules={"key": "Eb minor", "range": "C4-A5"}, steps=2, resample=1, **given)
    pitch = tune.notes.pitch
    assert tune.bars == given["bars"]
    assert pitch.size
    assert pitch.min() >= 60
    assert pitch.max() <= 81
    assert set((pitch % 12).tolist()) <= Key("Eb minor").scale
    assert all(row.met for row in tune.receipt.rows)


def test_new_bars_keep_the_rules_and_old_ones_the_notes_they_have(composer):
    tune = chromatic(20)
    after = composer.infill(tune, "5-8,12", rules={"key": "C major"}, seed=1, steps=2, resample=1)
    start, _, pitch = after.notes
    new = np.isin(start // BAR_STEPS + 1, [5, 6, 7, 8, 12])
    assert new.any()
    assert set((pitch[new] % 12).tolist()) <= C_MAJOR
    old = {n for n in zip(*tune.notes, strict=True) if n[0] // BAR_STEPS + 1 not in (5, 6, 7, 8, 12)}
    assert set(zip(*after.notes, strict=True)) >= old


def test_a_rule_of_ones_own_steers(composer):
    """Towards low notes: the more branches, the lower."""

    def low(melody):
        start, _, pitch = melody.notes
        count = np.bincount(start // BAR_STEPS, minlength=melody.bars)
        return np.bincount(start // BAR_STEPS, pitch / 108, melody.bars) / np.maximum(count, 1)

    free = composer.compose(1, steps=6)
    costs = [low(composer.compose(1, rules=[low], steps=6, branches=n)).mean() for n in (2, 8)]
    assert low(free).mean() > costs[0] > costs[1]


@pytest.mark.parametrize(
    ("form", "again"),
    [("AABA", [(0, 1), (0, 3), (1, 3)]), ("ABAB", [(0, 2), (1, 3)]), ("ABCA'", [])],
    ids=lambda v: str(v),
)
def test_parts_of_one_letter_are_the_same_notes(composer, form, again):
    tune = composer.compose(2, bars=32, rules={"form": form}, steps=4, branches=2)
    infilled = composer.infill(chromatic(32), "9-24", rules={"form": form}, steps=4, branches=2, resample=1, seed=2)
    for melody in (tune, infilled.slice(9, 24)):
        parts = melody.events.reshape(4, -1)
        assert (parts > 1).sum() > 16
        same = [(i, j) for i in range(4) for j in range(i + 1, 4) if np.array_equal(parts[i], parts[j])]
        assert same == again


def test_what_comes_again_of_a_song_is_drawn_once():
    song = Melody.from_tokens(np.tile(random_melody(5, 4).events, 2))
    steering = Steering(None, Rules([Form.of(song)]), np.arange(12) >= 2, np.zeros(192, np.int8), first=1)
    odd = np.arange(5) % 2  # phrases 1 .. 5 of 6: those of the song are 0, 1, 0, 1, 0
    assert np.array_equal(steering.ties(5).same, odd[:, None] == odd)
    assert Steering(None, Rules([Key("C major")]), np.ones(4, np.bool_), np.zeros(64, np.int8)).ties(2) is None


def test_rules_and_a_seed_are_the_same_music_again_and_in_a_batch(composer):
    given = {"rules": {"density": "4..6", "key": "C major"}, "bars": 8, "steps": 2}
    one = composer.compose(4, **given)
    assert one == composer.compose_many([3, 4], Compose(**given))[1]
    assert one != composer.compose(4, bars=8, steps=2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rules": {"density": "4..6"}, "sampler": "ddim"}, "rules are for the sampler ddpm: ddim draws no noise"),
        ({"rules": {"key": "H major"}}, "key: 'H major' is not a key"),
        ({"rules": {"colour": "blue"}}, "a rule is one of key, range"),
        (
            {"rules": {"range": "C4-C#4", "key": "B minor pentatonic"}},
            "key B minor pentatonic and range C4-C#4 leave no note",
        ),
        ({"rules": {"density": ("4..6", -1)}}, "weight"),
        ({"rules": [lambda melody: np.zeros(1)], "bars": 8}, r"one cost a bar, \(8,\), not \(1,\)"),
        ({"rules": [lambda melody: np.full(melody.bars, 2.0)]}, r"the costs of a rule are 0\.\.1, not 2\.\.2"),
        ({"rules": {"density": "4..6"}, "motif": random_melody(1)}, "a tune of a motif takes no rules"),
        ({"rules": {"density": "4..6"}, "branches": 0}, "branch"),
    ],
)
def test_rules_that_cannot_be_followed_say_why(composer, given, message):
    with pytest.raises(ValueError, match=message):
        composer.compose(**{"steps": 2, **given})
