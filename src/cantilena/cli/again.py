"""`cantilena again`: performs the request in a file's receipt again, and compares the notes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cantilena.cli.places import check_output

__all__ = ["again"]


def again(
    tune: Annotated[
        Path, typer.Argument(metavar="TUNE.mid", help="Read the receipt in this file, which Cantilena wrote.")
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
    if output is not None:
        check_output(output, [tune])
    from cantilena.again import perform_again

    done = perform_again(tune, given=given or (), model=model)
    if output is not None:
        check_output(output, done.inputs)
        done.made.save(output)
    print(done.verdict)
    if not done.same:
        raise typer.Exit(1)
