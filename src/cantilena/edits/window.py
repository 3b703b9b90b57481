"""`Window`: phrases of which some steps are held while the others are drawn.

A phrase that is held whole is a `Condition`, as in the paper. One that is held in part cannot be: its latent is not
known. So each estimate of it is decoded, the held notes are put in, and the latent moves by what that changed:

    x0_hat <- x0_hat + encode(pasted) - encode(decoded),  decoded = decode(x0_hat), pasted = paste(decoded)

The difference keeps what an estimate at a high noise level says about the free steps beyond its likeliest notes. In
the end the free steps are written around the held ones, which the writer hears (`writing.Bounds`).

Of a phrase at the edge of the melody some steps may lie beyond it. Where the others are held, nothing of it is to be
drawn: for a model of tunes it is held whole, with silence there, as tunes that it learned from have in a pickup and
behind their last bar (`edges_held`).

What is drawn begins as noise, or as the phrases themselves with some noise on them. A melody that does not fill 32
phrases is continued first (`filled`): silence before and after it would be other music.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.condition import Condition
from cantilena.edits.bound_sampler import WINDOW, BoundSampler
from cantilena.edits.steer import Steering
from cantilena.labels import RESTING, places_among
from cantilena.model import Model
from cantilena.music.melody import HOLD, REST, Melody, canonical
from cantilena.music.metre import TOKENS, Metre
from cantilena.writing import Bounds

__all__ = ["Window", "edges_held", "filled", "own_seed"]


@dataclass(frozen=True, eq=False)
class Window:
    """P phrases, `tokens` (P, 32), of which the steps `known` (P, 32) are held; in the metre that the model writes.

    See the module's head for how.
    """

    model: Model
    tokens: NDArray[np.int8]
    known: NDArray[np.bool_]
    first: int | None = None  # how many phrases of the melody lie before them, if that is known
    whole: bool = False  # whether the last of them is the melody's last
    rests: NDArray[np.int64] | None = None  # how each is to rest (P,), of `rest_classes`, where that is known of all

    @property
    def metre(self) -> Metre:
        """The metre that is written."""
        return self.model.manner.metre

    def sample(
        self, sample: BoundSampler, seed: int, *, steering: Steering | None = None, **asked: Any
    ) -> NDArray[np.int8]:
        """All steps (P * phrase_steps,), the known among them. `asked` goes to `sample`."""
        every = np.arange(len(self.tokens))
        if steering is not None:
            asked["cost"] = steering.cost(lambda phrases: self._paste(phrases, every))
            asked["shared"] = steering.shared(len(every)) or asked.get("shared")
        known = self.known[:, : self.metre.phrase_steps]
        whole = np.asarray(known.all(1))
        partial = np.flatnonzero(known.any(1) & ~whole)
        x_0 = np.zeros((1, len(whole), self.model.space.D), np.float32)
        if self.model.places_phrases:
            steps = self.metre.phrase_steps
            asked["places"] = places_among(self.tokens, whole, self.first, whole=self.whole, steps=steps)
            if self.rests is not None:
                asked["places"][:, RESTING] = self.rests
        if whole.any():
            x_0[0, whole] = self.encode()[whole]

        def corrected(x0_hat: NDArray[np.float32]) -> NDArray[np.float32]:
            x0_hat = x0_hat.copy()
            decoded = _phrase_form(self.model.literal().to_phrases(x0_hat[:, partial], alone=True), self.metre)
            pasted, as_decoded = self.model.to_latents(np.stack([self._paste(decoded, partial), decoded]))
            x0_hat[:, partial] += pasted - as_decoded
            return self.model.space.clip(x0_hat)

        correct = corrected if partial.size else None
        asked["read"] = self.decode if steering is None else functools.partial(self._steered, steering)
        x_0 = sample(seed, phrases=len(whole), condition=Condition(x_0, whole[None]), correct=correct, **asked)
        if steering is None:
            return self.decode(x_0[0])
        return self._steered(steering, x_0[0])

    def _steered(self, steering: Steering, x_0: NDArray[np.float32]) -> NDArray[np.int8]:
        return self.metre.join(_phrase_form(steering.decode(x_0, self._bounds()), self.metre))

    def encode(self) -> NDArray[np.float32]:
        """The phrases as latents (P, D)."""
        return self.model.to_latents(self.tokens)

    def decode(self, x_0: NDArray[np.float32]) -> NDArray[np.int8]:
        """Latents of all phrases (P, D) as steps (P * phrase_steps,), written around the known ones."""
        return self.metre.join(_phrase_form(self.model.to_phrases(x_0, self._bounds()), self.metre))

    def _bounds(self) -> Bounds:
        return Bounds.fixing(self.tokens, self.known)

    def _paste(self, phrases: NDArray[np.int8], rows: NDArray[np.int64]) -> NDArray[np.int8]:
        after_known = self.metre.cut(np.append(False, self.metre.join(self.known)[:-1]))
        free = np.where(after_known[rows] & (phrases == HOLD), REST, phrases)
        return _phrase_form(np.where(self.known[rows], self.tokens[rows], free), self.metre)


def filled(
    model: Model, tokens: NDArray[np.int8], sample: BoundSampler, *, seed: int, lead: int = 0, least: int = WINDOW
) -> NDArray[np.int8]:  # fmt: skip
    """The phrases (P, 32) of tokens (steps,) that begin `lead` steps after a phrase does; `least` phrases at least.

    What is missing of a shorter melody is drawn around it; what is missing of a phrase only, is silence.
    """
    metre = model.manner.metre
    back = -(lead + tokens.size) % metre.phrase_steps
    fill = max(0, least * metre.phrase_steps - (lead + tokens.size + back))
    pad = (lead, back + fill)
    phrases = Melody.from_tokens(np.pad(tokens, pad), metre=metre).phrases()
    if not fill:
        return phrases
    known = metre.cut(np.pad(np.ones(tokens.size, np.bool_), pad), True)
    drawn = Window(model, phrases, known).sample(sample, own_seed(seed, 0))
    return Melody.from_tokens(drawn, metre=metre).phrases()


def edges_held(model: Model, known: NDArray[np.bool_], free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What is `known` (P, 32) of phrases, and of a model of tunes the rest of those in which nothing is `free` (P,)."""
    if not model.places_phrases:
        return known
    return known | (known[:, : model.manner.metre.phrase_steps].any(1) & ~free)[:, None]


def own_seed(seed: int, k: int) -> int:
    """The seed of the `k`-th sample of an edit."""
    return int(np.random.SeedSequence((seed, k)).generate_state(1)[0])


def _phrase_form(phrases: NDArray[np.integer], metre: Metre) -> NDArray[np.int8]:
    """Phrases without a REST that ends nothing; one at a phrase's start says that it begins in silence."""
    sounding = np.full((*phrases.shape[:-1], 1), 2)  # whether a phrase begins inside a note, it says itself
    found = canonical(np.concatenate([sounding, phrases], axis=-1))[..., 1:]
    if metre.phrase_steps < TOKENS:
        found[..., metre.phrase_steps] = REST
    return found
