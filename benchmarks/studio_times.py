"""How long a fill takes in the browser, and how smoothly a long song scrolls.

    python benchmarks/studio_times.py [--fills 12] [--ways 1]

Starts a studio and a page of it in chromium (the dev extra). A fill is of eight bars of a tune of 32: from the
click on Fill to the first new notes on screen, to the first candidate whole, and to the last; and the processor time
that the server took for it. Bars that begin where phrases do and bars that do not are told apart, as these cost more.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from cantilena.music.melody import Melody
from cantilena.music.midi import to_midi

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "studio"))
from browser import READY, browsing, drop, until
from served import Server

MARKS = "performance.getEntriesByType('mark').map(mark => [mark.name.slice(7), mark.startTime])"
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


def fill(page: Any, server: Server, first: int, ways: int) -> tuple[float, float, float, float]:
    """Fill eight bars: milliseconds to the first notes, to one candidate and to all; the server's seconds."""
    page.evaluate(f"studio.select({first}, {first + 7}); performance.clearMarks()")
    page.fill("#ways", str(ways))
    before = server.seconds
    page.click(".doing .go")
    until(page, f"!studio.work.job && studio.work.candidates.filter(c => c.made).length === {ways}")
    marks = page.evaluate(MARKS)
    (asked,) = (at for name, at in marks if name == "asked")
    shown = [at - asked for name, at in marks if name == "first"]
    done = sorted(at - asked for name, at in marks if name == "done")
    page.keyboard.press("Escape")
    return shown[0], done[0], done[-1], server.seconds - before


def fills(page: Any, server: Server, begins: list[int], ways: int) -> str:
    """A row of medians over fills that begin on these bars."""
    shown, one, every, seconds = zip(*(fill(page, server, first, ways) for first in begins), strict=True)
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
    with Server() as server, browsing() as browser:
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        page.goto(server.url)
        until(page, READY)
        print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        for name, begin in (("on a phrase", 1), ("inside one", 2)):
            begins = [begin + 2 * (k % 12) for k in range(given.fills)]
            print(f"bars that begin {name}: {fills(page, server, begins, given.ways)}", flush=True)
        drop(page, long_song(), "long.mid")
        until(page, "studio.work.song.name === 'long.mid' && studio.work.song.bars.length > 1000")
        frames = [page.evaluate(SCROLL) for _ in range(5)]
        print(f"frames a second while 1,000 bars scroll: {median(frames):.0f} (least {min(frames):.0f})")
        print(f"load of the machine after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
