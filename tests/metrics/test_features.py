import json
from statistics import fmean

import numpy as np
import pytest

from cantilena.metrics.features import FEATURES, _phrases, features, intervals, music_table, wasserstein
from cantilena.metrics.pieces import Pieces
from cantilena.music.melody import Melody
from golden.make_golden import GOLDEN
from golden.make_golden import wasserstein as slow_wasserstein
from melodies import random_melody


def golden_pieces(side: str) -> Pieces:
    rows = json.loads(GOLDEN.read_text("utf-8"))["inputs"][side]
    made = [Melody.from_notes(*np.reshape(r["notes"], (-1, 3)).T, bars=r["bars"]) for r in rows]
    return Pieces.of([melody.events for melody in made], name=side)


def of_one(melody: Melody) -> dict[str, float | np.ndarray]:
    return {name: feature(melody.events[None])[0] for name, feature in FEATURES.items() if name != "intervals"}


def bars_of(pitches: list[list[int]]) -> Melody:
    """Each row a bar of quarters."""
    pitch = np.array(pitches).ravel()
    start = 4 * np.arange(pitch.size)
    return Melody.from_notes(start, start + 4, pitch)


def test_every_feature_is_that_of_the_slow_implementation():
    found = features(golden_pieces("generated"))
    expected = json.loads(GOLDEN.read_text("utf-8"))["figures"]["features"]
    assert found.keys() == FEATURES.keys() == expected[0].keys()
    for name, values in found.items():
        slow = [piece[name] for piece in expected]
        if name == "self_similarity":
            longest = max(len(row) for row in slow)
            slow = [row + [np.nan] * (longest - len(row)) for row in slow]
        if name == "intervals":
            values, slow = np.sort(values), sorted(v for row in slow for v in row)  # pooled in any order
        np.testing.assert_allclose(values, slow, rtol=0, atol=1e-9, err_msg=name)


def test_the_table_is_that_of_the_slow_implementation():
    expected = json.loads(GOLDEN.read_text("utf-8"))["figures"]["music"]
    generated, reference = golden_pieces("generated"), golden_pieces("reference")
    found = music_table(generated, reference)
    assert found.keys() == expected.keys() == FEATURES.keys()
    for name, row in expected.items():
        assert found[name] == pytest.approx(row, abs=1e-9), name
    assert music_table(features(generated), features(reference)) == found


def test_a_set_is_at_distance_zero_from_itself_and_its_shuffle():
    events = [random_melody(seed, bars=16).events for seed in range(8)]
    table = music_table(Pieces.of(events), Pieces.of(events[::-1]))
    assert all(row["distance"] == 0 and row["mean"] == row["reference"] for row in table.values())


def test_what_each_feature_says_of_a_scale_that_loops():
    scale = of_one(bars_of(4 * [[60, 62, 64, 65], [67, 69, 71, 72]]))
    assert scale["pitch_range"] == 12
    assert scale["notes_a_bar"] == 4
    assert scale["rests"] == 0
    assert scale["pitch_class_entropy"] == pytest.approx(0.25 * 2 + 0.75 * 3)  # C twice in eight, six others once
    assert scale["scale_consistency"] == scale["groove_consistency"] == 1
    assert scale["self_similarity"] == pytest.approx([1, 1, 1])
    assert scale["repeated_phrases"] == scale["transposed_phrases"] == 0.75


def test_transposing_repeats_is_seen_by_one_feature_only():
    rising = of_one(bars_of([[60 + s, 64 + s, 62 + s, 60 + s] for s in (0, 0, 1, 1, 2, 2, 3, 3)]))
    assert rising["repeated_phrases"] == 0
    assert rising["transposed_phrases"] == 0.75
    assert rising["self_similarity"] == pytest.approx([0, 0, 0])


def test_a_phrase_of_another_piece_is_no_repeat():
    melody = bars_of([[p, p, p + 1, p] for p in range(50, 58)])
    twice = np.stack([melody.events, melody.events])
    for name in ("repeated_phrases", "transposed_phrases"):
        np.testing.assert_array_equal(FEATURES[name](twice), FEATURES[name](twice[:1]).repeat(2))


def test_scales_are_major_and_natural_minor():
    a_minor = bars_of([[57, 59, 60, 62], [64, 65, 67, 69]])
    harmonic = bars_of([[57, 59, 60, 62], [64, 65, 68, 69]])
    assert of_one(a_minor)["scale_consistency"] == 1
    assert of_one(harmonic)["scale_consistency"] == 7 / 8
    assert of_one(a_minor.transpose(5))["scale_consistency"] == 1


def test_groove_hears_onsets_alone():
    quarters = bars_of([[60, 62, 64, 65], [80, 30, 80, 30]])
    assert of_one(quarters)["groove_consistency"] == 1
    start = [0, 4, 8, 12, 18, 22, 26, 30]  # the second bar half a beat late: eight of sixteen steps differ
    late = Melody.from_notes(start, np.array(start) + 1, 8 * [60])
    assert of_one(late)["groove_consistency"] == 0.5


def test_rests_are_what_is_silent_not_what_is_held():
    held = Melody.from_notes([0, 40], [20, 64], [60, 62], bars=4)
    assert of_one(held)["rests"] == 20 / 64


def test_intervals_are_pooled_inside_pieces_and_end_at_two_octaves():
    events = np.stack([bars_of([[60, 60, 61, 60]]).events, bars_of([[40, 100, 88, 90]]).events])
    assert intervals(events).tolist() == [0, 1, 1, 24, 12, 2]


@pytest.mark.parametrize("bars", [6, 7])
def test_phrases_are_the_melodys_own(bars: int):
    many = [random_melody(seed, bars=bars) for seed in range(20)]
    many.append(Melody.from_notes([4], [70], [60], bars=bars))
    found = _phrases(np.stack([melody.events for melody in many]))
    for melody, phrases in zip(many, found, strict=True):
        np.testing.assert_array_equal(phrases, melody.phrases()[: bars // 2])


def test_a_piece_without_notes_has_figures_too():
    silence = of_one(Melody(np.zeros(96, np.int8)))
    assert [silence[name] for name in FEATURES if name not in ("self_similarity", "intervals")] == [
        0,
        0,
        1,
        0,
        0,
        1,
        0,
        0,
    ]
    assert not np.signbit(silence["pitch_class_entropy"])


def test_wasserstein_is_the_work_of_moving_one_to_the_other():
    random = np.random.default_rng(0)
    for n, m in ((1, 1), (1, 7), (12, 12), (15, 40)):
        a, b = random.integers(0, 9, n), random.normal(4, 3, m)  # with ties
        assert wasserstein(a, b) == pytest.approx(slow_wasserstein(a.tolist(), b.tolist()), abs=1e-12)
    assert wasserstein(a, a + 2.5) == pytest.approx(2.5)  # a shift costs what it is long
    assert wasserstein(a, 3 * a) == pytest.approx(fmean(2 * a))
    with pytest.raises(ValueError, match="samples are"):
        wasserstein([], [1.0])


def test_equal_means_are_not_equal_distributions():
    """Half the pieces all repeats, half none, against each half repeats: the mean is fooled, the distance is not."""
    loop, through = [[60, 62, 64, 65]], [[p, p, p + 1, p] for p in range(50, 66)]
    some = bars_of(8 * loop + through[:8])
    all_or_none = [bars_of(16 * loop), bars_of(through)]
    row = music_table(Pieces.of([m.events for m in all_or_none]), Pieces.of([some.events]))["repeated_phrases"]
    assert row["mean"] == pytest.approx(row["reference"], abs=0.07)
    assert row["distance"] > 0.4


def test_no_two_notes_are_refused_where_there_is_nothing_to_compare():
    silence, notes = Pieces.of(np.zeros((1, 96), np.int8)), Pieces.of([random_melody(0, bars=8).events])
    with pytest.raises(ValueError, match="intervals: nothing to compare; give one piece or more with two notes"):
        music_table(silence, notes)
