"""Batches through executors: bounded, whole, and safe from workers that die."""

from __future__ import annotations

import ctypes
import errno
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cantilena.corpus import worker_pool
from cantilena.corpus.worker_pool import WorkerPool
from cantilena.errors import CorpusError


def double(batch: Sequence[int]) -> list[int]:
    """Twice each number; some numbers end the process, each in a way of its own."""
    for number in batch:
        if number == 13:
            os._exit(1)
        if number == 17:
            ctypes.string_at(0)
        if number == 19:
            os.kill(os.getpid(), signal.SIGKILL)
    return [2 * number for number in batch]


def results(
    pool: WorkerPool[int, list[int]], batches: Iterator[Sequence[int]] | list[list[int]]
) -> dict[int, int | None]:
    out: dict[int, int | None] = {}
    with pool:
        for batch, result in pool.run(batches):
            assert not set(batch) & set(out), "an item came twice"
            out.update(zip(batch, result if result is not None else [None], strict=True))
    return out


BATCHES = [list(range(k, k + 6)) for k in range(0, 18, 6)]
EXPECTED = {k: 2 * k for k in range(18)}


def test_items_that_kill_their_worker_cost_themselves_only() -> None:
    assert results(WorkerPool(double, workers=2), BATCHES) == {**EXPECTED, 13: None, 17: None}


def once_deaf(batch: Sequence[str]) -> list[str]:
    """A worker that the thread of a broken pool does not end, the first time; and one that breaks the pool, while it works."""
    for name in batch:
        here = Path(name)
        if here.name == "deaf" and not here.exists():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            here.touch()
            time.sleep(600)
        if here.name == "exit":
            while not here.with_name("deaf").exists():
                time.sleep(0.02)
            os._exit(3)
    return list(batch)


def test_a_worker_that_outlives_its_broken_pool_is_ended(tmp_path: Path) -> None:
    """One that begins while its pool breaks is told nothing, and the pool's thread waits for it."""
    deaf, ends = str(tmp_path / "deaf"), str(tmp_path / "exit")
    began = time.monotonic()
    with WorkerPool(once_deaf, workers=2) as pool:
        found = {batch[0]: result for batch, result in pool.run([[deaf], [ends]])}
    assert found == {deaf: [deaf], ends: None}
    assert time.monotonic() - began < 120


def test_an_executor_of_the_callers_that_breaks_is_replaced() -> None:
    with ProcessPoolExecutor(1) as pool:
        assert results(WorkerPool(double, executor=pool, workers=1), [[18], [19], [20]]) == {18: 36, 19: None, 20: 40}


class Inline(Executor):
    """Does the work when its turn comes, and counts what waits."""

    def __init__(self) -> None:
        self.waiting = self.most = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        executor = self

        class Late(Future[Any]):
            def __init__(self) -> None:
                super().__init__()
                executor.waiting += 1
                executor.most = max(executor.most, executor.waiting)
                self.set_result(fn(*args, **kwargs))

            def result(self, timeout: float | None = None) -> Any:
                executor.waiting -= 1
                return super().result(timeout)

        return Late()


class Breaking(Inline):
    """Breaks while it begins a process for what it is given: as ProcessPoolExecutor does, once in many builds."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.broken:
            raise BrokenExecutor("a process ended")
        if args == ([3],):  # of batches
            self.broken = True
            raise OSError("handle is closed")
        return super().submit(fn, *args, **kwargs)


def test_an_executor_that_breaks_while_it_is_given_work_is_replaced() -> None:
    assert results(WorkerPool(double, executor=Breaking(), workers=1), [[1], [3], [5]]) == {1: 2, 3: 6, 5: 10}


def test_another_fault_of_the_system_is_raised() -> None:
    class Full(Inline):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        results(WorkerPool(double, executor=Full(), workers=1), [[1]])


def test_any_executor_will_do_and_few_batches_are_under_way() -> None:
    inline = Inline()
    taken = 0

    def batches() -> Iterator[list[int]]:
        nonlocal taken
        for k in range(100, 1100):
            taken += 1
            yield [k]

    pool = WorkerPool(double, executor=inline, workers=2)
    seen = 0
    for _ in pool.run(batches()):
        seen += 1
        assert taken - seen <= 4
    assert seen == 1000
    assert inline.most <= 4


def test_the_callers_executor_stays_open() -> None:
    with ThreadPoolExecutor(2) as threads:
        assert results(WorkerPool(double, executor=threads), [[1, 2], [3]]) == {1: 2, 2: 4, 3: 6}
        assert threads.submit(int, "7").result() == 7


class Unlucky(WorkerPool[int, list[int]]):
    """Loses its worker twice: with the whole batch, and with its first item."""

    def _once(self, batch: Sequence[int]) -> list[int] | None:
        self.lost = getattr(self, "lost", 0) + 1
        return None if self.lost <= 2 else self._work(batch)


def test_an_item_is_given_up_after_its_second_worker_only() -> None:
    assert list(Unlucky(double, executor=Inline())._alone([1, 2])) == [([1], [2]), ([2], [4])]


def wrong(batch: Sequence[int]) -> list[int]:
    raise ZeroDivisionError("a bug")


def test_what_the_work_raises_is_raised() -> None:
    with ThreadPoolExecutor(1) as threads, pytest.raises(ZeroDivisionError, match="a bug"):
        results(WorkerPool(wrong, executor=threads), [[1]])


def test_at_least_one_worker() -> None:
    with pytest.raises(ValueError, match="workers must be at least 1, not 0"):
        WorkerPool(double, workers=0)


UNGUARDED = """
from cantilena.corpus.worker_pool import WorkerPool
with WorkerPool(len, workers=1) as pool:
    print(list(pool.run([[1, 2]])))
"""


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert f"{CorpusError.__name__}: worker processes cannot start" in done.stderr
    assert "__name__ == '__main__'" in done.stderr


@pytest.mark.parametrize(
    "place", ["concurrent.futures.process._ExecutorManagerThread.start", "multiprocessing.queues.Queue._start_thread"]
)
def test_where_no_thread_can_begin_there_is_no_memory_and_no_waiting(place, monkeypatch, capsys) -> None:
    def start(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(place, start)
    monkeypatch.setattr(worker_pool, "_PATIENCE", 0.05)
    with pytest.raises((MemoryError, RuntimeError), match="thread"):
        WorkerPool(double, workers=2)
    assert multiprocessing.active_children() == []
    assert capsys.readouterr().err == ""


def test_work_that_cannot_be_imported_raises_what_its_import_does(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "short_of_memory.py").write_text("import os, sys\ndef work(batch): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    work = importlib.import_module("short_of_memory").work
    (tmp_path / "short_of_memory.py").write_text("raise MemoryError('as numpy says')\n")
    with pytest.raises(MemoryError, match="as numpy says"):
        WorkerPool(work, workers=1)
    assert multiprocessing.active_children() == []


ORPHANS = """
import os, sys, time
from cantilena.corpus.worker_pool import WorkerPool
def sleep(batch):
    print(os.getpid(), flush=True)
    time.sleep(60)
if __name__ == "__main__":
    with WorkerPool(sleep, workers=2) as pool:
        list(pool.run([[1], [2]]))
"""


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(ORPHANS)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        parent.kill()
    deadline = time.monotonic() + 10
    while any(map(alive, workers)):
        assert time.monotonic() < deadline, "workers go on without their parent"
        time.sleep(0.02)


def alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
