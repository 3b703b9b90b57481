"""Files and folders that appear whole or not at all, whatever happens while they are written.

They are written under another name, which begins with a dot, and take their place when they are complete. What is not
complete is removed: at once after an error, and at the end of the process after Ctrl-C between any two of these lines.
The process that writes one holds a lock on it. Killed, it leaves it without one, and the next that writes there removes
it. `sole` is the lock for what only one process may do at a time.
"""

from __future__ import annotations

import atexit
import errno
import os
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: what a killed process leaves stays there
    fcntl = None  # type: ignore[assignment]

__all__ = ["new_file", "new_folder", "remove_unfinished", "sole", "write_whole"]

_CHANCE = "[0-9a-f]{16}"
_FILE = ".cantilena-"  # and 16 digits: short, as the name of the file itself may be as long as a name can be
_tidied: set[Path] = set()  # folders in which this process looked for files that were left behind
_tidied_lock = threading.Lock()
_unfinished: dict[object, Callable[[], None]] = {}  # what this process writes now or holds, and what removes it


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
    with _named(path):
        target = Path(os.path.realpath(path))
        if target.is_symlink():  # it leads to itself
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_file():
            yield target
            return
        _tidy_files(target.parent)
        with _made(_create, _remove_file, target.parent / _FILE) as temporary:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            if target.exists():
                shutil.copymode(target, temporary)
            os.replace(temporary, target)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which takes the place of `folder` when it is complete.

    What a process that was killed left of this folder is removed, or put back if it is all that is left. Of two that
    are written at once, the one that is complete last stays. OSError where it cannot be written.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    _tidy_folder(folder)
    with _made(Path.mkdir, partial(_remove_folder, folder), folder.parent / f".{folder.name}.", ".new") as new:
        yield new
        _exchange(new, folder, new.with_suffix(".old"))


@contextmanager
def sole(lock: Path, busy: Exception) -> Iterator[None]:
    """Hold the file `lock` as the only one of all processes and threads; it is removed at the end.

    A process that ends in any way lets go of it. Its folder is made if need be. Raises `busy` where another one holds
    it, OSError where it cannot be made.
    """
    from filelock import FileLock, Timeout  # here, since it takes a quarter of the time in which a command starts

    held = FileLock(lock, timeout=0)
    while not held.is_locked:
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            held.acquire()
        except Timeout as error:
            raise busy from error
        except FileNotFoundError:  # whoever held it before removed its folder just now
            continue
    _unfinished[held] = remove = partial(_remove_file, lock)
    try:
        yield
    finally:
        with suppress(PermissionError):  # Windows removes it when it is let go
            if held in _unfinished:  # a child that was forked on the way leaves it to its parent
                remove()
        _unfinished.pop(held, None)
        held.release()


def remove_unfinished() -> None:
    """Remove what this process has begun to write and not completed; an old folder goes back to its place."""
    for remove in list(_unfinished.values()):
        with suppress(OSError):
            remove()


atexit.register(remove_unfinished)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unfinished.clear)  # a child lets its parent write on


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let an OSError name the path that was given, not that of something temporary."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def _create(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def _remove_file(path: Path) -> None:
    path.unlink(missing_ok=True)


def _remove_folder(folder: Path, new: Path) -> None:
    """Remove what `new_folder` made beside `folder`; the old one goes back if its place is empty."""
    old = new.with_suffix(".old")
    if old.exists() and not folder.exists():
        os.rename(old, folder)
    for rest in (new, old):
        shutil.rmtree(rest, ignore_errors=True)


@contextmanager
def _made(make: Callable[[Path], None], remove: Callable[[Path], None], begin: Path, end: str = "") -> Iterator[Path]:
    """Make a file or a folder with a name by chance between `begin` and `end`, locked; remove what is left."""
    while True:
        path = begin.with_name(f"{begin.name}{secrets.token_hex(8)}{end}")
        _unfinished[path] = partial(remove, path)  # before it is there, and until it is gone: Ctrl-C comes at any line
        try:
            make(path)
        except OSError:
            del _unfinished[path]
            raise
        with suppress(BlockingIOError, FileNotFoundError):
            held = _lock(path)
            break
        del _unfinished[path]  # another process took it for one that was left behind
    try:
        yield path
    finally:
        if path in _unfinished:  # a child that was forked on the way leaves it to its parent
            remove(path)
        if held is not None:
            os.close(held)
        _unfinished.pop(path, None)


def _lock(path: Path) -> int | None:
    """A descriptor that holds a file or folder until it is closed or this process ends; None where nothing can.

    Raises BlockingIOError where another process holds it, FileNotFoundError where it is not there any more.
    """
    # No `sole`: that locks a second file beside, which a killed process would leave as well, and what it imports would
    # slow down the start of every command that writes a file.
    if fcntl is None:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # a umask that lets nobody read
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.stat(path), os.fstat(descriptor)):
            return descriptor
        raise FileNotFoundError(path)
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, OSError) and not isinstance(error, BlockingIOError | FileNotFoundError):
            return None  # a file system without locks
        raise


def _exchange(new: Path, folder: Path, old: Path) -> None:
    """Put `new` in the place of `folder`, which is moved to `old`."""
    while True:
        with suppress(FileNotFoundError):
            os.rename(folder, old)
        try:
            os.rename(new, folder)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        shutil.rmtree(old, ignore_errors=True)  # another process was faster: what it put there is replaced, too


def _tidy_files(folder: Path) -> None:
    """Remove the unfinished files of killed processes, once for each folder."""
    with _tidied_lock:
        if folder in _tidied:
            return
        _tidied.add(folder)
    for path in _rests(folder, re.escape(_FILE) + _CHANCE):
        if _is_left_behind(path):
            path.unlink(missing_ok=True)


def _tidy_folder(folder: Path) -> None:
    """Remove what killed processes left beside a folder; an old one whose place is empty goes back to it."""
    for path in _rests(folder.parent, rf"\.{re.escape(folder.name)}\.{_CHANCE}\.(?:new|old)"):
        new = path.with_suffix(".new")
        if new.exists() and not _is_left_behind(new):
            continue
        if path.suffix == ".old" and not folder.exists():
            os.rename(path, folder)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _rests(folder: Path, name: str) -> list[Path]:
    """What is in a folder by such a name, in order."""
    with suppress(PermissionError), os.scandir(folder) as entries:
        return sorted(folder / entry.name for entry in entries if re.fullmatch(name, entry.name))
    return []


def _is_left_behind(path: Path) -> bool:
    """Whether the process that made this is gone."""
    with suppress(OSError):
        held = _lock(path)
        if held is not None:
            os.close(held)
            return True
    return False
