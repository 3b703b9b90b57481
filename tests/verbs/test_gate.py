"""What the gate lets pass, and what is drawn again."""

import numpy as np
import pytest

from cantilena.composer import load
from cantilena.music.melody import Melody
from cantilena.rules import Density, Rules
from cantilena.verbs import compose as composing
from cantilena.verbs import edit as editing
from cantilena.verbs.gate import Drawn, broken, first_fit, hardly_there, thinned, unfit, unlike
from melodies import random_melody


def quarters(pitches, bars=None):
    start = 4 * np.arange(len(pitches))
    return Melody.from_notes(start, start + 4, pitches, bars=bars)


def test_the_first_draw_that_passes_is_taken_and_its_number_told():
    seen = []

    def draw(seed):
        seen.append(seed)
        return len(seen)

    assert first_fit(draw, lambda drawn: drawn < 3, 7) == Drawn(3, 3)
    assert seen[0] == 7
    assert len(set(seen)) == 3
    assert first_fit(lambda seed: seed, lambda drawn: drawn != 7, 7, first=7) == Drawn(7, 1)


def test_where_none_passes_the_one_that_fails_least_is_taken():
    faults = iter([3.0, 1.0, 2.0])
    assert first_fit(lambda seed: next(faults), lambda drawn: drawn, 7, tries=3) == Drawn(1.0, 2)


def test_where_all_are_as_good_as_nothing_there_are_twice_as_many_tries():
    def found(empty):
        missing = iter([0.9, 0.8, 0.9, 0.7, 0.1, 0.0])
        return first_fit(lambda seed: next(missing), float, 7, tries=3, nothing=lambda drawn: drawn > empty)

    assert [found(empty) for empty in (0.85, 0.75, 0.1)] == [Drawn(0.8, 2), Drawn(0.7, 4), Drawn(0.1, 5)]


def test_new_bars_that_are_hardly_there():
    near = quarters([60, 62, 64, 65] * 4)
    assert hardly_there(quarters([60, 62], bars=2), near)
    assert not hardly_there(quarters([60, 62, 64], bars=2), near)
    assert not hardly_there(quarters([60, 62], bars=2), near, Rules([Density("1")]))
    assert not hardly_there(Melody(np.zeros(32, np.int8)), Melody(np.zeros(64, np.int8)))


def test_what_is_no_melody():
    assert unfit(random_melody(1, 8)) == 0
    assert unfit(Melody(np.zeros(64, np.int8))) > 0  # silence
    assert unfit(quarters([33] * 256)) > 0  # one note
    assert unfit(quarters([60, 62] + [64] * 62)) > 0  # and nearly so
    assert unfit(quarters([60, 62, 64, 65] * 8, bars=32)) > 0  # a hole of most of it
    assert unfit(quarters([60, 62, 64, 65] * 8, bars=14)) == 0


def test_new_bars_are_as_dense_as_those_near_them_and_have_no_other_hole():
    near, dense = random_melody(1, 32), quarters([60, 62, 64, 65] * 16)
    assert unlike(random_melody(2, 16), near) == 0
    assert unlike(Melody(np.zeros(256, np.int8)), near) > 0
    assert unlike(quarters([60, 64, 67, 72] * 4, bars=16), dense) > 0
    assert unlike(Melody(np.zeros(256, np.int8)), Melody(np.zeros(256, np.int8))) == 0  # a song without a note
    few = Melody.from_notes(np.arange(0, 256, 16), np.arange(4, 260, 16), [60, 62] * 8)
    assert unlike(few, dense) > 0
    assert unlike(few, dense, Rules([Density("1")])) == 0  # it is asked for


def test_a_variation_has_about_as_many_notes():
    song = random_melody(1, 16)
    assert thinned(song, song) == 0
    assert thinned(quarters([60], bars=16), song) > 0.5


def test_a_rule_is_kept_in_half_of_the_bars():
    rules = Rules([Density("4")])
    assert broken(rules, quarters([60, 62, 64, 65], bars=2)) == 0
    assert broken(rules, quarters([60, 62, 64, 65], bars=3)) == pytest.approx(2 / 3)
    assert broken(None, quarters([60])) == 0


@pytest.fixture(scope="module")
def composer(toy_model):
    return load(toy_model)


def test_a_degenerate_draw_is_drawn_again_and_the_receipt_says_so(composer, monkeypatch):
    """One that the gate refuses gives way to a draw of the same seed's; alone and among others; again, the same."""
    monkeypatch.setattr(composing, "unfit", lambda melody: 0.0)
    refused = composer.compose(seed=1, bars=8, plain=True).melody
    monkeypatch.setattr(composing, "unfit", lambda melody: float(melody == refused))
    one = composer.compose(seed=1, bars=8, plain=True)
    assert (one.receipt.draw, one.receipt.request.seed) == (2, 1)
    assert "draw 2" in one.receipt.table()
    assert one.melody != refused
    assert composer(one.receipt.request) == one
    both = composer.compose_many([1, 2], one.receipt.request)
    assert both[0] == one


def test_new_bars_are_drawn_again_and_what_is_held_stays(composer, monkeypatch):
    song = random_melody(3, 16)
    monkeypatch.setattr(editing, "unlike", lambda new, near, rules: 0.0)
    refused = composer.infill(song, [(5, 8)], seed=1).melody
    monkeypatch.setattr(editing, "unlike", lambda new, near, rules: float(new == refused.slice(5, 8)))
    one = composer.infill(song, [(5, 8)], seed=1)
    assert one.receipt.draw == 2
    assert one.melody != refused
    assert (one.melody.slice(1, 4), one.melody.slice(9, 16)) == (song.slice(1, 4), song.slice(9, 16))
    assert composer(one.receipt.request) == one
