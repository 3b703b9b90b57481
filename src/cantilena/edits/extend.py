"""New bars after a melody, before it, or between two; a phrase begins (or ends) at the joint.

After or before, all the new phrases are one sample with the phrases next to them held: however many they are, there
is no seam between them (`diffusion.windows`). Between two melodies it is infilling, of bars that were not there.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.condition import Condition
from cantilena.edits.bound_sampler import WINDOW, BoundSampler
from cantilena.edits.recompose import recompose
from cantilena.edits.steer import Steering
from cantilena.labels import places_among
from cantilena.model import Model
from cantilena.music.locks import Locks
from cantilena.music.melody import Melody
from cantilena.music.metre import TOKENS
from cantilena.rules import Rules
from cantilena.writing import Bounds

__all__ = ["bridge", "extend"]

_CONTEXT = 16, 24  # phrases that are held: at least, however many are composed, and at most


def extend(
    model: Model, locks: Locks, sample: BoundSampler, *, seed: int, rules: Rules | None = None
) -> NDArray[np.int8]:
    """New tokens (steps,) with the locked ones among them; the free steps are the first or the last of all.

    Held are the 16 to 24 phrases at the joint, as many as one window has room for. What is sampled beyond the new bars
    to fill a window or a phrase is thrown away. `rules` see the new bars alone.
    """
    metre, free = locks.metre, np.flatnonzero(~locks.locked)
    first, stop = int(free[0]), int(free[-1]) + 1
    after = first > 0
    front = -(first if after else stop) % metre.phrase_steps
    pad = (front, -(front + locks.locked.size) % metre.phrase_steps)
    held = Melody.from_tokens(np.pad(locks.tokens, pad), metre=metre).phrases()
    known = np.pad(locks.known, pad).reshape(len(held), -1)
    new = -(-free.size // metre.phrase_steps)
    least, most = _CONTEXT
    seen = new + min(len(held) - new, most, max(WINDOW - new, least))  # phrases that the sample holds or returns
    part = slice(-seen, None) if after else slice(seen)
    fill = max(0, model.least - seen)
    pads = ((0, fill) if after else (fill, 0), (0, 0))
    held, known = np.pad(held[part], pads), np.pad(known[part], pads)
    whole = np.asarray(known.all(1))
    if not whole.any():
        whole = np.asarray(known.any(1))  # a melody of one bar: its phrase is filled up with silence
    x_0 = np.zeros((1, len(held), model.space.D), np.float32)
    x_0[0, whole] = model.to_latents(held[whole])
    here = slice(seen - new, seen) if after else slice(fill, fill + new)
    condition, tokens = Condition(x_0, whole[None]), locks.tokens.copy()
    at = (first if after else stop - free.size) - here.start * metre.phrase_steps
    at -= 0 if after else -free.size % metre.phrase_steps
    where: dict[str, Any] = {}
    if model.places_phrases:  # new bars after a melody end it: one that goes on for ever falls silent
        opening = max(0, -(-(front + locks.locked.size) // metre.phrase_steps) - seen) if after else 0
        last, steps = after or seen == len(held), metre.phrase_steps
        where["places"] = places_among(held, whole, opening, whole=last, steps=steps)
    bounds = Bounds.fixing(held, np.tile(whole[:, None], TOKENS))  # the song is heard by what goes on from it
    if rules is None:
        read = functools.partial(model.to_phrases, bounds=bounds)
        x_0 = sample(seed, phrases=len(held), condition=condition, at=at, read=read, **where)
        phrases = metre.join(read(x_0[0])[here])
    else:
        fresh = np.arange(here.start * metre.phrase_steps, here.stop * metre.phrase_steps)
        judged = np.zeros(len(held) * metre.phrase_bars, np.bool_)
        judged[(fresh[: free.size] if after else fresh[-free.size :]) // metre.bar_steps] = True
        steering = Steering(model, rules, judged, metre.join(held))
        cost, shared = steering.cost(), steering.shared(len(held))
        read = functools.partial(steering.decode, bounds=bounds)
        x_0 = sample(seed, phrases=len(held), condition=condition, cost=cost, shared=shared, at=at, read=read, **where)
        phrases = metre.join(read(x_0[0])[here])
    tokens[first:stop] = phrases[: free.size] if after else phrases[-free.size :]
    return locks.paste(tokens)


def bridge(
    model: Model, locks: Locks, sample: BoundSampler, *, seed: int, rules: Rules | None = None
) -> NDArray[np.int8]:
    """New tokens (steps,) with the locked ones among them; the free steps lie between, and a phrase begins there."""
    first = int(np.flatnonzero(~locks.locked)[0])
    lead = -(first // locks.metre.bar_steps) % locks.metre.phrase_bars
    return recompose(model, locks, sample, seed=seed, lead=lead, rules=rules)
