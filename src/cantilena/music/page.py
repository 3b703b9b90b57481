"""A page of HTML that needs nothing else: a picture, and a player that makes the sound out of the notes."""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files

from cantilena.music.melody import Melody
from cantilena.music.render import strokes_of
from cantilena.music.texts import printable

__all__ = ["to_page"]

_RATE = 22_050  # of the sound, which is made when it is asked for
_WIDTH = 1000  # pixels
_PLAYER = """\
document.getElementById("play").onclick = ({target: button}) => {
  button.textContent = "…"
  setTimeout(() => {
    const player = document.createElement("audio")
    player.src = URL.createObjectURL(new Blob([wav(samples(song), song.rate)], {type: "audio/wav"}))
    player.controls = player.autoplay = true
    player.style.width = "100%"
    button.replaceWith(player)
  })
}
"""


def to_page(melody: Melody, svg: str, title: str = "") -> str:
    """The page of a melody with its picture: as small as its notes, for the sound is not in it."""
    strokes, name = strokes_of(melody, _RATE), escape(printable(title) or "Melody")
    columns = (strokes.begin, strokes.hold, strokes.pitch, strokes.accent.round(2))
    notes = list(zip(*(column.tolist() for column in columns), strict=True))
    song = json.dumps({"rate": _RATE, "size": strokes.size, "notes": notes}, separators=(",", ":"))
    code = files("cantilena.music").joinpath("player.js").read_text("utf-8")
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{name}</title>\n'
        f'<body style="max-width:{_WIDTH}px;margin:2em auto;color-scheme:light dark">\n{svg}'
        f'<button id="play" style="font:inherit;padding:.4em 1.2em">▶ Play</button>\n'
        f"<noscript>The sound needs JavaScript; <code>--format wav</code> writes it to a file.</noscript>\n"
        f"<script>\nconst song = {song}\n{code}{_PLAYER}</script>\n</body>\n</html>\n"
    )
