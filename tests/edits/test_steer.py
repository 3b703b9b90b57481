"""Composing by rules, from an oracle whose phrases are known, and from untrained networks that want nonsense."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cantilena.composer import load
from cantilena.edits.steer import Steering, best_shift
from cantilena.music.melody import HOLD, MAX_PITCH, MIN_PITCH, REST, Melody, pitch_name
from cantilena.music.metre import COMMON
from cantilena.requests import Compose
from cantilena.rules import Chords, Density, Form, Key, Range, Rules
from cantilena.writing import Bounds
from melodies import random_melody
from oracles import Oracle, Whim, latents

C_MAJOR = {0, 2, 4, 5, 7, 9, 11}


@pytest.fixture(scope="module")
def composer(toy_model):
    return load(toy_model)


def of(melody):
    """An oracle of the phrases of a melody."""
    return Oracle(melody.phrases())


def rests(melody):
    return np.zeros(melody.bars)


def chromatic(bars):
    """Every semitone from C4 up and down, in quarters."""
    pitch = [60 + min(i % 24, 24 - i % 24) for i in range(bars * 4)]
    return Melody.from_notes(range(0, bars * 16, 4), range(4, bars * 16 + 4, 4), pitch)


# -- what is written --------------------------------------------------------------------------


def test_what_is_allowed_is_left_as_it_is():
    tune = random_melody(1, 8)
    numbers = latents(0, 1, 2, 3)
    for rules in (Rules([Key("chromatic")]), Rules([Key("C major")]), Rules([Density("4")])):
        assert Melody.from_phrases(Steering.alone(of(tune), rules, 4, 8).decode(numbers)) == tune


def test_a_note_that_is_forbidden_becomes_the_nearest_that_the_decoder_wants_where_it_would_have_been():
    tune = chromatic(4)
    written = Melody.from_phrases(Steering.alone(of(tune), Rules([Key("C major")]), 2, 4).decode(latents(0, 1)))
    np.testing.assert_array_equal(written.notes.start, tune.notes.start)
    assert set((written.notes.pitch % 12).tolist()) == C_MAJOR
    assert np.abs(written.notes.pitch - tune.notes.pitch).max() == 1


def test_a_note_ends_before_the_step_that_forbids_it():
    """C rings from bar 1 into bar 2, whose chord has it, and over the seam into bar 3, whose chord has not."""
    tune = Melody.from_notes([8, 48], [44, 64], [60, 60])
    rules = Rules([Chords("| C | C | F# | F# |"), Key("chromatic")])
    written = Melody.from_phrases(Steering.alone(of(tune), rules, 2, 4).decode(latents(0, 1)))
    start, end, pitch = written.notes
    assert (start[0], end[0], pitch[0]) == (8, 32, 60)
    assert start[1:].tolist() == [48]
    assert pitch[1] == 61


@given(
    st.integers(0, 2**31),
    st.floats(-1, 4),
    st.sampled_from(["C major", "F# minor pentatonic", "chromatic"]),
    st.integers(MIN_PITCH, MAX_PITCH - 12),
    st.integers(-12, 12),
    st.booleans(),
)
def test_no_note_ever_sounds_where_it_is_forbidden(seed, holds, key, low, shift, chords):
    """Whatever a decoder wants, of 8 phrases of which the last 6 are judged; chords change by the bar."""
    given_rules = [Key(key), Range(f"{pitch_name(low)}-{pitch_name(low + 12)}")]
    rules = Rules([*given_rules, *([Chords("| C | Gb |")] if chords and key == "chromatic" else [])])
    judged = np.arange(16) >= 4
    steering = Steering(Whim(seed, holds), rules, judged, np.zeros(256, np.int8))
    free = np.random.default_rng(seed).random((8, COMMON.phrase_steps, 90)) < 0.7
    free[..., : REST + 1] = True
    bounds = Bounds(free, Bounds.none(8).fixed)
    tokens = steering.decode(latents(*range(8)), bounds, shift=shift)
    allowed = free.reshape(256, 90).copy()
    allowed[64:] &= rules.allowed(192)
    assert_kept(tokens.reshape(-1), allowed)


def assert_kept(tokens, allowed):
    """That no note sounds where it is not allowed, (steps, 90)."""
    sounds = REST
    for step, token in enumerate(tokens.tolist()):
        sounds = sounds if token == HOLD else token
        assert allowed[step, sounds], (step, sounds)


def test_a_note_over_a_seam_is_forbidden_too_where_contexts_change_to_the_last():
    """Each phrase begins on what rings from the one before it, and goes a semitone up from there in its middle.

    So the end of each is known only when all those before it are, and there are more of them than passes.
    """

    class Ladder(Oracle):
        def step(self, plan, plain, token, notes, state):
            logits = np.zeros((len(plan), 90), np.float32)
            logits[:, HOLD], logits[:, REST] = 2, 1
            up = plan[:, 0] > REST
            logits[np.flatnonzero(up), np.clip(notes[up, 0] + 1, 2, 89)] = 3
            return logits, state

    book = np.zeros((1, COMMON.phrase_steps), np.int8)
    book[0, COMMON.bar_steps] = 41
    for last in range(4, 9):  # whichever note comes last: it rings into a phrase whose first bar forbids it
        bounds = Bounds.none(8)
        for phrase in range(1, 8):
            bounds.sounding[phrase, : COMMON.bar_steps, 41 + last] = False
        tokens = Ladder(book).to_phrases(latents(*[0] * 8), bounds)
        assert (tokens > REST).any()
        assert_kept(tokens.reshape(-1), bounds.sounding.reshape(-1, 90))


# -- hard rules -------------------------------------------------------------------------------


def test_hard_rules_hold_in_the_judged_bars_and_only_there():
    tune = chromatic(8)
    judged = np.isin(np.arange(8), [2, 3, 6])
    steering = Steering(of(tune), Rules([Key("C major")]), judged, tune.events)
    notes = Melody.from_phrases(steering.decode(latents(0, 1, 2, 3))).notes
    there = judged[notes.start // COMMON.bar_steps]
    assert set((notes.pitch[there] % 12).tolist()) <= C_MAJOR
    np.testing.assert_array_equal(notes.pitch[~there], tune.notes.pitch[~there])
    np.testing.assert_array_equal(notes.start, tune.notes.start)
    assert np.abs(notes.pitch - tune.notes.pitch).max() <= 6


def test_what_is_composed_is_judged_by_the_bars_where_it_stands():
    """Phrases 2 and 3 of a longer melody: chords change by the bar, of the judged bars and no others."""
    tune = chromatic(8)
    judged = np.arange(8) >= 4
    steering = Steering(of(tune), Rules([Chords("| C | F# | C | F# |")]), judged, tune.events, first=2)
    notes = Melody.from_phrases(steering.decode(latents(2, 3))).notes
    strong = notes.start % 8 == 0
    assert strong.sum() == 8
    wanted = [{0, 4, 7}, {6, 10, 1}]
    for start, pitch in zip(notes.start[strong].tolist(), notes.pitch[strong].tolist(), strict=True):
        assert pitch % 12 in wanted[start // COMMON.bar_steps % 2]


def test_what_stands_already_is_heard_where_the_rest_is_moved_to():
    """A fixed phrase is of what is heard: it does not move with the others, nor do rules change it."""
    tune = chromatic(4)
    fixed = Melody.from_notes([0, 12], [12, 30], [61, 66]).phrases()
    known = np.repeat([[True], [False]], COMMON.phrase_steps, axis=1)
    bounds = Bounds.fixing(np.concatenate([fixed, fixed]), known)
    steering = Steering.alone(of(tune), Rules([Key("chromatic")]), 2, 4)
    for shift in (0, -3, 5):
        tokens = steering.decode(latents(0, 1), bounds, shift=shift)
        np.testing.assert_array_equal(tokens[0], fixed[0])
        np.testing.assert_array_equal(Melody.from_tokens(tokens[1]), tune.slice(3, 4).transpose(shift))
    kept = Steering.alone(of(tune), Rules([Key("C major")]), 2, 4).decode(latents(0, 1), bounds, shift=2)
    np.testing.assert_array_equal(kept[0], fixed[0])
    assert set((Melody.from_tokens(kept[1]).notes.pitch % 12).tolist()) <= C_MAJOR


# -- where it lies ----------------------------------------------------------------------------


def heard(steering, x_0):
    """All of it, moved to where the rules cost least."""
    return Melody.from_phrases(steering.decode(x_0, shift=steering.shift(x_0)))


def test_a_melody_moves_to_where_the_rules_cost_least_before_any_note_is_changed():
    """In D major, two semitones above C major: all its intervals stay."""
    tune = random_melody(4, 8).transpose(2)
    steering = Steering.alone(of(tune), Rules([Key("C major")]), 4, 8)
    moved = heard(steering, latents(0, 1, 2, 3))
    assert moved == tune.transpose(-2)
    assert Melody.from_phrases(steering.decode(latents(0, 1, 2, 3))) != moved  # not asked: note by note


@pytest.mark.parametrize("semitones", [-12, -7, 0, 5, 12])
def test_a_melody_moves_into_a_range_up_to_an_octave_away(semitones):
    tune = Melody.from_notes([0, 8], [8, 32], [60, 64])
    rules = Rules([Range(f"{pitch_name(60 + semitones)}-{pitch_name(64 + semitones)}")])
    steering = Steering.alone(of(tune), rules, 1, 2)
    assert heard(steering, latents(0)).notes.pitch.tolist() == [60 + semitones, 64 + semitones]
    assert best_shift(rules, tune) == steering.shift(latents(0)) == semitones


def test_more_than_an_octave_away_it_takes_notes_of_the_range():
    tune = Melody.from_notes([0, 8], [8, 32], [60, 64])
    steering = Steering.alone(of(tune), Rules([Range("C6-E6")]), 1, 2)
    assert heard(steering, latents(0)).notes.pitch.tolist() == [84, 84]


def test_of_moves_that_cost_the_same_the_shortest_is_taken_and_none_leaves_the_piano():
    for lowest_of, end in ((MIN_PITCH, "low"), (MAX_PITCH - 4, "high")):
        tune = Melody.from_notes([0, 8], [8, 32], [lowest_of, lowest_of + 4])
        wanted = {"low": {"chromatic": 21, "C major": 24, "Bb minor": 25},
                  "high": {"chromatic": 104, "C major": 103, "Bb minor": 104}}[end]  # fmt: skip
        for asked, lowest in wanted.items():
            rules = Rules([Key(asked)])
            assert best_shift(rules, tune) == lowest - lowest_of
            steering = Steering.alone(of(tune), rules, 1, 2)
            assert heard(steering, latents(0)).notes.pitch.tolist() == [lowest, lowest + 4]


def test_silence_stays_where_it_is():
    assert best_shift(Rules([Range("C4-C5")]), Melody.from_tokens(np.zeros(32, np.int8))) == 0


# -- what a sample costs ----------------------------------------------------------------------


def counted(*notes):
    """Bars with so many notes each, sixteenths from the bar line on."""
    start = [16 * bar + i for bar, count in enumerate(notes) for i in range(count)]
    return Melody.from_notes(start, [s + 1 for s in start], [60] * len(start), bars=len(notes))


def test_a_phrase_costs_the_mean_of_its_two_bars():
    """Each note that is missing to 4 or more than 6 costs an eighth: bars of 4, 2, 6, 8, 0 and 5 notes."""
    tune = counted(4, 2, 6, 8, 0, 5)
    steering = Steering.alone(of(tune), Rules([Density("4..6")]), 3, 6)
    found = steering.cost()(latents([0, 1, 2], [2, 2, 1]))
    np.testing.assert_allclose(found, [[0.125, 0.125, 0.25], [0.25, 0.25, 0.125]])


def test_bars_that_are_not_judged_cost_nothing():
    tune = counted(0, 2, 0, 0, 2, 0)
    steering = Steering.alone(of(tune), Rules([Density("4..6")]), 3, 3)
    np.testing.assert_allclose(steering.cost()(latents([0, 1, 2])), [[0.375, 0.25, 0]])


def test_what_is_composed_later_or_was_before_is_judged_with_it():
    """A rule that sees whether bars are alike, of bars 1 and 4: phrase 1 alone is composed."""

    def alike(melody):
        bars = melody.events.reshape(-1, COMMON.bar_steps)
        return np.array([float((bar != bars[0]).any()) for bar in bars])

    tune, judged = counted(3, 9, 9, 3), np.array([True, False, False, True])
    other = Steering(of(counted(9, 9, 9, 3, 4, 4)), Rules([alike]), judged, tune.events, first=1)
    np.testing.assert_allclose(other.cost()(latents([1], [2])), [[0], [0.5]])


def test_silence_is_no_answer_but_to_a_rule_that_counts_notes():
    tune = counted(0, 1, 2, 3)
    found = Steering.alone(of(tune), Rules([rests]), 2, 4).cost()(latents([0, 1]))
    np.testing.assert_allclose(found, [[0.15, 0]])  # .2 and .1, and two notes are enough
    found = Steering.alone(of(tune), Rules([Density("0..16")]), 2, 4).cost()(latents([0, 1]))
    np.testing.assert_allclose(found, [[0, 0]])


def test_hard_rules_do_not_steer():
    tune = chromatic(4)
    assert Steering.alone(of(tune), Rules([Key("C major"), Range("C4-C5")]), 2, 4).cost() is None
    both = Steering.alone(of(tune), Rules([Key("C major"), Density("8")], [7, 1]), 2, 4).cost()
    np.testing.assert_allclose(both(latents([0, 1])), [[0.5, 0.5]])  # the weight of what steers is all


def test_what_is_locked_is_put_in_before_a_sample_is_judged():
    tune = counted(4, 4, 0, 0)
    locked = tune.phrases()[0]

    def paste(phrases):
        return np.broadcast_to(locked, phrases.shape)

    cost = Steering.alone(of(tune), Rules([Density("4")]), 2, 4).cost(paste)
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
    new = np.isin(start // COMMON.bar_steps + 1, [5, 6, 7, 8, 12])
    assert new.any()
    assert set((pitch[new] % 12).tolist()) <= C_MAJOR
    old = {n for n in zip(*tune.notes, strict=True) if n[0] // COMMON.bar_steps + 1 not in (5, 6, 7, 8, 12)}
    assert set(zip(*after.notes, strict=True)) >= old


def test_a_rule_of_ones_own_steers(composer):
    """Towards low notes: the more branches, the lower."""

    def low(melody):
        start, _, pitch = melody.notes
        count = np.bincount(start // COMMON.bar_steps, minlength=melody.bars)
        return np.bincount(start // COMMON.bar_steps, pitch / 108, melody.bars) / np.maximum(count, 1)

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
    steering = Steering(of(song), Rules([Form.of(song)]), np.arange(12) >= 2, np.zeros(192, np.int8), first=1)
    odd = np.arange(5) % 2  # phrases 1 .. 5 of 6: those of the song are 0, 1, 0, 1, 0
    assert np.array_equal(steering.shared(5).same, odd[:, None] == odd)
    assert Steering(of(song), Rules([Key("C major")]), np.ones(4, np.bool_), np.zeros(64, np.int8)).shared(2) is None


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
