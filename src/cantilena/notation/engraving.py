"""A typeset score as SVG, by verovio, in a process of its own: what makes it abort ends that process and no other."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

from cantilena.errors import CantilenaError

__all__ = ["check_verovio", "engrave"]

_SECONDS = 60
_DEGREE = re.compile(rb'<degree print-object="no">.*?</degree>', re.DOTALL)  # verovio shows them all the same
_WIDTH = 2100  # a tenth of a millimetre is one of its units
_CHILD = f"""
import sys
import verovio
verovio.enableLog(verovio.LOG_OFF)
toolkit = verovio.toolkit()
toolkit.setOptions({{
    "pageWidth": {_WIDTH}, "pageHeight": 60000, "adjustPageHeight": True, "scale": 40, "breaks": "auto",
    "header": "auto", "footer": "none", "svgViewBox": True, "smuflTextFont": "embedded", "xmlIdSeed": 1,
}})
if not toolkit.loadData(sys.stdin.buffer.read().decode()):
    sys.exit("cannot read it")
sys.stdout.buffer.write(toolkit.renderToSVG(1).encode())
"""


def check_verovio() -> None:
    """Raise CantilenaError (one line) where verovio is not installed."""
    if importlib.util.find_spec("verovio") is None:
        raise CantilenaError("a typeset score needs verovio: pip install 'cantilena[score]'")


def engrave(musicxml: bytes, title: str = "") -> bytes:
    """A page of music as SVG, as long as the music is, of a MusicXML file.

    Raises CantilenaError (one line) where verovio is not installed, cannot read the file, ends, or takes too long.
    """
    check_verovio()
    name = title or "score"
    musicxml = _DEGREE.sub(b"", musicxml)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CHILD], input=musicxml, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CantilenaError(f"{name}: verovio took more than {_SECONDS} seconds and was ended") from error
    if done.returncode or not done.stdout.lstrip().startswith(b"<"):
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        how = f"ended by signal {-done.returncode}" if done.returncode < 0 else said[-1] if said else "gave no page"
        raise CantilenaError(f"{name}: cannot be typeset: verovio {re.sub(r'[^ -~]', '?', how)[:200]}")
    return done.stdout
