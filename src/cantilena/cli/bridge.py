"""`cantilena bridge`."""

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
    Steps,
    Temperature,
    Voice,
    check_output,
    drawn,
)
from cantilena.cli.rules import AsJson, Asked, show, takes_rules
from cantilena.model import DEFAULT_MODEL

__all__ = ["bridge"]


@takes_rules
def bridge(
    a: Annotated[Path, typer.Argument(metavar="A.mid", help="A MIDI file; it is not changed.")],
    b: Annotated[Path, typer.Argument(metavar="B.mid", help="Another, which comes behind; it is not changed.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.mid", help="Both songs and the new bars.")],
    bars: Annotated[int, typer.Option(min=1, max=1000, help="How many new bars.")] = 8,
    track: Annotated[
        int | None, typer.Option(min=0, help="Number of A's melody track, as `cantilena inspect` lists them.")
    ] = None,
    track_b: Annotated[int | None, typer.Option(min=0, help="Number of B's melody track.")] = None,
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
    """Join two songs by new bars of the first one's melody; every note and event of both stays as it is."""
    check_output(output, a, b, force=force)
    from cantilena.composer import load
    from cantilena.sampling import chosen

    one = drawn(seed)
    sampling = chosen(guidance=guidance, voice=voice, resample=resample, steps=steps, temperature=temperature)
    edited = load(model).bridge(a, b, bars, track=track, track_b=track_b, seed=one, rules=rules, **sampling)
    edited.save(output)
    if not as_json:
        print(f"{output}  {bars} bars between, on track {edited.track}  seed {one}  {edited.after!r}")
    show(edited.receipt, as_json=as_json)
