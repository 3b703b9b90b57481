"""Signs in the middle of a bar: the bar is cut in two there, which are one again wherever they are played in a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from cantilena.notation.sheet import Bar, Note, Signs

__all__ = ["cut_bars"]


def cut_bars(bars: Sequence[Bar]) -> list[Bar]:
    """The bars, those cut in which a segno or a coda stands in the middle, or a Fine or "to coda" that ends there.

    Writers put the last two over a note rather than behind it. So these cut only where what is left of the bar is as
    long as the short bar that the music goes on with: the pickup after a Fine, the coda. No note is cut.
    """
    found: list[Bar] = []
    coda = next((bar for bar in bars if bar.signs.coda), None)
    for bar in bars:
        cut = next((bar.signs.at[sign] for sign in ("segno", "coda") if sign in bar.signs.at), Fraction(0))
        for sign, goes_on in (("fine", bars[0]), ("to_coda", coda)):
            if sign in bar.signs.at and goes_on is not None and 0 < goes_on.length < goes_on.full:
                end = bar.full - goes_on.length
                if bar.length == bar.full and _ends(bar, bar.signs.at[sign], end):
                    cut = end
        found += _cut(bar, cut) if 0 < cut < bar.length and not _sounds(bar, cut) else [bar]
    return found


def _ends(bar: Bar, at: Fraction, end: Fraction) -> bool:
    """Whether a sign at a time means that end: it stands there, or over a note that ends there."""
    return at == end or any(n.at == at and n.at + n.length == end for notes in bar.notes.values() for n in notes)


def _sounds(bar: Bar, at: Fraction) -> bool:
    return any(n.at < at < n.at + n.length for notes in bar.notes.values() for n in notes)


def _cut(bar: Bar, at: Fraction) -> list[Bar]:
    signs, late = bar.signs, bar.signs.at
    one = Signs(
        begins=signs.begins, endings=signs.endings, segno=signs.segno and "segno" not in late,
        coda=signs.coda and "coda" not in late, to_coda=signs.to_coda and "to_coda" in late,
        fine=signs.fine and "fine" in late, part=signs.part,
    )  # fmt: skip
    other = Signs(
        times=signs.times, endings=signs.endings, segno=signs.segno and "segno" in late,
        coda=signs.coda and "coda" in late, to_coda=signs.to_coda and not one.to_coda,
        fine=signs.fine and not one.fine, jump=signs.jump,
    )  # fmt: skip
    before = {part: [n for n in notes if n.at < at] for part, notes in bar.notes.items()}
    behind = {part: [_earlier(n, at) for n in notes if n.at >= at] for part, notes in bar.notes.items()}
    first = replace(
        bar, length=at, notes=before, signs=one, chords=[c for c in bar.chords if c[0] < at],
        tempos=[t for t in bar.tempos if t[0] < at],
    )  # fmt: skip
    second = replace(
        bar, length=bar.length - at, notes=behind, signs=other, chords=[(t - at, c) for t, c in bar.chords if t >= at],
        tempos=[(t - at, q) for t, q in bar.tempos if t >= at],
    )  # fmt: skip
    return [first, second]


def _earlier(note: Note, by: Fraction) -> Note:
    return replace(note, at=note.at - by)
