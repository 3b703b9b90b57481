"""The studio in a real browser: a page that can reach nothing else, and what hands do on it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CANTILENA_BROWSER"), reason="no chromium here (.ci/run installs it)"
)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required", "--disable-dev-shm-usage"]
LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
READY = "Boolean(window.studio?.work.step && !studio.work.job)"


@contextmanager
def browsing() -> Iterator[Any]:
    """A browser of playwright's, until the end of the block."""
    assert CHROMIUM, "no chromium here: apt-get install chromium"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def until(page: Any, script: str, seconds: float = 120) -> Any:
    """What a script says as soon as it says something; the page's own policy allows no eval, so it is asked."""
    return wait(lambda: page.evaluate(script), seconds, script)


def drop(page: Any, data: bytes, name: str) -> None:
    """Drop a file on the page."""
    page.evaluate(
        """([bytes, name]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], name));
            window.dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
        }""",
        [list(data), name],
    )


class Page:
    """One tab. What it asks of any host but this machine is refused and counted; so are its errors."""

    def __init__(self, context: Any, address: str, strangers: list[str], errors: list[str]) -> None:
        self.address, self.strangers, self.errors = address, strangers, errors
        self.page = context.new_page()
        self.page.on("pageerror", lambda error: errors.append(str(error)))
        self.page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)

        def route(route: Any) -> None:
            url = urlsplit(route.request.url)
            if url.scheme in ("http", "https", "ws", "wss") and url.hostname not in LOOPBACK:
                strangers.append(route.request.url)
                route.abort()
            else:
                route.continue_()

        self.page.route("**/*", route)

    def open(self) -> Page:
        self.page.goto(self.address)
        return self.settled()

    def ask(self, script: str) -> Any:
        return self.page.evaluate(script)

    def until(self, script: str, seconds: float = 90) -> Any:
        return until(self.page, script, seconds)

    def quick(self) -> Page:
        """Whatever is asked for takes six steps instead of twenty: what is composed is not what is tested."""
        self.ask("""document.querySelectorAll("[id$=-sampling_steps], [id$=-steps]:not(#morph-steps)")
            .forEach(steps => { steps.value = 6; })""")
        return self

    def settled(self) -> Page:
        self.until(READY)
        return self

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def region(self, first: int, last: int) -> None:
        """Select bars as a mouse does: press on the number of the first, and drag to that of the last."""
        self.ask(f"studio.roll.reveal({first})")
        x = self.ask(
            f"[{first}, {last}].map(bar => studio.roll.x((studio.work.song.bars[bar - 1] + studio.work.song.bars[bar]) / 2))"
        )
        box = self.page.locator("canvas.roll").bounding_box()
        self.page.mouse.move(box["x"] + x[0], box["y"] + 74)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + x[1], box["y"] + 74, steps=4)
        self.page.mouse.up()
        assert self.ask("studio.work.region") == [first, last]

    def click_note(self, k: int) -> list[int]:
        """Click the k-th note of the melody; the note."""
        note = self.ask(f"studio.roll.shown.melody[{k}]")
        bar = self.ask(f"(studio.work.song.bars.findIndex(tick => tick > {note[0]}))")
        self.ask(f"studio.roll.reveal({bar})")
        x, y = self.ask(f"[studio.roll.x({note[0]} + 20), studio.roll.y({note[2]}) + studio.roll.lane / 2]")
        box = self.page.locator("canvas.roll").bounding_box()
        self.page.mouse.click(box["x"] + x, box["y"] + y)
        return note

    def open_song(self, data: bytes, name: str) -> None:
        """Drop a file that is a song; it stands, and no message says otherwise."""
        self.drop(data, name)
        self.until(f"studio.work.song.name === '{name}' && !studio.work.job")
        assert self.page.locator(".alert").is_hidden()

    def tab(self, verb: str) -> None:
        self.page.click(f"#tab-{verb}")

    def go(self) -> None:
        self.page.click(".doing .go")

    def fill(self, first: int, last: int, ways: int = 1) -> None:
        """Select bars, and have so many candidates for them made."""
        self.region(first, last)
        self.page.fill("#ways", str(ways))
        self.go()
        self.candidates(ways)

    def candidates(self, n: int) -> None:
        self.until(f"!studio.work.job && studio.work.candidates.filter(c => c.made).length === {n}")

    def entered(self, n: int) -> None:
        """The n-th step of the work is there, and stands."""
        newest = "[...studio.work.history.steps.values()].sort((a, b) => b.time - a.time)[0].id"
        self.until(f"!studio.work.job && studio.work.history.steps.size === {n} && studio.work.step.id === {newest}")

    def steps(self) -> list[str]:
        return self.ask("[...studio.work.history.steps.values()].sort((a, b) => a.time - b.time).map(s => s.title)")

    def midi(self) -> bytes:
        """The file that the page's own link downloads."""
        return self.saved("MIDI")

    def saved(self, kind: str) -> bytes:
        """The file that a button downloads: MIDI, WAV, MusicXML or SVG."""
        with self.page.expect_download() as waiting:
            self.page.locator(".files").get_by_text(kind, exact=True).click()
        return Path(waiting.value.path()).read_bytes()

    def drop(self, data: bytes, name: str) -> None:
        drop(self.page, data, name)


def wait(said: Callable[[], Any], seconds: float, what: str) -> Any:
    end = time.monotonic() + seconds
    while True:
        if found := said():
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)
