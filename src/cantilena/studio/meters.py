"""`Meters`: how many jobs ended how, and how long they took, in the text format of Prometheus."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from itertools import accumulate
from typing import Literal, TypeAlias

__all__ = ["End", "Meters"]

End: TypeAlias = Literal["done", "refused", "stopped", "failed"]  # by a result; an error of the asker; nobody; a bug
_ENDS: tuple[End, ...] = ("done", "refused", "stopped", "failed")
_SECONDS = (0.1, 0.3, 1, 3, 10, 30, 120)  # bounds of the histogram


class Meters:
    """Counts jobs; any thread may."""

    def __init__(self) -> None:
        self._ends = Counter[End]()
        self._counts = [0] * (len(_SECONDS) + 1)  # of jobs up to each bound and above the one before
        self._seconds = 0.0
        self._lock = threading.Lock()

    def count(self, end: End, seconds: float) -> None:
        """Count a job that worked for `seconds`."""
        with self._lock:
            self._ends[end] += 1
            self._counts[sum(seconds > bound for bound in _SECONDS)] += 1
            self._seconds += seconds

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """All that was counted, and `gauges` that are true now: name -> (help, value).

        >>> print(Meters().text({"jobs_waiting": ("Jobs that wait.", 2)}).split(chr(10))[2])
        cantilena_jobs_waiting 2
        """
        with self._lock:
            ends, counts, seconds = self._ends.copy(), list(accumulate(self._counts)), self._seconds
        lines = []
        for name, (told, value) in gauges.items():
            lines += [*_head(name, "gauge", told), f"cantilena_{name} {value:g}"]
        lines += _head("jobs_total", "counter", "Jobs that ended, and how.")
        lines += [f'cantilena_jobs_total{{end="{end}"}} {ends[end]}' for end in _ENDS]
        lines += _head("job_seconds", "histogram", "Seconds that jobs worked.")
        bounds = [*map("{:g}".format, _SECONDS), "+Inf"]
        lines += [f'cantilena_job_seconds_bucket{{le="{b}"}} {n}' for b, n in zip(bounds, counts, strict=True)]
        lines += [f"cantilena_job_seconds_sum {seconds:.6f}", f"cantilena_job_seconds_count {counts[-1]}"]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, told: str) -> list[str]:
    return [f"# HELP cantilena_{name} {told}", f"# TYPE cantilena_{name} {kind}"]
