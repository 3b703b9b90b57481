"""Random notes reach the metric that they are built for, and nothing else."""

import numpy as np
import pytest

from cantilena.metrics.pieces import Pieces
from cantilena.metrics.scores import Moments, overlaps
from cantilena.music.melody import Melody
from cantilena.reproduction.spurious import Spurious


@pytest.mark.parametrize("mean", [0.7, 0.85])
def test_it_has_the_mean_and_variance_that_are_asked(mean):
    wanted = Moments(mean, 0.008, 0.05)
    tokens = Spurious({"pitch": wanted, "duration": wanted}).make(range(150))
    assert tokens.shape == (150, 32, 32)
    found = overlaps(Pieces.of([Melody.from_phrases(p).events for p in tokens])).moments
    for kind in ("pitch", "duration"):
        assert found[kind].mean == pytest.approx(mean, rel=0.05)
        assert found[kind].var_pieces == pytest.approx(0.008, rel=0.35)


def test_a_piece_depends_on_its_seed_alone():
    spurious = Spurious({kind: Moments(0.8, 0.01, 0.05) for kind in ("pitch", "duration")})
    np.testing.assert_array_equal(spurious.make([4])[0], spurious.make([1, 4])[1])
    assert not np.array_equal(spurious.make([4]), spurious.make([5]))
