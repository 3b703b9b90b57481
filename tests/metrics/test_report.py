"""The report: the same figures in text, JSON and picture, and they are those of the metrics."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from cantilena.metrics.features import FEATURES, music_table
from cantilena.metrics.novelty import NoveltyIndex
from cantilena.metrics.overlap import framewise_overlap
from cantilena.metrics.pieces import Pieces, read_pieces
from cantilena.metrics.report import evaluate
from cantilena.metrics.report_plot import report_plot
from cantilena.metrics.scores import scores
from cantilena.music.melody import Melody
from cantilena.music.midi import to_midi
from cantilena.music.tune_score import tune_score
from melodies import random_melody


def pieces(seeds, bars=64, name="") -> Pieces:
    return Pieces.of([random_melody(seed, bars).events for seed in seeds], name=name)


@pytest.fixture(scope="module")
def report():
    reference = pieces(range(12), name="real <music> & more")
    return evaluate(pieces(range(6, 16), 32, "tunes"), reference, NoveltyIndex.of(reference.events))


def test_the_raw_figures_are_means_and_variances_of_the_overlaps(report):
    found = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    for side, seeds, bars in (("reference", range(12), 64), ("generated", range(6, 16), 32)):
        overlap = framewise_overlap(np.stack([random_melody(seed, bars).events for seed in seeds]))
        for attribute in ("pitch", "duration"):
            values = getattr(overlap, attribute)
            said = found[side]["overlap"][attribute]
            assert said["mean"] == pytest.approx(values.mean())
            assert said["var_pieces"] == pytest.approx(values.mean(axis=1).var())
            assert said["var_pooled"] == pytest.approx(values.var())
        assert found[side]["pieces"] == found[side]["songs"] == len(seeds)
    raw = [found[side]["overlap"]["pitch"]["var_pooled"] for side in ("generated", "reference")]
    assert found["scores"]["pitch"]["var_pooled"]["value"] == pytest.approx(1 - abs(raw[0] - raw[1]) / raw[1])
    assert set(found["scores"]["duration"]["C"]) == {"value", "low", "high"}
    assert found["music"].pop("tune_score")["mean"] == pytest.approx(
        np.mean([tune_score(Melody(random_melody(seed, 32).events)) for seed in range(6, 16)])
    )
    assert found["music"] == music_table(report.generated.pieces, report.reference.pieces)
    assert 0.4 < found["novelty"]["share_found"] < 0.8  # six of ten are the first half of known ones


def test_the_same_against_itself_is_perfect():
    same = evaluate(pieces(range(8)), pieces(range(8)))
    assert {e.value for row in same.scores.values() for e in row.values()} == {1.0}
    assert {row["distance"] for row in same.music.values()} == {0.0}
    assert same.as_dict()["novelty"] is None


def test_the_text_says_every_figure_within_80_columns(report):
    lines = report.text().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[:2] == ["GENERATED  tunes: 10 pieces", "REFERENCE  real <music> & more: 12 pieces"]
    means = [line.split() for line in lines if "mean overlap" in line]
    for words, attribute in zip(means, ("pitch", "duration"), strict=True):
        for word, side in zip(words[2:4], (report.generated, report.reference), strict=True):
            assert float(word) == pytest.approx(side.overlaps.moments[attribute].mean, abs=5e-5)
    for name in FEATURES:
        assert any(line.startswith(f"  {name.replace('_', ' ')}") for line in lines)
    assert any("longest run, median" in line for line in lines)
    assert "copied" not in evaluate(pieces(range(4)), pieces(range(4))).text()


def test_one_piece_has_no_variance_and_no_interval():
    """Two pieces of one song have a variance, and no interval either: it is songs that are drawn anew."""
    report = evaluate(pieces([9], name="one"), pieces(range(8)))
    said = [line for line in report.text().splitlines() if "overlap" in line or "variance" in line]
    assert [line.split()[-4:-1] for line in said[:1]] == [["C", said[0].split()[-3], "[–,"]]
    assert all(line.endswith("[–, –]") for line in said)
    assert [line.split()[-3] for line in said if "variance" in line] == 4 * ["–"]
    assert [line.split()[3] for line in said if "over pieces" in line] == 2 * ["–"]
    found = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert found["scores"]["pitch"]["var_pieces"] == {"value": None, "low": None, "high": None}
    assert found["scores"]["pitch"]["C"]["value"] > 0
    assert found["generated"]["overlap"]["pitch"]["var_pieces"] is None
    assert "nan" not in report_plot(report)
    song = Pieces.of([random_melody(seed).events for seed in (9, 10)], [0, 0], "one song")
    row = evaluate(song, pieces(range(8))).as_dict()["scores"]["duration"]["var_pieces"]
    assert (row["low"], row["high"]) == (None, None)
    assert row["value"] is not None


def test_songs_and_what_was_left_out_are_said(tmp_path):
    for seed in range(3):
        (tmp_path / f"{seed}.mid").write_bytes(to_midi(random_melody(seed)))
    (tmp_path / "3.mid").write_bytes(b"no music")
    windows = Pieces.of([random_melody(seed, 16).events for seed in range(6)], [0, 0, 1, 1, 2, 2], "songs")
    report = evaluate(read_pieces(tmp_path), windows)
    assert "left out: 1, not a MIDI file" in report.text()
    assert "REFERENCE  songs: 6 pieces of 3 songs" in report.text()
    assert report.as_dict()["generated"]["skipped"] == {"not a MIDI file": 1}
    assert report.as_dict()["reference"]["songs"] == 3


def test_the_picture_is_svg_with_a_line_and_a_ground_for_each(report):
    root = ElementTree.fromstring(report_plot(report))
    text = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "tunes against real <music> & more" in text
    assert {name.replace("_", " ") for name in FEATURES} <= set(text)
    groups = [g.get("class") for g in root.iter("{http://www.w3.org/2000/svg}g")]
    assert groups.count("generated") == groups.count("reference") == 3 + len(FEATURES)
    numbers = [float(v) for e in root.iter() for v in (e.get("x"), e.get("y")) if v]
    assert np.isfinite(numbers).all()
    assert "nan" not in report_plot(report)


def test_short_and_even_pieces_can_be_drawn():
    few = pieces(range(3), 6)
    steady = Pieces.of([np.tile(np.array([41, 0, 0, 0], np.int8), 24 + 4 * k) for k in range(2)])
    drawn = report_plot(evaluate(steady, few))
    ElementTree.fromstring(drawn)
    assert "nan" not in drawn


def test_failures_are_counted_and_scored_as_empty_pieces(tmp_path):
    for seed in range(6):
        (tmp_path / f"{seed}.mid").write_bytes(to_midi(random_melody(seed, 64)))
    (tmp_path / "6.mid").write_bytes(b"no music")
    (tmp_path / "7.mid").write_bytes(to_midi(Melody(np.zeros(1024, np.int8))))
    reference = pieces(range(12))
    report = evaluate(read_pieces(tmp_path), reference)
    sounding = pieces(range(6))
    alone = evaluate(sounding, reference)
    assert report.scores == alone.scores
    assert alone.scores_with_failures is None
    empty = Pieces.of([*sounding.events, *np.zeros((2, 1024), np.int8)])
    assert report.scores_with_failures == scores(empty, reference)
    assert report.scores_with_failures != report.scores
    said = report.as_dict()["generated"]
    assert (said["failures"], said["failed_share"], said["without_notes"]) == (2, 0.25, 0)
    assert "without a note to measure: 2 of 8 (25.0%)" in report.text()
    assert "failures as empty pieces" in report.text()
    assert "failures" not in alone.text()
    assert max(map(len, report.text().splitlines())) <= 80
    json.dumps(report.as_dict(), allow_nan=False)

    arrays = evaluate(empty, reference)  # pieces of silence are failures, however they come
    assert arrays.scores == report.scores
    assert arrays.scores_with_failures == report.scores_with_failures
    assert arrays.as_dict()["generated"]["without_notes"] == 2
    with pytest.raises(ValueError, match="no piece has a note"):
        evaluate(Pieces.of(np.zeros((2, 96), np.int8), name="x"), reference)
