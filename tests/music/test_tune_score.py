"""The tune score: tunes above accompaniments and basses, whatever the key; and the gaps."""

import numpy as np
import pytest

from cantilena.music.melody import Melody
from cantilena.music.tune_score import FEATURES, NONE, expand, tune_features, tune_score

# Folk tunes, as (MIDI pitch, sixteenths); pitch 0 is a rest.
TWINKLE = [(60, 4), (60, 4), (67, 4), (67, 4), (69, 4), (69, 4), (67, 8), (65, 4), (65, 4), (64, 4), (64, 4), (62, 4),
           (62, 4), (60, 8)]  # fmt: skip
ODE = [(64, 4), (64, 4), (65, 4), (67, 4), (67, 4), (65, 4), (64, 4), (62, 4), (60, 4), (60, 4), (62, 4), (64, 4),
       (64, 6), (62, 2), (62, 8)]  # fmt: skip


def melody(notes: list[tuple[int, int]], times: int = 2) -> Melody:
    end = np.cumsum([length for _, length in notes * times])
    start = end - [length for _, length in notes * times]
    pitch = np.array([p for p, _ in notes * times])
    return Melody.from_notes(start[pitch > 0], end[pitch > 0], pitch[pitch > 0])


def alberti(bars: int, base: int) -> Melody:
    pitch = np.resize([base, base + 7, base + 4, base + 7], 8 * bars)
    start = np.arange(pitch.size) * 2
    return Melody.from_notes(start, start + 2, pitch)


@pytest.mark.parametrize("tune", [TWINKLE, ODE])
@pytest.mark.parametrize("up", [2, 5, 12])
def test_folk_tunes_are_tunes_and_what_lies_beneath_them_is_none(tune, up):
    sung = melody([(p + up, n) for p, n in tune])
    assert tune_score(sung) > 0
    assert tune_score(sung) > tune_score(alberti(8, 48 + up)) + 1
    assert tune_score(sung.transpose(-36)) < 0  # as a bass


def test_one_pitch_and_silence_are_no_tunes():
    drone = Melody.from_notes(range(0, 512, 4), range(4, 516, 4), [65] * 128)
    assert tune_score(drone) < 0
    assert tune_score(Melody.from_tokens(np.zeros(64, np.int8))) == NONE
    assert tune_features(Melody.from_notes([0, 4], [4, 8], [60, 62])) is None


def test_features_are_what_they_are_called():
    found = dict(zip(FEATURES, tune_features(melody(TWINKLE, 1)), strict=True))
    assert found["median pitch"] == 64.5
    assert found["range"] == 9
    assert found["notes a bar"] == 3.5
    assert found["repeated notes"] == pytest.approx(6 / 13)
    assert found["steps"] == pytest.approx(6 / 13)
    assert found["in scale"] == pytest.approx(1)
    assert found["ends long"] == 1
    assert found["rhythms that come again"] == pytest.approx(1 / 2)
    twice = dict(zip(FEATURES, tune_features(melody(TWINKLE, 2)), strict=True))
    assert twice["bars that come again"] == pytest.approx(1 / 2)
    holes = Melody.from_notes([0, 4, 8, 48], [4, 8, 12, 52], [60, 62, 64, 60], bars=4)  # two bars of nothing
    found |= dict(zip(FEATURES, tune_features(holes), strict=True))
    assert (found["bars that come again"], found["rhythms that come again"]) == (0, 0)
    assert found["pitches a bar"] == pytest.approx(3 / 2)
    assert found["rhythms a bar"] == 2
    assert found["entropy of pitch"] == pytest.approx(1.5 * np.log(2))
    assert np.isfinite(list(found.values())).all()


def test_expand_clips_and_squares():
    x = expand(np.array([[10.0, -1.0]]), np.array([0.0, 0.0]), np.array([1.0, 2.0]))
    np.testing.assert_array_equal(x, [[3.0, -0.5, 9.0, 0.25]])
