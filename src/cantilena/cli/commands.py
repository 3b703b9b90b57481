"""The commands, as typer reads them. Nothing heavy is imported before one runs."""

from __future__ import annotations

from typing import Annotated

import typer

from cantilena.cli.adapt import adapt
from cantilena.cli.again import again
from cantilena.cli.command import command
from cantilena.cli.corpus import app as corpus_app
from cantilena.cli.evaluate import evaluate
from cantilena.cli.export import export
from cantilena.cli.inspect import inspect
from cantilena.cli.play import play
from cantilena.cli.provenance import provenance
from cantilena.cli.reproduce import reproduce
from cantilena.cli.studio import studio
from cantilena.cli.train import app as train_app
from cantilena.cli.verbs import VERBS

__all__ = ["app"]

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


for verb in VERBS.values():
    app.command()(command(verb))
for other in (adapt, again, play, provenance, evaluate, inspect, export, reproduce, studio):
    app.command()(other)
app.add_typer(corpus_app, name="corpus")
app.add_typer(train_app, name="train")
