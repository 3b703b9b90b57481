"""`cantilena vary`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from cantilena.cli.options import (
    Force,
    Guidance,
    ModelName,
    PhraseGrid,
    Seed,
    Song,
    Steps,
    Temperature,
    Track,
    Voice,
    check_output,
    drawn,
)
from cantilena.model import DEFAULT_MODEL

if TYPE_CHECKING:
    from cantilena.editor import Grid

__all__ = ["vary"]


def vary(
    song: Song,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.mid", help="The varied song.")],
    strength: Annotated[
        float, typer.Option(help="About which share of the notes changes: 0 is the song, 1 is new.")
    ] = 0.5,
    bars: Annotated[
        str | None, typer.Option(metavar="BARS", help="Which may change: 17-32,41-44; if not given, all of the melody.")
    ] = None,
    track: Track = None,
    seed: Seed = None,
    voice: Voice = None,
    grid: PhraseGrid = None,
    steps: Steps = None,
    temperature: Temperature = None,
    guidance: Guidance = 1.0,
    model: ModelName = DEFAULT_MODEL,
    force: Force = False,
) -> None:
    """Vary a song's melody, a little or a lot; notes that stay, and every other event of the file, stay as they are."""
    check_output(output, song, force=force)
    from cantilena.composer import load
    from cantilena.sampling import chosen

    one = drawn(seed)
    sampling = chosen(guidance=guidance, voice=voice, steps=steps, temperature=temperature)
    edited = load(model).vary(
        song, strength, bars=bars, track=track, grid=cast("Grid | None", grid), seed=one, **sampling
    )
    edited.save(output)
    print(f"{output}  track {edited.track}  strength {strength:g}  seed {one}  {edited.after!r}")
