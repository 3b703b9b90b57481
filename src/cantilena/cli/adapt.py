"""`cantilena adapt`: a model of tunes that goes on to learn from one's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cantilena.cli.places import check_place
from cantilena.cli.train import training_modules

__all__ = ["adapt"]


def adapt(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Learn from the melodies of these files: 5 to 50 are a good number."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MODEL", help="Write this model folder.")],
    model: Annotated[
        str | None, typer.Option(help="Start with this model: a name or a folder; by default the shipped.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.1, max=600, help="Learn so long, at most.")] = 8.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed for all that is left to chance.")] = 0,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Use so many processor cores.")] = 2,
) -> None:
    """Make a model that has learned from your own tunes (needs PyTorch: pip install 'cantilena[train]').

    Every fourth tune is held out; learning ends when it does not get better on these. What changed is printed: how near
    composed tunes are to yours before and after, and how long the runs are that they share with them.
    """
    training_modules("adapting")
    check_place(output, output)
    from cantilena.model import DEFAULT_MODEL, Model
    from cantilena.music.texts import printable
    from cantilena.training.adapt import adapt_model, own_tunes

    loaded = Model.load(DEFAULT_MODEL if model is None else model)
    own = own_tunes(folder, loaded)
    for line in own.left_out:
        print(printable(f"left out: {line}"))
    found = adapt_model(loaded, own, output, minutes=minutes, seed=seed, threads=threads, told=_tell)
    print(found.text())
    print(f"{output}: written; try `cantilena compose --model {output}`")


def _tell(seconds: float, line: str) -> None:
    """Show on a terminal how far it is."""
    if sys.stderr.isatty():
        print(f"\r{seconds:4.0f} s  {line}", end="", file=sys.stderr, flush=True)
