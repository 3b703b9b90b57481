"""A typeset score as SVG or PDF, in a process of its own: what makes the typesetter abort ends that and no other."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from cantilena.errors import CantilenaError
from cantilena.notation.endings import ENDINGS

__all__ = ["TYPESET", "check_typesetter", "engrave"]

TYPESET = {"score": ("verovio",), "pdf": ("verovio", "typst", "fontTools", "brotli")}  # what each format needs
_SECONDS = 60
_DEGREE = re.compile(rb'<degree print-object="no">.*?</degree>', re.DOTALL)  # verovio shows them all the same
_CHILD = ("-P", str(Path(__file__).with_name("typesetter.py")))
_BEGINS = {"score": b"<svg", "pdf": b"%PDF-"}


def check_typesetter(format: str) -> None:
    """Raise CantilenaError (one line) where something is not installed that "score" or "pdf" needs, if it is one."""
    missing = [name for name in TYPESET.get(format, ()) if find_spec(name) is None]
    if missing:
        raise CantilenaError(f"a typeset score needs {' and '.join(missing).lower()}: pip install 'cantilena[score]'")


def engrave(musicxml: bytes, title: str = "", *, format: str = "score") -> bytes:
    """A MusicXML file typeset: "score" is a page of SVG as long as the music is, "pdf" as many pages of A4 as it takes.

    Raises CantilenaError (one line, beginning with the title) where a typesetter is not installed, cannot read the
    file, ends, or takes too long.
    """
    check_typesetter(format)
    name = title or "score"
    child = [sys.executable, *_CHILD, ENDINGS[format].rpartition(".")[2]]
    try:
        done = subprocess.run(
            child, input=_DEGREE.sub(b"", musicxml), capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CantilenaError(f"{name}: the typesetter took more than {_SECONDS} seconds and was ended") from error
    if done.returncode or not done.stdout.lstrip().startswith(_BEGINS[format]):
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        how = (
            f"it ended by signal {-done.returncode}" if done.returncode < 0 else said[-1] if said else "it gave no page"
        )
        raise CantilenaError(f"{name}: cannot be typeset: {re.sub(r'[^ -~]', '?', how)[:200]}")
    return done.stdout
