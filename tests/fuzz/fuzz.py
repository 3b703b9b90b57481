"""Feeds mutants to every entry for some minutes: `python tests/fuzz/fuzz.py [MINUTES] [ENTRY ...]`, or `make fuzz`.

Prints, of each entry: mutants, how many were read (got past the parser), errors that are not typed, and mutants that
took over 5 seconds of CPU or 1 GB. Such mutants are kept in fuzz/, with what happened; the exit status is 1 where there
are any.
"""

from __future__ import annotations

import hashlib
import random
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import NoReturn

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "music")]

from entries import ENTRIES, TYPED, Entry  # noqa: E402 (beside this file)

SECONDS, MEMORY = 5, 1 << 30
KEPT = Path("fuzz")
ROW = "{:10}{:>10}{:>10}{:>10}{:>10}{:>10}"


class SlowError(BaseException):
    """A mutant took too long."""


def tried(entry: Entry, seed: str) -> tuple[str, bytes, str]:
    """What came of a mutant: "read", "typed", "untyped", "slow" or "large"; the mutant; and what happened."""
    data = entry.make(random.Random(seed))
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        entry.use(data)
        found, said = "read", ""
    except TYPED as error:
        found, said = "typed", str(error)
        if "\n" in said:
            found, said = "untyped", f"more than a line: {said!r}"
    except SlowError:
        found, said = "slow", traceback.format_exc()
    except Exception:
        found, said = "untyped", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    if (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 > MEMORY:
        found = "large"
    return found, data, said


def stop(*_: object) -> NoReturn:
    """End a mutant that is slow."""
    raise SlowError


def main(minutes: float = 10, *names: str) -> int:
    """Try mutants of all entries, or these, in turn."""
    signal.signal(signal.SIGVTALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    counts: dict[str, Counter[str]] = {name: Counter() for name in names or ENTRIES}
    began, k, bad = time.monotonic(), 0, 0
    while time.monotonic() - began < 60 * minutes:
        k += 1
        for name, count in counts.items():
            found, data, said = tried(ENTRIES[name], f"{name} {k}")
            count[found] += 1
            if found not in ("read", "typed"):
                bad += 1
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
