"""Pieces in other metres than 4/4, and short ones: measured by their own bars, steps and phrases."""

from json import dumps

import numpy as np
import pytest

from cantilena.metrics.features import FEATURES, features
from cantilena.metrics.novelty import NoveltyIndex
from cantilena.metrics.pieces import Pieces, read_pieces
from cantilena.metrics.report import evaluate
from cantilena.metrics.scores import overlaps
from cantilena.music.melody import Melody
from cantilena.music.metre import Metre
from cantilena.music.midi import to_midi


def piece(metre: Metre, seed: int, bars: int, step: int = 1) -> Melody:
    """Notes of one to three `step`s, drawn by a seed."""
    random = np.random.default_rng(seed)
    edges = np.cumsum(random.integers(1, 4, bars * metre.bar_steps // step)) * step
    edges = np.append(0, edges[edges < bars * metre.bar_steps])
    pitch = random.integers(60, 72, edges.size)
    return Melody.from_notes(edges, np.append(edges[1:], bars * metre.bar_steps), pitch, metre=metre)


def pieces(*melodies: Melody) -> Pieces:
    return Pieces.of([m.events for m in melodies], metres=[m.metre for m in melodies])


def test_a_waltz_of_one_rhythm_is_even_and_of_one_bar_repeats():
    metre = Metre(3, 4)
    start = np.arange(0, 16 * 12, 4)
    walk = Melody.from_notes(start, start + 4, 60 + np.tile([0, 4, 7], 16), metre=metre)
    found = features(pieces(walk))
    assert found["notes_a_bar"].tolist() == [3]
    assert found["groove_consistency"].tolist() == [1]
    assert found["repeated_phrases"].tolist() == [7 / 8]
    np.testing.assert_array_equal(found["self_similarity"], np.ones((1, 7)))
    late = Melody.from_notes(start, start + 4, 60 + np.tile([0, 4, 7], 16), metre=Metre(4, 4))
    assert features(pieces(late))["notes_a_bar"].tolist() == [4]


def test_a_shuffle_is_measured_alike_in_both_of_its_notations():
    triplets = piece(Metre(4, 4, 3), 1, 40)
    start, end, pitch = triplets.notes
    eighths = Melody.from_notes(2 * start, 2 * end, pitch, bars=40, metre=Metre(12, 8))
    one, other = overlaps(pieces(triplets)), overlaps(pieces(eighths))
    np.testing.assert_allclose(one.pitch[0], other.pitch[0])
    np.testing.assert_allclose(one.duration[0], other.duration[0], atol=1e-4)
    assert one.pitch[0].size == 18  # windows of 4 bars, one every 2
    for name in ("pitch_range", "notes_a_bar", "rests", "pitch_class_entropy", "scale_consistency"):
        assert features(pieces(triplets))[name] == features(pieces(eighths))[name]


def test_what_is_copied_is_found_on_another_grid_and_in_other_bars():
    known = piece(Metre(4, 4), 2, 30, step=4)
    start, end, pitch = known.notes
    triplets = Melody.from_notes(start * 3 // 4, end * 3 // 4, pitch, metre=Metre(4, 4, 3))
    waltz = Melody.from_notes(start, end, pitch, metre=Metre(3, 4))
    index = NoveltyIndex.of([known.events])
    asked = pieces(triplets, waltz)
    assert index.longest_runs(asked.events, asked.metres).tolist() == [start.size, start.size]
    again = NoveltyIndex.of(asked.events, asked.metres)
    assert again.share_found(asked.events, asked.metres).tolist() == [1, 1]


@pytest.mark.parametrize("bars", [1, 2, 5])
def test_short_pieces_have_features_and_no_overlap(bars, tmp_path):
    for seed in range(3):
        (tmp_path / f"{seed}.mid").write_bytes(to_midi(piece(Metre(3, 4), seed, bars)))
    found = read_pieces(tmp_path)
    assert [row.size for row in found.events] == [12 * bars] * 3
    assert (len(found), found.failed) == (3, 0)
    longer = pieces(*(piece(Metre(6, 8), seed, 20) for seed in range(4)))
    report = evaluate(found, longer, NoveltyIndex.of(longer.events, longer.metres))
    assert np.isnan(report.scores["pitch"]["C"].value)
    assert set(report.music) == {*FEATURES, "tune_score"}
    assert report.music["notes_a_bar"]["mean"] > 1
    said = report.as_dict()
    assert said["generated"]["without_overlap"] == 3
    assert said["generated"]["metres"] == {"3/4": 3}
    assert said["reference"]["metres"] == {"6/8": 4}
    assert dumps(said, allow_nan=False)
    assert "under 6 bars, so without overlap: 3" in report.text()
    assert "in 3/4: 3" in report.text()
    mixed = evaluate(pieces(*(piece(Metre(3, 4), s, n) for s, n in ((1, 5), (2, 30), (3, 12)))), longer)
    assert 0 <= mixed.scores["pitch"]["C"].value <= 1
    assert mixed.generated.short == 1
