"""`cantilena corpus build` and `cantilena corpus show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from cantilena.errors import CorpusError
from cantilena.music.corpus import Corpus
from cantilena.music.corpus_build import build as build_corpus

__all__ = ["app"]

app = typer.Typer(help="Make a corpus of melodies from MIDI files, and look at one.", no_args_is_help=True)


@app.command()
def build(
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE...", help="Folders, .mid files, .tar.* or .zip.")],
    directory: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the corpus goes.")],
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; all cores if not given.")] = None,
) -> None:
    """Make a corpus: melodies, each tune once, split by song. Stopped, the same command goes on where it was."""
    columns = (TextColumn("files"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("files", total=None)
        try:
            corpus = build_corpus(
                sources,
                directory,
                workers=workers,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        except KeyboardInterrupt:
            raise CorpusError("stopped; the same command goes on from there") from None
    print_manifest(corpus)


@app.command()
def show(directory: Annotated[Path, typer.Argument(metavar="DIR", help="A corpus.")]) -> None:
    """Print what a corpus holds, and what was left out and why."""
    print_manifest(Corpus.open(directory))


class _Rate(ProgressColumn):
    """Files a second."""

    def render(self, task: Task) -> RenderableType:
        return Text(f"{task.speed:,.0f} files/s" if task.speed else "- files/s")


def print_manifest(corpus: Corpus, console: Console | None = None) -> None:
    """The manifest as tables, within 80 columns."""
    console = console or Console()
    m = corpus.manifest
    console.print(f"[bold]{corpus.directory}[/]: {m['melodies']:,} melodies, fingerprint {m['fingerprint']}")
    ...
