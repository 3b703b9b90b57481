"""What things cost, in one table: `python benchmarks/bench.py [FOLDER] [ARCHIVE] [PAIRS]` (`make bench`).

Every figure is CPU seconds of one thread, so that a busy machine changes little; a ratio is the median of PAIRS (3)
pairs, each measured back to back. FOLDER (bench) gets table.md, results.json and growth.svg. ARCHIVE, of MIDI files,
is what extraction is measured on, beside pretty_midi's reading alone where that is installed; without it on melodies
that the model has composed.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from io import BytesIO
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from cantilena.composer import Composer, load
from cantilena.corpus.parts import extract_file, file_hash, read_batch
from cantilena.corpus.sources import Sources
from cantilena.receipt import machine
from cantilena.requests import Compose

MELODIES, BARS = (1, 4, 16, 64), (64, 256, 1000)
FILES = 200


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def pairs(number: int, *works: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Median seconds of each work, and the median ratio of each to the first."""
    for work in works:
        work()
    found = np.array([[seconds(work) for work in works] for _ in range(number)])
    return np.median(found, axis=0).tolist(), np.median(found / found[:, :1], axis=0).tolist()


def start_up(*words: str) -> float:
    """CPU seconds of a command from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "cantilena", *words], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def matrix_rate(size: int = 768, number: int = 5) -> float:
    """Floating-point operations a CPU second of this core, in products of matrices."""
    a = np.ones((size, size), np.float32)
    return 2 * size**3 / median(seconds(lambda: [a @ a for _ in range(4)]) / 4 for _ in range(number))


def denoiser_flops(composer: Composer) -> float:
    """Floating-point operations of the denoiser for one window."""
    from cantilena.training.recipes import NETWORKS, forward_flops

    about = composer.model.about["denoiser"]
    network, config = NETWORKS["denoiser"][about["network"]]
    return float(forward_flops("denoiser", network(config(**about["config"]))))


def denoiser_rate(composer: Composer, batch: int, number: int = 5) -> float:
    """Windows a CPU second."""
    model = composer.model
    x = np.random.default_rng(0).standard_normal((batch, 32, model.space.D)).astype(np.float32)
    labels = np.tile(np.array(model.labels.nulls, np.int64), (batch, 1))
    level = np.zeros(batch, np.float32)
    times = max(1, 8 // batch)
    model.denoise(x, level, x, labels)
    return batch / median(
        seconds(lambda: [model.denoise(x, level, x, labels) for _ in range(times)]) / times for _ in range(number)
    )


def files_of(archive: str | None, composer: Composer) -> list[bytes]:
    if archive is None:
        return [composer.compose(seed=seed).midi for seed in range(8)]
    return [found.data for found in islice(Sources([archive]), FILES) if not found.reason]


def svg(curves: dict[str, list[tuple[float, float]]]) -> str:
    """Curves (n, seconds) on axes that are both logarithmic, each from its first point, beside a line of slope 1."""
    width, height, left = 520, 320, 52
    most = max(math.log10(n / c[0][0]) for c in curves.values() for n, _ in c)
    steep = max(most, max(math.log10(s / c[0][1]) for c in curves.values() for _, s in c))

    def at(n: float, s: float) -> str:
        x = left + (width - left - 90) * math.log10(n) / most
        return f"{x:.1f},{height - 36 - (height - 60) * math.log10(s) / steep:.1f}"

    lines = [f'<polyline points="{at(1, 1)} {at(10**most, 10**most)}" stroke="#bbb" stroke-dasharray="4 4"/>']
    words = [f'<text x="{left}" y="{height - 8}">times as many</text>', '<text x="4" y="16">times the CPU time</text>']
    for colour, (name, curve) in zip(("#d55e00", "#0072b2", "#009e73"), curves.items(), strict=False):
        points = [at(n / curve[0][0], max(s / curve[0][1], 1)) for n, s in curve]
        lines.append(f'<polyline points="{" ".join(points)}" stroke="{colour}"/>')
        x, y = points[-1].split(",")
        words.append(f'<text x="{x}" y="{y}" dx="6" fill="{colour}">{name}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="12"><g fill="none" stroke-width="2">{"".join(lines)}</g>{"".join(words)}</svg>\n'
    )


def measure(archive: str | None, number: int) -> tuple[list[tuple[str, str, str]], dict[str, Any]]:
    """Rows (what, figure, beside what) and the figures by name."""
    composer = load()
    rows: list[tuple[str, str, str]] = []
    said: dict[str, Any] = {**machine()._asdict(), "model": composer.model.fingerprint}

    def row(name: str, value: Any, what: str, figure: str, beside: str = "") -> None:
        said[name] = value
        rows.append((what, figure, beside))
        print(f"{what}: {figure}  {beside}", flush=True)

    started = median(start_up("--version") for _ in range(number))
    row("start", started, "Start of the command line", f"{started:.2f} s")

    def plain(steps: int) -> Callable[[], object]:
        return lambda: composer.compose(seed=7, plain=True, steps=steps)

    (twenty, _), (_, ratio) = pairs(number, plain(20), plain(100))
    row("melody", twenty, "A melody of 64 bars, 20 steps", f"{twenty:.2f} s", f"100 steps: {ratio:.1f} times as long")
    paper = seconds(plain(1000))
    row("paper", paper, "The same by the paper's 1,000 steps", f"{paper:.1f} s", f"{paper / twenty:.0f} times as long")

    curves = {
        "melodies": [(n, seconds(lambda n=n: composer.compose_many(range(n), Compose(plain=True)))) for n in MELODIES],
        "bars": [(n, seconds(lambda n=n: composer.compose(seed=7, plain=True, bars=n, resample=1))) for n in BARS],
    }
    for name, curve in curves.items():
        (n, first), (most, last) = curve[0], curve[-1]
        grows = math.log(last / first) / math.log(most / n)
        row(name, curve, f"{most} {name}", f"{last:.1f} s", f"{n}: {first:.2f} s; grows as n^{grows:.2f}")

    files = files_of(archive, composer)
    batch = [(file_hash(data), data) for data in files]
    works: list[Callable[[], object]] = [lambda: read_batch(extract_file, batch)]
    if find_spec("pretty_midi"):
        works.append(lambda: [_pretty(data) for data in files])
    taken, ratios = pairs(number, *works)
    beside = f"pretty_midi reads them in {ratios[1]:.1f} times as long" if len(ratios) > 1 else ""
    row("extract", len(files) / taken[0], "MIDI files to melodies", f"{len(files) / taken[0]:.0f} files/s", beside)

    rate, flops = matrix_rate(), denoiser_flops(composer)
    for size in (1, 64):
        share = denoiser_rate(composer, size) * flops / rate
        row(
            f"share_{size}",
            share,
            f"Denoiser, batch {size}",
            f"{share:.2f} of the matrix rate",
            f"{rate / 1e9:.0f} GFLOP/s",
        )
    said["growth"] = curves
    return rows, said


def _pretty(data: bytes) -> object:
    import pretty_midi

    try:
        return pretty_midi.PrettyMIDI(BytesIO(data))
    except Exception:  # it is no judge of files
        return None


def main(argv: Sequence[str]) -> None:
    folder = Path(argv[0] if argv else "bench")
    archive, number = (argv[1] if len(argv) > 1 and argv[1] else None), int(argv[2]) if len(argv) > 2 else 3
    rows, said = measure(archive, number)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(said, indent=1) + "\n")
    lines = ["| What | CPU time | Beside |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    (folder / "table.md").write_text("\n".join(lines) + "\n")
    (folder / "growth.svg").write_text(svg(said["growth"]))


if __name__ == "__main__":
    main(sys.argv[1:])
