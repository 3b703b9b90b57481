"""`Cluster`: the workers of a dask scheduler as an executor, for `build`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any, TypeVar

from cantilena.corpus.parts import extract_file, rules
from cantilena.errors import CorpusError

__all__ = ["Cluster"]

T = TypeVar("T")


class Cluster(Executor):
    """Work on the machines of a dask cluster, whose scheduler listens at `address` (tcp://host:8786).

    Dask gives what a dead worker had to another one. Work that kills several breaks as in a pool of processes, but the
    cluster goes on: it `heals`. Raises CorpusError (one line) where dask is missing, nobody answers, no worker is
    there, or one has another version of Cantilena, whose melodies could be others.
    """

    heals = True

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise CorpusError("--dask needs dask: pip install 'cantilena[cluster]'") from error
        try:
            self._client = Client(address, timeout=20, set_as_default=False)
        except (OSError, ValueError) as error:
            raise CorpusError(f"{address}: no dask scheduler answers there ({error})") from error
        self._address = address
        here, there = rules(extract_file), self._client.run(rules, extract_file)
        other = [worker for worker, code in there.items() if code != here]
        if other or not there:
            self.shutdown()
            what = f"its worker {other[0]} has another version of Cantilena" if other else "it has no workers yet"
            raise CorpusError(f"{address}: {what}")

    @property
    def workers(self) -> int:
        """How many batches are worked on at once: the threads of all workers."""
        return sum(self._client.nthreads().values())

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """As of any executor; what kills workers raises BrokenExecutor from its future."""
        if self._client.status != "running":
            raise CorpusError(
                f"{self._address}: the dask scheduler is gone; what was read is kept, and the same command goes on"
            )
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        self._client.submit(fn, *args, pure=False, **kwargs).add_done_callback(lambda there: _settle(future, there))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let go of the cluster, which goes on for others."""
        self._client.close()


def _settle(future: Future[T], there: Any) -> None:
    """Hand on what came of work on the cluster."""
    from distributed import CancelledError, KilledWorker

    try:
        future.set_result(there.result())
    except (KilledWorker, CancelledError) as error:
        future.set_exception(BrokenExecutor(str(error)))
    except Exception as error:
        future.set_exception(error)
