"""In which scale a melody is at home, and on which of its notes."""

import numpy as np
import pytest

from cantilena.music.melody import Melody
from cantilena.music.scales import home_of


def tune(*pitches, last=8):
    start = 2 * np.arange(len(pitches))
    return Melody.from_notes(start, np.append(start[1:], start[-1] + last), pitches)


MODES = {  # on the white keys, each with its tonic, third and fifth to the fore
    "C major": ((60, 64, 67, 65, 64, 62, 71, 60), (0, 0)),
    "A minor": ((69, 72, 76, 74, 72, 71, 67, 69), (0, 9)),
    "D dorian": ((62, 65, 69, 71, 69, 65, 60, 62), (0, 2)),
    "G mixolydian": ((67, 71, 74, 72, 71, 69, 65, 67), (0, 7)),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shift", [0, 1, 6, 11])
def test_a_mode_is_at_home_in_its_scale_on_its_tonic_in_every_transposition(mode, shift):
    pitches, (scale, tonic) = MODES[mode]
    whole_scale = (60, 62, 64, 65, 67, 69, 71)  # said once: else fewer notes fit several scales
    moved = [p + shift for p in whole_scale + pitches]
    assert home_of(tune(*moved)) == ((scale + shift) % 12, (tonic + shift) % 12)


def test_a_raised_leading_tone_does_not_move_a_minor_tune():
    assert home_of(tune(69, 71, 72, 74, 76, 77, 79, 76, 72, 68, 69, 72, 76, 68, 69)) == (0, 9)


def test_silence_is_at_home_nowhere():
    with pytest.raises(ValueError, match="nowhere"):
        home_of(Melody(np.zeros(32, np.int8)))
