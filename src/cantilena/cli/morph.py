"""`cantilena morph`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cantilena.cli.options import Force, ModelName, check_output, drawn
from cantilena.model import DEFAULT_MODEL

__all__ = ["morph"]


def morph(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.mid", help="All steps, one after another.")],
    songs: Annotated[
        list[Path] | None, typer.Argument(metavar="A.mid B.mid", help="MIDI files: where it begins and ends.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="How many melodies, A and B among them; 8 if not given.")] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            metavar="PLAN.json",
            help='In place of A and B, songs and weights along one melody: {"songs": [...], "weights": [[1, 0], ...]}.',
        ),
    ] = None,
    separate: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Each step as a file of its own, too: morph-01.mid and so on.")
    ] = None,
    tracks: Annotated[
        str | None, typer.Option(help="Numbers of the melodies' tracks, one a song: 2,0 (`cantilena inspect`).")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of what a melody under 64 bars is thought to go on with.")
    ] = None,
    voice: Annotated[str | None, typer.Option(help="As for `cantilena compose`; any if not given.")] = None,
    inference: Annotated[
        int | None, typer.Option("--sampling-steps", min=1, max=1000, help="Sampling steps; 20 if not given.")
    ] = None,
    program: Annotated[int, typer.Option(min=0, max=127, help="General MIDI program of what is written.")] = 0,
    model: ModelName = DEFAULT_MODEL,
    force: Force = False,
) -> None:
    """Lead one melody into another, step by step, or mix several as a plan says."""
    given = songs or []
    check_output(output)
    if separate is not None and (plan is not None or (separate.exists() and not separate.is_dir())):
        raise ValueError(f"--separate {separate}: is a folder for the steps between two songs")
    if plan is not None and (given or steps is not None):
        raise ValueError("--plan names the songs, and has no steps: give it alone")
    if plan is None and len(given) != 2:
        raise ValueError(f"a morph leads from one MIDI file to another, not {len(given)}; --plan mixes more")
    from cantilena.composer import load
    from cantilena.edits.morph import read_plan
    from cantilena.sampling import STEPS

    planned = None if plan is None else read_plan(plan)
    given = given if planned is None else list(planned.songs)
    check_output(output, *given, force=force)
    chosen_tracks = None if tracks is None else _numbers(tracks)
    one = drawn(seed)
    sampling: dict[str, Any] = {"voice": voice or "any", "sampling_steps": STEPS if inference is None else inference}
    composer = load(model)
    if planned is not None:
        melody = composer.blend(given, planned.weights, tracks=chosen_tracks, seed=one, **sampling)
        melody.save(output, program=program, name=f"Cantilena, morph of {len(given)}, seed {one}")
        print(f"{output}  {len(given)} songs  seed {one}  {melody!r}")
        return
    count = 8 if steps is None else steps
    arguments: dict[str, Any] = {"steps": count, "tracks": chosen_tracks, "seed": one, **sampling}
    row = composer.morph(*given, step=0, **arguments)
    row.save(output, program=program, name=f"Cantilena, morph of {count} steps, seed {one}")
    if separate is not None:
        for k, melody in enumerate(composer.morph(*given, **arguments), 1):
            file = separate / f"morph-{k:0{max(2, len(str(count)))}}.mid"
            melody.save(file, program=program, name=f"Morph {k}")
    print(f"{output}  {count} steps of {row.bars // count} bars  seed {one}  {row!r}")


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--tracks are numbers joined by commas, one a song: 2,0, not {text!r}") from None
