"""Shows how far long work is and how long it will still take: on a terminal alone, and only after a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

__all__ = ["Tell", "progress"]

Tell: TypeAlias = Callable[[float, float], None]  # what is done, and what there is to do

_AFTER_SECONDS = 1.0


@contextmanager
def progress(what: str) -> Iterator[Tell | None]:
    """Yield who is told of the work, for standard error; None where that is no terminal: nobody looks.

    Work that is less done than it was is new work: another sample.
    """
    if not sys.stderr.isatty():
        yield None
        return
    bar = _Bar(what)
    try:
        yield bar.tell
    finally:
        bar.end()


class _Bar:
    def __init__(self, what: str) -> None:
        self.what, self.began, self.last, self.times = what, time.monotonic(), 0.0, 1
        self.shown: Any = None

    def tell(self, done: float, every: float) -> None:
        if done < self.last:
            self.times += 1
            if self.shown:
                self.shown.reset(self.shown.task_ids[0])
        self.last = done
        if self.shown is None and time.monotonic() - self.began >= _AFTER_SECONDS:
            self.shown = _open_bar(self.what)
        if self.shown:
            told = self.what if self.times == 1 else f"{self.what}, {self.times}"
            self.shown.update(self.shown.task_ids[0], completed=done, total=every, description=told)

    def end(self) -> None:
        if self.shown:
            self.shown.stop()


def _open_bar(what: str) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    alike = sys.stdout.isatty()  # lines for standard output then stand above the bar; elsewhere they stay their own
    bar = Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4, redirect_stdout=alike)
    bar.add_task(what, total=None)
    bar.start()
    return bar
