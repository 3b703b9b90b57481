"""`cantilena extend`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cantilena.cli.options import (
    Force,
    Guidance,
    ModelName,
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

__all__ = ["extend"]


@takes_rules
def extend(
    song: Song,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.mid", help="The longer song.")],
    bars: Annotated[int, typer.Option(min=1, max=1000, help="How many new bars.")] = 32,
    before: Annotated[
        bool, typer.Option("--before", help="Before the song, which comes later then; not after its melody.")
    ] = False,
    track: Track = None,
    seed: Seed = None,
    resample: Resample = None,
    voice: Voice = None,
    steps: Steps = None,
    temperature: Temperature = None,
    guidance: Guidance = 1.0,
    rules: Asked = None,
    as_json: AsJson = False,
    model: ModelName = DEFAULT_MODEL,
    force: Force = False,
) -> None:
    """Go on with a song's melody, or lead up to it; every note and event of the file stays as it is."""
    check_output(output, song, force=force)
    from cantilena.composer import load
    from cantilena.sampling import chosen

    one = drawn(seed)
    sampling = chosen(guidance=guidance, voice=voice, resample=resample, steps=steps, temperature=temperature)
    edited = load(model).extend(song, bars, before=before, track=track, seed=one, rules=rules, **sampling)
    edited.save(output)
    where = "before" if before else "after"
    if not as_json:
        print(f"{output}  {bars} bars {where} track {edited.track}  seed {one}  {edited.after!r}")
    show(edited.receipt, as_json=as_json)
