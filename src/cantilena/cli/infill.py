"""`cantilena infill`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from cantilena.cli.options import (
    Force,
    Guidance,
    ModelName,
    PhraseGrid,
    Resample,
    Seed,
    Song,
    Steps,
    Temperature,
    Track,
    Voice,
    check_output,
    drawn,
)
from cantilena.cli.rules import AsJson, Asked, show, takes_rules
from cantilena.model import DEFAULT_MODEL

if TYPE_CHECKING:
    from cantilena.editor import Grid

__all__ = ["infill"]


@takes_rules
def infill(
    song: Song,
    bars: Annotated[str, typer.Option(metavar="BARS", help="Which to compose anew: 17-32,41-44, counted from 1.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.mid", help="The edited song.")],
    track: Track = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="NOTES.mid", help="Notes that stand in the bars as they are in this file.")
    ] = None,
    seed: Seed = None,
    resample: Resample = None,
    voice: Voice = None,
    grid: PhraseGrid = None,
    steps: Steps = None,
    temperature: Temperature = None,
    guidance: Guidance = 1.0,
    rules: Asked = None,
    as_json: AsJson = False,
    model: ModelName = DEFAULT_MODEL,
    force: Force = False,
) -> None:
    """Compose bars of a song's melody anew; every other note and event of the file stays as it is."""
    check_output(output, song, keep, force=force)
    from cantilena.composer import load
    from cantilena.music.bars import parse_bars
    from cantilena.sampling import chosen

    spans = parse_bars(bars)
    one = drawn(seed)
    sampling = chosen(guidance=guidance, voice=voice, resample=resample, steps=steps, temperature=temperature)
    edited = load(model).infill(
        song, spans, track=track, keep=keep, grid=cast("Grid | None", grid), seed=one, rules=rules, **sampling
    )
    edited.save(output)
    where = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
    if not as_json:
        print(f"{output}  bars {where} of track {edited.track}  seed {one}  {edited.after!r}")
    show(edited.receipt, as_json=as_json)
