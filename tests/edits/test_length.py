"""Lengths of every kind, from oracles whose music is known and from untrained networks that want nonsense."""

import tracemalloc
from itertools import islice, pairwise

import numpy as np
import pytest

from cantilena.composer import load
from cantilena.diffusion.ties import Ties
from cantilena.edits.length import LONGEST, Length, chain, close, crop, lead_round, stream
from cantilena.music.melody import BAR_STEPS, Melody
from melodies import random_melody


@pytest.fixture(scope="module")
def composer(toy_model):
    return load(toy_model)


def drawn(composer, length, seed=1):
    return composer.decode(composer.sample([seed], **length.asked, steps=2)[0])


class Oracle:
    """In place of a model: a latent is the number of its phrase in a book."""

    def __init__(self, book):
        self.book = np.asarray(book)

    def to_phrases(self, x_0):
        return self.book[x_0[..., 0].astype(int)].astype(np.int8)


# -- any number of bars ----------------------------------------------------------------------


@pytest.mark.parametrize("bars", [2, 3, 7, 63, 64, 65, 66, 129, 200])
def test_a_melody_has_the_bars_that_are_asked(composer, bars):
    length = Length(bars)
    melody = length.fit(drawn(composer, length), 90)
    assert (melody.bars, melody.qpm) == (bars, 90)


@pytest.mark.parametrize("bars", [64, 65, 100, 101])
def test_64_bars_and_more_are_what_was_drawn(composer, bars):
    """Windows and a cut: nothing is chosen, and an odd bar is the half of a phrase."""
    tokens = drawn(composer, Length(bars))
    assert len(tokens) == (bars + 1) // 2
    np.testing.assert_array_equal(Length(bars).fit(tokens).events, Melody.from_phrases(tokens).events[: bars * 16])


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
        assert Length(bars).fit(melody.phrases()) == part
    assert crop(melody, 64) == melody


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


# -- loops -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bars", [64, 66, 100])
def test_a_long_loop_is_drawn_as_a_ring(composer, bars):
    length = Length(bars, loop=True)
    assert length.asked == {"phrases": bars // 2, "circular": True}
    tokens = drawn(composer, length)
    melody = length.fit(tokens)
    assert melody.bars == bars
    assert any(melody == Melody.from_phrases(np.roll(tokens, k, axis=0)) for k in range(bars // 2))


@pytest.mark.parametrize("bars", [2, 4, 6, 14, 24, 62])
def test_a_short_loop_is_a_crop_whose_last_quarter_leads_to_its_start(composer, bars):
    """Each copy holds the same phrases of the 64 bars; what the others become, all copies agree on."""
    asked, phrases = [], bars // 2
    assert Length(bars, loop=True).asked == Length(64).asked

    def draw(seed, **given):
        asked.append(given)
        return composer.draw({"steps": 2})(seed, **given)

    x_0 = composer.sample([1], steps=2)[0]
    tokens = lead_round(composer.model, draw, x_0, bars, seed=1)
    assert tokens.shape == (phrases, 32)
    assert Length(bars, loop=True).fit(tokens).bars == bars
    (given,) = asked
    assert given["circular"]
    assert np.array_equal(given["ties"].same, Ties.of(np.arange(given["phrases"]) % phrases).same)
    assert given["phrases"] >= 32
    known = given["condition"].known.reshape(-1, phrases)
    assert (known.sum(1) == phrases - max(1, phrases // 4)).all()
    assert known[:, : known[0].sum()].all()
    cropped = crop(Melody.from_phrases(composer.decode(x_0)), bars)
    old = [k for k in range(33 - phrases) if np.array_equal(x_0[k : k + phrases], given["condition"].x_0[0, :phrases])]
    assert any(cropped == Melody.from_phrases(composer.decode(x_0[k : k + phrases])) for k in old)
    held = known[0].sum()
    if held:  # of two bars nothing can be
        np.testing.assert_array_equal(tokens[:held], composer.decode(given["condition"].x_0[0, :held]))
    np.testing.assert_array_equal(tokens, lead_round(composer.model, draw, x_0, bars, seed=1))
    if bars > 2:
        assert not np.array_equal(tokens, lead_round(composer.model, draw, x_0, bars, seed=2))


def ring(*phrases):
    """Phrases from (step, token) pairs."""
    tokens = np.zeros((len(phrases), 32), np.int8)
    for row, events in zip(tokens, phrases, strict=True):
        for step, token in events:
            row[step] = token
    return tokens


def test_a_loop_begins_with_a_note_after_the_longest_breath():
    tokens = ring([(0, 50), (30, 51)], [(0, 52), (20, 53)], [(0, 54), (28, 55)])
    np.testing.assert_array_equal(close(tokens), tokens[[2, 0, 1]])
    tokens[1, 4:] = 0
    tokens = np.insert(tokens, 2, 0, axis=0)  # and then nothing for a phrase: that is no breath
    np.testing.assert_array_equal(close(tokens), tokens[[0, 1, 2, 3]])


def test_a_loop_that_begins_in_silence_is_left_alone():
    """A hold at the start is silence where nothing sounds at the end: no note is made up."""
    for begins in (0, 1):
        tokens = ring([(0, begins), (8, 50), (16, 1)])
        assert Melody.from_phrases(close(tokens)).notes.start.tolist() == [8]


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
    pieces = list(islice(stream(composer.model, composer.draw({"steps": 2}), 7, 90), 60))
    assert pieces == list(islice(stream(composer.model, composer.draw({"steps": 2}), 7, 90), 60))
    assert {p.qpm for p in pieces} == {90}
    events = np.concatenate([p.events for p in pieces])
    begins = composer.compose(7, steps=2).events
    notes = Melody.from_tokens(events[: begins.size]).notes
    np.testing.assert_array_equal(notes.start, Melody(begins).notes.start)
    assert pieces != list(islice(stream(composer.model, composer.draw({"steps": 2}), 8, 90), 60))


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
    assert next(pieces).events.size == 2 * BAR_STEPS
