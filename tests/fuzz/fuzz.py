"""Feeds mutants to every entry for some minutes: `python tests/fuzz/fuzz.py [MINUTES] [ENTRY ...]`, or `make fuzz`.

Each is tried in a process beside this one, which is ended where a mutant takes over 5 seconds of CPU or 1 GB, or kills
it. Prints, of each entry: mutants, how many were read (got past the parser), errors that are none of Cantilena's, and
those that were slow or large. Such mutants are kept in fuzz/, with what happened; the exit status is 1 where there are
any. Every run has other seeds; those of a mutant stand beside it.
"""

from __future__ import annotations

import faulthandler
import hashlib
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "music")]

from entries import ENTRIES, Entry  # noqa: E402 (beside this file)

from cantilena.errors import CantilenaError  # noqa: E402

SECONDS, MEMORY = 5.0, 1 << 30
STUCK = 300  # seconds by the wall, whatever it computes: it waits for something
KEPT = Path("fuzz")
ROW = "{:10}{:>10}{:>10}{:>10}{:>10}{:>10}"
_TICKS = os.sysconf("SC_CLK_TCK")


class Tried(NamedTuple):
    """What came of a mutant."""

    found: str  # "read", "typed", "untyped", "slow" or "large"
    said: str  # the error, or where it was


def shipped() -> Mapping[str, Entry]:
    """The entries of the product."""
    return ENTRIES


class Child:
    """A process that tries mutants of `entries()`, one after another; it begins anew where it had to be ended."""

    def __init__(self, entries: Callable[[], Mapping[str, Entry]] = shipped, seconds: float = SECONDS) -> None:
        self.entries, self.seconds = entries, seconds
        self._trace = Path(tempfile.mkdtemp(), "trace")

    def __enter__(self) -> Child:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(self.entries, there, self._trace), daemon=True)
        self._process.start()
        there.close()
        assert self._here.recv() == "ready"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.join()
        self._here.close()

    def tried(self, name: str, seed: str) -> Tried:
        """Try the mutant of an entry that a seed makes."""
        began, cpu = time.monotonic(), self._cpu()
        self._here.send((name, seed))
        try:
            while not self._here.poll(0.2):
                if self._cpu() - cpu > self.seconds or time.monotonic() - began > STUCK:
                    return self._ended("slow")
            return Tried(*self._here.recv())
        except (EOFError, ConnectionError):
            return self._ended("untyped")

    def _cpu(self) -> float:
        """Seconds that the process computed."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def _ended(self, found: str) -> Tried:
        if found == "slow":
            os.kill(self._process.pid or 0, signal.SIGUSR1)  # it says where it is
            time.sleep(0.2)
        self._process.kill()
        self._process.join()
        said = f"ended with {self._process.exitcode}\n{self._trace.read_text()}"
        self._here.close()
        self.__enter__()
        return Tried(found, said)


def _serve(entries: Callable[[], Mapping[str, Entry]], there: Connection, trace: Path) -> None:
    """What the process does: seeds come in, what came of their mutants goes out."""
    file = trace.open("w")
    faulthandler.enable(file)
    faulthandler.register(signal.SIGUSR1, file)
    tries = entries()
    for name in tries:  # what is loaded once is no mutant's
        _tried(tries[name], f"{name} first")
    there.send("ready")
    while True:
        name, seed = there.recv()
        there.send(_tried(tries[name], seed))


def _tried(entry: Entry, seed: str) -> Tried:
    data = entry.make(random.Random(seed))
    Path("/proc/self/clear_refs").write_text("5")  # the peak is this mutant's; getrusage's is the parent's, too
    before = _kilobytes("VmRSS")
    resource.setrlimit(resource.RLIMIT_DATA, ((_kilobytes("VmData") << 10) + MEMORY, resource.RLIM_INFINITY))
    try:
        entry.use(data)
        found, said = "read", ""
    except CantilenaError as error:
        found, said = "typed", str(error)
        if "\n" in said or not said.isprintable():
            found, said = "untyped", f"more than a line for people: {said!r}"
    except MemoryError:
        found, said = "large", traceback.format_exc()
    except BaseException:
        found, said = "untyped", traceback.format_exc()
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    if (_kilobytes("VmHWM") - before) << 10 > MEMORY:
        found = "large"
    return Tried(found, said)


def _kilobytes(of: str) -> int:
    """What the kernel says of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{of}:"))


def main(minutes: float = 10, *names: str) -> int:
    """Try mutants of all entries, or these, in turn."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in names or ENTRIES}
    began, k, bad = time.monotonic(), random.SystemRandom().randrange(10**12), 0
    with Child() as child:
        while time.monotonic() - began < 60 * minutes:
            k += 1
            for name, count in counts.items():
                found, said = child.tried(name, f"{name} {k}")
                count[found] += 1
                if found not in ("read", "typed"):
                    bad += 1
                    data = ENTRIES[name].make(random.Random(f"{name} {k}"))
                    KEPT.mkdir(exist_ok=True)
                    stem = KEPT / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
                    stem.write_bytes(data)
                    stem.with_suffix(".txt").write_text(f"{name} {k}: {found}\n{said}")
    print(ROW.format("entry", "mutants", "read", "untyped", "slow", "large"))
    for name, c in counts.items():
        print(ROW.format(name, f"{c.total():,}", f"{c['read']:,}", c["untyped"], c["slow"], c["large"]))
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 10, *sys.argv[2:]))
