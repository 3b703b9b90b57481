"""`finish`: the latents of a new melody -> the melody, as long as it was asked for, by its rules, with its ending."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cantilena.edits.cadence import come_to_rest
from cantilena.edits.length import WHOLE, Length, best_crop, close, opening
from cantilena.edits.steer import Steering
from cantilena.model import Model
from cantilena.music.melody import BAR_STEPS, Melody
from cantilena.rules import Key, Rules
from cantilena.writing import Bounds

__all__ = ["finish"]


def finish(
    model: Model, x_0: NDArray[np.float32], length: Length, rules: Rules | None = None, *, cadence: bool = False
) -> Melody:
    """What was drawn for a `length`, x_0 (P, D), as a melody of so many bars.

    Fewer than 64 bars are the `best_crop`, or by `rules`, which have seen no others, the first bars. Rules choose
    where all of it lies, and the hard ones bind what is written. With `cadence` it comes to rest. A loop begins where
    it best does.
    """
    if length.loop:
        x_0 = np.roll(x_0, -opening(model.to_phrases(x_0)), axis=0)
    steering = None if rules is None else Steering.alone(model, rules, len(x_0), length.bars)
    shift = 0 if steering is None else steering.shift(x_0)

    def write(bounds: Bounds | None = None) -> NDArray[np.int8]:
        if steering is None:
            return model.to_phrases(x_0, bounds)
        return steering.decode(x_0, bounds, shift=shift)

    tokens = write()
    if length.loop:
        tokens = close(tokens)
    crops = not length.loop and rules is None and length.bars < WHOLE
    begin = BAR_STEPS * (best_crop(Melody.from_phrases(tokens), length.bars) - 1) if crops else 0
    end = begin + length.bars * BAR_STEPS
    if cadence:
        asked = None if rules is None else next((r for r in rules.rules if isinstance(r, Key)), None)
        tokens = come_to_rest(write, tokens, begin, end, key=asked)
    return Melody.from_tokens(tokens.reshape(-1)[begin:end])
