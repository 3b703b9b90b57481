"""`SharedPhrases`: phrases that are drawn as one, because they are to be the same music.

Their x0_hat is the mean of theirs at every step, or moves towards it. Each has its own noise, and several looks at one
thing through different noise say more than one look: the mean is surer than the network knows, and comes out calm.
Noise that is all one would be taken for the music itself. So a part of it can be shared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cantilena.diffusion.samplers import Denoise
from cantilena.diffusion.schedule import Array, Noise

__all__ = ["SharedPhrases"]


@dataclass(frozen=True, eq=False)
class SharedPhrases:
    """Which of P phrases are one: `same` (P, P), a symmetric relation with every phrase the same as itself.

    `common` is the part of their noise, of its variance, that phrases have in common. `weight` is how far each x0_hat
    moves to the mean, 0..1.

    >>> shared = SharedPhrases.of(["A", "B", "A"])
    >>> x = np.float32([1, 5, 3])[None, :, None]
    >>> shared.denoiser(lambda x_t, log_snr, x0_prev: x_t)(x, x, x).ravel()
    array([2., 5., 2.], dtype=float32)
    """

    same: NDArray[np.bool_]
    common: float = 0.0
    weight: float = 1.0

    @classmethod
    def of(cls, parts: ArrayLike, common: float = 0.0, weight: float = 1.0) -> SharedPhrases:
        """Phrases that have the same name are one: `parts` (P,) are names or numbers."""
        parts = np.asarray(parts)
        return cls(parts[:, None] == parts, common, weight)

    def denoiser(self, denoise: Denoise) -> Denoise:
        """`denoise` with one x0_hat for phrases that are one, equal to the last bit."""
        mean = self.same / self.same.sum(axis=1, keepdims=True)
        move = ((1 - self.weight) * np.eye(len(mean)) + self.weight * mean).astype(np.float32)
        once, which = np.unique(move, axis=0, return_inverse=True)  # a matrix product may round equal rows differently
        which = which.reshape(-1)
        return lambda x_t, log_snr, x0_prev: np.asarray((once @ denoise(x_t, log_snr, x0_prev))[:, which], x_t.dtype)

    def noise(self, noise: Noise) -> Noise:
        """`noise` of which phrases that are one share a part; each still is N(0, I)."""
        if not self.common:
            return noise
        first = self.same.argmax(axis=1)
        alone = (self.same.sum(axis=1) == 1)[:, None]

        def drawn(shape: tuple[int, ...]) -> Array:
            own, one = noise(shape), noise(shape)[:, first]
            return np.where(alone, own, (1 - self.common) ** 0.5 * own + self.common**0.5 * one).astype(own.dtype)

        return drawn
