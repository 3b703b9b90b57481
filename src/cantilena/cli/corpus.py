"""`cantilena corpus build` makes a corpus; `cantilena corpus show` prints what one holds."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cantilena.errors import CorpusError

if TYPE_CHECKING:
    from cantilena.corpus.cluster import Cluster

__all__ = ["app", "cluster_at"]

app = typer.Typer(help="Make a corpus of melodies from songs, and look at one.", no_args_is_help=True)


@app.command()
def build(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Read these: folders, .mid, .musicxml or .abc files, archives; URLs such as s3://.",
        ),
    ],
    directory: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Write the corpus to this folder.")],
    metre: Annotated[
        list[str] | None,
        typer.Option(help="Take melodies in this metre only: 4/4 (with 2/2), 6/8, '4/4 triplets'."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Use this many processes; by default one for each core.")
    ] = None,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Use the workers of this dask scheduler: tcp://host:8786.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Leave out a file that takes more seconds of computing.")
    ] = 60,
) -> None:
    """Make a corpus: melodies, each tune once, split by song. Stopped, the same command goes on where it was."""
    from cantilena.cli.manifest import files_bar, print_manifest
    from cantilena.corpus.build import build as build_corpus
    from cantilena.music.metre import Metre, same_bars
    from cantilena.notation.extractor import extract_song
    from cantilena.notation.tunebook import split_book

    if dask is not None and workers is not None:
        raise ValueError("--dask has workers of its own: give it without --workers")
    metres = tuple(sorted({one for text in metre or () for one in same_bars(Metre.parse(text))})) or None
    with files_bar() as bar, cluster_at(dask) as cluster:
        task = bar.add_task("files", total=None)

        def progress(done: int, total: int | None) -> None:
            bar.tasks[
                task
            ].total = total  # an estimate; `bar.update(total=...)` would begin its measurement of speed anew
            bar.update(task, completed=done)

        try:
            workers = workers if cluster is None else cluster.workers
            corpus = build_corpus(
                sources, directory, executor=cluster, workers=workers, progress=progress,
                extractor=partial(extract_song, metres=metres), tunes=split_book, seconds=seconds,
            )  # fmt: skip
        except KeyboardInterrupt:
            raise CorpusError("stopped; the same command goes on from there") from None
    print_manifest(corpus)


def cluster_at(address: str | None) -> AbstractContextManager[Cluster | None]:
    """The cluster whose scheduler is there, or none."""
    if address is None:
        return nullcontext()
    from cantilena.corpus.cluster import Cluster

    return Cluster(address)


@app.command()
def show(directory: Annotated[Path, typer.Argument(metavar="DIR", help="Read this corpus.")]) -> None:
    """Print what a corpus holds, and what was left out and why."""
    from cantilena.cli.manifest import print_manifest
    from cantilena.corpus.store import Corpus

    print_manifest(Corpus.open(directory))
