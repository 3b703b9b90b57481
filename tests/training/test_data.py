"""Phrases as a decoder learns them: in their places, and transposed with all that is said of others."""

import numpy as np
import pytest
import torch

from cantilena.music.melody import MIN_PITCH, transpose
from cantilena.training.data import SHIFTS, Phrases
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
    rows = np.arange(200)
    given = phrases.take(rows, np.full(200, shift))
    np.testing.assert_array_equal(given.tokens, transpose(phrases.tokens[rows], shift))
    np.testing.assert_array_equal(given.before[:, :3], transpose(phrases.before[rows, :3], shift))
    np.testing.assert_array_equal(given.before[:, 3], phrases.before[rows, 3])
    np.testing.assert_array_equal(given.around, np.roll(phrases.around[rows], shift, axis=1))
    notes = given.tokens[100][given.tokens[100] > 1]
    assert set(((notes + MIN_PITCH - 2) % 12).tolist()) == {
        int(k + shift) % 12 for k in (phrases.tokens[100][phrases.tokens[100] > 1] + MIN_PITCH - 2)
    }


def test_a_tenth_is_told_nothing_of_other_phrases(phrases):
    given = phrases.take(np.resize(np.arange(len(phrases.tokens)), 20_000), np.zeros(20_000, np.int64))
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
    chance = np.diff(phrases.sampler(), prepend=0)
    np.testing.assert_allclose(chance / chance[0], phrases.weight / phrases.weight[0], rtol=1e-6)
    assert phrases.sampler()[-1] == pytest.approx(1)
