"""Many clients at once: is every job answered, once, with its own music, and does memory stay flat?

    python benchmarks/studio_load.py [--jobs 200] [--clients 20] [--rounds 3] [--model FOLDER] [--fresh] [--quick]

Starts a studio of its own. Each client sends its jobs one after the other: tunes of 16 bars, and fills of 4 bars in the
first of them. Every answer is compared by hash with what the same request gave in the first round; with `--fresh` each
round has seeds of its own, but for the first tune of each client. `--quick` asks for less of the model and as much of
the server: 4 bars by one step.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np


def ask(address: str, client: int, request: dict[str, object]) -> tuple[dict[str, object], float]:
    """The result of a request, and the seconds that it took."""
    headers = {"content-type": "application/json", "x-client": f"client {client}"}
    began = time.monotonic()
    asked = urllib.request.Request(f"{address}/api/perform", json.dumps(request).encode(), headers)
    with urllib.request.urlopen(asked, timeout=300) as answer:
        result = json.load(answer)["result"]
    return result, time.monotonic() - began


def one_client(
    address: str, client: int, jobs: int, first_seed: int, quick: bool, told: list[tuple[str, str, float]]
) -> None:
    tune = {"bars": 4, "steps": 1, "plain": True} if quick else {"bars": 16}
    fill = {"bars": "2-3", "steps": 1} if quick else {"bars": "5-8"}
    song: dict[str, object] | None = None
    for k in range(jobs):
        seed = first_seed + 1000 * client + k if k else 27
        if k % 2 and song is not None:
            request = {"verb": "infill", "song": song, **fill, "seed": seed}
        else:
            request = {"verb": "compose", **tune, "seed": seed}
        result, seconds = ask(address, client, request)
        receipt = result["receipt"]
        assert receipt["request"]["seed"] == seed, "another's answer"  # type: ignore[index]
        told.append((f"{client}: {request['verb']} {seed}", str(result["sha256"]), seconds))
        if song is None:
            song = {"name": "tune", "sha256": result["sha256"]}


def memory(process: subprocess.Popen[str]) -> float:
    """Resident memory in MB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1000  # type: ignore[index]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="open-64")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    command = [sys.executable, "-m", "cantilena", "studio", "--no-browser", "--port", "0", "--model", given.model]
    studio = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = studio.stdout.readline().split()[4].rstrip("/")  # type: ignore[union-attr]
        first: dict[str, str] = {}
        for number in range(1, given.rounds + 1):
            told: list[tuple[str, str, float]] = []
            seed = 1_000_000 * number if given.fresh else 0
            began = time.monotonic()
            threads = [
                threading.Thread(
                    target=one_client, args=(address, client, given.jobs // given.clients, seed, given.quick, told)
                )
                for client in range(given.clients)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            took = time.monotonic() - began
            counted = Counter(name for name, *_ in told)
            lost = given.jobs - len(counted)
            twice = sum(n > 1 for n in counted.values())
            hashes = {name: digest for name, digest, _ in told}
            differ = sum(first.get(name, digest) != digest for name, digest in hashes.items())
            first = first or hashes
            p50, p95 = np.percentile([seconds for *_, seconds in told], [50, 95])
            print(
                f"round {number}: {len(told)} jobs of {given.clients} clients in {took:.1f} s, {lost} lost, {twice} "
                f"twice, {differ} other than before; p50 {p50:.2f} s, p95 {p95:.2f} s; memory {memory(studio):.0f} MB",
                flush=True,
            )
            if lost or twice or differ:
                raise SystemExit("not every job was answered once with its own music")
    finally:
        studio.terminate()
        studio.wait()


if __name__ == "__main__":
    main()
