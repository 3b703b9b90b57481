"""`Turns`: who may work now. As many at once as there are places; clients that wait take turns, one job each."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque

__all__ = ["BusyError", "Turns"]


class BusyError(Exception):
    """So many wait already that no more are taken in; the message is one readable line."""


class Turns:
    """Places to work, given to waiting clients in rotation: one who asks for a hundred jobs delays nobody else's one.

    `places` work at once; `most` wait at most, and `each` of one client. One event loop uses it.
    """

    def __init__(self, places: int, most: int = 256, each: int = 64) -> None:
        self.places, self.most, self.each = places, most, each
        self.free = places
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    async def take(self, client: str) -> None:
        """Wait for a place; `give` hands it back. BusyError where too many wait. Cancelled, it takes none."""
        if self.free:
            self.free -= 1
            return
        if self.waiting >= self.most or len(self._waiting.get(client, ())) >= self.each:
            raise BusyError(f"{self.waiting} jobs are waiting: try again in a moment")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give()  # it was given just now
            else:
                self._leave(client, turn)
            raise

    def give(self) -> None:
        """Hand a place back: the next client's first job gets it."""
        if not self._waiting:
            self.free += 1
            return
        client, turns = next(iter(self._waiting.items()))
        turn = turns.popleft()
        if turns:
            self._waiting.move_to_end(client)
        else:
            del self._waiting[client]
        if turn.done():  # cancelled while it waited
            self.give()
        else:
            turn.set_result(None)

    def _leave(self, client: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(client)
        if turns is not None and turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[client]
