"""`Jobs`: requests performed on threads, told step by step, and ended where nobody listens any more."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from cantilena.composer import Composer
from cantilena.errors import CantilenaError
from cantilena.music.melody import Melody
from cantilena.requests import Request
from cantilena.studio.events import Done, Error, Event, Queued, Step, heard, made, offset
from cantilena.studio.meters import End, Meters
from cantilena.studio.turns import Turns

__all__ = ["Jobs"]

T = TypeVar("T")


class Stopped(Exception):
    """Nobody waits for this work any more, or it took too long."""


class Jobs:
    """Performs requests on `places` threads; a job may work for `seconds` at the most."""

    def __init__(self, composer: Composer, places: int, *, seconds: float = 120, turns: Turns | None = None) -> None:
        self.composer, self.seconds = composer, seconds
        self.turns = turns or Turns(places)
        self.threads = ThreadPoolExecutor(places, "composer")
        self.meters = Meters()

    async def perform(self, request: Request, client: str, *, show: bool = False) -> AsyncIterator[Event]:
        """Events, the last of which is `Done` or `Error`. Closed before that, it ends the work at its next step.

        With `show` each step says what x0_hat means. Raises BusyError where too many wait.
        """
        loop, events = asyncio.get_running_loop(), asyncio.Queue[Event]()

        def tell(event: Event) -> None:
            loop.call_soon_threadsafe(events.put_nowait, event)

        if not self.turns.free:
            yield Queued(self.turns.waiting)
        await self.turns.take(client)
        work = _Work(self.composer, request, tell, self.meters, show, self.seconds)
        self._start(work.run)
        try:
            while True:
                event = await events.get()
                yield event
                if isinstance(event, Done | Error):
                    return
        finally:
            work.stop.set()

    async def call(self, client: str, do: Callable[[], T]) -> T:
        """What `do` returns, on a thread when it is the client's turn. Raises BusyError where too many wait."""
        await self.turns.take(client)
        return await asyncio.shield(self._start(do))

    def close(self) -> None:
        """Take no more work."""
        self.threads.shutdown(wait=False, cancel_futures=True)

    def _start(self, do: Callable[[], T]) -> asyncio.Future[T]:
        future = asyncio.get_running_loop().run_in_executor(self.threads, do)
        future.add_done_callback(lambda _: self.turns.give())  # not before the thread is free
        return future


class _Work:
    """One request on a thread."""

    def __init__(
        self, composer: Composer, request: Request, tell: Callable[[Event], None], meters: Meters, show: bool,
        seconds: float,
    ) -> None:  # fmt: skip
        self.composer, self.request, self.tell, self.meters = composer, request, tell, meters
        self.show, self.seconds = show, seconds
        self.stop = threading.Event()
        self.began = self.sample_began = time.monotonic()
        self.step, self.at = Step(0, 1, 0.0), 0.0

    def run(self) -> None:
        """Perform it, and tell what came of it."""
        end: End
        told: Done | Error
        try:
            if self.stop.is_set():
                raise Stopped("cancelled")
            self.at = offset(self.request) if self.show else 0.0
            result = self.composer(self.request, self.on_step, self.on_estimate if self.show else None)
            parts = [made(part) for part in result.parts]
            end, told = "done", Done(made(result), parts, round(time.monotonic() - self.began, 3))
        except Stopped as error:
            end, told = "stopped", Error(str(error), 503)
        except (CantilenaError, ValueError) as error:
            end, told = "refused", Error(" ".join(str(error).split()))
        except Exception as error:
            end, told = "failed", Error(f"a bug: {type(error).__name__}: {error}", 500)
        self.meters.count(end, time.monotonic() - self.began)
        self.tell(told)

    def on_step(self, i: int, of: int) -> None:
        """A step is done, of a sample that may be one of several."""
        now = time.monotonic()
        if self.stop.is_set():
            raise Stopped("cancelled")
        if now - self.began > self.seconds:
            raise Stopped(f"stopped: it took longer than {self.seconds:g} seconds; ask for less at once")
        if i <= self.step.i:
            self.sample_began = now
        self.step = Step(i, of, round((now - self.sample_began) / i * (of - i), 3))
        if not self.show:
            self.tell(self.step)

    def on_estimate(self, melody: Melody, at: int) -> None:
        """What the step that was just done has drawn."""
        self.tell(Step(self.step.i, self.step.of, self.step.seconds_left, heard(melody, at, self.at)))
