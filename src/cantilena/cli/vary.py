"""`cantilena vary`."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from cantilena.model import DEFAULT_MODEL

if TYPE_CHECKING:
    from cantilena.editor import Grid

__all__ = ["vary"]


def vary(
    song: Annotated[Path, typer.Argument(metavar="SONG.mid", help="A MIDI file; it is not changed.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.mid", help="The varied song.")],
    strength: Annotated[
        float, typer.Option(help="About which share of the notes changes: 0 is the song, 1 is new.")
    ] = 0.5,
    bars: Annotated[
        str | None, typer.Option(metavar="BARS", help="Which may change: 17-32,41-44; if not given, all of the melody.")
    ] = None,
    track: Annotated[
        int | None, typer.Option(min=0, help="Number of the melody's track, as `cantilena inspect` lists them.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same seed gives the same music; drawn if not given.")
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
    model: Annotated[str, typer.Option(help="A shipped model's name, or a model folder.")] = DEFAULT_MODEL,
    force: Annotated[bool, typer.Option("--force", help="Let OUT.mid be the song itself, and replace it.")] = False,
) -> None:
    """Vary a song's melody, a little or a lot; notes that stay, and every other event of the file, stay as they are."""
    if output.suffix.lower() not in (".mid", ".midi") or output.is_dir():
        raise ValueError(f"-o {output}: a MIDI file is written, so a name that ends in .mid is needed")
    if not force and output.exists() and song.exists() and output.samefile(song):
        raise ValueError(f"-o {output}: is what is read; give another name, or --force to replace it")
    from cantilena.composer import load
    from cantilena.sampling import chosen

    one = secrets.randbelow(2**31) if seed is None else seed
    sampling = chosen(guidance=guidance, voice=voice, steps=steps, temperature=temperature)
    edited = load(model).vary(
        song, strength, bars=bars, track=track, grid=cast("Grid | None", grid), seed=one, **sampling
    )
    edited.save(output)
    print(f"{output}  track {edited.track}  strength {strength:g}  seed {one}  {edited.after!r}")
