"""`picture`: piano rolls above each other on the same pitches and bars, so that the eye can compare them.

    title                                        # kept  # new
    The song
    9    10   11   12   13                            bar numbers
   |    |    |####|####|                              a shaded bar is one that an edit may change
C4 |____|____|____|____|__                            a line below every C
    Bars 11-12 composed anew
    9    10   11   12   13
   |    |    |####|####|
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

import numpy as np
from numpy.typing import NDArray

from cantilena.metrics.panel import Panel, line, n, path, sheet, words
from cantilena.music.melody import Melody, pitch_name
from cantilena.music.metre import COMMON

__all__ = ["INKS", "Roll", "inks", "matrix", "picture"]

INKS = {  # told apart on a grey printer and by the colour-blind
    "kept": "#2b4c8c", "new": "#e0701a", "gone": "#b3b6bd", "other": "#2f8f6b", "wrong": "#c2213a",
}  # fmt: skip
_WIDTH, _LEFT, _RIGHT = 1000.0, 46.0, 20.0
_HEAD, _GAP, _TALL = 92.0, 44.0, 112.0  # above the first roll; between rolls, where their labels stand; a roll
_BLACK = (1, 3, 6, 8, 10)
_SHADES = 4  # of likeness


@dataclass(frozen=True, eq=False)
class Roll:
    """A melody as one line of a picture."""

    label: str
    melody: Melody
    inks: Sequence[str]  # of INKS, one a note
    at: int = 0  # bar of the picture, counted from 0, where it begins
    first: int = 1  # number of its first bar
    shaded: Sequence[tuple[int, int]] = ()  # bars by their numbers, from first to last
    below: Sequence[tuple[str, str]] = ()  # a word and its ink beneath each bar
    wraps: int | None = None  # bars after which the numbers begin again


def inks(melody: Melody, *known: tuple[str, Melody], rest: str = "new") -> list[str]:
    """The ink of each note: of the first of `known` (ink, melody) that has the same note at the same time, or `rest`.

    >>> one, two = (Melody.from_notes([0, 4], [4, 8], [60, p]) for p in (62, 64))
    >>> inks(two, ("kept", one))
    ['kept', 'new']
    """
    have = [(ink, set(_notes(other))) for ink, other in known]
    return [next((ink for ink, notes in have if note in notes), rest) for note in _notes(melody)]


def picture(
    title: str, subtitle: str, rolls: Sequence[Roll], key: Mapping[str, str], *, tall: float = _TALL,
    foot: Callable[[float], tuple[str, float]] | None = None,
) -> str:  # fmt: skip
    """An SVG page of `rolls`, each at most `tall`; the `key` says what inks mean: {"new": "composed"}.

    `foot` draws what stands beneath: given the place where it begins, it returns that and its height.
    """
    pitch = np.concatenate([roll.melody.notes.pitch for roll in rolls])
    middle, half = (int(pitch.max()) + int(pitch.min())) / 2, max(9.0, (int(pitch.max()) - int(pitch.min())) / 2 + 2)
    bars = max(roll.at + roll.melody.bars for roll in rolls)
    panel = Panel(
        _LEFT, _HEAD + 22, _WIDTH - _LEFT - _RIGHT, min(tall, 2 * half * 6.5), (0, bars * COMMON.bar_steps),
        (middle - half - 0.5, middle + half + 0.5),
    )  # fmt: skip
    parts = [_key(key)]
    for roll in rolls:
        parts += [_ground(panel, roll), _melody(panel, roll)]
        below = 15.0 if roll.below else 0.0
        panel = replace(panel, top=panel.top + panel.height + below + _GAP)
    bottom = panel.top - _GAP + 16
    if foot is not None:
        drawn, height = foot(bottom + 8)
        parts, bottom = [*parts, drawn], bottom + 8 + height
    return sheet(_WIDTH, bottom, title, subtitle, parts)


def matrix(like: NDArray[np.float64], left: float, top: float, cell: float, label: str, every: int) -> str:
    """How alike bars are, (bars, bars): the darker, the more (0..1), grey for NaN; a line at `every` bars."""
    level = np.where(np.isnan(like), -1, np.ceil(np.nan_to_num(like) * _SHADES - 1e-9)).astype(int)
    parts = [words(left, top - 7, label, weight=600)]
    for shade in (-1, *range(1, _SHADES + 1)):
        shape = ""
        for i, row in enumerate(level):
            edges = np.flatnonzero(np.diff(np.append(0, np.append(row == shade, 0)))).reshape(-1, 2).tolist()
            shape += "".join(f"M{n(left + a * cell)} {n(top + (i + 0.5) * cell)}h{n((b - a) * cell)}" for a, b in edges)
        colour = f'stroke="{INKS["kept"]}" stroke-opacity="{shade / _SHADES:g}"' if shade > 0 else 'stroke="#e6e7ea"'
        parts.append(f'<path {colour} stroke-width="{n(cell)}" d="{shape}"/>' if shape else "")
    size = len(like) * cell
    for bar in range(0, len(like) + 1, every):
        parts.append(line(left + bar * cell, top, left + bar * cell, top + size, "axis", 0.6))
        parts.append(line(left, top + bar * cell, left + size, top + bar * cell, "axis", 0.6))
    return "".join(parts)


def _ground(panel: Panel, roll: Roll) -> str:
    """Shaded bars, lanes, lines and numbers."""
    steps = panel.x_range[1]
    left, right = (panel.x((roll.at + bar) * COMMON.bar_steps) for bar in (0, roll.melody.bars))
    top, bottom = panel.top, panel.top + panel.height
    parts = [words(_LEFT, top - 20, roll.label, size=12.5, weight=600)]
    for first, last in roll.shaded:
        x, x2 = (panel.x((roll.at + bar - roll.first) * COMMON.bar_steps) for bar in (first, last + 1))
        place = f'x="{n(x)}" y="{n(top)}" width="{n(x2 - x)}" height="{n(panel.height)}"'
        parts.append(f'<rect class="tint" fill="#fbe9d6" {place}/>')
    low, high = (round(edge) for edge in panel.y_range)
    lanes = ""
    for pitch in range(low + 1, high):
        if pitch % 12 in _BLACK:
            lanes += f"M{n(left)} {n(panel.y(pitch))}H{n(right)}"
        if pitch % 12 == 0:
            parts.append(words(_LEFT - 7, panel.y(pitch) + 4, pitch_name(pitch), "mute", 10.5, "end"))
            parts.append(line(left, panel.y(pitch - 0.5), right, panel.y(pitch - 0.5), "axis", 0.5))
    lane = panel.height / (panel.y_range[1] - panel.y_range[0])
    parts.append(f'<path stroke="#8a7c55" stroke-opacity=".08" stroke-width="{n(lane)}" d="{lanes}"/>')
    wide = panel.width / steps * COMMON.bar_steps
    every = 1 if wide > 22 else 4 if wide > 8 else 8
    lined = [bar for bar in range(roll.melody.bars + 1) if every == 1 or (roll.first + bar) % every == 1]
    shape = "".join(f"M{n(panel.x((roll.at + bar) * COMMON.bar_steps))} {n(top)}V{n(bottom)}" for bar in lined)
    parts.append(path(shape, "grid"))
    for bar in range(roll.melody.bars):
        number = roll.first + bar if roll.wraps is None else roll.first + bar % roll.wraps
        x = panel.x((roll.at + bar) * COMMON.bar_steps)
        if every == 1 or number % every == 1:
            parts.append(words(x, top - 4, str(number), "mute", 10))
        if bar < len(roll.below):
            word, ink = roll.below[bar]
            colour = f'fill="{INKS[ink]}" text-anchor="middle"'
            parts.append(
                f'<text x="{n(x + wide / 2)}" y="{n(bottom + 13)}" font-size="11" {colour}>{escape(word)}</text>'
            )
    return "".join([*parts, line(left, top, left, bottom, "axis"), line(right, top, right, bottom, "axis")])


def _melody(panel: Panel, roll: Roll) -> str:
    lane = panel.height / (panel.y_range[1] - panel.y_range[0])
    shapes: dict[str, str] = {}
    for (start, end, pitch), ink in zip(_notes(roll.melody), roll.inks, strict=True):
        x, x2 = (panel.x(roll.at * COMMON.bar_steps + step) for step in (start, end))
        shapes[ink] = shapes.get(ink, "") + f"M{n(x)} {n(panel.y(pitch))}h{n(max(x2 - x - 0.8, 1.2))}"
    thick = n(min(7.5, max(3.2, 1.15 * lane)))
    return "".join(f'<path class="{ink}" stroke="{INKS[ink]}" stroke-width="{thick}" d="{shape}"/>'
                   for ink, shape in sorted(shapes.items()))  # fmt: skip


def _key(key: Mapping[str, str]) -> str:
    parts, x = [], _LEFT
    for ink, meaning in key.items():
        parts.append(f'<rect x="{n(x)}" y="60" width="16" height="7" fill="{INKS[ink]}"/>')
        parts.append(words(x + 21, 68, meaning, "mute", 11.5))
        x += 42 + 6.1 * len(meaning)
    return "".join(parts)


def _notes(melody: Melody) -> list[tuple[int, int, int]]:
    return list(zip(*(column.tolist() for column in melody.notes), strict=True))
