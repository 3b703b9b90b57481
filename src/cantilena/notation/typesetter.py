"""A script that `engraving` runs in a process of its own: MusicXML on standard input, a typeset score on the output.

    python -P typesetter.py svg|pdf

It imports nothing of Cantilena. What goes wrong is the last line of its standard error.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

WIDTH, HEIGHT = 2100, 2970  # of A4: a tenth of a millimetre is one of verovio's units
_COMMON = {"pageWidth": WIDTH, "scale": 40, "breaks": "auto", "footer": "none", "svgViewBox": True,
           "smuflTextFont": "embedded", "xmlIdSeed": 1}  # fmt: skip
_ROLL = {"pageHeight": 60000, "adjustPageHeight": True, "header": "auto"}
_PAGES = {"pageHeight": HEIGHT, "header": "none", "pageMarginTop": 230, "pageMarginBottom": 180,
          "pageMarginLeft": 150, "pageMarginRight": 150}  # fmt: skip
_FONT = re.compile(r"data:application/font-woff2;charset=utf-8;base64,([\w+/=]+)")
_DOCUMENT = b"""
#let title = sys.inputs.title
#set document(title: title, date: none)
#set page(width: 210mm, height: 297mm, margin: 0mm)
#let pages = json(bytes(sys.inputs.pages))
#for (number, page) in pages.enumerate(start: 1) {
  image(bytes(page), format: "svg", width: 210mm, height: 297mm)
  if number == 1 {
    let size = if title.len() > 60 { 11pt } else { 18pt }
    let title = text(size: size, title)
    place(top + center, dy: 6mm, box(width: 180mm, height: 16mm, inset: (top: 3mm), clip: true, title))
  }
  if pages.len() > 1 {
    place(bottom + center, dy: -8mm, text(size: 9pt, str(number) + " / " + str(pages.len())))
  }
}
"""


def engraved(musicxml: str, options: dict[str, Any]) -> list[str]:
    """The pages of a score as SVG. SystemExit (one line) where verovio cannot read it."""
    import verovio

    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions(_COMMON | options)
    if not toolkit.loadData(musicxml):
        sys.exit("verovio cannot read it")
    return [toolkit.renderToSVG(number) for number in range(1, toolkit.getPageCount() + 1)]


def bound(pages: list[str], title: str) -> bytes:
    """One PDF of pages of A4, with the title above the first and numbers below each of several."""
    import typst

    with tempfile.TemporaryDirectory() as folder:
        if found := next(filter(None, map(_FONT.search, pages)), None):
            _write_font(base64.b64decode(found[1]), Path(folder, "music.ttf"))
        inputs = {"title": title, "pages": json.dumps(pages)}
        document: Any = typst.Compiler(_DOCUMENT, font_paths=[folder], sys_inputs=inputs)  # type: ignore[misc]
        pdf: bytes = document.compile()
    return pdf


def _write_font(woff2: bytes, path: Path) -> None:
    """Unpack a web font: typst reads none."""
    from fontTools.ttLib import TTFont

    font = TTFont(BytesIO(woff2), recalcTimestamp=False)
    font.flavor = None
    font.save(path)


def main(kind: str) -> None:
    """Typeset standard input."""
    musicxml = sys.stdin.buffer.read().decode()
    if kind == "svg":
        made = engraved(musicxml, _ROLL)[0].encode()
    else:
        title = ElementTree.fromstring(musicxml).findtext("work/work-title") or ""
        made = bound(engraved(musicxml, _PAGES), title)
    sys.stdout.buffer.write(made)


if __name__ == "__main__":
    main(*sys.argv[1:])
