"""A song: what comes again is the same, nothing lies low or drones, it ends at home; of any length, by its seed."""

from functools import partial

import numpy as np
import pytest

from cantilena.composer import Composer, load
from cantilena.edits.song_form import Part, layout, span_quality
from cantilena.music.melody import REST, Melody
from cantilena.music.metre import COMMON
from cantilena.music.tune_score import tune_score


@pytest.fixture(scope="module")
def pop_64() -> Composer:
    return load("pop-64")


@pytest.fixture(scope="module")
def songs(pop_64: Composer) -> list[Melody]:
    return [pop_64.compose(seed=seed).melody for seed in range(60, 66)]


def events(melody: Melody, first: int, last: int) -> np.ndarray:
    """Onsets of bars, from 0: what rings over a joint may differ."""
    part = melody.events[first * COMMON.bar_steps : last * COMMON.bar_steps]
    return np.where(part > REST, part, 0)


def test_the_parts_of_a_song_come_again(songs):
    for song in songs:
        a = events(song, 0, 8)
        for first in (16, 48):
            np.testing.assert_array_equal(events(song, first, first + 8), a)
        for first in (8, 24, 56):  # the same opening, another ending
            np.testing.assert_array_equal(events(song, first, first + 4), a[: 4 * COMMON.bar_steps])
        assert not np.array_equal(events(song, 32, 40), a)


def test_a_song_is_a_tune_in_a_singable_register_that_ends_at_home(songs):
    for song in songs:
        start, end, pitch = song.notes
        assert song.bars == 64
        assert 55 <= np.median(pitch) <= 80
        assert tune_score(song) > 0
        runs = np.diff(np.flatnonzero(np.concatenate([[True], np.diff(pitch) != 0, [True]])))
        assert runs.max() <= 12
        assert end[-1] == song.events.size
        assert end[-1] - start[-1] >= 8


def test_a_seed_is_one_song_alone_or_among_others(pop_64: Composer, songs):
    assert [result.melody for result in pop_64.compose_many([61, 64])] == [songs[1], songs[4]]
    assert songs[0] != songs[1]


@pytest.mark.parametrize("bars", [8, 11, 12, 16, 24, 32, 40, 63, 80, 100])
def test_songs_of_any_length(pop_64: Composer, bars):
    song = pop_64.compose(seed=3, bars=bars).melody
    assert song.bars == bars
    assert song.notes.end[-1] == song.events.size
    size = 8 if bars >= 32 else 4
    if bars >= 2 * size:
        half = size // 2
        again = {11: 8, 12: 8, 24: 16}.get(bars, size)
        np.testing.assert_array_equal(events(song, again, again + half), events(song, 0, half))


def test_what_else_shapes_a_melody_leaves_no_room_for_a_form(pop_64: Composer):
    one = pop_64.compose(seed=3, plain=True).melody
    assert one != pop_64.compose(seed=3).melody
    for asked in ({"voice": "bass"}, {"voice": "any"}, {"bars": 6}, {"loop": True, "bars": 8}):
        drawn, plain = (pop_64.compose(seed=3, **asked, plain=p).melody for p in (False, True))
        assert drawn == plain


def test_a_receipt_holds_what_a_song_was_made_with(pop_64: Composer):
    receipt = pop_64.compose(seed=3, bars=16).receipt
    assert (receipt.request.guidance, receipt.request.plain) == (3.0, False)
    assert pop_64.compose(seed=3, bars=16, plain=True).receipt.request.guidance == 1.0


def test_forms():
    for parts in range(1, 80):
        form = layout(parts)
        assert len(form) == parts
        assert form[0] == Part("a", 0)
        if parts > 1:
            assert form[-1] == Part("a", 1)
    assert {part.letter for part in layout(20)} == {"a", "b", "c"}


def test_quality_sees_what_spoils_a_theme():
    good = Melody.from_notes(
        [0, 4, 8, 10, 12, 16, 20, 24, 32, 36, 40, 42, 44, 48], [4, 8, 10, 12, 16, 20, 24, 32, 36, 40, 42, 44, 48, 56],
        [60, 62, 64, 65, 67, 65, 64, 62, 64, 65, 67, 69, 67, 60], bars=4,
    )  # fmt: skip
    drone = Melody.from_notes(*good.notes[:2], [60] * 14, bars=4)
    zigzag = Melody.from_notes(*good.notes[:2], np.resize([60, 72], 14), bars=4)
    few = Melody.from_notes([0, 16], [8, 24], [60, 64], bars=4)
    worst = partial(max, key=span_quality)
    assert worst([drone, zigzag, few, good]) is good
    assert span_quality(few) < span_quality(zigzag)
