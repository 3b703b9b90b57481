"""Make the pictures of docs/studio/: `python docs/make_studio_pictures.py [PICTURE ...]`.

Needs chromium and playwright (the dev extra). A page of its own, an own server; what is drawn is composed on the spot.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "studio"))
from browser import READY, browsing, until
from served import Server

FOLDER = Path(__file__).parent / "studio"


def region(page: Any, first: int, last: int) -> None:
    page.evaluate(f"studio.select({first}, {last})")
    page.evaluate(f"studio.roll.reveal({last})")


def filled(page: Any) -> None:
    region(page, 5, 8)
    page.click(".doing .go")
    until(page, "!studio.work.job && studio.work.candidates.every(c => c.made)")
    page.click("#look-c")


def desktop(page: Any) -> None:
    region(page, 5, 8)
    notes = page.evaluate(
        "studio.roll.shown.melody.filter(n => n[0] >= 4 * 1920 && n[0] < 8 * 1920).map(n => `${n[0]}:${n[2]}`)"
    )
    for key in (notes[0], notes[-1]):
        page.evaluate(f"studio.work.locks.add('{key}')")
    page.evaluate("studio.show()")


def compared(page: Any) -> None:
    filled(page)
    page.click("#bar-6")
    page.evaluate("document.querySelector('.receipt').open = true")


def emerging(page: Any) -> None:
    page.evaluate("studio.work.pace = 350")
    region(page, 3, 8)
    page.fill("#ways", "1")
    page.click(".doing .go")
    until(page, "studio.work.candidates[0]?.i >= 11 && studio.work.job?.heard.length > 4")


def score(page: Any) -> None:
    filled(page)
    page.click("#bar-6")
    page.click("#score")
    until(page, "document.querySelectorAll('.score .fresh').length === 3")


def dark(page: Any) -> None:
    filled(page)


PICTURES: dict[str, tuple[Callable[[Any], None], dict[str, Any]]] = {
    "desktop": (desktop, {}),
    "compared": (compared, {"viewport": {"width": 1280, "height": 1000}}),
    "emerging": (emerging, {}),
    "score": (score, {}),
    "dark": (dark, {"color_scheme": "dark"}),
    "phone": (filled, {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}),
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with Server() as server, browsing() as browser:
        for name in sys.argv[1:] or PICTURES:
            do, settings = PICTURES[name]
            page = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **settings}).new_page()
            page.goto(server.url)
            until(page, READY)
            do(page)
            page.evaluate("scrollTo(0, 0)")
            time.sleep(0.3)
            page.screenshot(path=FOLDER / f"{name}.png")
            print(FOLDER / f"{name}.png")
            page.context.close()


if __name__ == "__main__":
    main()
