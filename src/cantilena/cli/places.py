"""Checks where a command may write, before anything is composed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import count
from pathlib import Path

__all__ = ["check_new", "check_output", "check_place", "free_stem"]


def check_output(output: Path, read: Iterable[Path], *, force: bool | None = None) -> None:
    """Raise ValueError where `output` is no place for a MIDI file, is there already, or is one of the files `read`.

    With `force` it may be; None stands for a command that has no --force, and replaces what it did not read.
    """
    check_place(output, output.parent)
    if output.suffix.lower() not in (".mid", ".midi") or output.is_dir():
        raise ValueError(f"-o {output}: a MIDI file is written, so a name that ends in .mid is needed")
    if not force:
        _check_new(output, read, "" if force is None else ", or --force to replace it")
    if force is False:
        check_new([output])


def check_new(files: Iterable[Path], *, force: bool = False) -> None:
    """Raise ValueError where one of the `files` is there already, unless `force` lets it be replaced.

    A pipe or a device is written to, and nothing is lost.
    """
    for file in files:
        if file.exists() and not (force or file.is_fifo() or file.is_char_device()):
            raise ValueError(f"-o {file}: is there already; give another name, or --force to replace it")


def free_stem(stem: Path, suffixes: Iterable[str]) -> Path:
    """Return `stem`, or the first of STEM-2, STEM-3, ... of which no file with these suffixes is there."""
    suffixes = tuple(suffixes)
    for number in count(1):
        free = stem if number == 1 else stem.with_name(f"{stem.name}-{number}")
        if not any(free.with_name(f"{free.name}.{suffix}").exists() for suffix in suffixes):
            break
    return free


def check_place(output: Path, folder: Path) -> None:
    """Raise ValueError where `folder`, in which `output` is written, is not there and cannot be made."""
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    where = "" if there == output else f"{there} "
    if not there.is_dir():
        raise ValueError(f"-o {output}: {where}is a file, and a folder is needed")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"-o {output}: {there} may not be written to")


def _check_new(output: Path, read: Iterable[Path], way: str) -> None:
    """Raise ValueError where `output` is one of the files that are `read`; `way` says what else one may do."""
    for given in read:
        if output.exists() and given.exists() and output.samefile(given):
            raise ValueError(f"-o {output}: is what is read; give another name{way}")
