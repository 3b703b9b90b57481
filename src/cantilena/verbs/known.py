"""What is known of a melody before it is composed, for models that are told: from what is asked, and from the song."""

from __future__ import annotations

import numpy as np

from cantilena.labels import Home, Known
from cantilena.music.melody import Melody
from cantilena.music.metre import Metre
from cantilena.music.scales import home_of
from cantilena.rules import Chords, Density, Range, Rules

__all__ = ["known_of"]


def known_of(
    rules: Rules | None, metre: Metre, *, song: Melody | None = None, home: Home | None = None,
    density: float | None = None,
) -> Known:  # fmt: skip
    """Its home, density and register: as `rules` ask, else those of the `song` around it, or this home and density.

    Chords ask for a home, too, where no key does, and there is no song.
    """
    register = None
    if song is not None and song.notes.pitch.size:
        home = home_of(song)
        density = song.notes.pitch.size * metre.quarter_steps / song.events.size
        register = float(np.median(song.notes.pitch))
    for rule in () if rules is None else rules.rules:
        if isinstance(rule, Density):
            density = (rule.low + rule.high) / 2 * metre.quarter_steps / metre.bar_steps
        elif isinstance(rule, Chords) and song is None:
            home = rule.home or home
        elif isinstance(rule, Range):
            register = (rule.low + rule.high) / 2
    key = None if rules is None else rules.key
    return Known(home if key is None else key.home, density, register)
