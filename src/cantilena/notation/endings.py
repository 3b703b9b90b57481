"""The endings of files of notation, by format; light, for whoever only asks whether a name is one of these."""

from __future__ import annotations

__all__ = ["ENDINGS", "ending_of"]

ENDINGS = {  # by format
    "musicxml": ".musicxml", "mxl": ".mxl", "abc": ".abc", "score": ".score.svg", "pdf": ".pdf",
}  # fmt: skip


def ending_of(name: str) -> str:
    """The ending of a file's name that says notation, "" of any other.

    >>> ending_of("tune.score.svg"), ending_of("tune.svg"), ending_of("tune.ABC")
    ('.score.svg', '', '.abc')
    """
    return next((ending for ending in ENDINGS.values() if name.lower().endswith(ending)), "")
