"""Builds `results.json` from the figures of rows, and adds rows to a table that is there.

about                       what was used: model, corpus, sampling
reference.overlap           moments of the reference, by pitch and duration
rows.<row>.<setting>.<pitch|duration>.<C|var_pieces|var_pooled>     {value, low, high}
published                   the paper's own figures
latent, music, novelty      .rows.<row>.<setting>, and what they are compared with: .floor, .reference
curves.overlap_along        .<row>.<setting>.<pitch|duration>: mean overlap by the place in the melody
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:  # the tables of `cantilena evaluate` are made without a model
    from cantilena.reproduction.measures import Measures

__all__ = ["PUBLISHED", "Results", "add_rows", "assemble", "check_added"]

Results: TypeAlias = Mapping[str, Any]  # what results.json holds

PUBLISHED: dict[str, dict[str, dict[str, dict[str, float]]]] = {  # Mittal et al. 2021, table 1 (its own VAE, Lakh)
    row: {
        setting: {kind: {"C": cells[i], "var": cells[i + 1]} for kind, i in (("pitch", first), ("duration", first + 2))}
        for setting, first in (("unconditional", 0), ("infilling", 4))
        if len(cells) > first
    }
    for row, cells in {
        "test": (1.00, 0.96, 1.00, 0.91, 1.00, 0.96, 1.00, 0.91),
        "diffusion": (0.99, 0.90, 0.96, 0.92, 0.97, 0.87, 0.97, 0.80),
        "autoregression": (0.93, 0.68, 0.93, 0.76),
        "interpolation": (0.85, 0.23, 0.91, 0.34, 0.94, 0.78, 0.96, 0.80),
        "prior": (0.84, 0.19, 0.90, 0.67, 0.89, 0.19, 0.94, 0.54),
    }.items()
}
_OF_ALL = ("fingerprint", "corpus", "n", "seeds", "sampler", "reference")  # of `about`: what all rows share
_OF_ROW = {"steps": "diffusion", "paper_steps": "paper", "tuned": "diffusion-tuned"}  # what one row alone depends on


def assemble(figures: Mapping[tuple[str, str], Mapping[str, Any]], measures: Measures) -> dict[str, Any]:
    """Put what `measures` says of each row and setting into the shape of results.json."""
    parts: dict[str, dict[str, dict[str, Any]]] = {k: {} for k in ("scores", "latent", "music", "novelty", "along")}
    for (row, setting), found in figures.items():
        for name, rows in parts.items():
            rows.setdefault(row, {})[setting] = found[name]
    return {
        "rows": parts["scores"],
        "latent": {"floor": measures.latent_floor, "rows": parts["latent"]},
        "music": {"reference": measures.music_means, "rows": parts["music"]},
        "novelty": {"rows": parts["novelty"]},
        "curves": {"overlap_along": parts["along"]},
    }


def check_added(older: Results, about: Mapping[str, Any], rows: Iterable[str]) -> None:
    """Raise ValueError where `rows`, made as `about` says, cannot join those of `older` that stay in one table.

    That is of another model, corpus or number, or where a row that stays has other settings.
    """
    stay = set(older["rows"]) - set(rows)
    for key in (*_OF_ALL, *(key for key, row in _OF_ROW.items() if row in stay)):
        if (before := older["about"].get(key)) != about.get(key):
            raise ValueError(
                f"the rows that are there have {key} {before}, not {about.get(key)}: make these as those were made, "
                "make all rows anew, or give another folder"
            )


def add_rows(older: Results, newer: Results) -> dict[str, Any]:
    """Add the rows of `newer` to `older` results, or exchange them, and sum the time of both; see `check_added`."""
    before, now = older["about"], newer["about"]
    check_added(older, now, newer["rows"])
    seconds = round(before.get("seconds", 0) + now["seconds"], 1)
    return {
        **older,
        **newer,
        "about": {**before, **now, "seconds": seconds},
        "rows": {**older["rows"], **newer["rows"]},
        **{part: _with_rows(older, newer, part, "rows") for part in ("latent", "music", "novelty")},
        "curves": _with_rows(older, newer, "curves", "overlap_along"),
    }


def _with_rows(older: Results, newer: Results, part: str, rows: str) -> dict[str, Any]:
    return {**newer[part], rows: {**older[part][rows], **newer[part][rows]}}
