"""`finish`: the latents of a new melody -> the melody, as long as it was asked for, by its rules, with its ending."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cantilena.edits.cadence import come_to_rest
from cantilena.edits.length import Length, best_crop, close, opening
from cantilena.edits.steer import Steering
from cantilena.model import Model
from cantilena.music.melody import Melody
from cantilena.rules import Rules
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
    metre = model.manner.metre
    if length.loop:
        x_0 = np.roll(x_0, -opening(model.to_phrases(x_0)[:, : metre.phrase_steps]), axis=0)
    steering = None if rules is None else Steering.alone(model, rules, len(x_0), length.bars)
    shift = 0 if steering is None else steering.shift(x_0)

    def write(bounds: Bounds | None = None) -> NDArray[np.int8]:
        if steering is None:
            return model.to_phrases(x_0, bounds)
        return steering.decode(x_0, bounds, shift=shift)

    tokens = write()
    if length.loop:
        tokens[:, : metre.phrase_steps] = close(tokens[:, : metre.phrase_steps])
    crops = not length.loop and rules is None and length.bars < len(x_0) * metre.phrase_bars
    begin = metre.bar_steps * (best_crop(Melody.from_phrases(tokens, metre=metre), length.bars) - 1) if crops else 0
    end = begin + length.bars * metre.bar_steps
    if cadence:
        tokens = come_to_rest(write, tokens, begin, end, key=None if rules is None else rules.key, metre=metre)
    return Melody.from_tokens(metre.join(tokens)[begin:end], metre=metre)
