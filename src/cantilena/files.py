"""Files and folders that appear whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

__all__ = ["new_file", "new_folder", "write_whole"]


def write_whole(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write `data`, or its blocks as they come, to `path` in one step.

    A full disk or Ctrl-C leaves what was there before. A link is written through, and a pipe or a device written to. A
    new file may be read by whom the umask allows, one that was there by those who could before. OSError, with the name
    that was given, where it cannot be written.
    """
    with new_file(path) as place, open(place, "wb") as file:
        file.writelines([data] if isinstance(data, bytes) else data)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a name to write a file to, which takes the place of `path` when it is complete: see `write_whole`."""
    temporary = None
    try:
        target = Path(os.path.realpath(path))
        if target.is_symlink():  # it leads to itself
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_file():
            yield target
            return
        temporary = target.with_name(f".{secrets.token_hex(8)}")  # no longer than a name may be
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # not the temporary's name
        raise


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which takes the place of `folder` when it is complete.

    What a process that was killed left of this folder is removed, or put back if it is all that is left. OSError where
    it cannot be written.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    _tidy(folder)
    mine = f".{folder.name}.{os.getpid()}"
    temporary, old = folder.with_name(f"{mine}.new"), folder.with_name(f"{mine}.old")
    temporary.mkdir()
    try:
        yield temporary
        if folder.exists():
            os.rename(folder, old)
        os.rename(temporary, folder)
    finally:
        if old.exists() and not folder.exists():
            os.rename(old, folder)
        for rest in (temporary, old):
            shutil.rmtree(rest, ignore_errors=True)


def _tidy(folder: Path) -> None:
    """Remove what killed processes left beside a folder; an old one whose place is empty goes back to it."""
    name = re.compile(rf"\.{re.escape(folder.name)}\.(\d+)\.(new|old)")
    for path in sorted(folder.parent.glob(f".{escape(folder.name)}.*")):
        match = name.fullmatch(path.name)
        if match is None or _lives(int(match[1])):
            continue
        if match[2] == "old" and not folder.exists():
            os.rename(path, folder)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _lives(process: int) -> bool:
    """Whether a process of another number than ours is at work."""
    if process == os.getpid():
        return False
    with suppress(ProcessLookupError, OverflowError):
        try:
            os.kill(process, 0)
        except PermissionError:
            return True
        return True
    return False
