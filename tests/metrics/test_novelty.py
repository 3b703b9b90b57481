"""Novelty: the index agrees with a slow search through every pair of notes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cantilena.metrics import novelty
from cantilena.metrics.novelty import NoveltyIndex, novelty_table
from cantilena.metrics.pieces import Pieces
from cantilena.music.melody import Melody, is_silent
from cantilena.music.midi import to_midi
from melodies import random_melody


def slow_run(melody: Melody, known: list[Melody]) -> int:
    """The longest run of notes, by trying every pair of first notes."""
    best = 0
    start, _, pitch = (column.tolist() for column in melody.notes)
    for other in known:
        start_, _, pitch_ = (column.tolist() for column in other.notes)
        for i in range(len(start)):
            for j in range(len(start_)):
                k = 1
                while (
                    i + k < len(start)
                    and j + k < len(start_)
                    and pitch[i + k] - pitch[i + k - 1] == pitch_[j + k] - pitch_[j + k - 1]
                    and start[i + k] - start[i + k - 1] == start_[j + k] - start_[j + k - 1]
                ):
                    k += 1
                best = max(best, k)
    return best


def slow_share(melody: Melody, known: list[Melody], transposed: bool) -> float:
    def words(m: Melody) -> list[tuple[int, ...]]:
        rows = [row.tolist() for row in m.phrases()[: m.bars // 2] if row.max() > 1]
        if transposed:
            rows = [[t - next(u for u in row if u > 1) + 1000 if t > 1 else t for t in row] for row in rows]
        return [tuple(row) for row in rows]

    there = {word for m in known for word in words(m)}
    mine = words(melody)
    return sum(word in there for word in mine) / len(mine) if mine else 0.0


# few pitches, few lengths and long holds, so that runs repeat, overlap themselves and cross bar lines
tokens = st.lists(st.sampled_from([0, 0, 0, 1, 40, 41, 42]), min_size=32, max_size=32)
tunes = st.lists(
    st.sampled_from([[0] * 32, [41, 0] * 16, [41] * 32, [40, 0, 42, 0, 0, 1, 0, 0] * 4]) | tokens,
    min_size=1,
    max_size=5,
).map(lambda phrases: Melody.from_tokens(np.concatenate(phrases)))


@given(st.lists(tunes, max_size=4), st.lists(tunes, max_size=4))
def test_the_index_agrees_with_the_slow_search(asked, known):
    index = NoveltyIndex.of([m.events for m in known])
    events = [m.events for m in asked]
    assert index.longest_runs(events).tolist() == [slow_run(m, known) for m in asked]
    for transposed in (False, True):
        expected = [slow_share(m, known, transposed) for m in asked]
        assert index.share_found(events, transposed=transposed).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("table", [0, 1 << 24])
def test_in_blocks_and_without_tables_it_is_the_same(monkeypatch, table):
    known, asked = ([random_melody(s, bars) for s in seeds] for seeds, bars in ((range(3), 40), (range(3, 7), 12)))
    asked.append(known[1].slice(3, 20))
    monkeypatch.setattr(novelty, "_BLOCK", 7)
    monkeypatch.setattr(novelty, "_TABLE", table)
    longest = NoveltyIndex.of([m.events for m in known]).longest_runs([m.events for m in asked])
    assert longest.tolist() == [slow_run(m, known) for m in asked]


@pytest.mark.parametrize("seed", range(5))
def test_few_moves_in_every_order(seed):
    """Onset differences and octaves out of a handful, so that only their order tells runs apart."""
    random = np.random.default_rng(seed)

    def tune():
        start = np.cumsum(random.integers(1, 3, 20))
        return Melody.from_notes(start, start + 1, random.choice([48, 60, 72], 20), bars=3)

    known, asked = [tune() for _ in range(2)], [tune() for _ in range(12)]
    longest = NoveltyIndex.of([m.events for m in known]).longest_runs([m.events for m in asked])
    assert longest.tolist() == [slow_run(m, known) for m in asked]


@pytest.mark.parametrize("notes", [2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 60])
def test_a_planted_run_is_found_to_the_note(notes):
    """A copy of the first notes among others whose onset differences do not occur."""
    random = np.random.default_rng(notes)
    start = np.cumsum(random.integers(1, 9, 64)) + random.integers(0, 9)
    pitch = random.integers(60, 80, 64)
    known = Melody.from_notes(start, start + 1, pitch)
    other = np.cumsum(random.integers(20, 29, 80))  # onset differences that `known` has not
    other[10 : 10 + notes] = other[10] + start[:notes] - start[0]
    other[10 + notes :] += start[notes - 1]
    high = random.integers(60, 80, 80)
    high[10 : 10 + notes] = pitch[:notes] + 7
    asked = Melody.from_notes(other, other + 1, high)
    assert NoveltyIndex.of([known.events]).longest_runs([asked.events]).tolist() == [notes]


def test_what_a_run_is():
    def tune(start, pitch, length=1):
        return Melody.from_notes(start, np.array(start) + length, pitch, bars=2).events

    index = NoveltyIndex.of([tune([0, 2, 4, 8], [60, 62, 64, 65]), tune([0, 4, 6], [60, 64, 72])])
    asked = [
        tune([0, 2, 4, 8], [60, 62, 64, 65]),
        tune([0, 2, 4, 8], [60, 62, 64, 65], length=2),  # held longer
        tune([5, 7, 9, 13], [70, 72, 74, 75]),  # elsewhere, transposed
        tune([0, 2, 4, 7], [60, 62, 64, 65]),  # another rhythm at the end
        tune([0, 2, 4, 8], [60, 62, 64, 66]),  # another last pitch
        tune([0, 2, 4, 8, 12, 14], [60, 62, 64, 65, 69, 77]),  # both tunes: no run crosses from one to the other
        tune([3], [50]),
        np.zeros(32, np.int8),
    ]
    assert index.longest_runs(asked).tolist() == [4, 4, 4, 3, 3, 4, 1, 0]
    # nor does it cross from one of the melodies asked about to the next
    assert index.longest_runs([tune([0, 2], [60, 62]), tune([2, 6], [64, 65])]).tolist() == [2, 2]
    assert index.longest_runs([]).tolist() == []
    down, up = tune([0, 2], [108, 21]), tune([0, 1], [21, 108])
    assert NoveltyIndex.of([down]).longest_runs([up, down]).tolist() == [1, 2]
    assert NoveltyIndex.of([]).longest_runs(asked).tolist() == [0] * 8


def test_silence_and_held_notes_are_no_copies():
    long = Melody.from_notes([0, 96], [80, 100], [60, 62], bars=8)  # phrases: note, held, held and silence, note
    assert is_silent(long.phrases()).tolist() == [False, False, False, False]
    events = np.concatenate([long.events, np.zeros(64, np.int8)])
    alike = Melody.from_notes([0, 96], [80, 104], [60, 62], bars=12)  # the last note longer
    index = NoveltyIndex.of([events])
    assert len(index.phrases) == 2
    assert index.share_found([alike.events, np.zeros(96, np.int8)]).tolist() == [0.5, 0.0]


def test_a_corpus_gives_the_index_of_its_melodies(corpus):
    built = NoveltyIndex.build(corpus, "train")
    made = NoveltyIndex.of([corpus.events(i) for i in corpus.indices("train")])
    np.testing.assert_array_equal(built.moves, made.moves)
    assert built.phrases == made.phrases
    assert built.shapes == made.shapes
    read = NoveltyIndex.read(f"{corpus.directory}:train")
    assert read.phrases == built.phrases
    assert read.moves.size == built.moves.size
    train = [corpus.melody(i) for i in corpus.indices("train")]
    window = train[0].slice(3, 66)
    pieces = Pieces.of([window.events, window.transpose(2).events])
    whole = window.notes.start.size
    assert built.longest_runs(pieces.events).tolist() == [whole, whole]
    table = novelty_table(pieces, built)
    assert table["longest_median"] == table["longest_95"] == whole
    assert table["share_found"] < 0.7 < 0.99 < table["share_found_transposed"] <= 1


def test_a_folder_is_read_whole(tmp_path):
    tune = random_melody(0, 100)
    (tmp_path / "long.mid").write_bytes(to_midi(tune))
    assert NoveltyIndex.read(tmp_path).longest_runs([tune.events]).tolist() == [tune.notes.start.size]


def test_the_table_is_median_percentile_and_means():
    known = [random_melody(0, 30)]
    asked = [random_melody(s, 10) for s in range(5)] + [known[0].slice(1, 10)]
    events = [m.events for m in asked]
    index = NoveltyIndex.of([known[0].events])
    longest = sorted(slow_run(m, known) for m in asked)
    table = novelty_table(Pieces.of(events), index)
    assert table["longest_median"] == (longest[2] + longest[3]) / 2
    assert table["longest_95"] == pytest.approx(longest[4] + 0.75 * (longest[5] - longest[4]))
    assert table["share_found"] == pytest.approx(sum(slow_share(m, known, False) for m in asked) / 6)
