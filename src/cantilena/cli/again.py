"""`cantilena again`: performs the request in a file's receipt again, and compares the notes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cantilena.cli.places import check_output

__all__ = ["again"]


def again(
    tune: Annotated[
        Path,
        typer.Argument(
            metavar="TUNE.mid", help="Read the receipt in this file, which Cantilena wrote; - is standard input."
        ),
    ],
    given: Annotated[
        list[Path] | None,
        typer.Option(
            "--with", metavar="SONG.mid", help="Use this file, which it was made from and which is not beside it."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT.mid", help="Write what is made again to this file.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Compose with this model: a name or a folder; by default the shipped model of the receipt."),
    ] = None,
) -> None:
    """Make a tune or an edit again from the receipt in its file, and say whether the notes are the same."""
    from cantilena.cli.streams import check_stream, is_stream, song_at, write_stream

    if streamed := is_stream(output):
        check_stream()
    elif output is not None:
        check_output(output, [tune])
    from cantilena.again import perform_again

    done = perform_again(song_at(tune), given=[song_at(song) for song in given or ()], model=model)
    if streamed:
        write_stream(done.made.file)
    elif output is not None:
        check_output(output, done.inputs)
        done.made.save(output)
    print(done.verdict, file=sys.stderr if streamed else sys.stdout)
    if not done.same:
        raise typer.Exit(1)
