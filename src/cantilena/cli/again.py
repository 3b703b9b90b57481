"""`cantilena again`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cantilena.cli.options import check_output

__all__ = ["again"]


def again(
    tune: Annotated[Path, typer.Argument(metavar="TUNE.mid", help="A file that Cantilena wrote, with its receipt.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT.mid", help="Where to write what is composed again.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Another model's name, or a folder; the receipt's if not given.")
    ] = None,
) -> None:
    """Compose a tune or an edit again from the receipt in its file, and say whether the notes are the same."""
    if output is not None:
        check_output(output, tune)
    from cantilena.again import compose_again

    done = compose_again(tune, model=model)
    if output is not None:
        check_output(output, *done.inputs)
        done.save(output)
    print(done.verdict)
    if not done.same:
        raise typer.Exit(1)
