"""`cantilena evaluate`: measures melodies of yours against others. It needs no model and no PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["evaluate"]


def evaluate(
    generated: Annotated[
        str,
        typer.Argument(
            metavar="GENERATED",
            help="Measure these: a folder of MIDI, MusicXML or ABC, an .npz with `events` (n, steps), or CORPUS:SPLIT.",
        ),
    ],
    reference: Annotated[
        str, typer.Option(metavar="REFERENCE", help="Compare with these: a folder, an .npz, or CORPUS:SPLIT.")
    ],
    json: Annotated[Path | None, typer.Option(metavar="F.json", help="Write all figures to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="F.svg", help="Draw the comparison to this file.")] = None,
    novelty: Annotated[bool, typer.Option("--novelty", help="Also find what is copied from REFERENCE.")] = False,
) -> None:
    """Measure melodies against others: the paper's scores, music features, and what is copied."""
    from json import dumps

    from cantilena.files import write_whole
    from cantilena.metrics.novelty import NoveltyIndex
    from cantilena.metrics.pieces import read_pieces
    from cantilena.metrics.report import evaluate as measure
    from cantilena.metrics.report_plot import report_plot

    if plot is not None and plot.suffix.lower() != ".svg":
        raise ValueError(f"{plot}: a picture is written as .svg")
    sides = read_pieces(generated), read_pieces(reference)
    report = measure(*sides, NoveltyIndex.read(reference) if novelty else None)
    print(report.text(), end="")
    if json is not None:
        write_whole(json, (dumps(report.as_dict(), indent=1, allow_nan=False) + "\n").encode())
    if plot is not None:
        write_whole(plot, report_plot(report).encode())
