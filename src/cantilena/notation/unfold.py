"""The order in which written bars are played: repeats, numbered endings, D.C., D.S., Fine and Coda."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from cantilena.errors import MidiError
from cantilena.notation.sheet import Bar, Signs

__all__ = ["MAX_BARS", "played_order"]

MAX_BARS = 20_000  # as played: more is a broken file


def played_order(bars: Sequence[Bar], name: str, order: str = "") -> list[int]:
    """Indices of the bars as they are played; MidiError where there are more than MAX_BARS.

    Repeats are taken the first time, not after D.C. or D.S.: then the last ending is played, up to Fine or the coda.
    A short bar that is repeated to, as a pickup is, is left out where the bar before is full: its notes stand there.
    `order` is that of lettered parts, each unfolded by itself: "AABB".
    """
    if order:
        return _lettered(bars, name, order)
    signs = _completed([bar.signs for bar in bars])
    played: list[int] = []
    at = start = 0
    time, jumped = 1, False
    while at < len(bars):
        sign = signs[at]
        if sign.begins and at != start:
            start, time = at, 1
        last = _endings(signs, at)
        if sign.endings and (last if jumped else time) not in sign.endings:
            at += 1
            continue
        played.append(at)
        if len(played) > MAX_BARS:
            raise MidiError(f"{name}: more than {MAX_BARS:,} bars with all repeats: a broken file")
        if sign.times and not jumped and time < (last or sign.times):
            at = start + (_short(bars[start]) > 0 and not _short(bars[at]) and at > start)
            time += 1
        elif jumped and sign.fine:
            break
        elif jumped and sign.to_coda and (coda := _next(signs, at)) is not None:
            at = start = coda
        elif sign.jump and not jumped:
            segno = next((i for i, s in enumerate(signs) if s.segno), 0)
            at = start = segno if sign.jump == "D.S." else 0
            at += _short(bars[at]) > 0 and not _short(bars[played[-1]]) and at + 1 < len(bars)
            jumped = True
        else:
            at += 1
            if sign.times or (sign.endings and not (at < len(bars) and signs[at].endings)):
                start, time = at, 1
    return played


def _completed(signs: Sequence[Signs]) -> list[Signs]:
    """An ending that another follows ends in a repeat, whether or not the sign is written."""
    for one, other in pairwise(signs):
        if one.endings and other.endings and one.endings != other.endings and not one.times:
            one.times = 2
    return list(signs)


def _endings(signs: Sequence[Signs], at: int) -> int:
    """The number of the last ending of the group that a bar belongs to; 0 of none."""
    last, first = at, at
    while last < len(signs) and signs[last].endings and (last == at or not signs[last].begins):
        last += 1
    while first >= 0 and signs[first].endings:
        first -= 1
    return max((number for sign in signs[first + 1 : last] for number in sign.endings), default=0)


def _short(bar: Bar) -> bool:
    return 0 < bar.length < bar.full


def _next(signs: Sequence[Signs], at: int) -> int | None:
    """The bar after `at` at which the coda begins."""
    return next((i for i in range(at + 1, len(signs)) if signs[i].coda), None)


def _lettered(bars: Sequence[Bar], name: str, order: str) -> list[int]:
    begins = [i for i, bar in enumerate(bars) if bar.signs.part]
    found = {bars[i].signs.part: range(i, j) for i, j in pairwise([*begins, len(bars)])}
    played: list[int] = list(range(begins[0])) if begins else []
    if not all(letter in found for letter in order):
        return played_order(bars, name)  # an order of parts that are not there
    unfolded = {letter: played_order(bars[span.start : span.stop], name) for letter, span in found.items()}
    for letter in order:
        played += [found[letter].start + i for i in unfolded[letter]]
        if len(played) > MAX_BARS:
            raise MidiError(f"{name}: more than {MAX_BARS:,} bars with all repeats: a broken file")
    return played
