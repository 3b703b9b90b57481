"""`Metre`: how bars, beats and phrases divide into steps; everything that counts in bars asks it.

A phrase is what the VAE turns into one latent vector. It is written in TOKENS tokens, and holds as many whole bars
(4, 2 or 1) as fit them: 2 of 4/4, 3/4 or 6/8, 4 of 2/4, 1 of 12/8. What is left of the tokens is silence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "COMMON",
    "FOUR_FOUR",
    "TOKENS",
    "Metre",
    "Metres",
    "bars_a_phrase",
    "grids",
    "names_of",
    "not_known",
    "same_bars",
]

TOKENS = 32  # of a phrase
_TRIPLETS = "triplets"
T = TypeVar("T", bound=np.generic)
Metres: TypeAlias = "tuple[Metre, ...] | None"  # the ones that are known; None is all


@dataclass(frozen=True, order=True)
class Metre:
    """A time signature on a grid: `quarter_steps` is 4, sixteenths, or 3, triplet eighths (shuffles, swing).

    Raises ValueError for a signature that does not exist, or whose bars do not divide into 1 to 32 whole steps.

    >>> waltz = Metre(3, 4)
    >>> waltz.bar_steps, waltz.phrase_bars, waltz.phrase_steps
    (12, 2, 24)
    >>> print(waltz, Metre(4, 4, 3))
    3/4 4/4 triplets
    """

    numerator: int = 4
    denominator: int = 4
    quarter_steps: int = 4

    def __post_init__(self) -> None:
        n, d, q = self.numerator, self.denominator, self.quarter_steps
        if not (1 <= n <= 64 and d in (1, 2, 4, 8, 16, 32, 64) and q in (3, 4)):
            raise ValueError(f"{n}/{d} with {q} steps a quarter is no metre (as 3/4 or 6/8; 4 or 3 steps a quarter)")
        steps, odd = divmod(4 * n * q, d)
        if odd or not 1 <= steps <= TOKENS:
            raise ValueError(f"a bar of {self} is not 1 to {TOKENS} whole {self.step_name}")

    @classmethod
    def parse(cls, text: str) -> Metre:
        """The metre that `str` gives back: "6/8", "4/4 triplets"; ValueError for other text.

        >>> Metre.parse("4/4 triplets")
        Metre(numerator=4, denominator=4, quarter_steps=3)
        """
        found = re.fullmatch(rf"\s*(\d{{1,2}})/(\d{{1,2}})(\s+{_TRIPLETS})?\s*", text)
        if found is None:
            raise ValueError(f"a metre is text such as 3/4, 6/8 or 4/4 {_TRIPLETS}, not {text[:40]!r}")
        return cls(int(found[1]), int(found[2]), 3 if found[3] else 4)

    @property
    def bar_steps(self) -> int:
        """Steps of a bar."""
        return 4 * self.numerator * self.quarter_steps // self.denominator

    @property
    def phrase_bars(self) -> int:
        """Whole bars of a phrase: 4, 2 or 1."""
        return bars_a_phrase(self.bar_steps)

    @property
    def phrase_steps(self) -> int:
        """Steps of music in a phrase, at most TOKENS."""
        return self.phrase_bars * self.bar_steps

    def alike(self, other: Metre) -> bool:
        """Whether bars of both have the same steps, as those of 4/4 and 2/2 have."""
        return (self.bar_steps, self.quarter_steps) == (other.bar_steps, other.quarter_steps)

    @property
    def bar_quarters(self) -> float:
        """Quarter notes that a bar lasts."""
        return 4 * self.numerator / self.denominator

    @property
    def compound(self) -> bool:
        """Whether a beat is three of the signature's units: 6/8, 9/8, 12/8."""
        return self.denominator >= 8 and self.numerator > 3 and self.numerator % 3 == 0

    @property
    def beat_steps(self) -> int:
        """Steps of a beat: a quarter of 3/4, a dotted quarter of 6/8; at least one.

        >>> [Metre(*m).beat_steps for m in ((3, 4), (6, 8), (2, 2), (5, 8), (4, 4, 3))]
        [4, 6, 8, 2, 3]
        """
        if (self.numerator, self.denominator) == (3, 8):  # felt in one, beamed in one
            return self.bar_steps
        unit = 4 * self.quarter_steps // self.denominator
        return max(1, 3 * unit if self.compound else unit)

    @property
    def strong_steps(self) -> tuple[int, ...]:
        """The steps of a bar that carry its weight: the first, and the middle of bars with an even number of beats.

        >>> [Metre(*m).strong_steps for m in ((4, 4), (3, 4), (6, 8), (2, 2), (12, 8))]
        [(0, 8), (0,), (0,), (0, 8), (0, 12)]
        """
        even = self.bar_steps // self.beat_steps % 2 == 0
        return (0, self.bar_steps // 2) if even and self.bar_quarters >= 4 else (0,)

    @property
    def weights(self) -> NDArray[np.int64]:
        """How heavy each step of a bar is (Longuet-Higgins & Lee 1984): (bar_steps,).

        The first is 0, the other strong ones -1, the other beats -2, their parts (halves, or thirds of a compound
        metre's) -3, all other steps -4.

        >>> Metre(6, 8).weights
        array([ 0, -4, -3, -4, -3, -4, -2, -4, -3, -4, -3, -4])
        """
        step = np.arange(self.bar_steps)
        part = max(1, self.beat_steps // (3 if self.compound or self.quarter_steps == 3 else 2))
        found = np.where(step % part == 0, -3, -4)
        found[step % self.beat_steps == 0] = -2
        found[list(self.strong_steps)] = -1
        found[0] = 0
        return found

    @property
    def step_name(self) -> str:
        """What a step is, in the plural."""
        return "sixteenths" if self.quarter_steps == 4 else "triplet eighths"

    def phrases_of(self, bars: int) -> int:
        """How many phrases hold so many bars."""
        return -(-bars // self.phrase_bars)

    def cut(self, steps: NDArray[T], fill: int = 0) -> NDArray[T]:
        """Whole phrases of something of each step, (..., P * phrase_steps), as (..., P, TOKENS); `fill` is the rest.

        >>> Metre(3, 4).cut(np.ones(48, np.int8)).sum(axis=1)
        array([24, 24])
        """
        rows = steps.reshape(*steps.shape[:-1], -1, self.phrase_steps)
        if self.phrase_steps == TOKENS:
            return rows
        ahead = [(0, 0)] * (rows.ndim - 1)
        return np.pad(rows, [*ahead, (0, TOKENS - self.phrase_steps)], constant_values=fill)

    def join(self, phrases: NDArray[T]) -> NDArray[T]:
        """The inverse of `cut`: something of each token, (..., P, TOKENS), as that of each step of the music."""
        return phrases[..., : self.phrase_steps].reshape(*phrases.shape[:-2], -1)

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}" + (f" {_TRIPLETS}" if self.quarter_steps == 3 else "")


COMMON = Metre()  # 4/4 in sixteenths, as the paper has it
FOUR_FOUR = (COMMON, Metre(2, 2))  # the paper's corpus; 2/2 is 4/4 in another notation


def bars_a_phrase(steps: int) -> int:
    """How many whole bars of so many steps a phrase holds: 4, 2, 1, or 0 where not even one fits."""
    return next((bars for bars in (4, 2, 1) if bars * steps <= TOKENS), 0)


def grids(numerator: int, denominator: int, metres: Metres = None) -> list[Metre]:
    """The metres of a time signature, in sixteenths and in triplet eighths; of `metres` only, if some are given.

    >>> [str(metre) for metre in grids(3, 4)], grids(17, 4)
    (['3/4', '3/4 triplets'], [])
    """
    found = []
    for steps in (4, 3):
        try:
            found.append(Metre(numerator, denominator, steps))
        except ValueError:
            continue
    return [metre for metre in found if metres is None or metre in metres]


def same_bars(metre: Metre) -> tuple[Metre, ...]:
    """The metres that are this one in another notation, and itself: 4/4 and 2/2 are.

    >>> print(*same_bars(Metre(2, 2)), *same_bars(Metre(3, 4)))
    4/4 2/2 3/4
    """
    return FOUR_FOUR if metre in FOUR_FOUR else (metre,)


def not_known(metre: str, metres: Metres) -> str:
    """The end of a sentence about music in a metre that is none of `metres`, with what to do."""
    return (
        f"in {metre}, which this model does not know; it knows {names_of(metres)}: set one of these in the file, which "
        "moves no note, or name another model"
    )


def names_of(metres: Metres) -> str:
    """Metres as a sentence has them.

    >>> names_of(FOUR_FOUR)
    '4/4 and 2/2'
    """
    names = [str(metre) for metre in metres] if metres is not None else ["every metre of at most 32 steps a bar"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
