"""`cantilena reproduce`: makes the paper's table for a model and a corpus, with figures, samples and a page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cantilena.cli.places import check_place

__all__ = ["reproduce"]

_SAMPLES = 20  # of each row and setting


def reproduce(
    corpus: Annotated[
        Path, typer.Option(metavar="DIR", help="Take real melodies from this corpus, made by `cantilena corpus build`.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Write table, page and samples to this folder.")
    ],
    model: Annotated[
        str | None,
        typer.Option(help="Compose with this model: the name of a shipped one, or a folder; by default pop-64."),
    ] = None,
    number: Annotated[int, typer.Option("-n", min=10, help="Make this many melodies for each row and setting.")] = 1000,
    seeds: Annotated[
        int, typer.Option(min=1, help="Repeat everything this many times, with other noise and test windows.")
    ] = 1,
    steps: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Sample plain diffusion in this many steps; by default 100.")
    ] = None,
    paper_steps: Annotated[
        int | None,
        typer.Option(
            min=1, max=1000, help="Sample the row `paper` in this many steps (its paper: 1000); by default as --steps."
        ),
    ] = None,
    listen: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Take samples with real notes from this corpus, which may be passed on."),
    ] = None,
    baselines: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Take the model's baselines from here; by default from a checkout's `baselines`."
        ),
    ] = None,
    tune: Annotated[
        bool,
        typer.Option(
            "--tune",
            help="Choose instead how each network is decoded in the tuned rows, on validation songs.",
        ),
    ] = False,
    decodings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Decode the tuned rows as --tune wrote it here; by default DIR/decodings.json."
        ),
    ] = None,
    rows: Annotated[
        str | None,
        typer.Option(metavar="ROW,ROW", help="Make only these rows; other rows of a table in DIR stay as they are."),
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Compare samplers and steps instead, 200 melodies each.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Make this many rows side by side.")] = os.cpu_count() or 1,
) -> None:
    """Make every row of the paper's table, measure it, and write results.json, table.md, figures and index.html.

    Melodies are kept in DIR/melodies while they are made: stopped, the same command goes on where it was.
    """
    check_place(output, output)
    from cantilena.composer import load
    from cantilena.corpus.store import Corpus
    from cantilena.errors import ModelError
    from cantilena.model import RESEARCH_MODEL
    from cantilena.music.metre import FOUR_FOUR
    from cantilena.reproduction.baseline_networks import BaselineNetworks, checkout_baselines
    from cantilena.reproduction.baselines import ROWS
    from cantilena.reproduction.decoding import FILE, TUNED, Decodings
    from cantilena.reproduction.layout import table_text
    from cantilena.reproduction.page import Samples
    from cantilena.reproduction.publish import publish, publish_sweep, published
    from cantilena.reproduction.reproduction import Reproduction
    from cantilena.reproduction.results import add_rows, check_added
    from cantilena.reproduction.sampling_config import SamplingConfig
    from cantilena.reproduction.sweep import sweep as make_sweep
    from cantilena.reproduction.table import row_names
    from cantilena.sampling import chosen

    composer, how = load(model or RESEARCH_MODEL), chosen(steps=steps, paper_steps=paper_steps)
    place = decodings or output / FILE
    tuned = Decodings.load(place) if decodings or place.exists() else None
    config = SamplingConfig(number, seeds, tuned=tuned, workers=workers, **how)
    networks, lacking = None, ""
    try:
        networks = BaselineNetworks.load(baselines or checkout_baselines(), composer.model)
    except ModelError as error:
        if baselines is not None:
            raise
        lacking = str(error)
    made = Reproduction(composer, Corpus.open(corpus).only(FOUR_FOUR), config, networks)
    if tune:
        from cantilena.reproduction.tuning import tune as choose

        output.mkdir(parents=True, exist_ok=True)
        found = choose(made, say=print)
        found.save(output)
        print(f"{output / FILE}: {found.text()}")
        return
    if sweep:
        output.mkdir(parents=True, exist_ok=True)  # before the work, so that a bad place is known at once
        publish_sweep(output, made.about(), make_sweep(made, say=print))
        print(f"{output}/sweep.svg")
        return
    asked = [row.strip() for row in rows.split(",")] if rows else None
    places = made.places(asked)
    heard = Corpus.open(listen).only(FOUR_FOUR) if listen else None
    there = published(output) if asked else None
    if there:
        check_added(there[0], made.about(), dict(places))
    output.mkdir(parents=True, exist_ok=True)
    left_out = [] if asked else [row for row in ROWS if row not in dict(places)]
    missing = [row for row in left_out if not row.endswith(TUNED)]
    if missing:
        why = f"{networks.folder} does not hold the network" if networks else lacking
        print(f"{', '.join(missing)}: left out ({why})")
    elif left_out:
        print(f"{', '.join(left_out)}: left out (with --tune it is chosen how they are decoded)")
    print(f"{number * seeds:,} melodies a row on {workers} worker(s): about {made.seconds(places) / 60:.0f} min")
    try:
        with _bars(places, number * seeds) as on_made:
            results = made.run(say=print, rows=asked, keep=output / "melodies", on_made=on_made)
    except KeyboardInterrupt:
        print(f"{output}: stopped; the same command goes on from there")
        raise
    samples: Samples = made.samples(_SAMPLES, heard)
    if there:
        results = add_rows(there[0], results)
        samples = {**there[1], **samples}
    if heard:  # a table that is there may say it at more length
        results["about"].setdefault("heard", f"Real music that is heard here is of the corpus {heard.directory.name}.")
    publish(output, results, {row: samples[row] for row in row_names(samples)}, made.reference.windows)
    print()
    print(table_text(results, shutil.get_terminal_size((120, 24)).columns))
    print(f"\n{output}/index.html: every row to hear and see ({results['about']['seconds'] / 60:.1f} min)")


@contextmanager
def _bars(places: Sequence[tuple[str, str]], melodies: int) -> Iterator[Callable[[str, str, int], None]]:
    """Show a bar for each row that is being made."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=2) as progress:
        tasks = {place: progress.add_task(", ".join(place), total=melodies, visible=False) for place in places}

        def on_made(row: str, setting: str, done: int) -> None:
            progress.update(tasks[row, setting], completed=done, visible=done < melodies)

        yield on_made
