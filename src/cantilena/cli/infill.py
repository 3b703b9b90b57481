"""`cantilena infill`."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

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

if TYPE_CHECKING:
    from cantilena.editor import Grid

__all__ = ["infill"]


def infill(
    song: Annotated[Path, typer.Argument(metavar="SONG.mid", help="A MIDI file; it is not changed.")],
    bars: Annotated[str, typer.Option(metavar="BARS", help="Which to compose anew: 17-32,41-44, counted from 1.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.mid", help="The edited song.")],
    track: Annotated[
        int | None, typer.Option(min=0, help="Number of the melody's track, as `cantilena inspect` lists them.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="NOTES.mid", help="Notes that stand in the bars as they are in this file.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same seed gives the same music; drawn if not given.")
    ] = None,
    resample: Annotated[
        int | None, typer.Option(min=1, max=10, help="Visits of each noise level: more mend the seams, and cost time.")
    ] = None,
    voice: Annotated[str | None, typer.Option(help="As for `cantilena compose`; the track's own if not given.")] = None,
    grid: Annotated[
        str | None, typer.Option(help="Phrases of two bars begin on odd or even bars; if not given, on the first bar.")
    ] = None,
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
    """Compose bars of a song's melody anew; every other note and event of the file stays as it is."""
    if output.suffix.lower() not in (".mid", ".midi") or output.is_dir():
        raise ValueError(f"-o {output}: a MIDI file is written, so a name that ends in .mid is needed")
    for given in (song, keep):
        if given is not None and not force and output.exists() and given.exists() and output.samefile(given):
            raise ValueError(f"-o {output}: is what is read; give another name, or --force to replace it")
    from cantilena.composer import load
    from cantilena.music.bars import parse_bars
    from cantilena.sampling import chosen

    spans = parse_bars(bars)
    one = secrets.randbelow(2**31) if seed is None else seed
    sampling = chosen(guidance=guidance, voice=voice, resample=resample, steps=steps, temperature=temperature)
    rules = asked(
        form_of=form_of, weights=weights, key=key, range=range_, density=density, rhythm=rhythm, contour=contour,
        chords=chords, form=form,
    )  # fmt: skip
    edited = load(model).infill(
        song, spans, track=track, keep=keep, grid=cast("Grid | None", grid), seed=one, rules=rules, **sampling
    )
    edited.save(output)
    where = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
    if not as_json:
        print(f"{output}  bars {where} of track {edited.track}  seed {one}  {edited.after!r}")
    show(edited.receipt, as_json=as_json)
