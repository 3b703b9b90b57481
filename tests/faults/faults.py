"""Makes faults happen while commands run, and prints a table: `python tests/faults/faults.py [FAULT ...]`, `make faults`.

A row says what happened to a command, how often, and what came of it: after the fault the same command is run again, and
gives what one gives that nothing happened to, file by file, and nothing else lies beside it. The exit status is 1 where a
row is not so.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from commands import COMMANDS, Inputs, Running, differences, digest, is_plain, start, torn  # noqa: E402 (beside this)

KILLS = {"corpus build": 10, "encoding": 8, "training": 8, "export": 8, "reproduce": 8, "compose": 8}  # 50
IN_A_ROW = 2  # kills of one output, before the command may end
ROW = "| {:14} | {:13} | {:>5} | {}"


@dataclass
class Bench:
    """Where faults happen: inputs, and what each command makes of them undisturbed."""

    folder: Path
    inputs: Inputs
    wanted: dict[str, dict[str, str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def undisturbed(self, command: str) -> None:
        """Run a command once with nothing in its way, unless that was done."""
        if command in self.wanted:
            return
        with self.place(command) as place:
            began = time.monotonic()
            status, said = self.start(command, place).end()
            if status:
                raise SystemExit(f"{command}, undisturbed: {said}")
            self.seconds[command], self.wanted[command] = time.monotonic() - began, digest(place, self.inputs)

    @contextmanager
    def place(self, command: str) -> Iterator[Path]:
        """A new folder to write to."""
        place = Path(tempfile.mkdtemp(dir=self.folder))
        self.inputs.prepare(command, place)
        try:
            yield place
        finally:
            shutil.rmtree(place)

    def start(self, command: str, place: Path, **more: object) -> Running:
        """Begin a command."""
        return start(self.inputs.words(command, place), **more)  # type: ignore[arg-type]

    def finish(self, command: str, place: Path) -> str:
        """Run a command to its end; in words, what is other than where nothing happened."""
        status, said = self.start(command, place).end()
        return said if status else differences(digest(place, self.inputs), self.wanted[command])


@dataclass(frozen=True)
class Row:
    """What came of a fault; `trouble` is empty where all is well."""

    fault: str
    command: str
    times: int
    fine: str
    trouble: str

    def __str__(self) -> str:
        return ROW.format(self.fault, self.command, self.times, self.trouble or self.fine)


def kill(bench: Bench, command: str, times: int | None = None, seed: int = 0) -> Row:
    """Kill -9 at random moments, some times in a row, and then let it end."""
    bench.undisturbed(command)
    times = times or KILLS[command]
    draw, done, among, troubles = random.Random(f"{command} {seed}"), 0, 0, []
    for _ in range(3 * times):
        if done >= times:
            break
        with bench.place(command) as place:
            for _ in range(min(IN_A_ROW, times - done)):
                running = bench.start(command, place)
                killed = running.kill_after(draw.uniform(0.2, 1) * bench.seconds[command])
                done += killed
                if orphans := running.orphans():
                    troubles.append(f"{len(orphans)} orphans")
                troubles.append(torn(place, bench.wanted[command], bench.inputs))
                there = set(digest(place, bench.inputs)) & set(bench.wanted[command])
                among += killed and 0 < len(there) < len(bench.wanted[command])
                if not killed:
                    break
            troubles.append(bench.finish(command, place))
    if done < times:
        troubles.append(f"only {done} of {times} kills came before the end")
    fine = f"same result, nothing torn or left, no orphans; {among} when part of the files were there"
    return Row("kill -9", command, done, fine, _told(troubles))


def full(bench: Bench, command: str) -> Row:
    """Run on a disk that is full after a third of what it writes; then make room."""
    bench.undisturbed(command)
    with bench.place(command) as place:
        before = _size(place)
        bench.finish(command, place)
        size = before + 0.3 * (_size(place) - before)
        largest = max(path.stat().st_size for path in place.rglob("*") if path.is_file())
    if _can_mount():
        with _disk(bench.folder / "disk", f"size={int(size) // 1024}k") as disk:
            bench.inputs.prepare(command, disk)
            status, said = bench.start(command, disk).end()
            trouble = _refused(status, said)
            subprocess.run(["mount", "-o", "remount,size=512m", str(disk)], check=True)
            trouble = trouble or bench.finish(command, disk)
    else:
        limit = largest // 3
        with bench.place(command) as place:
            status, said = bench.start(
                command, place, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            ).end()
            trouble = _refused(status, said) or bench.finish(command, place)
    return Row("full disk", command, 1, "one line; with room the same result, nothing left", trouble)


def read_only(bench: Bench, command: str) -> Row:
    """Run where nothing can be written."""
    bench.undisturbed(command)
    if os.geteuid() and not _can_mount():
        with bench.place(command) as place:
            place.chmod(0o500)
            status, said = bench.start(command, place).end()
            place.chmod(0o700)
            trouble = _refused(status, said) or bench.finish(command, place)
    elif _can_mount():
        with _disk(bench.folder / "disk", "size=512m") as disk:
            bench.inputs.prepare(command, disk)
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            status, said = bench.start(command, disk).end()
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
            trouble = _refused(status, said) or bench.finish(command, disk)
    else:
        return Row("read-only", command, 0, "not tried: root, who may write anywhere, cannot mount here", "")
    return Row("read-only", command, 1, "one line; allowed, the same result", trouble)


def twice(bench: Bench, command: str) -> Row:
    """Run it twice at once, to one output."""
    bench.undisturbed(command)
    with bench.place(command) as place:
        both = [bench.start(command, place) for _ in range(2)]
        ends = [running.end() for running in both]
        troubles = [_refused(status, said) for status, said in ends if status]
        if all(status for status, _ in ends):
            troubles.append("neither went through")
        troubles.append(differences(digest(place, bench.inputs), bench.wanted[command]))
        refused = sum(status != 0 for status, _ in ends)
    return Row("two at once", command, 1, f"same result{', the other refused in one line' * refused}", _told(troubles))


def deleted(bench: Bench, command: str, times: int = 2) -> Row:
    """Delete the inputs when it is on its way; then put them back."""
    bench.undisturbed(command)
    troubles, refused = [], 0
    for k in range(times):
        with bench.place(command) as place:
            inputs = Inputs(place / "inputs")
            shutil.copytree(bench.inputs.folder, inputs.folder)
            running = start(inputs.words(command, place))
            time.sleep(bench.seconds[command] * (k + 1) / (times + 1))
            shutil.rmtree(inputs.folder)
            status, said = running.end()
            refused += status != 0
            troubles.append(status and _refused(status, said))
            if status:
                shutil.copytree(bench.inputs.folder, inputs.folder)
                status, said = start(inputs.words(command, place)).end()
                shutil.rmtree(inputs.folder)
                found = {n: h for n, h in digest(place, inputs).items()}
                troubles.append(said if status else differences(found, bench.wanted[command]))
    return Row(
        "inputs deleted", command, times, f"{refused} refused in one line, {times - refused} done; then the same",
        _told(troubles),
    )  # fmt: skip


CLOCK = """
import itertools, time
_back = itertools.count()
time.time = lambda now=time.time: now() - 3600 * next(_back)
time.time_ns = lambda: int(time.time() * 1e9)
"""


def clock(bench: Bench, command: str) -> Row:
    """Let the clock go an hour back whenever it is asked."""
    bench.undisturbed(command)
    with bench.place(command) as place, tempfile.TemporaryDirectory(dir=bench.folder) as custom:
        (Path(custom) / "sitecustomize.py").write_text(CLOCK)
        path = os.pathsep.join(filter(None, [custom, os.environ.get("PYTHONPATH")]))
        status, said = bench.start(command, place, env={"PYTHONPATH": path}).end()
        trouble = said if status else differences(digest(place, bench.inputs), bench.wanted[command])
    return Row("clock back", command, 1, "same result", trouble)


MEMORY = {
    "corpus build": range(60, 240, 30), "compose": range(30, 270, 30), "encoding": range(150, 1050, 150),
    "training": range(300, 2700, 600), "export": range(150, 1050, 150), "reproduce": range(200, 1800, 300),
}  # MB  # fmt: skip


def memory(bench: Bench, command: str) -> Row:
    """Let it have little memory, from hardly any up to nearly enough."""
    bench.undisturbed(command)
    troubles, done = [], 0
    for megabytes in MEMORY[command]:
        limit = megabytes << 20
        with bench.place(command) as place:
            running = bench.start(
                command, place, preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            )
            try:
                status, said = running.end(120)
            except subprocess.TimeoutExpired:
                running.process.kill()
                status, said = -9, "it hangs"
            if status and (trouble := _refused(status, said)):
                troubles.append(f"{megabytes} MB: {trouble}")
            elif not status:
                troubles.append(differences(digest(place, bench.inputs), bench.wanted[command]))
            done += not status
            if running.orphans():
                troubles.append(f"{megabytes} MB: orphans")
    times = len(MEMORY[command])
    return Row("low memory", command, times, f"{times - done} times one plain line, {done} done", _told(troubles))


FORK = """
import os, sys
import cantilena
composer = cantilena.load(sys.argv[1], threads=int(sys.argv[2]))
wanted = composer.compose(seed=1, bars=16).file
child = os.fork()
if not child:
    import signal
    signal.alarm(60)
    os._exit(0 if composer.compose(seed=1, bars=16).file == wanted else 3)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.exit(status if composer.compose(seed=1, bars=16).file == wanted else 4)
"""


def fork(bench: Bench, threads: int) -> Row:
    """Compose in a process that was forked from one that had composed."""
    status, said = start(["open-64", str(threads)], code=FORK).end()
    trouble = f"status {status} {said[-200:]}" if status else ""
    return Row("a fork", f"{threads} thread(s)", 1, "parent and child compose the same", trouble)


THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
import cantilena
composer = cantilena.load(sys.argv[1])
song = composer.compose(seed=1, bars=16, steps=5)
def one(seed):
    return [
        composer.compose(seed=seed, plain=True, steps=5).file, composer.infill(song, bars="5-8", seed=seed, steps=5).file,
        composer.vary(song, bars="1-16", seed=seed, strength=0.5, steps=5).file,
    ]
wanted = [one(seed) for seed in range(8)]
with ThreadPoolExecutor(8) as threads:
    sys.exit(0 if list(threads.map(one, range(8))) == wanted else 3)
"""


def threads(bench: Bench) -> Row:
    """Eight threads with one Composer."""
    status, said = start([str(bench.inputs.model)], code=THREADS).end()
    trouble = f"status {status} {said[-200:]}" if status else ""
    return Row("8 threads", "three verbs", 24, "each result as when alone", trouble)


FAULTS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "kill": lambda bench: (kill(bench, command) for command in KILLS),
    "full": lambda bench: (full(bench, command) for command in COMMANDS),
    "read-only": lambda bench: (read_only(bench, command) for command in COMMANDS),
    "twice": lambda bench: (twice(bench, command) for command in COMMANDS),
    "deleted": lambda bench: (deleted(bench, command) for command in COMMANDS),
    "clock": lambda bench: (clock(bench, command) for command in COMMANDS),
    "memory": lambda bench: (memory(bench, command) for command in MEMORY),
    "fork": lambda bench: (fork(bench, number) for number in (1, 2)),
    "threads": lambda bench: iter([threads(bench)]),
}


def _refused(status: int, said: str) -> str:
    """In words, what is wrong with an end that should be an error of one line."""
    if not status:
        return "it went through"
    return (
        "" if status in (1, 2) and is_plain(said) else f"status {status}: {' / '.join(said.splitlines()[-3:])[-300:]}"
    )


def _told(troubles: list[str | int]) -> str:
    return "; ".join(dict.fromkeys(str(trouble) for trouble in troubles if trouble))[:500]


def _size(place: Path) -> int:
    return sum(4096 + path.stat().st_size for path in place.rglob("*"))


def _can_mount() -> bool:
    if os.geteuid() or not shutil.which("mount"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True).returncode:
            return False
        subprocess.run(["umount", folder], check=True)
    return True


@contextmanager
def _disk(place: Path, options: str) -> Iterator[Path]:
    """A disk in memory."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


def main(*names: str) -> int:
    """Let all faults happen, or these."""
    if unknown := set(names) - set(FAULTS):
        print(f"{', '.join(sorted(unknown))}: a fault is one of {', '.join(FAULTS)}", file=sys.stderr)
        return 2
    began, bad = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), Inputs(Path(folder) / "inputs"))
        bench.inputs.make()
        print(ROW.format("fault", "command", "times", "what came of it |"))
        print("|---|---|--:|---|", flush=True)
        for name in names or FAULTS:
            for row in FAULTS[name](bench):
                bad += bool(row.trouble)
                print(f"{row} |", flush=True)
    print(f"\n{time.monotonic() - began:.0f} s; {bad} rows are not as they should be")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
