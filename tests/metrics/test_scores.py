import json
import time
from functools import cache
from typing import Any

import numpy as np
import pytest

from cantilena.metrics.pieces import Pieces
from cantilena.metrics.scores import Moments, Overlaps, consistency, moments, overlaps, scores, variance
from cantilena.music.melody import Melody
from golden.make_golden import GOLDEN, make
from melodies import random_melody


@cache
def golden() -> dict[str, Any]:
    return json.loads(GOLDEN.read_text("utf-8"))


def golden_pieces(side: str) -> Pieces:
    rows = golden()["inputs"][side]
    made = [Melody.from_notes(*np.reshape(r["notes"], (-1, 3)).T, bars=r["bars"]) for r in rows]
    return Pieces.of([melody.events for melody in made], name=side)


def same(found: Any, expected: Any) -> bool:
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[k], v) for k, v in expected.items())
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return abs(found - expected) < 1e-12


def spread(means: np.ndarray, noise: np.ndarray, groups: np.ndarray | None = None) -> Overlaps:
    """Overlaps of pieces with the given means; `noise` (n, pairs) around them."""
    rows = list(means[:, None] + noise)
    return Overlaps(rows, rows, np.arange(len(rows)) if groups is None else groups)


def test_the_golden_file_is_what_its_script_makes():
    assert same(make(), golden())


def test_overlaps_and_their_moments_are_those_of_the_slow_implementation():
    found = overlaps(golden_pieces("generated"))
    expected = golden()["figures"]["overlaps"]
    assert len(found.pitch) == len(expected) == 10  # of five different lengths
    for i, piece in enumerate(expected):
        np.testing.assert_allclose(found.pitch[i], piece["pitch"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(found.duration[i], piece["duration"], rtol=0, atol=1e-9)
    for side, kinds in golden()["figures"]["moments"].items():
        found = overlaps(golden_pieces(side)).moments
        for kind, three in kinds.items():
            np.testing.assert_allclose(found[kind], three, rtol=0, atol=1e-9)


def test_scores_are_those_of_the_slow_implementation_however_the_reference_comes():
    pieces, reference = golden_pieces("generated"), golden_pieces("reference")
    found = scores(pieces, reference, resamples=50)
    for kind, three in golden()["figures"]["scores"].items():
        values = [found[kind][name].value for name in ("C", "var_pieces", "var_pooled")]
        np.testing.assert_allclose(values, three, rtol=0, atol=1e-9)
    measured = overlaps(reference)
    assert found == scores(overlaps(pieces), measured, resamples=50)
    assert found == scores(pieces, measured.moments, resamples=50)


def test_the_scores_are_one_at_the_reference_and_fall_alike_on_both_sides_to_zero():
    for score in (consistency, variance):
        assert score(0.8, 0.8) == 1
        assert score(0.6, 0.8) == pytest.approx(0.75)
        assert score(1.0, 0.8) == pytest.approx(0.75)
        assert score(0.0, 0.8) == 0
        assert score(2.0, 0.8) == 0  # not below


def test_pieces_against_themselves_score_one_and_the_interval_says_so():
    random = np.random.default_rng(0)
    own = spread(random.uniform(0.6, 0.9, 300), random.normal(0, 0.05, (300, 5)))
    for estimate in scores(own, own)["pitch"].values():
        assert estimate.value == estimate.high == 1
        assert 0.8 < estimate.low < 1


def test_the_bootstrap_is_seeded_and_its_interval_holds_the_score():
    pieces, reference = golden_pieces("generated"), golden_pieces("reference")
    first = scores(pieces, reference, seed=3)
    assert first == scores(pieces, reference, seed=3)
    assert first != scores(pieces, reference, seed=4)
    once = scores(pieces, reference, resamples=1)  # a single draw hardly ever is the score itself
    assert all(e.low <= e.value <= e.high for found in (first, once) for kind in found.values() for e in kind.values())


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_intervals_cover_the_truth_about_95_times_in_100(shift: float):
    """Means N(.6, .1), noise N(0, .2): mu, var_pieces and var_pooled of the population are known."""
    truth = Moments(0.6, 0.1**2 + 0.2**2 / 4, 0.1**2 + 0.2**2)
    # shift 0: the truth is the best score, which an interval must be able to hold; .1: it is on the slope
    reference = Moments(*(t * (1 + 2 * shift) for t in truth))
    expected = [
        consistency(truth[0], reference[0]),
        *(variance(t, g) for t, g in zip(truth[1:], reference[1:], strict=True)),
    ]
    held = np.zeros(3)
    for trial in range(80):
        random = np.random.default_rng(trial)
        pitch, duration = (
            list(row) for row in random.normal(0.6, 0.1, (2, 150, 1)) + random.normal(0, 0.2, (2, 150, 4))
        )
        own = Overlaps(pitch, duration, np.arange(150))
        found = scores(own, {"pitch": reference, "duration": reference}, resamples=400, seed=1000 + trial)
        for three in found.values():
            held += [e.low <= t <= e.high for e, t in zip(three.values(), expected, strict=True)]
    assert (held >= 0.88 * 160).all()
    assert (held <= 0.985 * 160).all()


def test_resampling_songs_widens_the_interval_when_pieces_of_a_song_are_alike():
    """Ten equal pieces a song hold no more than one: the interval must be as wide as that of one a song."""
    random = np.random.default_rng(0)
    means, noise = random.normal(0.6, 0.1, 60), random.normal(0, 0.05, (60, 4))
    target = dict.fromkeys(("pitch", "duration"), Moments(0.9, 0.05, 0.05))
    once = scores(spread(means, noise), target)["pitch"]["C"]
    song = np.repeat(np.arange(60), 10)
    by_song = scores(spread(means[song], noise[song], 7 * song - 5), target)["pitch"]["C"]
    by_piece = scores(spread(means[song], noise[song]), target)["pitch"]["C"]
    assert by_song == pytest.approx(once)
    assert (once.high - once.low) / (by_piece.high - by_piece.low) == pytest.approx(np.sqrt(10), rel=0.15)


def test_songs_of_different_sizes_are_resampled_as_the_definition_says():
    """Against drawing songs, joining their pieces and measuring them, one draw after another."""
    random = np.random.default_rng(1)
    groups = np.repeat([4, 0, 9], [1, 3, 6])
    pitch = [random.uniform(0, 1, n) for n in (5, 3, 3, 7, 2, 2, 9, 1, 4, 31)]
    target = Moments(2.0, 1.0, 1.0)  # out of reach, so that scores are moments in disguise
    both = scores(
        Overlaps(pitch, [v / 2 for v in pitch], groups), {"pitch": target, "duration": target}, resamples=4000
    )
    found = both["pitch"]
    assert both["duration"]["C"] == pytest.approx(np.divide(found["C"], 2))
    slow = []
    for _ in range(1500):
        drawn = random.choice([0, 4, 9], 3)
        slow.append(moments([pitch[i] for song in drawn for i in np.flatnonzero(groups == song)]))
    low, high = np.percentile(slow, (2.5, 97.5), axis=0)
    for i, estimate in enumerate(found.values()):
        assert estimate.low == pytest.approx(low[i] / target[i], abs=0.02)
        assert estimate.high == pytest.approx(high[i] / target[i], abs=0.02)


def test_a_thousand_melodies_take_at_most_a_second():
    few = np.stack([random_melody(seed, bars=64).events for seed in range(40)])
    pieces = Pieces.of(np.tile(few, (25, 1)))
    begin = time.process_time()
    found = overlaps(pieces)
    middle = time.process_time()
    scores(found, found.moments)
    assert middle - begin < 1
    assert time.process_time() - middle < 0.5


def test_refusals():
    one = Overlaps([np.array([0.5, 0.5])], [np.array([0.5, 0.5])], np.array([0]))
    with pytest.raises(ValueError, match=r"above 0, not 0\.0: give more pieces"):
        scores(one, one)
    with pytest.raises(ValueError, match="no pieces to measure"):
        scores(Overlaps([], [], np.array([], np.int64)), one)
    with pytest.raises(ValueError, match="resamples must be 1 or more, not 0"):
        scores(one, one, resamples=0)
