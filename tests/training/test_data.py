"""Phrases as a decoder learns them: in their places, and transposed with all that is said of others."""

import numpy as np
import pytest
import torch

from cantilena.music.melody import MIN_PITCH, transpose
from cantilena.training.data import SHIFTS, Phrases, shift_pitches
from cantilena.training.networks import LABEL_SIZES
from cantilena.writing import START, UNKNOWN, context, pitch_classes


@pytest.fixture(scope="module")
def phrases(corpus):
    return Phrases.of(corpus, "train")


def test_each_phrase_is_told_of_its_own_melody_alone(corpus, phrases):
    tokens, melody = corpus.phrases_in_order("train")
    np.testing.assert_array_equal(phrases.tokens, tokens)
    for m in np.unique(melody)[:5]:
        mine = np.flatnonzero(melody == m)
        first = np.arange(mine.size) == 0
        np.testing.assert_array_equal(phrases.before[mine], context(tokens[mine], first))
        np.testing.assert_array_equal(phrases.around[mine], pitch_classes(tokens[mine], first))
        assert (phrases.before[mine[0]] == 0).all()  # silence came before it
    assert (phrases.labels[:, 3] == LABEL_SIZES[3]).all()


@pytest.mark.parametrize("shift", [SHIFTS[0], 0, 3, SHIFTS[-1]])
def test_a_phrase_is_transposed_with_all_that_is_said_of_others(phrases, shift):
    rows = torch.arange(200)
    given = phrases.take(rows, torch.full((200,), shift))
    tokens, before = phrases.tokens[rows].numpy(), phrases.before[rows].numpy()
    np.testing.assert_array_equal(given.tokens, transpose(tokens, shift))
    np.testing.assert_array_equal(given.before[:, :3], transpose(before[:, :3], shift))
    np.testing.assert_array_equal(given.before[:, 3], before[:, 3])
    np.testing.assert_array_equal(given.around, phrases.around[rows].roll(shift, dims=1))
    notes = given.tokens[100][given.tokens[100] > 1]
    assert set(((notes + MIN_PITCH - 2) % 12).tolist()) == {
        int(k + shift) % 12 for k in (phrases.tokens[100][phrases.tokens[100] > 1] + MIN_PITCH - 2)
    }


def test_a_tenth_is_told_nothing_of_other_phrases(phrases):
    given = phrases.take(torch.arange(20_000) % len(phrases.tokens), torch.zeros(20_000, dtype=torch.int64))
    less = given.less_told(torch.Generator().manual_seed(0))
    assert torch.equal(less.tokens, given.tokens)
    silent = (less.before == torch.tensor(UNKNOWN)).all(1)
    assert silent.float().mean() == pytest.approx(0.1, abs=0.01)
    assert (less.around[silent] == 0).all()
    assert torch.equal(less.before[~silent], given.before[~silent])
    assert torch.equal(less.around[~silent], given.around[~silent])
    assert not (given.before[:, :3] == START).any()


def test_common_phrases_count_but_no_more_than_the_root_of_how_often_they_occur(phrases):
    some = phrases.tokens[0]
    same = (phrases.tokens == some).all(1)
    np.testing.assert_allclose(phrases.weight[same], same.sum() ** -0.5, rtol=1e-6)
    drawn = phrases.draw(20_000, torch.Generator().manual_seed(0))
    share = float(phrases.weight[same].sum() / phrases.weight.sum())
    pitches = [transpose(some.numpy(), shift) for shift in SHIFTS]
    seen = sum((drawn.tokens == torch.from_numpy(p)).all(1) for p in {p.tobytes(): p for p in pitches}.values())
    assert float((seen > 0).double().mean()) == pytest.approx(share, abs=0.005)


def test_a_note_that_would_leave_the_range_is_moved_by_an_octave_less():
    tokens = torch.tensor([[89, 80, 1], [2, 10, 0]], dtype=torch.int8)
    moved = shift_pitches(tokens, torch.tensor([3, -2]))
    assert moved.tolist() == [[80, 71, 1], [12, 20, 0]]
