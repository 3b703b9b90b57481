"""The command line: one file a family of verbs; each parses, makes one library call and prints.

What is wrong with the world (`CantilenaError`, a full disk) is one line on standard error and exit code 1; a wrong
argument (`ValueError`) likewise, with exit code 2. Ctrl-C exits with 130.
"""

from __future__ import annotations

import os
import sys

import typer

from cantilena.cli.compose import compose
from cantilena.cli.corpus import app as corpus_app
from cantilena.cli.export import export
from cantilena.cli.inspect import inspect
from cantilena.cli.train import app as train_app
from cantilena.errors import CantilenaError

__all__ = ["app", "main"]

app = typer.Typer(
    name="cantilena",
    help="Composes melodies with latent diffusion.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(compose)
app.command()(inspect)
app.command()(export)
app.add_typer(corpus_app, name="corpus")
app.add_typer(train_app, name="train")


def main() -> None:
    """Run the command line; what goes wrong outside the program is one line."""
    try:
        app()
    except CantilenaError as error:
        _fail(str(error), 1)
    except ValueError as error:
        if os.environ.get("CANTILENA_DEBUG"):
            raise
        _fail(str(error), 2)
    except BrokenPipeError:  # `cantilena ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except OSError as error:
        _fail(f"{error.filename or 'files'}: {error.strerror or error}", 1)
    except KeyboardInterrupt:
        _fail("stopped", 130)


def _fail(message: str, code: int) -> None:
    print(f"cantilena: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(code)
