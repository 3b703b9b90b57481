"""How long a fill takes in the browser, and how smoothly a long song scrolls.

    python benchmarks/studio_times.py [--fills 12] [--ways 1]

Starts a studio and a page of it in chromium (the dev extra). A fill is of eight bars of a tune of 32: from the
click on Fill to the first new notes on screen, to the first candidate whole, and to the last; and the processor time
that the server took for it. Bars that begin where phrases do and bars that do not are told apart, as these cost more.
"""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from cantilena.music.melody import Melody
from cantilena.music.midi import to_midi

MARKS = "performance.getEntriesByType('mark').map(mark => [mark.name.slice(7), mark.startTime])"
DROP = """([data, name]) => {
    const files = new DataTransfer(), bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
    files.items.add(new File([bytes], name));
    window.dispatchEvent(new DragEvent("drop", { dataTransfer: files, cancelable: true }));
}"""
SCROLL = """new Promise(done => {
    const roll = studio.roll, began = performance.now(), first = roll.frames;
    const on = () => {
        const past = performance.now() - began;
        if (past > 2000) return done((roll.frames - first) / past * 1000);
        roll.scrollBy(roll.left > 3900 ? -4000 : 6);
        requestAnimationFrame(on);
    };
    on();
})"""


def until(page: Any, script: str) -> None:
    """Wait for a condition; the page's policy allows no eval, so it is asked again and again."""
    end = time.monotonic() + 120
    while not page.evaluate(script):
        if time.monotonic() > end:
            raise SystemExit(f"not within 120 s: {script}")
        time.sleep(0.02)


def processor(pid: int) -> float:
    """Seconds of processor time that a process has taken."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def fill(page: Any, pid: int, first: int, ways: int) -> tuple[float, float, float, float]:
    """Fill eight bars: milliseconds to the first notes, to one candidate and to all; the server's seconds."""
    page.evaluate(f"studio.select({first}, {first + 7}); performance.clearMarks()")
    page.fill("#ways", str(ways))
    before = processor(pid)
    page.click(".doing .go")
    until(page, f"!studio.work.job && studio.work.candidates.filter(c => c.made).length === {ways}")
    marks = page.evaluate(MARKS)
    (asked,) = (at for name, at in marks if name == "asked")
    shown = [at - asked for name, at in marks if name == "first"]
    done = sorted(at - asked for name, at in marks if name == "done")
    page.keyboard.press("Escape")
    return shown[0], done[0], done[-1], processor(pid) - before


def fills(page: Any, pid: int, begins: list[int], ways: int) -> str:
    """A row of medians over fills that begin on these bars."""
    shown, one, every, seconds = zip(*(fill(page, pid, first, ways) for first in begins), strict=True)
    return (
        f"first notes {median(shown):.0f} ms (most {max(shown):.0f}), a candidate {median(one):.0f} ms, all {ways} "
        f"{median(every):.0f} ms (most {max(every):.0f}); the server took {median(seconds):.2f} s of a core"
    )


def long_song() -> bytes:
    """1,000 bars of eighths that wander up and down."""
    start = np.arange(0, 16_000, 2)
    return to_midi(Melody.from_notes(start, start + 2, 60 + np.abs(np.arange(start.size) * 7 % 24 - 12)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fills", type=int, default=12, help="of each kind")
    parser.add_argument("--ways", type=int, default=1, help="candidates of each fill")
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no chromium here: apt-get install chromium")
    command = [sys.executable, "-m", "cantilena", "studio", "--no-browser", "--port", "0"]
    studio = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = studio.stdout.readline().split()[4]  # type: ignore[union-attr]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
            page.goto(address)
            until(page, "Boolean(window.studio?.work.step && !studio.work.job)")
            print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
            for name, begin in (("on a phrase", 1), ("inside one", 2)):
                begins = [begin + 2 * (k % 12) for k in range(given.fills)]
                print(f"bars that begin {name}: {fills(page, studio.pid, begins, given.ways)}", flush=True)
            page.evaluate(DROP, [base64.b64encode(long_song()).decode(), "long.mid"])
            until(page, "studio.work.song.name === 'long.mid' && studio.work.song.bars.length > 1000")
            frames = [page.evaluate(SCROLL) for _ in range(5)]
            print(f"frames a second while 1,000 bars scroll: {median(frames):.0f} (least {min(frames):.0f})")
            print(f"load of the machine after: {os.getloadavg()[0]:.1f}")
            browser.close()
    finally:
        studio.terminate()
        studio.wait()


if __name__ == "__main__":
    main()
