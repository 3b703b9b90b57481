"""`cantilena bridge`."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from cantilena.cli.rules import (
    AsJson,
    ChordsRule,
    ContourRule,
    DensityRule,
    FormOf,
    FormRule,
    KeyRule,
    RangeRule,
    RhythmRule,
    Weights,
    asked,
    show,
)
from cantilena.model import DEFAULT_MODEL

__all__ = ["bridge"]


def bridge(
    a: Annotated[Path, typer.Argument(metavar="A.mid", help="A MIDI file; it is not changed.")],
    b: Annotated[Path, typer.Argument(metavar="B.mid", help="Another, which comes behind; it is not changed.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.mid", help="Both songs and the new bars.")],
    bars: Annotated[int, typer.Option(min=1, max=1000, help="How many new bars.")] = 8,
    track: Annotated[
        int | None, typer.Option(min=0, help="Number of A's melody track, as `cantilena inspect` lists them.")
    ] = None,
    track_b: Annotated[int | None, typer.Option(min=0, help="Number of B's melody track.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same seed gives the same music; drawn if not given.")
    ] = None,
    resample: Annotated[
        int | None, typer.Option(min=1, max=10, help="Visits of each noise level: more mend the seams, and cost time.")
    ] = None,
    voice: Annotated[str | None, typer.Option(help="As for `cantilena compose`; A's own if not given.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, max=1000, help="Sampling steps; 20 if not given.")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, max=1.5, help="Lower is calmer and repeats more, higher is wilder.")
    ] = None,
    guidance: Annotated[float, typer.Option(min=0, max=10, help="Above 1 follows the voice more strictly.")] = 1.0,
    key: KeyRule = None,
    range_: RangeRule = None,
    density: DensityRule = None,
    rhythm: RhythmRule = None,
    contour: ContourRule = None,
    chords: ChordsRule = None,
    form: FormRule = None,
    form_of: FormOf = None,
    weights: Weights = None,
    as_json: AsJson = False,
    model: Annotated[str, typer.Option(help="A shipped model's name, or a model folder.")] = DEFAULT_MODEL,
    force: Annotated[
        bool, typer.Option("--force", help="Let OUT.mid be A.mid or B.mid itself, and replace it.")
    ] = False,
) -> None:
    """Join two songs by new bars of the first one's melody; every note and event of both stays as it is."""
    if output.suffix.lower() not in (".mid", ".midi") or output.is_dir():
        raise ValueError(f"-o {output}: a MIDI file is written, so a name that ends in .mid is needed")
    for given in (a, b):
        if not force and output.exists() and given.exists() and output.samefile(given):
            raise ValueError(f"-o {output}: is what is read; give another name, or --force to replace it")
    from cantilena.composer import load
    from cantilena.sampling import chosen

    one = secrets.randbelow(2**31) if seed is None else seed
    sampling = chosen(guidance=guidance, voice=voice, resample=resample, steps=steps, temperature=temperature)
    rules = asked(
        form_of=form_of, weights=weights, key=key, range=range_, density=density, rhythm=rhythm, contour=contour,
        chords=chords, form=form,
    )  # fmt: skip
    edited = load(model).bridge(a, b, bars, track=track, track_b=track_b, seed=one, rules=rules, **sampling)
    edited.save(output)
    if not as_json:
        print(f"{output}  {bars} bars between, on track {edited.track}  seed {one}  {edited.after!r}")
    show(edited.receipt, as_json=as_json)
