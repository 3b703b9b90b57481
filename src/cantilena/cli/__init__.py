"""The command line: each command parses, makes one library call and prints.

An error of the world (`CantilenaError`, a full disk) prints one line on standard error and exits with 1; a wrong
argument does the same and exits with 2, Ctrl-C with 130. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import Annotated, NoReturn

import typer

from cantilena.cli.adapt import adapt
from cantilena.cli.again import again
from cantilena.cli.corpus import app as corpus_app
from cantilena.cli.evaluate import evaluate
from cantilena.cli.export import export
from cantilena.cli.inspect import inspect
from cantilena.cli.play import play
from cantilena.cli.provenance import provenance
from cantilena.cli.reproduce import reproduce
from cantilena.cli.studio import studio
from cantilena.cli.train import app as train_app
from cantilena.cli.verbs import COMMANDS
from cantilena.errors import CantilenaError
from cantilena.music.texts import printable

__all__ = ["app", "main"]

app = typer.Typer(
    name="cantilena",
    help="Composes melodies with latent diffusion.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"cantilena {version('cantilena')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Composes melodies with latent diffusion."""


for command in COMMANDS.values():
    app.command()(command)
for other in (adapt, again, play, provenance, evaluate, inspect, export, reproduce, studio):
    app.command()(other)
app.add_typer(corpus_app, name="corpus")
app.add_typer(train_app, name="train")


def main() -> None:
    """Run the command line, and print whatever goes wrong in one line. CANTILENA_DEBUG=1 shows where it came from."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what a console cannot show must not stop it
    arguments = sys.argv[1:]
    if arguments[:1] == ["morph"] and "--plan" in arguments:  # what `blend` does now
        arguments[0] = "blend"
    try:
        code = app(arguments, standalone_mode=False)
    except Exception as error:
        if os.environ.get("CANTILENA_DEBUG"):
            raise
        _fail(*_explained(error))
    if code == 130:
        _fail("stopped", 130)
    raise SystemExit(code if isinstance(code, int) else 0)


def _explained(error: Exception) -> tuple[str, int]:
    """Return what to print for an error, and the exit code."""
    match error:
        case CantilenaError():
            return str(error), 1
        case OSError():
            return f"{error.filename or 'files'}: {error.strerror or error}", 1
        case ValueError():
            return str(error), 2
        case typer.Abort():
            return "stopped", 130
    if type(error).__name__ == "NoArgsIsHelpError":  # a family of verbs without a verb: its help, as it stands
        print(error, file=sys.stderr)
        raise SystemExit(2)
    if said := getattr(error, "format_message", None):  # a usage error of the command line
        return f"{said()} (--help says more)", 2
    return f"a bug: {type(error).__name__}: {error} (CANTILENA_DEBUG=1 shows where)", 3


def _fail(message: str, code: int) -> NoReturn:
    print(f"cantilena: {printable(' '.join(message.split()))}", file=sys.stderr)
    raise SystemExit(code)
