"""The command line: each command parses, makes one library call and prints.

An error of the world (`CantilenaError`, a full disk) prints one line on standard error and exits with 1; a wrong
argument does the same and exits with 2, Ctrl-C with 130. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import Any, NoReturn

from cantilena.errors import CantilenaError

__all__ = ["app", "main"]

_COMPLETE = "_CANTILENA_COMPLETE"  # in the environment where a shell asks how a command line may go on
_NO_MEMORY = (
    "bad_alloc", "Cannot allocate memory", "cannot allocate memory", "failed to map segment", "can't start new thread",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module 'cantilena.cli' has no attribute {name!r}")
    from cantilena.cli.commands import app

    return app


def main() -> NoReturn:
    """Run the command line, and print whatever goes wrong in one line. CANTILENA_DEBUG=1 shows where it came from."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what a console cannot show must not stop it
    arguments = sys.argv[1:]
    if arguments[:1] == ["morph"] and "--plan" in arguments:  # what `blend` does now
        arguments[0] = "blend"
    try:
        code = _run(arguments)
    except KeyboardInterrupt:
        _fail("stopped", 130)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and error.filename is None:  # nobody reads on
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise SystemExit(1) from None
        if os.environ.get("CANTILENA_DEBUG"):
            raise
        _fail(*_explained(error))
    if code == 130:
        _fail("stopped", 130)
    raise SystemExit(code if isinstance(code, int) else 0)


def _run(arguments: list[str]) -> Any:
    """Run a verb at once where its command line is plain, or else leave that to the library for it."""
    if arguments and _COMPLETE not in os.environ:
        from cantilena.cli.options import read_plainly
        from cantilena.cli.verbs import VERBS

        verb = VERBS.get(arguments[0])
        if verb and (given := read_plainly(verb, arguments[1:])) is not None:
            return verb.run(given)
    from cantilena.cli.commands import app

    return app(arguments, standalone_mode=False)


def _explained(error: Exception) -> tuple[str, int]:
    """Return what to print for an error, and the exit code."""
    if _is_of_memory(error):
        detail = "" if isinstance(error, ImportError) else str(error)
        return "there is not enough memory" + (f" ({detail})" if detail else ""), 1
    match error:
        case CantilenaError():
            return str(error), 1
        case OSError():
            return f"{error.filename or 'files'}: {error.strerror or error}", 1
        case ValueError():
            return str(error), 2
    if type(error).__name__ == "Abort":
        return "stopped", 130
    if type(error).__name__ == "NoArgsIsHelpError":  # a family of verbs without a verb: its help, as it stands
        print(error, file=sys.stderr)
        raise SystemExit(2)
    if said := getattr(error, "format_message", None):  # a usage error of the command line
        return f"{said()} (--help says more)", 2
    return f"a bug: {type(error).__name__}: {error} (CANTILENA_DEBUG=1 shows where)", 3


def _is_of_memory(error: BaseException | None) -> bool:
    """Say whether memory ran out: Python says so itself, others in words, and an import makes an ImportError of it."""
    while error is not None:
        if isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def _fail(message: str, code: int) -> NoReturn:
    message = " ".join(message.split())
    try:
        from cantilena.music.texts import printable

        message = printable(message)
    except (ImportError, MemoryError):  # not enough memory for that either
        message = ascii(message)
    print(f"cantilena: {message}", file=sys.stderr)
    raise SystemExit(code)
