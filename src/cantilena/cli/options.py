"""Options that several verbs have in common, and what is done with them everywhere alike."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Force", "Guidance", "ModelName", "PhraseGrid", "Resample", "Seed", "Song", "Steps", "Temperature", "Track",
    "Voice", "check_output", "check_place", "drawn",
]  # fmt: skip

Song = Annotated[Path, typer.Argument(metavar="SONG.mid", help="A MIDI file; it is not changed.")]
Track = Annotated[
    int | None, typer.Option("--track", min=0, help="Number of the melody's track, as `cantilena inspect` lists them.")
]
Seed = Annotated[
    int | None, typer.Option("--seed", min=0, help="The same seed gives the same music; drawn if not given.")
]
Resample = Annotated[
    int | None,
    typer.Option("--resample", min=1, max=10, help="Visits of each noise level: more mend the seams, and cost time."),
]
Voice = Annotated[str | None, typer.Option("--voice", help="As for `cantilena compose`; the track's own if not given.")]
PhraseGrid = Annotated[
    str | None,
    typer.Option("--grid", help="Phrases of two bars begin on odd or even bars; if not given, on the first bar."),
]
Steps = Annotated[int | None, typer.Option("--steps", min=1, max=1000, help="Sampling steps; 20 if not given.")]
Temperature = Annotated[
    float | None,
    typer.Option("--temperature", min=0, max=1.5, help="Lower is calmer and repeats more, higher is wilder."),
]
Guidance = Annotated[float, typer.Option("--guidance", min=0, max=10, help="Above 1 follows the voice more strictly.")]
ModelName = Annotated[str, typer.Option("--model", help="A shipped model's name, or a model folder.")]
Force = Annotated[bool, typer.Option("--force", help="Let OUT.mid be what is read, and replace it.")]


def check_output(output: Path, *read: Path | None, force: bool | None = None) -> None:
    """ValueError where `output` is no place for a MIDI file, or is one of the files that are `read`.

    With `force` it may be; None is that of a verb that has no --force.
    """
    check_place(output, output.parent)
    if output.suffix.lower() not in (".mid", ".midi") or output.is_dir():
        raise ValueError(f"-o {output}: a MIDI file is written, so a name that ends in .mid is needed")
    for given in read:
        if given is not None and not force and output.exists() and given.exists() and output.samefile(given):
            way = "" if force is None else ", or --force to replace it"
            raise ValueError(f"-o {output}: is what is read; give another name{way}")


def check_place(output: Path, folder: Path) -> None:
    """ValueError where `folder`, in which `output` is written, neither is there nor could be made: before composing."""
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    where = "" if there == output else f"{there} "
    if not there.is_dir():
        raise ValueError(f"-o {output}: {where}is a file, and a folder is needed")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"-o {output}: {there} may not be written to")


def drawn(seed: int | None) -> int:
    """The seed that was given, or one by chance."""
    return secrets.randbelow(2**31) if seed is None else seed
