"""`WorkerPool`: batches of work through any executor, few at a time; what kills its worker is found and named."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from multiprocessing.connection import wait as wait_for
from typing import Generic, TypeVar

from cantilena.errors import CorpusError

__all__ = ["WorkerPool"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerPool(Generic[Item, Result]):
    """Runs `work(batch)` for many batches in processes, or in an `executor` of the caller's (which stays open).

    Used as a context manager. No more than twice as many batches as `workers` are under way, so memory stays bounded
    however many there are. When a worker dies (a segmentation fault in a parser, the kernel's out-of-memory killer),
    every batch under way is repeated with nothing beside it, and item by item where it kills again; an item that
    kills two processes is given up. An executor of the caller's that broke is replaced by processes, if it
    does not say that it `heals`.
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
        if self._own:
            self._own.shutdown(cancel_futures=True)

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
            return self._executor.submit(self._work, batch)
        except BrokenExecutor as error:  # as if it had broken a moment later
            future: Future[Result] = Future()
            future.set_exception(error)
            return future

    def _finished(
        self, under_way: dict[Future[Result], Sequence[Item]]
    ) -> Iterator[tuple[Sequence[Item], Result | None]]:
        done, _ = wait(under_way, return_when=FIRST_COMPLETED)
        if any(isinstance(future.exception(), BrokenExecutor) for future in done):
            done, _ = wait(under_way)  # all of them break with it
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
            return self._executor.submit(self._work, batch).result()
        except BrokenExecutor:
            self._executor = self._after_a_break()
            return None

    def _after_a_break(self) -> Executor:
        """The executor that goes on: the same one if it says that it `heals`, as a cluster does."""
        return self._executor if getattr(self._executor, "heals", False) else self._processes()

    def _processes(self) -> ProcessPoolExecutor:
        if self._own:
            self._own.shutdown(cancel_futures=True)
        context = multiprocessing.get_context("spawn")  # a fork would copy the locks of a progress bar's thread
        self._own = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_begin_work)
        try:
            self._own.submit(os.getpid).result()
        except BrokenExecutor as error:
            raise CorpusError(
                "worker processes cannot start: out of memory, or a script that builds a corpus outside "
                "`if __name__ == '__main__':`"
            ) from error
        return self._own


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
