"""Makes the tables (Mittal et al. 2021, table 1, and ours) from a `results.json`; `layout` and `page` print them.

    results --tables--> [Table] --layout.table_markdown--> table.md
                                --layout.table_text------> the terminal
                                --page.page--------------> index.html

A part that results lack (a row, a setting, the latent space) is left out; a single figure that is missing is a dash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cantilena.metrics.overlap import ATTRIBUTES
from cantilena.metrics.rounding import DASH, number, score
from cantilena.reproduction.decoding import TUNED
from cantilena.reproduction.results import Results

__all__ = [
    "BASELINES", "CONTROLS", "READINGS", "ROWS", "SETTINGS", "Ahead", "Line", "Table", "about_text", "ahead",
    "ahead_table", "row_names", "row_title", "tables",
]  # fmt: skip

ROWS = {  # in the table's order: what each is
    "train": "Real melodies that the model was trained on.",
    "test": "Real melodies of songs that no model has met.",
    "diffusion": "The model itself: the latents of all phrases drawn together by diffusion, then decoded. Plainly: "
    "temperature 1, no settling, one visit of each level.",
    "autoregression": "A Transformer with a mixture density head draws the latents one phrase after another. Plainly.",
    "paper": "Diffusion with the paper's own choices, trained as long as is said above: linear schedule, noise as the "
    "target, no averaged weights. Plainly. Unlike the authors' code its latents are posterior means, AdamW's rate "
    "falls in the end only, and labels are dropped now and then, where the authors draw z and have none.",
    "diffusion-tuned": "The same network, decoded as was best on validation songs.",
    "autoregression-tuned": "The same network, decoded as was best on validation songs.",
    "paper-tuned": "The same network, decoded as was best on validation songs.",
    "interpolation": "Real phrases at both ends; between them the latents go the shortest way round the sphere.",
    "prior": "Each phrase drawn on its own from the VAE's prior N(0, I): nothing knows of the whole.",
    "reconstruction": "Test melodies through the VAE and back: the ceiling of all that is decoded by it.",
    "spurious": "Random notes built to have the metric's mean and variance: what a trivial algorithm scores.",
    "shuffled": "The phrases of real melodies in random order: the notes of music without its course.",
}
CONTROLS = ("reconstruction", "spurious", "shuffled")
BASELINES = {  # and what each is compared with: a network with a network that is decoded alike
    "autoregression": "diffusion", "paper": "diffusion", "autoregression-tuned": "diffusion-tuned",
    "paper-tuned": "diffusion-tuned", "interpolation": "diffusion", "prior": "diffusion",
}  # fmt: skip
SETTINGS = ("unconditional", "infilling")
READINGS = {
    "var_pieces": "variance over the means of pieces",
    "var_pooled": "variance over all windows pooled",
    "var_magenta": "variance over the means of pieces, by the authors' formula",
}
_TITLES = {"paper": "the paper's own choices", "paper-tuned": "the paper's, tuned"}
_LATENT = {"frechet": "Fréchet", "mmd_rbf": "MMD, RBF", "mmd_polynomial": "MMD, polynomial", "precision": "precision",
           "recall": "recall"}  # fmt: skip
_NOVELTY = {
    "longest_median": ("longest copied run", "median"),
    "longest_95": ("longest copied run", "95 %"),
    "share_found": ("phrases found", "share"),
}


class Line(NamedTuple):
    """One row of a table; `kind` is "ours", "published" (belongs to the line before), "control" or "reference"."""

    name: str
    cells: list[str]
    kind: str = "ours"


@dataclass(frozen=True)
class Table:
    """A table as data: `head` names each column from the general to the particular."""

    title: str
    note: str
    head: Sequence[tuple[str, ...]]
    lines: list[Line]


class Ahead(NamedTuple):
    """A cell in which a baseline scores higher than diffusion; `clear` where their intervals do not overlap."""

    row: str
    setting: str
    attribute: str
    score: str  # "C", "var_pieces" or "var_pooled"
    by: float
    clear: bool


def row_names(part: Mapping[str, Any]) -> list[str]:
    """List the rows of a part of the results in the table's order; rows that the table does not know come last."""
    return [row for row in ROWS if row in part] + [row for row in part if row not in ROWS]


def row_title(row: str) -> str:
    """Return the name of a row in print."""
    network = row.removesuffix(TUNED)
    return _TITLES.get(row, network if row == network else f"{network}, tuned")


def ahead(results: Results) -> list[Ahead]:
    """Find every cell in which a baseline is ahead of diffusion."""
    rows, found = results.get("rows", {}), []
    for row in (row for row in BASELINES if row in rows):
        for setting, attribute, name in ((s, a, n) for s in SETTINGS for a in ATTRIBUTES for n in ("C", *READINGS)):
            both = (BASELINES[row], row)
            ours, theirs = (rows.get(r, {}).get(setting, {}).get(attribute, {}).get(name) for r in both)
            if ours and theirs and theirs["value"] > ours["value"]:
                clear = bool(theirs["low"] > ours["high"])
                found.append(Ahead(row, setting, attribute, name, theirs["value"] - ours["value"], clear))
    return found


# -- the tables --------------------------------------------------------------------------------


def tables(results: Results) -> list[Table]:
    """Make all tables: both readings of the scores, latent space, music, novelty."""
    parts = [*(_scores(results, reading) for reading in READINGS), _latent(results), _music(results), _novelty(results)]
    return [table for table in parts if table.lines]


def _scores(results: Results, reading: str) -> Table:
    rows, published = results.get("rows", {}), results.get("published", {})
    names, lines = ("C_magenta" if reading == "var_magenta" else "C", reading), list[Line]()
    for row in row_names(rows):
        places = [(rows[row].get(s, {}).get(a, {}), name) for s, a in _places() for name in names]
        lines.append(Line(row_title(row), [_estimate(cell.get(name)) for cell, name in places], _kind(row)))
        if row in published:
            figures = [published[row].get(s, {}).get(a, {}).get(name) for s, a in _places() for name in ("C", "var")]
            lines.append(Line("published", [score(figure) for figure in figures], "published"))
    if not any(
        name in cell for row in rows.values() for kinds in row.values() for cell in kinds.values() for name in names
    ):
        return Table("", "", [], [])
    note = f"C: consistency. Var: {READINGS[reading]}. In brackets: 95 % bootstrap intervals."
    if reading == "var_magenta":
        note += " The area is that of the authors' code (one crossing, variances + 1e-6): the published figures may be "
        note += "on this scale."
    of = "overlap_magenta" if reading == "var_magenta" else "overlap"
    if overlap := results.get("reference", {}).get(of):
        what = "var_pieces" if reading == "var_magenta" else reading
        sides = (f"{a} {number(overlap[a]['mean'])} and {number(overlap[a][what])}" for a in ATTRIBUTES)
        note += f" Mean and variance of the overlap in the reference: {', '.join(sides)}."
    head = [(setting, attribute, name) for setting, attribute in _places() for name in ("C", "Var")]
    return Table(f"Scores, {READINGS[reading]} ({reading})", note, head, lines)


def _latent(results: Results) -> Table:
    latent = results.get("latent", {})
    lines = _lines(latent, lambda cell: [number(cell.get(name)) for name in _LATENT])
    if lines and "floor" in latent:
        floor = [number(latent["floor"].get(name)) for name in _LATENT]
        lines.insert(0, Line("floor: real against real", floor, "reference"))
    note = "Distances (lower is better), precision and recall (higher is better) to the latents of real phrases."
    return Table("Latent space", note, [(name,) for name in _LATENT.values()], lines)


def _music(results: Results) -> Table:
    music = results.get("music", {})
    cells = [cell for settings in music.get("rows", {}).values() for cell in settings.values()]
    names = list(dict.fromkeys([*music.get("reference", {}), *(name for cell in cells for name in cell)]))

    def both(cell: Mapping[str, Any]) -> list[str]:
        found = [cell.get(name, {}) for name in names]
        return [f"{number(f.get('mean'))} ({number(f.get('distance'))})" if f else DASH for f in found]

    lines = _lines(music, both)
    if lines and "reference" in music:
        reference = [number(music["reference"].get(name)) for name in names]
        lines.insert(0, Line("reference", reference, "reference"))
    note = "Mean over pieces, and in brackets the Wasserstein distance of the distribution to the reference's."
    return Table("Music", note, [(name.replace("_", " "),) for name in names], lines)


def _novelty(results: Results) -> Table:
    lines = _lines(results.get("novelty", {}), lambda cell: [number(cell.get(name)) for name in _NOVELTY])
    note = (
        "Notes in a row found in a training melody, up to transposition; and phrases found there exactly, as a share. "
    )
    note += "The row test is the natural level."
    return Table("Novelty", note, list(_NOVELTY.values()), lines)


def ahead_table(results: Results) -> Table:
    """List the cells in which a baseline is ahead of diffusion; no lines where there is none."""
    lines = [
        Line(row_title(a.row), [a.setting, a.attribute, a.score, f"+{a.by:.3f}", "apart" if a.clear else "overlap"])
        for a in ahead(results)
    ]
    note = "" if lines else "None: no baseline is ahead in any cell."
    head = [("setting",), ("attribute",), ("score",), ("ahead by",), ("intervals",)]
    return Table("Cells where a baseline is ahead of diffusion", note, head, lines)


def about_text(results: Results) -> str:
    """Write a short paragraph that says what was measured, how much of it, and with which settings."""
    about = dict(results.get("about", {}))
    n, names = about.pop("n", None), ", ".join(row_title(row) for row in row_names(results.get("rows", {})))
    text = f"{n:,} melodies of 64 bars a row and setting" if isinstance(n, int) else "Melodies"
    if isinstance(seconds := about.get("seconds"), (int, float)):
        about["seconds"] = f"{seconds:,.0f}"
    known = (
        "model",
        "fingerprint",
        "corpus",
        "sampler",
        "steps",
        "paper_steps",
        "means",
        "seeds",
        "seconds",
        "cantilena",
    )
    facts = [f"{name} {_fact(about[name])}" for name in known if about.get(name) not in (None, "")]
    tuned = f" Tuned: {about['tuned']}" if about.get("tuned") else ""
    return f"{text}; {', '.join(facts)}. Rows: {names}.{_training_text(about.get('training', {}))}{tuned}"


def _training_text(training: Mapping[str, Mapping[str, Any]]) -> str:
    """Say what the networks of the table cost: a baseline is fair where it cost the same as the model."""
    names = {"mdn": row_title("autoregression"), "paper": row_title("paper")}
    told = [
        f"{names.get(network, network)} {of['steps']:,} steps of {of['batch']} ({of['flops']:.3g} FLOPs)"
        for network, of in training.items()
        if {"steps", "batch", "flops"} <= of.keys()
    ]
    return f" Training: {', '.join(told)}." if told else ""


def _fact(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _lines(part: Mapping[str, Any], cells: Callable[[Mapping[str, Any]], list[str]]) -> list[Line]:
    """A line for each row and setting of a part of the results."""
    rows = part.get("rows", {})
    return [
        Line(f"{row_title(row)}, {setting}", cells(rows[row][setting]), _kind(row))
        for row in row_names(rows)
        for setting in rows[row]
    ]


def _places() -> Iterator[tuple[str, str]]:
    return ((setting, attribute) for setting in SETTINGS for attribute in ATTRIBUTES)


def _kind(row: str) -> str:
    return "control" if row in CONTROLS else "ours"


def _estimate(cell: Mapping[str, float] | None) -> str:
    return f"{score(cell['value'])} [{score(cell['low'])}, {score(cell['high'])}]" if cell else DASH
