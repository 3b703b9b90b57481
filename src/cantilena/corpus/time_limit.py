"""`time_limit`: what computes for longer is interrupted; and what cannot be, ends with its process."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import NoReturn

__all__ = ["TooSlowError", "time_limit"]

_PATIENCE = 2  # times the limit, for what does not hear that its time is over


class TooSlowError(BaseException):
    """The time is over. No `Exception`: nothing on the way down may take it for one of its own."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TooSlowError where the block computes for more than `seconds` of this process's CPU.

    What C code keeps from hearing that for twice as long is ended by the system, with its process, if that is one of
    a pool: `WorkerPool` finds who did it. Only the main thread of a process can be interrupted; others have no limit,
    nor has anything on Windows.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGPROF, _raise)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    _end_after(seconds * _PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        _end_after(None)


def _raise(*_: object) -> NoReturn:
    raise TooSlowError


def _end_after(seconds: float | None) -> None:
    """Let the system end this process after so much more computing, if it is not the first one."""
    import resource  # not on Windows

    if multiprocessing.parent_process() is not None:
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        limit = most if seconds is None else ceil(time.process_time() + seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (limit if most < 0 else min(limit, most), most))
