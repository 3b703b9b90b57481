"""What a tune takes from real ones by chance."""

import numpy as np

from cantilena.edits.tune_form import draw_density

KNOWN = {"irish": {"6/8": [1.5, 1.7, 1.9]}, "hymn": {"4/4": [0.5, 0.8]}}


def test_a_density_is_one_of_real_tunes_of_the_style_and_metre():
    drawn = [draw_density(KNOWN, "irish", "6/8", seed) for seed in range(60)]
    assert drawn == [draw_density(KNOWN, "irish", "6/8", seed) for seed in range(60)]
    assert sorted(set(drawn)) == [1.7, 1.9]  # the denser two thirds
    assert np.unique(drawn, return_counts=True)[1].min() > 20


def test_where_none_is_known_none_is_told():
    for style, metre in (("irish", "4/4"), ("reel", "6/8"), (None, "6/8")):
        assert draw_density(KNOWN, style, metre, 0) is None
    assert draw_density({}, "irish", "6/8", 0) is None
