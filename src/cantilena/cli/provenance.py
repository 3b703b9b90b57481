"""`cantilena provenance`: which tunes of a model's training a melody is nearest to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["provenance"]


def provenance(
    tune: Annotated[
        Path, typer.Argument(metavar="TUNE.mid", help="Compare the melody of this file; - is standard input.")
    ],
    model: Annotated[
        str | None,
        typer.Option(help="Compare with the tunes of this model: a name or a folder; by default the shipped."),
    ] = None,
    track: Annotated[
        int | None, typer.Option(min=0, help="This track holds the melody; by default, the one that inspect picks.")
    ] = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, max=100, help="Show so many tunes.")] = 5,
) -> None:
    """Show the training tunes that share the longest runs of notes with a melody, and how usual such runs are.

    Runs are found at any pitch, and in notation of half or double values. Each tune is shown with title, source and
    licence.
    """
    from cantilena.cli.made import remark_on
    from cantilena.cli.streams import song_at
    from cantilena.model import DEFAULT_MODEL, Model
    from cantilena.music.texts import printable
    from cantilena.provenance import KnownTunes

    loaded = Model.load(DEFAULT_MODEL if model is None else model)
    known = KnownTunes.load(loaded.folder, loaded.about)
    remark_on(source := song_at(tune))
    melody, _ = source.tune(track)
    for line in known.nearest(melody, number).text().splitlines():
        print(printable(line))
