"""`Files`: the bytes that requests read, by their hash; bounded, and forgotten after a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from cantilena.sources import Source

__all__ = ["Files"]


class Files:
    """Keeps the last files that came, `most_bytes` together at the most, for `seconds` after their last use."""

    def __init__(
        self, most_bytes: int = 128_000_000, seconds: float = 3600, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.most_bytes, self.seconds, self.clock = most_bytes, seconds, clock
        self.bytes = 0
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()  # hash -> last use, and what it is of

    def keep(self, data: bytes, name: str) -> Source:
        """Keep `data`; what it is to a request, with a name for people."""
        source = Source.of(data)
        if source.sha256 not in self._kept:
            self.bytes += len(data)
        self._kept[source.sha256] = (self.clock(), data)
        self._kept.move_to_end(source.sha256)
        self._forget()
        return Source(name, source.sha256, data)

    def find(self, wanted: Iterable[Source]) -> list[Source]:
        """Those that are kept, each with its own name and its bytes."""
        self._forget()
        found = []
        for source in wanted:
            if source.sha256 in self._kept:
                _, data = self._kept[source.sha256]
                self._kept[source.sha256] = (self.clock(), data)
                self._kept.move_to_end(source.sha256)
                found.append(Source(source.name, source.sha256, data))
        return found

    def __len__(self) -> int:
        return len(self._kept)

    def _forget(self) -> None:
        while self._kept:
            used, data = next(iter(self._kept.values()))
            if self.bytes <= self.most_bytes and self.clock() - used <= self.seconds:
                return
            self._kept.popitem(last=False)
            self.bytes -= len(data)
