"""`cantilena extend`."""

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

__all__ = ["extend"]


def extend(
    song: Annotated[Path, typer.Argument(metavar="SONG.mid", help="A MIDI file; it is not changed.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.mid", help="The longer song.")],
    bars: Annotated[int, typer.Option(min=1, max=1000, help="How many new bars.")] = 32,
    before: Annotated[
        bool, typer.Option("--before", help="Before the song, which comes later then; not after its melody.")
    ] = False,
    track: Annotated[
        int | None, typer.Option(min=0, help="Number of the melody's track, as `cantilena inspect` lists them.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same seed gives the same music; drawn if not given.")
    ] = None,
    resample: Annotated[
        int | None,
        typer.Option(min=1, max=10, help="Visits of each noise level: more keep to the song, and cost time."),
    ] = None,
    voice: Annotated[str | None, typer.Option(help="As for `cantilena compose`; the track's own if not given.")] = None,
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
    force: Annotated[bool, typer.Option("--force", help="Let OUT.mid be the song itself, and replace it.")] = False,
) -> None:
    """Go on with a song's melody, or lead up to it; every note and event of the file stays as it is."""
    if output.suffix.lower() not in (".mid", ".midi") or output.is_dir():
        raise ValueError(f"-o {output}: a MIDI file is written, so a name that ends in .mid is needed")
    if not force and output.exists() and song.exists() and output.samefile(song):
        raise ValueError(f"-o {output}: is what is read; give another name, or --force to replace it")
    from cantilena.composer import load
    from cantilena.sampling import chosen

    one = secrets.randbelow(2**31) if seed is None else seed
    sampling = chosen(guidance=guidance, voice=voice, resample=resample, steps=steps, temperature=temperature)
    rules = asked(
        form_of=form_of, weights=weights, key=key, range=range_, density=density, rhythm=rhythm, contour=contour,
        chords=chords, form=form,
    )  # fmt: skip
    edited = load(model).extend(song, bars, before=before, track=track, seed=one, rules=rules, **sampling)
    edited.save(output)
    where = "before" if before else "after"
    if not as_json:
        print(f"{output}  {bars} bars {where} track {edited.track}  seed {one}  {edited.after!r}")
    show(edited.receipt, as_json=as_json)
