"""Draws a `Report`: overlap along the bars, and how the music of both sides is distributed.

The reference is the grey ground, what is measured against it an orange line: where the line follows the edge of the
ground the two are alike. Colour is never the only sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cantilena.metrics.overlap import ATTRIBUTES, HOP_BARS, WINDOW_BARS
from cantilena.metrics.panel import Panel, group, line, linear_ticks, n, path, sheet, words
from cantilena.metrics.report import Report
from cantilena.metrics.rounding import number, score

__all__ = ["report_plot"]

_WIDTH, _MARGIN, _LEFT, _GAP = 1000.0, 20.0, 36.0, 58.0  # user units, as all lengths below
_GENERATED, _REFERENCE = "#d55e00", "#9aa1ad"
_CURVE_TOP, _CURVE_HEIGHT, _SMALL_HEIGHT, _SMALL_GAP, _COLUMNS = 118.0, 170.0, 84.0, 70.0, 5
_BINS = 24
_LEAST = 10  # pieces that reach a bar, or the curve ends before it

Figures = NDArray[np.float64]


def report_plot(report: Report) -> str:
    """Draw overlap along the bars and the distributions of the music features, as one SVG."""
    ours, theirs = report.generated.pieces, report.reference.pieces
    parts = [*_key(ours.name, theirs.name), *_curves(report)]
    top = _CURVE_TOP + _CURVE_HEIGHT + 100
    parts.append(words(_MARGIN, top - 42, "Music", size=14, weight=600))
    note = "distributions over pieces; d: Wasserstein distance, in the unit of the axis"
    parts.append(words(_MARGIN + 230, top - 42, note, "mute", 11.5))
    small = (_WIDTH - 2 * _MARGIN - (_COLUMNS - 1) * 24) / _COLUMNS
    for k, (name, row) in enumerate(report.music.items()):
        place = _MARGIN + (k % _COLUMNS) * (small + 24), top + 8 + (k // _COLUMNS) * (_SMALL_HEIGHT + _SMALL_GAP)
        sides = report.generated.features[name], report.reference.features[name]
        plot = _lags if sides[0].ndim == 2 else _histogram
        parts += plot(*place, small, *sides)
        parts.append(words(place[0], place[1] - 19, name.replace("_", " "), weight=600))
        parts.append(words(place[0], place[1] - 5, f"d {number(row['distance'])}", "mute", 11))
    rows = -(-len(report.music) // _COLUMNS)
    height = top + 8 + rows * (_SMALL_HEIGHT + _SMALL_GAP) - 20
    title = f"{_short(ours.name)} against {_short(theirs.name)}"
    said = f"{len(ours):,} and {len(theirs):,} pieces"
    if report.novelty:
        longest, share = report.novelty["longest_median"], report.novelty["share_found"]
        said += f"; copied: longest run {longest:g} notes (median), {share:.1%} of the phrases"
    return sheet(_WIDTH, height, title, said, parts)


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:39]}…"


def _key(ours: str, theirs: str) -> Iterator[str]:
    """Which side is which, at the upper right."""
    for k, (name, colour, width) in enumerate(((ours, _GENERATED, 2.5), (theirs, _REFERENCE, 9))):
        y = 26 + 20 * k
        mark = line(_WIDTH - _MARGIN - 26, y, _WIDTH - _MARGIN, y, width=width)
        yield group("key", colour, [mark])
        yield words(_WIDTH - _MARGIN - 34, y + 4, _short(name), anchor="end")


# -- along the bars ----------------------------------------------------------------------------


def _curves(report: Report) -> Iterator[str]:
    """Mean overlap at each bar line between windows, over a band that holds the middle half of the pieces."""
    width = (_WIDTH - 2 * _MARGIN - 2 * _LEFT - _GAP + 22) / 2
    both = (report.reference, report.generated)
    curves = {attribute: [_along(getattr(side.overlaps, attribute)) for side in both] for attribute in ATTRIBUTES}
    marks = linear_ticks(min(float(side.min()) for sides in curves.values() for side in sides), 1)
    for k, (attribute, sides) in enumerate(curves.items()):
        last = max(len(side) for side in sides)
        end = HOP_BARS * (last - 1) + WINDOW_BARS + HOP_BARS
        left = _MARGIN + _LEFT + k * (width + _GAP)
        panel = Panel(left, _CURVE_TOP, width, _CURVE_HEIGHT, (1, end + 1), (marks[0], marks[-1]))
        ticks = [float(bar) for bar in range(1, end + 2, max(8, 8 * (end // 64)))]
        yield panel.frame(f"Overlap of {attribute}", ticks, marks)
        cells = report.scores[attribute]
        said = f"C {score(cells['C'].value)} · Var {score(cells['var_pieces'].value)}"
        yield words(left + width, _CURVE_TOP - 9, f"{said} over pieces", "mute", 11.5, "end")
        yield words(left + width, _CURVE_TOP + _CURVE_HEIGHT + 31, "bar", "mute", 11, "end")
        for side, colour, name, opacity in zip(
            sides, (_REFERENCE, _GENERATED), ("reference", "generated"), (0.3, 0.16), strict=True
        ):
            x = [panel.x(1 + WINDOW_BARS / 2 + HOP_BARS / 2 + HOP_BARS * i) for i in range(len(side))]
            low, mean, high = ([panel.y(v) for v in column] for column in side.T)
            edge = [*zip(x, high, strict=True), *reversed(list(zip(x, low, strict=True)))]
            band = f'<path d="{_polygon(edge)}z" fill="currentColor" fill-opacity="{opacity}"/>'
            yield group(name, colour, [band, path(_polygon(list(zip(x, mean, strict=True))), width=2.2)])
    note = f"each window of {WINDOW_BARS} bars against the one {HOP_BARS} bars on; line: mean, band: half of the pieces"
    yield words(_MARGIN, _CURVE_TOP - 34, "Framewise self-similarity", size=14, weight=600)
    yield words(_MARGIN + 230, _CURVE_TOP - 34, note, "mute", 11.5)


def _along(values: Sequence[Figures]) -> Figures:
    """Lower quartile, mean and upper quartile at each pair of windows: (pairs, 3)."""
    reach = np.array([v.size for v in values])
    enough = min(_LEAST, len(values))
    longest = int(np.sort(reach)[-enough])
    rows = []
    for i in range(longest):
        here = np.array([v[i] for v in values if v.size > i])
        low, high = np.percentile(here, (25, 75))
        rows.append((low, here.mean(), high))
    return np.array(rows)


# -- small ones --------------------------------------------------------------------------------


def _histogram(left: float, top: float, width: float, ours: Figures, theirs: Figures) -> Iterator[str]:
    """Share of pieces (of notes, for intervals) in each bin; both sides have the same bins."""
    both = np.concatenate([ours, theirs])
    low, high = np.percentile(both, (0.5, 99.5))
    if high - low < 1e-6:  # all alike, but for the last digit
        low, high = low - 0.5, high + 0.5
    if (both == both.round()).all():
        low, high = np.floor(low), np.ceil(high)
        wide = max(1, -(-int(high - low + 1) // _BINS))
        edges = np.arange(low - 0.5, high + wide, wide)
    else:
        ticks = linear_ticks(float(low), float(high))
        edges = np.linspace(ticks[0], ticks[-1], _BINS + 1)
    shares = [np.histogram(side.clip(edges[0], edges[-1]), edges)[0] / side.size for side in (theirs, ours)]
    peak = max(float(share.max()) for share in shares)
    panel = Panel(left, top, width, _SMALL_HEIGHT, (float(edges[0]), float(edges[-1])), (0, 1.08 * peak))
    ticks = [t for t in linear_ticks(float(edges[0]), float(edges[-1]), 4) if edges[0] <= t <= edges[-1]]
    yield panel.frame("", ticks)
    for share, colour, name in zip(shares, (_REFERENCE, _GENERATED), ("reference", "generated"), strict=True):
        floor = panel.y(0)
        shape = f"M{n(panel.x(edges[0]))} {n(floor)}"
        for value, right in zip(share, edges[1:], strict=True):
            shape += f"V{n(panel.y(value))}H{n(panel.x(right))}"
        shape += f"V{n(floor)}"
        fill = f'<path d="{shape}z" fill="currentColor" fill-opacity=".45"/>'
        yield group(name, colour, [fill if name == "reference" else path(shape, width=1.8)])


def _lags(left: float, top: float, width: float, ours: Figures, theirs: Figures) -> Iterator[str]:
    """Mean against the lag in phrases: the profile of the self-similarity matrix."""
    lags = min(ours.shape[1], theirs.shape[1])
    means = [np.nanmean(side[:, :lags], axis=0) for side in (theirs, ours)]
    high = linear_ticks(0, max(float(mean.max()) for mean in means), 3)[-1]
    panel = Panel(left, top, width, _SMALL_HEIGHT, (1, max(lags, 2)), (0, high))
    yield panel.frame("", sorted({1.0, *(t for t in linear_ticks(1, max(lags, 2), 4) if 1 <= t <= lags)}))
    yield words(left + width, top + 12, "phrases apart", "mute", 10, "end")
    for mean, colour, name in zip(means, (_REFERENCE, _GENERATED), ("reference", "generated"), strict=True):
        points = [(panel.x(lag), panel.y(v)) for lag, v in enumerate(mean, 1)]
        ground = (
            f'<path d="{_polygon(points)}V{n(panel.y(0))}H{n(panel.x(1))}z" fill="currentColor" fill-opacity=".45"/>'
        )
        yield group(name, colour, [ground if name == "reference" else path(_polygon(points), width=1.8)])


def _polygon(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{n(x)} {n(y)}" for x, y in points)
