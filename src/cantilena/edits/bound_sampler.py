"""`BoundSampler`: how an edit asks for one sample; sampler, voice and steps are bound already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.condition import Condition
from cantilena.diffusion.guidance import Cost
from cantilena.diffusion.shared_phrases import SharedPhrases

__all__ = ["WINDOW", "BoundSampler", "Correct", "Read", "SampleMany"]

WINDOW = 32  # phrases that the network sees at once
Correct: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # x0_hat (n, P, D) -> the ones to go on with

Read: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.int8]]  # x0_hat (P, D) -> tokens


class BoundSampler(Protocol):
    """Returns one sample: latents (1, P, D), P = `phrases`, at least 32 where a model is told no `places`."""

    def __call__(  # noqa: D102
        self,
        seed: int,
        *,
        phrases: int = WINDOW,
        circular: bool = False,  # whether the end goes on at the start
        x_t: NDArray[np.float32] | None = None,  # (1, P, D) where to start from; noise
        start: float | None = None,  # the level of x_t, 0 to T; T
        condition: Condition | None = None,  # phrases that are held
        shared: SharedPhrases | None = None,  # phrases that are drawn as one
        correct: Correct | None = None,  # given every x0_hat
        cost: Cost | None = None,  # what the sample is steered by
        places: NDArray[np.int64] | None = None,  # (P, 5) where each phrase stands
        at: int = 0,  # the step of the melody that it begins on
        read: Read | None = None,  # how it will be read, for who looks on
    ) -> NDArray[np.float32]: ...


class SampleMany(Protocol):
    """The same of many seeds: (seeds, P, D)."""

    def __call__(  # noqa: D102
        self,
        seeds: Sequence[int],
        *,
        phrases: int = WINDOW,
        condition: Condition | None = None,
        places: NDArray[np.int64] | None = None,  # (P, 5), of all
    ) -> NDArray[np.float32]: ...
