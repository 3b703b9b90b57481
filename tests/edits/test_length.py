"""Lengths of every kind, from oracles whose music is known and from untrained networks that want nonsense."""

import tracemalloc
from itertools import islice, pairwise

import numpy as np
import pytest

from cantilena.composer import load
from cantilena.diffusion.shared_phrases import SharedPhrases
from cantilena.edits.cadence import has_cadence
from cantilena.edits.finish import finish
from cantilena.edits.length import LONGEST, Length, best_crop, chain, close, lead_round, opening, stream
from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON
from cantilena.rules import Density, Key, Range, Rules
from melodies import random_melody
from oracles import Oracle, latents


@pytest.fixture(scope="module")
def composer(toy_model):
    return load(toy_model)


def drawn(composer, length, seed=1):
    return composer.sample([seed], **length.asked, steps=2)[0]


def crop(melody, bars):
    """The best of a melody."""
    first = best_crop(melody, bars)
    assert first % 2 == 1  # a phrase begins there
    return melody.slice(first, first + bars - 1)


def finished(melody, bars, rules=None, *, loop=False, cadence=False):
    """By an oracle that wants the phrases of a melody."""
    phrases = melody.phrases()
    return finish(Oracle(phrases), latents(*range(len(phrases))), Length(bars, loop), rules, cadence=cadence)


# -- any number of bars ----------------------------------------------------------------------


@pytest.mark.parametrize("bars", [2, 3, 7, 63, 64, 65, 66, 129, 200])
def test_a_melody_has_the_bars_that_are_asked(composer, bars):
    length = Length(bars)
    assert finish(composer.model, drawn(composer, length), length).bars == bars


@pytest.mark.parametrize("bars", [64, 65, 100, 101])
def test_64_bars_and_more_are_what_was_drawn(composer, bars):
    """Windows and a cut: nothing is chosen, and an odd bar is the half of a phrase."""
    x_0 = drawn(composer, Length(bars))
    assert len(x_0) == (bars + 1) // 2
    whole = Melody.from_phrases(composer.model.to_phrases(x_0))
    np.testing.assert_array_equal(finish(composer.model, x_0, Length(bars)).events, whole.events[: bars * 16])


@pytest.mark.parametrize(
    ("given", "message"),
    [((1,), "2 to 1000 bars, not 1"), ((LONGEST + 1,), "not 1001"), ((4.0,), "not 4.0"), ((True,), "not True"),
     ((7, True), "an even number, not 7")],
)  # fmt: skip
def test_a_length_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        Length(*given)


# -- crops -----------------------------------------------------------------------------------


def test_a_crop_is_bars_of_the_melody_from_an_odd_one_on():
    melody = random_melody(3, 64)
    for bars in (2, 5, 16, 63):
        part = crop(melody, bars)
        firsts = range(1, 66 - bars, 2)
        assert any(part == melody.slice(first, first + bars - 1) for first in firsts)
        assert finished(melody, bars) == part
    assert crop(melody, 64) == finished(melody, 64) == melody


def phrase(first, pitches, last):
    """Eighths from a step on, then a long note."""
    start = [first + 2 * i for i in range(len(pitches))]
    return [*zip(start, [s + 2 for s in start], pitches, strict=True), (start[-1] + 2, last[0], last[1])]


def piece(*parts, bars=8):
    return Melody.from_notes(*zip(*(note for part in parts for note in part), strict=True), bars=bars)


RUN = [60, 64, 67, 64, 72, 67, 64, 60, 62, 67, 71]


@pytest.mark.parametrize(
    "fault",
    [
        phrase(8, [60, 64, 67, 60, 72, 67, 60], (32, 60)),  # begins late
        [
            (2 * i, 2 * i + 2, p) for i, p in enumerate([*RUN[:8], 62, 65, 62, 64, 60, 64, 62, 60])
        ],  # has no long note at its end
        phrase(0, RUN, (32, 62)),  # rests on the second degree
        phrase(0, RUN, (32, 67)),  # on the fifth, which is stable, but the tonic is better
        phrase(0, RUN[:3], (8, 60)),  # and then it is silent
    ],
)
def test_a_crop_has_a_beginning_and_an_ending(fault):
    """Of equals the first is taken, so what comes second here is the better."""
    good = phrase(32, RUN, (64, 60))
    assert crop(piece(fault, good, bars=4), 2) == piece(phrase(0, RUN, (32, 60)), bars=2)


def test_a_crop_begins_where_a_phrase_does():
    odd = crop(piece(phrase(16, RUN, (48, 60)), bars=4), 2)  # bars 2-3 would be best
    assert odd.notes.start.tolist() in ([16, 18, 20, 22, 24, 26, 28, 30], [0, 2, 4, 6])


def test_a_crop_cuts_no_note():
    """The long last note of bars 1-2 rings on into bar 3, and a note into bar 1 of a melody is not there at all."""
    rings = phrase(0, RUN, (40, 60))
    goes_on = [(40, 44, 64), *phrase(44, RUN[:5], (64, 60))]
    good = phrase(64, RUN, (94, 60))
    assert crop(piece(rings, goes_on, good, bars=6), 2) == piece(phrase(0, RUN, (30, 60)), bars=2)


def test_a_crop_of_what_comes_again_is_preferred_and_silence_is_not():
    a, b = phrase(0, RUN, (32, 60)), phrase(32, [72, 71, 69, 67, 65, 64, 62, 65, 64, 62, 71], (64, 60))
    again = [(s + 64, e + 64, p) for s, e, p in a], [(s + 96, e + 96, p) for s, e, p in a]
    assert crop(piece(a, b, *again), 4) == piece(a, [(s + 32, e + 32, p) for s, e, p in a], bars=4)
    silent = Melody.from_notes([0], [16], [60], bars=10)
    assert crop(silent, 2).notes.start.size == 1
    assert crop(Melody.from_tokens(np.zeros(64 * 16, np.int8)), 8).bars == 8  # nothing to choose, and no error


# -- rules and cadences ----------------------------------------------------------------------


def test_rules_have_seen_the_first_bars_so_these_are_taken():
    melody = random_melody(3, 64)
    assert crop(melody, 8) != melody.slice(1, 8)
    assert finished(melody, 8, Rules([Density("4")])) == melody.slice(1, 8)
    for semitones in (-3, 2):  # the hard ones move it to where they cost least
        assert finished(melody.transpose(semitones), 20, Rules([Key("C major")])) == melody.slice(1, 20)


@pytest.mark.parametrize("bars", [3, 8, 63, 64, 70])
@pytest.mark.parametrize("rules", [None, Rules([Key("A minor pentatonic"), Range("C4-E5")])], ids=["free", "rules"])
def test_of_a_melody_with_a_cadence_only_the_last_bar_is_another(bars, rules):
    steps = max(64, bars) * COMMON.bar_steps
    pitch = np.cumsum(np.random.default_rng(9).integers(-2, 3, steps // 4)) % 24 + 60
    melody = Melody.from_notes(range(0, steps, 4), range(4, steps + 4, 4), pitch)
    plain, rested = (finished(melody, bars, rules, cadence=cadence) for cadence in (False, True))
    asked = None if rules is None else rules.rules[0]
    assert has_cadence(rested, asked)
    assert not has_cadence(plain, asked)
    assert rested.bars == plain.bars == bars
    np.testing.assert_array_equal(rested.events[: -COMMON.bar_steps], plain.events[: -COMMON.bar_steps])
    if rules is not None:
        assert rules.total(rested) == 0


def test_a_cadence_that_rules_forbid_is_a_long_note_in_their_pitches():
    melody = Melody.from_notes(range(0, 1024, 4), range(4, 1028, 4), [60, 62, 64, 65, 67, 65, 64, 62] * 32)
    found = finished(melody, 8, Rules([Range("D4-D4")]), cadence=True)
    assert set(found.notes.pitch.tolist()) == {62}
    assert (found.notes.start[-1], found.notes.end[-1]) == (120, 128)


# -- loops -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bars", [64, 66, 100])
def test_a_long_loop_is_drawn_as_a_ring(composer, bars):
    length = Length(bars, loop=True)
    assert length.asked == {"phrases": bars // 2, "circular": True}
    x_0 = drawn(composer, length)
    melody = finish(composer.model, x_0, length)
    assert melody.bars == bars
    first = opening(composer.model.to_phrases(x_0))
    turned = composer.model.to_phrases(np.roll(x_0, -first, axis=0))  # written from there on
    assert melody == Melody.from_phrases(close(turned))


@pytest.mark.parametrize("k", [0, 1, 9, 31])
def test_a_loop_is_turned_to_its_opening_and_nothing_else_changes(k):
    """From wherever it is drawn; over the joint, where it then is inside, a note rings as it did."""
    start = [step for step in range(0, 1016, 4) if step not in (64, 320, 992)]  # at three seams a note rings over
    pitch = 60 + np.arange(len(start)) * 5 % 13
    tokens = Melody.from_notes(start, [*start[1:], 1016], pitch, bars=64).phrases()  # a breath at the end
    assert (tokens[:, 0] == 0).sum() == 3
    turned = finish(Oracle(np.roll(tokens, k, axis=0)), latents(*range(32)), Length(64, loop=True))
    assert turned == Melody.from_phrases(tokens)


@pytest.mark.parametrize("bars", [2, 4, 6, 14, 24, 62])
def test_a_short_loop_is_a_crop_whose_last_quarter_leads_to_its_start(composer, bars):
    """Each copy holds the same phrases of the 64 bars; what the others become, all copies agree on."""
    asked, phrases = [], bars // 2
    assert Length(bars, loop=True).asked == Length(64).asked

    def draw(seed, **given):
        asked.append(given)
        return composer.bound_sampler({"steps": 2})(seed, **given)

    x_0 = composer.sample([1], steps=2)[0]
    found = lead_round(composer.model, draw, x_0, bars, seed=1)
    assert found.shape == (phrases, composer.model.space.D)
    assert finish(composer.model, found, Length(bars, loop=True)).bars == bars
    (given,) = asked
    assert given["circular"]
    assert np.array_equal(given["shared"].same, SharedPhrases.of(np.arange(given["phrases"]) % phrases).same)
    assert given["phrases"] >= 32
    known = given["condition"].known.reshape(-1, phrases)
    assert (known.sum(1) == phrases - max(1, phrases // 4)).all()
    assert known[:, : known[0].sum()].all()
    first = (best_crop(Melody.from_phrases(composer.model.to_phrases(x_0)), bars) - 1) // 2
    copies = given["condition"].x_0.reshape(-1, *found.shape)
    np.testing.assert_array_equal(copies, np.broadcast_to(x_0[first : first + phrases], copies.shape))
    held = known[0].sum()  # of two bars nothing can be
    np.testing.assert_array_equal(found[:held], x_0[first : first + held])
    np.testing.assert_array_equal(found, lead_round(composer.model, draw, x_0, bars, seed=1))
    if bars > 2:
        assert not np.array_equal(found, lead_round(composer.model, draw, x_0, bars, seed=2))


def ring(*phrases):
    """Phrases from (step, token) pairs."""
    tokens = np.zeros((len(phrases), 32), np.int8)
    for row, events in zip(tokens, phrases, strict=True):
        for step, token in events:
            row[step] = token
    return tokens


def test_a_loop_begins_with_a_note_after_the_longest_breath():
    tokens = ring([(0, 50), (30, 51)], [(0, 52), (20, 53)], [(0, 54), (28, 55)])
    assert opening(tokens) == 2
    tokens[1, 4:] = 0
    tokens = np.insert(tokens, 2, 0, axis=0)  # and then nothing for a phrase: that is no breath
    assert opening(tokens) == 0


def test_a_loop_begins_with_a_note_rather_than_in_silence_and_rather_so_than_inside_a_note():
    inside, silent, note = [(8, 50)], [(0, 1), (8, 51)], [(0, 52), (30, 53)]
    assert opening(ring(inside, silent, note)) == 2
    assert opening(ring(inside, silent, inside)) == 1
    assert opening(ring(inside, inside)) == 0
    hold_of_nothing = [(8, 50), (16, 1)]  # a hold is silence, too, where nothing sounds before it
    assert opening(ring(inside, hold_of_nothing, hold_of_nothing)) == 0  # after silence all the same
    assert opening(ring(hold_of_nothing, inside, [])) == 1


@pytest.mark.parametrize("begins", [0, 1, 52])
def test_a_loop_that_begins_with_a_note_or_in_silence_is_left_alone(begins):
    """A hold at the start is silence where nothing sounds at the end: no note is made up."""
    tokens = ring([(0, begins), (8, 50), (16, 1)], [])
    wanted = Melody.from_phrases(tokens)
    assert Melody.from_phrases(close(tokens)) == wanted
    assert wanted.notes.start.tolist() == ([0, 8] if begins > 1 else [8])


def test_a_note_over_the_joint_of_every_phrase_is_struck_again_at_the_start():
    """Once: at the start of the file. Inside, the notes ring over the bar lines as they did."""
    tokens = ring([(8, 50), (16, 51)], [(8, 52), (24, 53)])
    notes = Melody.from_phrases(close(tokens)).notes
    assert notes.start.tolist() == [0, 8, 16, 40, 56]
    assert (notes.pitch[0], notes.end[0]) == (53 + 19, 8)  # what sounds at the end of the last phrase
    twice = Melody.from_phrases(np.tile(close(tokens), (2, 1))).notes
    assert twice.end[notes.pitch.size - 1] == twice.start[notes.pitch.size] == 64  # repeated, it has no hole


def test_a_note_that_ends_at_the_joint_does_not_ring_over_it():
    tokens = ring([(0, 1), (8, 50)], [(0, 1), (8, 52)])
    notes = Melody.from_phrases(close(tokens)).notes
    assert notes.start.tolist() == [8, 40]
    assert notes.end.tolist() == [32, 64]


# -- streams ---------------------------------------------------------------------------------


def test_each_link_of_a_chain_goes_on_from_the_16_phrases_before():
    seen = []

    def draw(seed, *, condition=None):
        seen.append((seed, condition))
        new = np.random.default_rng(seed).normal(size=(1, 32, 3)).astype(np.float32)
        return new if condition is None else condition.fix(new)

    blocks = list(islice(chain(draw, 5), 4))
    assert [len(b) for b in blocks] == [32, 16, 16, 16]
    whole = np.concatenate(blocks)
    assert seen[0] == (5, None)
    for k, (_, condition) in enumerate(seen[1:]):
        np.testing.assert_array_equal(condition.known[0], np.arange(32) < 16)
        np.testing.assert_array_equal(condition.x_0[0, :16], whole[16 * (k + 1) : 16 * (k + 2)])
    assert len({seed for seed, _ in seen}) == 4  # each its own noise
    assert not any(np.array_equal(a[-16:], b[-16:]) for a, b in pairwise(blocks))


def test_a_stream_begins_as_the_melody_of_its_seed_and_is_the_same_again(composer):
    model = composer.engine.told({}, 7)
    pieces = list(islice(stream(model, composer.bound_sampler({"steps": 2}), 7, 90), 60))
    assert pieces == list(islice(stream(model, composer.bound_sampler({"steps": 2}), 7, 90), 60))
    assert {p.qpm for p in pieces} == {90}
    events = np.concatenate([p.events for p in pieces])
    begins = composer.compose(7, steps=2, plain=True).events
    notes = Melody.from_tokens(events[: begins.size]).notes
    np.testing.assert_array_equal(notes.start, Melody(begins).notes.start)
    assert pieces != list(islice(stream(composer.engine.told({}, 8), composer.bound_sampler({"steps": 2}), 8, 90), 60))


def test_no_note_of_a_stream_is_cut_at_a_bar_line():
    """A book of three phrases: one rings on, one begins inside a note, one begins in silence."""
    book = ring([(0, 50)], [(8, 1), (16, 51), (20, 1)], [(0, 1), (4, 52)])
    order = [0, 1, 2, 2, 0, 0, 1, 1]  # the second 1 in a row begins in silence: its hold is one of nothing
    rows = np.tile(order, 4)[None, :, None].astype(np.float32)

    def draw(seed, *, condition=None):
        return rows

    pieces = list(islice(stream(Oracle(book), draw, 0), 12))
    shift, notes = 0, []
    for p in pieces:
        notes += [(s + shift, e + shift, q) for s, e, q in zip(*(a.tolist() for a in p.notes), strict=True)]
        shift += p.events.size
    whole = Melody.from_phrases(book[np.tile(order, 4)[: shift // 32]])
    assert notes == list(zip(*(a.tolist() for a in whole.notes), strict=True))
    assert [p.bars for p in pieces[:6]] == [4, 2, 2, 2, 4, 2]


def test_a_note_rings_over_the_joint_of_two_samples_as_over_any_other():
    """Every sample is one note, in its last phrase that begins one; the next begins inside it."""
    book = ring([(0, 50)], [], [(16, 51)])
    first, then = np.zeros((2, 1, 32, 1), np.float32)
    then[0, 16:18, 0] = 1, 2
    draws = iter([first])
    pieces = list(islice(stream(Oracle(book), lambda seed, **_: next(draws, then), 0), 34))
    assert [p.bars for p in pieces[:34]] == [2] * 31 + [6] + [2] * 2
    assert pieces[31].notes.end.tolist() == [80, 96]


def test_a_note_without_an_end_is_cut_after_64_bars():
    book = ring([(0, 50)], [])
    x_0 = np.ones((1, 32, 1), np.float32)
    first = x_0.copy()
    first[0, 0] = 0
    draws = iter([first])
    pieces = islice(stream(Oracle(book), lambda seed, **_: next(draws, x_0), 0), 2)
    assert [p.bars for p in pieces] == [64, 2]


def test_a_stream_keeps_no_more_the_longer_it_goes_on():
    book = ring([(0, 50), (16, 1)])
    x_0 = np.zeros((1, 32, 1), np.float32)
    pieces = stream(Oracle(book), lambda seed, **_: x_0, 0)
    tracemalloc.start()
    sizes = []
    for _ in range(3):
        for _ in islice(pieces, 100):
            pass
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert sizes[2] - sizes[1] < 20_000
    assert next(pieces).events.size == 2 * COMMON.bar_steps
