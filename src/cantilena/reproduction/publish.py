"""Writes all that `cantilena reproduce` leaves in a folder, and reads it back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cantilena.errors import CantilenaError
from cantilena.files import write_whole
from cantilena.music.melody import Melody
from cantilena.music.midi import to_midi
from cantilena.reproduction.figures import figures, sweep
from cantilena.reproduction.layout import table_markdown
from cantilena.reproduction.page import Samples, notes, page, sample_name
from cantilena.reproduction.results import Results
from cantilena.reproduction.table import row_names

__all__ = ["publish", "publish_sweep", "published"]


def publish(folder: str | Path, results: Results, samples: Samples, reference: NDArray[np.int64]) -> None:
    """Write results.json, reference.npy, table.md, the figures, samples/*.mid and index.html; each file in one step.

    `reference` (n, 2) lists the windows that scores compare with: melody and first phrase in the corpus. A sweep of
    the same model that is there already goes onto the page.
    """
    folder = Path(folder)
    if (found := _sweep_of(folder, results["about"]["fingerprint"])) is not None:
        results = {**results, "sweep": found}
    _json(folder / "results.json", results)
    array = BytesIO()
    np.save(array, reference.astype(np.int32))
    write_whole(folder / "reference.npy", array.getvalue())
    write_whole(folder / "table.md", table_markdown(results).encode())
    for name, svg in figures(results).items():
        write_whole(folder / name, svg.encode())
    for row, settings in samples.items():
        for setting, melodies in settings.items():
            for number, melody in enumerate(melodies, 1):
                name = sample_name(row, setting, number)
                write_whole(folder / "samples" / name, _midi(melody, f"{row}, {setting}, {number}"))
    write_whole(folder / "index.html", page(results, samples).encode())


def published(folder: str | Path) -> tuple[Results, Samples] | None:
    """Read what `publish` left in a folder: results, and the melodies of the page. None where there is nothing.

    CantilenaError where it is damaged.
    """
    folder = Path(folder)
    if not (folder / "results.json").exists():
        return None
    try:
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        samples = notes((folder / "index.html").read_text(encoding="utf-8"))
        return results, {row: samples[row] for row in row_names(results["rows"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise CantilenaError(f"{folder}: holds no table that can be added to ({what}); give another folder") from error


def publish_sweep(folder: Path, about: Mapping[str, Any], rows: list[dict[str, Any]]) -> None:
    """Write sweep.json and sweep.svg."""
    _json(folder / "sweep.json", {"about": dict(about), "sweep": rows})
    write_whole(folder / "sweep.svg", sweep(rows).encode())


def _sweep_of(folder: Path, fingerprint: str) -> list[dict[str, Any]] | None:
    try:
        found = json.loads((folder / "sweep.json").read_text())
        return list(found["sweep"]) if found["about"]["fingerprint"] == fingerprint else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _midi(melody: Melody, name: str) -> bytes:
    return to_midi(melody, track_name=f"Cantilena, {name}")


def _json(path: Path, content: Mapping[str, Any]) -> None:
    write_whole(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
