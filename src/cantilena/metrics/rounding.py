"""Figures as they are printed: how many digits each kind has, and what stands where there is none."""

from __future__ import annotations

from math import isfinite

__all__ = ["DASH", "number", "score"]

DASH = "–"


def score(value: float | None) -> str:
    """Write a score to two places, without its leading zero.

    >>> score(0.973), score(1.0), score(None)
    ('.97', '1.00', '–')
    """
    return DASH if value is None or not isfinite(value) else f"{value:.2f}".removeprefix("0")


def number(value: float | None) -> str:
    """Write any other figure to three digits.

    >>> number(0.01234), number(12345.6), number(3.0)
    ('0.0123', '12,346', '3')
    """
    if value is None or not isfinite(value):
        return DASH
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
