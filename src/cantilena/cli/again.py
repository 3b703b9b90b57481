"""`cantilena again`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cantilena.cli.places import check_output

__all__ = ["again"]


def again(
    tune: Annotated[Path, typer.Argument(metavar="TUNE.mid", help="A file that Cantilena wrote, with its receipt.")],
    given: Annotated[
        list[Path] | None,
        typer.Option("--with", metavar="SONG.mid", help="A file that it was made from, if that is not beside it."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT.mid", help="What is made again is written there.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Another model's name, or a folder; without it, the receipt's shipped model.")
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
