"""`Metre`: how bars, beats and phrases divide into steps; everything that counts in bars asks it.

A phrase is what the VAE turns into one latent vector. It is written in TOKENS tokens, and holds as many whole bars
(4, 2 or 1) as fit them: 2 of 4/4, 3/4 or 6/8, 4 of 2/4, 1 of 12/8. What is left of the tokens is silence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["COMMON", "TOKENS", "Metre"]

TOKENS = 32  # of a phrase
_TRIPLETS = "triplets"


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
        return next(bars for bars in (4, 2, 1) if bars * self.bar_steps <= TOKENS)

    @property
    def phrase_steps(self) -> int:
        """Steps of music in a phrase, at most TOKENS."""
        return self.phrase_bars * self.bar_steps

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

        >>> [Metre(*m).strong_steps for m in ((4, 4), (3, 4), (6, 8), (9, 8), (12, 8))]
        [(0, 8), (0,), (0,), (0,), (0, 12)]
        """
        beats = self.bar_steps // self.beat_steps
        return (0, self.bar_steps // 2) if beats >= 4 and beats % 2 == 0 else (0,)

    @property
    def step_name(self) -> str:
        """What a step is, in the plural."""
        return "sixteenths" if self.quarter_steps == 4 else "triplet eighths"

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}" + (f" {_TRIPLETS}" if self.quarter_steps == 3 else "")


COMMON = Metre()  # 4/4 in sixteenths, as the paper has it
