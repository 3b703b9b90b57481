"""`WorkerPool`: batches of work through any executor, few at a time; what kills its worker is found and named."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from multiprocessing.connection import wait as wait_for
from typing import Any, Generic, TypeVar

from cantilena.errors import CorpusError

__all__ = ["WorkerPool"]

Item = TypeVar("Item")
Result = TypeVar("Result")
_PATIENCE = 1.0  # seconds between two looks at whether somebody works


class WorkerPool(Generic[Item, Result]):
    """Runs `work(batch)` for many batches in processes, or in an `executor` of the caller's (which stays open).

    Used as a context manager. No more than twice as many batches as `workers` are under way, so memory stays bounded
    however many there are. When a worker dies (a segmentation fault in a parser, the kernel's out-of-memory killer),
    every batch under way is repeated with nothing beside it, and item by item where it kills again; an item that
    kills two processes is given up. An executor of the caller's that broke is replaced by processes, if it
    does not say that it `heals`. MemoryError where threads or processes cannot begin for want of memory.
    """

    def __init__(
        self, work: Callable[[Sequence[Item]], Result], *, executor: Executor | None = None, workers: int | None = None
    ) -> None:
        if workers is not None and workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}")
        self.workers = workers or os.cpu_count() or 1
        self._work = work
        self._own: ProcessPoolExecutor | None = None
        self._executor: Executor = executor or self._processes()

    def __enter__(self) -> WorkerPool[Item, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, batches: Iterable[Sequence[Item]]) -> Iterator[tuple[Sequence[Item], Result | None]]:
        """(batch, result) as they come, in any order; (one item, None) for an item that kills its worker."""
        under_way: dict[Future[Result], Sequence[Item]] = {}
        try:
            for batch in batches:
                under_way[self._submit(batch)] = batch
                if len(under_way) >= 2 * self.workers:
                    yield from self._finished(under_way)
            while under_way:
                yield from self._finished(under_way)
        finally:
            for future in under_way:
                future.cancel()

    def _submit(self, batch: Sequence[Item]) -> Future[Result]:
        try:
            return self._handed(batch)
        except BrokenExecutor as error:  # as if it had broken a moment later
            future: Future[Result] = Future()
            future.set_exception(error)
            return future

    def _handed(self, batch: Sequence[Item]) -> Future[Result]:
        """The batch, given to the executor; BrokenExecutor where that is broken, or breaks as it begins a process."""
        try:
            return self._executor.submit(self._work, batch)
        except OSError as error:
            if error.errno is not None:
                raise
            return self._executor.submit(self._work, batch)  # "handle is closed": it knows by now that it is broken

    def _finished(
        self, under_way: dict[Future[Result], Sequence[Item]]
    ) -> Iterator[tuple[Sequence[Item], Result | None]]:
        done = self._wait(under_way, FIRST_COMPLETED)
        if any(isinstance(future.exception(), BrokenExecutor) for future in done):
            done = self._wait(under_way)  # all of them break with it
            self._executor = self._after_a_break()
        for future in done:
            batch = under_way.pop(future)
            error = future.exception()
            if error is None:
                yield batch, future.result()
            elif isinstance(error, BrokenExecutor):
                yield from self._alone(batch)
            else:
                raise error

    def _alone(self, batch: Sequence[Item]) -> Iterator[tuple[Sequence[Item], Result | None]]:
        """The batch in one process; if that dies, its items one by one, a killer twice."""
        if (result := self._once(batch)) is not None:
            yield batch, result
        else:
            for item in batch:
                result = self._once([item])
                yield [item], self._once([item]) if result is None else result

    def _once(self, batch: Sequence[Item]) -> Result | None:
        try:
            future = self._handed(batch)
            self._wait([future])
            return future.result()
        except BrokenExecutor:
            self._executor = self._after_a_break()
            return None

    def _after_a_break(self) -> Executor:
        """The executor that goes on: the same one if it says that it `heals`, as a cluster does."""
        return self._executor if getattr(self._executor, "heals", False) else self._processes()

    def _wait(self, futures: Iterable[Future[Any]], until: str = ALL_COMPLETED) -> set[Future[Any]]:
        """Those that are done; MemoryError where none will be, since the thread that serves our processes has ended."""
        while True:
            ended = self._own is not None and not _is_served(self._own)
            done, rest = wait(futures, _PATIENCE, until)
            if not rest or (done and until == FIRST_COMPLETED):
                return done
            if ended:
                raise MemoryError("a thread ended")

    def _processes(self) -> ProcessPoolExecutor:
        self._end()
        context = multiprocessing.get_context("spawn")  # a fork would copy the locks of a progress bar's thread
        self._own = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_begin_work)
        hook, threading.excepthook = threading.excepthook, _pass_over_memory
        try:
            work = pickle.dumps(self._work)
            futures = [self._own.submit(_import, work) for _ in range(self.workers)]  # all begin now: one that began
            self._wait(futures)  # beside work could die unseen, or outlive a pool that broke in that moment
            for future in futures:
                future.result()
        except BrokenExecutor as error:
            raise CorpusError(
                "worker processes cannot start: out of memory, or a script that builds a corpus outside "
                "`if __name__ == '__main__':`"
            ) from error
        except BaseException:
            self._end()
            raise
        finally:
            threading.excepthook = hook
        return self._own

    def _end(self) -> None:
        """End our processes: by force where no thread serves them, for they would wait for ever.

        Also where the pool is broken: its thread ends those that it knows of and waits for all, and one that was
        begun in that moment (python/cpython, `terminate_broken` beside `submit`) would not end.
        """
        if self._own is None:
            return
        served = _is_served(self._own)
        if not served or self._own._broken:
            for process in list((self._own._processes or {}).values()):
                process.kill()
                if not served:
                    process.join()
        self._own.shutdown(wait=served, cancel_futures=True)
        self._own = None


def _is_served(executor: ProcessPoolExecutor) -> bool:
    """Whether its thread works. Where memory is short it ends with a traceback, and its futures stay as they are."""
    thread = getattr(executor, "_executor_manager_thread", None)
    return thread is not None and bool(thread.is_alive())


def _pass_over_memory(ended: threading.ExceptHookArgs) -> None:
    """Print the traceback of a thread, unless it had no memory: who waits for it says so."""
    if not (isinstance(ended.exc_value, MemoryError) or "can't start new thread" in str(ended.exc_value)):
        threading.__excepthook__(ended)


def _import(work: bytes) -> None:
    """Import what the work needs, without a word of C code that has too little memory, and ends its process."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        pickle.loads(work)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _begin_work() -> None:
    """Ctrl-C is the parent's to handle; and a worker ends when its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            wait_for([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
