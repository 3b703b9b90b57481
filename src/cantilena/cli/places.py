"""Checks where a command may write, before anything is composed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["check_new", "check_output", "check_place"]


def check_output(output: Path, read: Iterable[Path], *, force: bool | None = None) -> None:
    """Raise ValueError where `output` is no place for a MIDI file, or is one of the files that are `read`.

    With `force` it may be one of them; None stands for a command that has no --force.
    """
    check_place(output, output.parent)
    if output.suffix.lower() not in (".mid", ".midi") or output.is_dir():
        raise ValueError(f"-o {output}: a MIDI file is written, so a name that ends in .mid is needed")
    if not force:
        check_new(output, read, "" if force is None else ", or --force to replace it")


def check_new(output: Path, read: Iterable[Path], way: str) -> None:
    """Raise ValueError where `output` is one of the files that are `read`; `way` says what else one may do."""
    for given in read:
        if output.exists() and given.exists() and output.samefile(given):
            raise ValueError(f"-o {output}: is what is read; give another name{way}")


def check_place(output: Path, folder: Path) -> None:
    """Raise ValueError where `folder`, in which `output` is written, is not there and cannot be made."""
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    where = "" if there == output else f"{there} "
    if not there.is_dir():
        raise ValueError(f"-o {output}: {where}is a file, and a folder is needed")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"-o {output}: {there} may not be written to")
