"""When two melodies are one tune: keys, 4-bar contents against a slow plain version, and song groups."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from midi_files import Note, spliced, tune

from cantilena.corpus.tunes import SPLITS, contents, song_groups, split_of, tune_key
from cantilena.music.melody import Melody

Content = frozenset[tuple[int, int | None]]


def melody(notes: list[Note]) -> Melody:
    return Melody.from_notes(*zip(*notes, strict=True))


def plain_contents(tune: Melody) -> set[Content]:
    """What the text says, note by note: (onset, interval to the next note in the window) of each 4 bars."""
    start, _, pitch = (a.tolist() for a in tune.notes)
    out: set[Content] = set()
    for bar in range(tune.bars - 3):
        inside = [i for i, s in enumerate(start) if bar * 16 <= s < (bar + 4) * 16]
        intervals = [pitch[j] - pitch[i] for i, j in pairwise(inside)]
        if len(inside) >= 8 and len({i % 64 for i in intervals}) >= 4:
            out.add(frozenset(zip((start[i] - bar * 16 for i in inside), [*intervals, None], strict=True)))
    return out


@st.composite
def melodies(draw: st.DrawFn) -> Melody:
    """Tunes that repeat themselves: few rhythms and pitches, some bars twice, some empty."""
    bar = st.lists(
        st.tuples(st.sampled_from([0, 2, 4, 8, 12, 15]), st.sampled_from([40, 60, 62, 64, 67, 100])), max_size=5
    )
    bars = draw(st.lists(bar, min_size=1, max_size=4))
    order = draw(st.lists(st.integers(0, len(bars) - 1), min_size=1, max_size=14))
    onsets = {16 * k + at: pitch for k, which in enumerate(order) for at, pitch in bars[which]}
    start = sorted(onsets)
    return Melody.from_notes(start, [s + 1 for s in start], [onsets[s] for s in start], bars=len(order))


@given(melodies(), melodies())
def test_contents_are_those_of_the_plain_version(a: Melody, b: Melody) -> None:
    slow_a, slow_b = plain_contents(a), plain_contents(b)
    fast_a, fast_b = contents(a), contents(b)
    assert fast_a.dtype == np.uint64
    assert (fast_a.size, fast_b.size) == (len(slow_a), len(slow_b))
    assert np.intersect1d(fast_a, fast_b).size == len(slow_a & slow_b)


@pytest.mark.parametrize("seed", range(8))
def test_contents_of_whole_tunes(seed: int) -> None:
    one, other = tune(seed, 24), tune(seed + 100, 24)
    mixed = melody(spliced(one, other, 160))
    assert contents(mixed).size == len(plain_contents(mixed)) > 10
    shared = np.intersect1d(contents(mixed), contents(melody(one))).size
    assert shared == len(plain_contents(mixed) & plain_contents(melody(one))) > 0


def test_the_last_note_of_a_window_counts() -> None:
    notes: list[Note] = [(6 * i, 6 * i + 1, 60 + (i * i) % 7) for i in range(9)]
    (one,), (other,) = contents(melody(notes)), contents(melody([*notes[:-1], (50, 51, notes[-1][2])]))
    assert one != other


def test_contents_and_key_ignore_transposition_and_lengths_but_not_notes() -> None:
    notes = tune(5, 20)
    staccato = [(s, s + 1, p + 3) for s, _, p in notes]
    changed = [*notes[:-1], (notes[-1][0], notes[-1][1], notes[-1][2] + 1)]
    assert np.array_equal(contents(melody(staccato)), contents(melody(notes)))
    assert tune_key(melody(staccato)) == tune_key(melody(notes))
    assert tune_key(melody(changed)) != tune_key(melody(notes))
    assert len(tune_key(melody(notes))) == 16


def grouped(tunes: list[tuple[int, list[Note]]]) -> list[int]:
    made = [melody(notes) for _, notes in tunes]
    files = np.array([file for file, _ in tunes])
    return song_groups(files, [tune_key(m) for m in made], [contents(m) for m in made]).tolist()


def test_melodies_of_one_file_are_one_group() -> None:
    assert grouped([(0, tune(0)), (1, tune(1)), (0, tune(2))]) == [0, 1, 0]


def test_covers_are_one_group_and_strangers_are_not() -> None:
    cover = [(s, s + 1, p + 5) for s, _, p in tune(0)]
    assert grouped([(0, tune(0)), (1, tune(1)), (2, cover)]) == [0, 1, 0]


def test_a_quarter_of_the_shorter_makes_one_tune() -> None:
    one, other = tune(0, 20), tune(1, 20)  # 17 contents each
    five = spliced(one, other, 8 * 16)  # the first five windows are shared
    assert grouped([(0, one), (1, five)]) == [0, 0]
    three = spliced(one, tune(1, 12), 6 * 16)
    assert grouped([(0, one), (1, three)]) == [0, 1], "3 shared contents are too few, even of 9"
    long, longer = tune(2, 60), tune(3, 60)
    part = spliced(long, longer, 12 * 16)
    assert grouped([(0, long), (1, part)]) == [0, 1], "9 of 57 are less than a quarter"


def test_what_more_than_ten_files_share_says_nothing() -> None:
    intro = tune(0, 10)
    strangers = [(k, spliced(intro, tune(k + 1, 24), 160)) for k in range(11)]
    assert grouped(strangers) == list(range(11))
    assert grouped(strangers[:10]) == [0] * 10
    twice = [*strangers[:10], (9, tune(50, 20)), (9, strangers[3][1])]  # files count, not melodies
    assert set(grouped(twice)) == {0}


def test_the_same_whole_tune_is_one_group_in_however_many_files() -> None:
    assert grouped([(k, tune(0)) for k in range(15)]) == [0] * 15


def test_groups_chain_and_are_named_by_their_first_melody() -> None:
    a, b, c = tune(0, 20), tune(1, 20), tune(2, 20)
    ab = spliced(a, b, 160)
    bc = spliced(b, c, 160)
    whole_b = b
    assert grouped([(0, tune(9)), (1, bc), (2, ab), (3, whole_b)]) == [0, 1, 1, 1]


def test_the_partition_does_not_depend_on_the_order() -> None:
    draw = np.random.default_rng(0)
    tunes = [(k % 9, [(s, e, p + k % 3) for s, e, p in tune(k % 7, 20)]) for k in range(20)]
    expected = {frozenset(np.flatnonzero(np.array(grouped(tunes)) == g).tolist()) for g in set(grouped(tunes))}
    for _ in range(5):
        order = draw.permutation(len(tunes))
        got = np.array(grouped([tunes[i] for i in order]))
        assert {frozenset(order[got == g].tolist()) for g in set(got.tolist())} == expected


def test_no_melodies_no_groups() -> None:
    assert song_groups(np.zeros(0, np.int64), [], []).size == 0


def test_splits_are_94_2_4_and_depend_on_the_name_alone() -> None:
    names = [k.to_bytes(16, "big") for k in range(20_000)]
    share = Counter(map(split_of, names))
    assert [share[s] / len(names) for s in SPLITS] == pytest.approx([0.94, 0.02, 0.04], abs=0.005)
    assert split_of(names[7]) == split_of(names[7])
