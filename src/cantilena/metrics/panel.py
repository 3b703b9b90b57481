"""`Panel`: the frame of a plot, which turns values into places on an SVG page; and functions that write SVG elements.

A page is light. Ink has classes (`text`, `mute`, `grid`, `axis`, `paper`), so that a page that holds the picture may
set other colours; what belongs to a row or a sampler is drawn in `currentColor` inside a `group` of that name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Panel", "circle", "group", "line", "linear_ticks", "log_ticks", "n", "path", "sheet", "words"]

_SANS = "system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif"
_INKS = {"text": "#22242a", "mute": "#666b75", "grid": "#e6e7ea", "axis": "#8d929c", "paper": "#ffffff"}


@dataclass(frozen=True)
class Panel:
    """A frame `width` by `height` with its upper left corner at (left, top), and the values along its edges."""

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float] = (0.0, 1.0)  # bottom, top
    log_x: bool = False

    def x(self, value: float) -> float:
        """Return the place of a value from left to right; a value outside the range stands on the edge."""
        low, high = self.x_range
        if self.log_x:
            value, low, high = (math.log(max(v, 1e-12)) for v in (value, low, high))
        return self.left + self.width * min(1.0, max(0.0, (value - low) / (high - low)))

    def y(self, value: float) -> float:
        """Return the place of a value from top to bottom; a value outside the range stands on the edge."""
        low, high = self.y_range
        return self.top + self.height * min(1.0, max(0.0, (high - value) / (high - low)))

    def frame(self, title: str, x_ticks: Sequence[float], y_ticks: Sequence[float] = ()) -> str:
        """Draw the title above, and a line and a number at every tick."""
        right, bottom = self.left + self.width, self.top + self.height
        parts = [words(self.left, self.top - 9, title, weight=600)]
        parts += [line(self.x(v), self.top, self.x(v), bottom, "grid") for v in x_ticks]
        parts += [line(self.left, self.y(v), right, self.y(v), "grid") for v in y_ticks]
        parts += [words(self.x(v), bottom + 15, _tick(v), "mute", 11, self._anchor(v)) for v in x_ticks]
        parts += [words(self.left - 6, self.y(v) + 4, _tick(v), "mute", 11, "end") for v in y_ticks]
        return "".join([*parts, line(self.left, bottom, right, bottom, "axis")])

    def _anchor(self, value: float) -> str:
        """Keep the numbers at the corners inside the frame."""
        place = (self.x(value) - self.left) / self.width
        return "start" if place < 0.01 else "end" if place > 0.99 else "middle"


def linear_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers that enclose low..high; the first and the last are a good range.

    >>> linear_ticks(0.13, 0.94)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * min((1, 2, 5, 10), key=lambda m: abs(m * power - rough))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return powers of ten that enclose low..high, and their doubles and fives where these are less than two.

    >>> log_ticks(3, 450), log_ticks(20, 80)
    ([1.0, 10.0, 100.0, 1000.0], [10.0, 20.0, 50.0, 100.0])
    """
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    last = max(last, first + 1)
    return [10.0**k * m for k in range(first, last + 1) for m in ((1, 2, 5) if last - first < 2 else (1,))
            if 10.0**k * m <= 10.0**last]  # fmt: skip


# -- words of the format -----------------------------------------------------------------------


def sheet(width: float, height: float, title: str, subtitle: str, parts: Iterable[str]) -> str:
    """Write a whole picture with its heading."""
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" width="{n(width)}" height="{n(height)}" '
        f'viewBox="0 0 {n(width)} {n(height)}" role="img" aria-label="{escape(title)}" font-family="{_SANS}">',
        f"<title>{escape(title)}</title>",
        f'<rect class="paper" fill="{_INKS["paper"]}" width="{n(width)}" height="{n(height)}"/>',
        words(20, 30, title, size=17, weight=600),
        words(20, 50, subtitle, "mute", 12),
        *parts,
        "</svg>\n",
    ])  # fmt: skip


def words(
    x: float, y: float, text: str, ink: str | None = "text", size: float = 12, anchor: str = "start", weight: int = 400
) -> str:
    """Write a line of text; `ink` None takes the colour of the group."""
    colour = f'class="{ink}" fill="{_INKS[ink]}"' if ink else 'fill="currentColor"'
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    bold = "" if weight == 400 else f' font-weight="{weight}"'
    return f'<text x="{n(x)}" y="{n(y)}" font-size="{n(size)}" {colour}{place}{bold}>{escape(text)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, ink: str | None = None, width: float = 1, dash: str = "") -> str:
    """Draw a straight line; `ink` None takes the colour of the group."""
    return path(f"M{n(x1)} {n(y1)}L{n(x2)} {n(y2)}", ink, width, dash)


def path(shape: str, ink: str | None = None, width: float = 1, dash: str = "") -> str:
    """Draw an open path."""
    colour = f'class="{ink}" stroke="{_INKS[ink]}"' if ink else 'stroke="currentColor"'
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="{shape}" {colour} fill="none" stroke-width="{n(width)}"{dashes} stroke-linejoin="round"/>'


def circle(x: float, y: float, radius: float, title: str = "", *, filled: bool = True) -> str:
    """Draw a dot in the colour of the group, or a ring; a browser shows `title` where the mouse points at it."""
    fill = 'fill="currentColor"' if filled else f'class="hole" fill="{_INKS["paper"]}"'
    place = f'cx="{n(x)}" cy="{n(y)}" r="{n(radius)}"'
    return f'<circle {place} {fill} stroke="currentColor" stroke-width="1.5"><title>{escape(title)}</title></circle>'


def group(name: str, colour: str, parts: Iterable[str]) -> str:
    """Put parts of one colour together; `name` becomes their class."""
    return f'<g class="{escape(name)}" color="{colour}">{"".join(parts)}</g>'


def n(value: float) -> str:
    """Write a length to a tenth, without trailing zeros."""
    return f"{value:.1f}".removesuffix(".0")


def _tick(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
