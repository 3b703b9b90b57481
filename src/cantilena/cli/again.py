"""`cantilena again`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    if output is not None and (output.suffix.lower() not in (".mid", ".midi") or output.is_dir()):
        raise ValueError(f"-o {output}: a MIDI file is written, so a name that ends in .mid is needed")
    _spare(output, tune)
    from cantilena.again import compose_again

    done = compose_again(tune, model=model)
    _spare(output, *done.inputs)
    if output is not None:
        done.save(output)
    print(done.verdict)
    if not done.same:
        raise typer.Exit(1)


def _spare(output: Path | None, *inputs: Path) -> None:
    for given in inputs:
        if output is not None and output.exists() and given.exists() and output.samefile(given):
            raise ValueError(f"-o {output}: is what is read; give another name")
