"""Draws a `results.json` as SVG: scores, overlap along the bars, latent space, novelty; and of a sweep.

Colours are Okabe and Ito's, which colour-blind readers tell apart; what matters is said by a place, a shape or a word
as well. Each part of the results that is missing leaves its picture out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cantilena.metrics.overlap import ATTRIBUTES
from cantilena.metrics.panel import Panel, circle, group, line, linear_ticks, log_ticks, n, path, sheet, words
from cantilena.metrics.rounding import number, score
from cantilena.reproduction.results import Results
from cantilena.reproduction.table import (
    CONTROLS,
    SETTINGS,
    row_names,
    row_title,
)

__all__ = ["COLOURS", "figures", "sweep"]

COLOURS = {
    "train": "#737882", "test": "#22242a", "diffusion": "#d55e00", "autoregression": "#0072b2", "paper": "#b98200",
    "diffusion-tuned": "#e58a4e", "autoregression-tuned": "#5b9fd0", "paper-tuned": "#d0a64a",
    "interpolation": "#009e73", "prior": "#bd5f96", "reconstruction": "#3f93cc", "spurious": "#8c7a00",
    "shuffled": "#7a5195",
}  # fmt: skip
_OTHER = "#d55e00"  # a row that the table does not know
_SAMPLERS = ("#d55e00", "#0072b2", "#009e73", "#bd5f96")
_WIDTH = 1000.0  # user units, as all lengths below
_ROW, _NAMES, _GAP = 22.0, 172.0, 22.0  # height of a row, width of the column of names, between panels
_SCORES = (("C", "C", "C"), ("Var", "var_pieces", "var"))  # in print, in rows, in published
_LATENT = {"frechet": "Fréchet ↓", "mmd_rbf": "MMD, RBF ↓", "mmd_polynomial": "MMD, polyn. ↓",
           "precision": "precision ↑", "recall": "recall ↑"}  # fmt: skip
_INFILLED = (17, 49)  # bars 17 to 48, up to the next bar line


def figures(results: Results) -> dict[str, str]:
    """Return SVG by file name for all that results hold: scores, overlap, latent, novelty and sweep.svg."""
    made = {
        "scores.svg": (_scores, results.get("rows")),
        "overlap.svg": (_overlap, results.get("curves", {}).get("overlap_along")),
        "latent.svg": (_latent, results.get("latent", {}).get("rows")),
        "novelty.svg": (_novelty, results.get("novelty", {}).get("rows")),
        "sweep.svg": (lambda results: sweep(results["sweep"]), results.get("sweep")),
    }
    return {name: draw(results) for name, (draw, part) in made.items() if part}


# -- rows from top to bottom, a figure from left to right --------------------------------------


def _scores(results: Results) -> str:
    rows, published = results["rows"], results.get("published", {})
    names = row_names(rows)
    settings = [s for s in SETTINGS if any(s in rows[row] for row in names)]
    low = {
        key: min([0.9, *(c["low"] for c in _cells(rows, key))] + [c[other] for c in _cells(published, other)])
        for _, key, other in _SCORES
    }
    parts, top = [], 100.0
    for setting in settings:
        shown = [row for row in names if setting in rows[row]]
        parts.append(words(20, top - 9, setting, size=14, weight=600))
        parts.append(_row_names(shown, top))
        for k, (attribute, (title, key, other)) in enumerate((a, s) for a in ATTRIBUTES for s in _SCORES):
            ticks = linear_ticks(low[key], 1.0, 4)
            panel = _column(k, 4, top, shown, (ticks[0], ticks[-1]))
            parts.append(panel.frame(f"{attribute} {title}", ticks))
            for i, row in enumerate(shown):
                y, marks = _middle(panel, i), []
                if cell := rows[row][setting].get(attribute, {}).get(key):
                    span = f"{row_title(row)}: {score(cell['value'])} [{score(cell['low'])}, {score(cell['high'])}]"
                    marks.append(line(panel.x(cell["low"]), y, panel.x(cell["high"]), y, width=3))
                    marks.append(circle(panel.x(cell["value"]), y, 4.5, span))
                if figure := published.get(row, {}).get(setting, {}).get(attribute):
                    x = panel.x(figure[other])
                    diamond = f"M{n(x)} {n(y - 7)}l5.5 7l-5.5 7l-5.5 -7z"
                    marks.append(f"<g><title>published: {score(figure[other])}</title>{path(diamond, 'text', 1.3)}</g>")
                parts.append(_group(row, marks))
        top += _ROW * len(shown) + 76
    note = "Dot and line: ours, with the 95 % interval. Diamond: published (Mittal et al. 2021). Var: over pieces."
    return sheet(_WIDTH, top - 40, "Consistency (C) and variance (Var) of framewise self-similarity", note, parts)


def _latent(results: Results) -> str:
    latent = results["latent"]
    floor = latent.get("floor", {})
    metrics = {key: title for key, title in _LATENT.items() if _values(latent["rows"], key)}

    def scale(key: str) -> tuple[list[float], bool]:
        values = [*_values(latent["rows"], key), *([floor[key]] if key in floor else [])]
        if key in ("precision", "recall"):
            return [0.0, 0.5, 1.0], False
        if min(values) > 0 and max(values) / min(values) > 30:
            return log_ticks(min(values), max(values)), True
        return linear_ticks(min(0.0, *values), max(values), 3), False

    note = "Dot: unconditional. Ring: infilling. Dashed: the floor, real against real. Arrows: where better is."
    marks = [(title, lambda cell, key=key: [cell.get(key)], scale(key), floor.get(key))
             for key, title in metrics.items()]  # fmt: skip
    return _row_plot(latent["rows"], "Distance to real music in latent space", note, marks)


def _novelty(results: Results) -> str:
    rows = results["novelty"]["rows"]
    natural = rows.get("test", {}).get("unconditional", {})
    panels = (
        ("longest copied run, notes: median and 95 %", ("longest_median", "longest_95"), 6),
        ("share of phrases found", ("share_found",), 4),
    )
    marks = []
    for title, keys, about in panels:
        values = [value for key in keys for value in _values(rows, key)]
        if values:
            ticks = linear_ticks(0.0, max(values), about)
            marks.append((title, lambda cell, keys=keys: [cell.get(k) for k in keys], (ticks, False),
                          natural.get(keys[0])))  # fmt: skip
    note = (
        "Against the training melodies. Dot: unconditional. Ring: infilling. Dashed: test melodies, the natural level."
    )
    return _row_plot(rows, "Novelty", note, marks)


def _row_plot(
    rows: Mapping[str, Any],
    title: str,
    note: str,
    panels: Sequence[tuple[str, Callable[[Mapping[str, Any]], list[float | None]], tuple[list[float], bool], Any]],
) -> str:
    """Rows by panels: (title, a cell's figures, (ticks, log), where a dashed line stands or None)."""
    names, top = row_names(rows), 96.0
    parts = [_row_names(names, top)]
    for k, (heading, figures_of, (ticks, log), dashed) in enumerate(panels):
        panel = _column(k, len(panels), top, names, (ticks[0], ticks[-1]), log)
        parts.append(panel.frame(f"{heading}, log" if log else heading, ticks))
        if dashed is not None:
            parts.append(line(panel.x(dashed), top, panel.x(dashed), top + panel.height, "text", 1.2, "4 3"))
        for i, row in enumerate(names):
            marks = []
            for setting, cell in rows[row].items():
                y = _middle(panel, i) + (0 if len(rows[row]) == 1 else -4.5 if setting == "unconditional" else 4.5)
                found = [v for v in figures_of(cell) if v is not None]
                if len(found) > 1:
                    marks.append(line(panel.x(found[0]), y, panel.x(found[1]), y, width=2))
                if found:
                    label = f"{row_title(row)}, {setting}: {', '.join(map(number, found))}"
                    marks.append(circle(panel.x(found[0]), y, 3.8, label, filled=setting != "infilling"))
            parts.append(_group(row, marks))
    return sheet(_WIDTH, top + _ROW * len(names) + 36, title, note, parts)


def _column(
    k: int, of: int, top: float, rows: Sequence[str], x_range: tuple[float, float], log_x: bool = False
) -> Panel:
    width = (_WIDTH - 20 - _NAMES - of * _GAP) / of
    left = 20 + _NAMES + k * (width + _GAP)
    return Panel(left, top, width, _ROW * len(rows), x_range, (0.0, float(len(rows))), log_x)


def _row_names(rows: Sequence[str], top: float) -> str:
    """The names at the left, and a rule where the control rows begin."""
    parts = []
    for i, row in enumerate(rows):
        y = top + (i + 0.5) * _ROW
        if row in CONTROLS and i and rows[i - 1] not in CONTROLS:
            parts.append(line(20, y - _ROW / 2, _WIDTH - 20, y - _ROW / 2, "axis", 1, "1 3"))
        weight = 600 if row == "diffusion" else 400
        parts.append(_group(row, [words(20, y + 4, row_title(row), None, 12.5, weight=weight)]))
    return "".join(parts)


def _middle(panel: Panel, i: int) -> float:
    return panel.top + (i + 0.5) * _ROW


def _group(row: str, parts: Sequence[str]) -> str:
    known = row in COLOURS
    return group(f"row {row}" if known else "row", COLOURS.get(row, _OTHER), parts)


# -- lines from left to right ------------------------------------------------------------------


def _overlap(results: Results) -> str:
    """Mean overlap of adjacent windows along the melody, a line a row, named at its right end."""
    curves = results["curves"]["overlap_along"]
    names = row_names(curves)
    settings = [s for s in SETTINGS if any(s in curves[row] for row in names)]
    parts, height, width = [], 250.0, (_WIDTH - 2 * 170) / 2
    all_values = {a: [v for row in names for cell in curves[row].values() for v in cell.get(a, ())] for a in ATTRIBUTES}
    for j, setting in enumerate(settings):
        for k, attribute in enumerate(ATTRIBUTES):
            shown = {r: curves[r][setting][attribute] for r in names if curves[r].get(setting, {}).get(attribute)}
            if not shown:
                continue
            ticks = linear_ticks(min(all_values[attribute]), max(all_values[attribute]), 5)
            bars = 2 * max(map(len, shown.values())) + 4
            left, top = 50 + k * (width + 165), 96 + j * (height + 72)
            panel = Panel(left, top, width, height, (1, bars + 1), (ticks[0], ticks[-1]))
            if setting == "infilling":
                x, x2 = (panel.x(bar) for bar in _INFILLED)
                tint = 'class="tint" fill="#fdf1e3"'
                parts.append(f'<rect {tint} x="{n(x)}" y="{n(top)}" width="{n(x2 - x)}" height="{n(height)}"/>')
            parts.append(panel.frame(f"{attribute}, {setting}", [1, *range(17, bars + 1, 16)], ticks))
            ends = _apart([(panel.y(curve[-1]), row) for row, curve in shown.items()], top, top + height)
            for row, curve in sorted(shown.items(), key=lambda item: item[0] == "diffusion"):
                # windows of bars 2 i + 1 .. + 4 and 2 i + 3 .. + 6: the middle of both is 2 i + 4, a bar line
                places = [(panel.x(2 * i + 4), panel.y(v)) for i, v in enumerate(curve)]
                shape = "M" + "L".join(f"{n(x)} {n(y)}" for x, y in places)
                marks = [path(shape, None, 2.6 if row == "diffusion" else 1.6, "5 3" if row in CONTROLS else "")]
                x, end = left + width, ends[row]
                marks += [line(places[-1][0] + 3, places[-1][1], x + 3, end, None, 0.6)]
                marks += [words(x + 6, end + 4, _brief(row), None, 11, weight=600 if row == "diffusion" else 400)]
                parts.append(_group(row, marks))
    note = "Mean over melodies, at the bar in the middle of each pair of windows. Dashed: control rows."
    if "infilling" in settings:
        note += " Tinted: the infilled bars."
    bottom = 96 + len(settings) * (height + 72) - 30
    return sheet(_WIDTH, bottom, "Overlap of neighbouring windows along the bars", note, parts)


def sweep(rows: Sequence[Mapping[str, Any]]) -> str:
    """Draw quality and time over the number of steps, a line for each sampler: rows of `reproduce --sweep`.

    Each has sampler, steps, seconds (a melody), and any of pitch_C, duration_C, pitch_var, duration_var, frechet.
    """
    titles = {"pitch_C": "pitch C", "pitch_var": "pitch Var", "frechet": "latent Fréchet distance",
              "duration_C": "duration C", "duration_var": "duration Var", "seconds": "seconds a melody"}  # fmt: skip
    samplers = list(dict.fromkeys(str(row["sampler"]) for row in rows))
    if not samplers:
        raise ValueError("a sweep has one row or more")
    low, high = min(row["steps"] for row in rows), max(row["steps"] for row in rows)
    x_range = (low / 1.3, high * 1.3)
    x_ticks = [tick for tick in log_ticks(low, high) if x_range[0] <= tick <= x_range[1]]
    parts, width, height = [], (_WIDTH - 40 - 3 * 52) / 3, 170.0
    for i, sampler in enumerate(samplers):
        key = [circle(32 + i * 150, 74, 4, sampler), words(42 + i * 150, 78, sampler, None, 12.5, weight=600)]
        parts.append(group(f"sampler s{i}", _SAMPLERS[i % len(_SAMPLERS)], key))
    for place, (name, title) in enumerate(titles.items()):
        values = [row[name] for row in rows if row.get(name) is not None]
        if not values:
            continue
        y_ticks = linear_ticks(min(values), max(values), 4)
        left, top = 62 + place % 3 * (width + 52), 122 + place // 3 * (height + 66)
        panel = Panel(left, top, width, height, x_range, (y_ticks[0], y_ticks[-1]), log_x=True)
        parts.append(panel.frame(title, x_ticks, y_ticks))
        for i, sampler in enumerate(samplers):
            parts.append(
                group(f"sampler s{i}", _SAMPLERS[i % len(_SAMPLERS)], _sampler_marks(panel, rows, sampler, name))
            )
    return sheet(_WIDTH, 122 + 2 * (height + 66) - 24, "Quality over steps", "Along: steps, on a log scale.", parts)


def _sampler_marks(panel: Panel, rows: Sequence[Mapping[str, Any]], sampler: str, name: str) -> Iterator[str]:
    points = sorted((r["steps"], r[name]) for r in rows if r["sampler"] == sampler and r.get(name) is not None)
    if points:
        yield path("M" + "L".join(f"{n(panel.x(s))} {n(panel.y(v))}" for s, v in points), None, 2)
    for steps, value in points:
        yield circle(panel.x(steps), panel.y(value), 3.6, f"{sampler}, {steps} steps: {number(value)}")


def _apart(places: list[tuple[float, str]], top: float, bottom: float, gap: float = 13.0) -> dict[str, float]:
    """Heights of labels near `places`, at least `gap` apart, the lowest not below `bottom`."""
    found: dict[str, float] = {}
    y = top - gap
    for place, row in sorted(places):
        y = max(place, y + gap)
        found[row] = y
    limit = bottom
    for row in reversed(found):
        found[row] = limit = min(found[row], limit)
        limit -= gap
    return found


def _brief(row: str) -> str:
    return "paper's choices" if row == "paper" else row


def _cells(rows: Mapping[str, Any], key: str) -> Iterator[Any]:
    """The cells in which a score stands: by row, setting and attribute."""
    for settings in rows.values():
        for attributes in settings.values():
            for cell in attributes.values():
                if key in cell:
                    yield cell[key] if isinstance(cell[key], Mapping) else cell


def _values(rows: Mapping[str, Any], key: str) -> list[float]:
    return [cell[key] for settings in rows.values() for cell in settings.values() if cell.get(key) is not None]
