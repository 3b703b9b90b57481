"""A tune in the form of a song, written by the shipped model: bars come again where the song's do, and only there."""

import numpy as np
import pytest

from cantilena.composer import load
from cantilena.music.melody import Melody
from cantilena.rules.rule import onsets
from melodies import random_melody


@pytest.fixture(scope="module")
def composer():
    return load()


def test_bars_come_again_as_in_a_song(composer):
    a, b = random_melody(1, 3).events, random_melody(2, 5).events
    song = Melody.from_tokens(np.concatenate([a, b, a, b]))  # parts of three and of five bars: no phrase comes again
    made = composer.compose(seed=2, bars=16, rules={"form_of": song})
    assert np.mean([row.met for row in made.receipt.rows]) >= 0.8
    assert composer(made.receipt.request) == made


def test_a_rhythm_is_the_songs_to_the_last_note(composer):
    song = random_melody(3, 16)
    made = composer.compose(seed=1, bars=16, rules={"rhythm_of": song}).melody
    np.testing.assert_array_equal(onsets(made)[:-1], onsets(song)[:-1])
    infilled = composer.infill(made, [(5, 8)], seed=1, rules={"rhythm_of": song.slice(1, 4)}).melody
    np.testing.assert_array_equal(onsets(infilled)[5:8], onsets(song)[1:4])  # a held note may ring into the fifth
