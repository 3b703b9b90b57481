"""The command line inside this process: what `python -m cantilena` does, without the second it takes to start."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from cantilena.cli import main


class Done(NamedTuple):
    """What came of a command; its fields are those of `subprocess.CompletedProcess`."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: object, cwd: Path) -> Done:
    """Run `cantilena` with these arguments in a folder."""
    out, err = io.StringIO(), io.StringIO()
    command = patch.object(sys, "argv", ["cantilena", *map(str, arguments)])
    with command, contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
    return Done(code, out.getvalue(), err.getvalue())
