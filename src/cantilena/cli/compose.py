"""`cantilena compose`."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from cantilena.model import DEFAULT_MODEL

__all__ = ["compose"]

_FORMATS = ("mid", "svg", "wav")


def compose(
    number: Annotated[
        int, typer.Option("-n", min=1, max=10_000, help="How many melodies, with seeds from --seed up.")
    ] = 1,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same seed gives the same music; drawn if not given.")
    ] = None,
    bars: Annotated[int, typer.Option(min=2, max=64, help="Length in bars of 4/4.")] = 64,
    voice: Annotated[
        str, typer.Option(help="lead, any, bass, keys, organ, guitar, strings, brass, reed, flute, synth.")
    ] = "lead",
    anything: Annotated[bool, typer.Option("--any", help="Any voice: the model without labels.")] = False,
    model: Annotated[str, typer.Option(help="A shipped model's name, or a model folder.")] = DEFAULT_MODEL,
    steps: Annotated[int | None, typer.Option(min=1, max=1000, help="Sampling steps; 20 if not given.")] = None,
    sampler: Annotated[str, typer.Option(help="ddpm, ddim or dpm_solver_pp.")] = "ddpm",
    temperature: Annotated[
        float | None, typer.Option(min=0, max=1.5, help="Of ddpm: lower is calmer and repeats more, higher is wilder.")
    ] = None,
    resample: Annotated[
        int, typer.Option(min=1, max=10, help="Visits of each level: 2 agrees more with itself, for twice the time.")
    ] = 1,
    guidance: Annotated[float, typer.Option(min=0, max=10, help="Above 1 follows the voice more strictly.")] = 1.0,
    program: Annotated[
        int | None, typer.Option(min=0, max=127, help="General MIDI program; the voice's if not given.")
    ] = None,
    qpm: Annotated[float, typer.Option(min=10, max=400, help="Tempo in quarter notes a minute.")] = 120.0,
    formats: Annotated[str, typer.Option("--format", help="Of mid, svg, wav, joined by commas.")] = "mid,svg,wav",
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the files go.")] = Path("."),
) -> None:
    """Compose new melodies: tune.mid, tune.svg, tune.wav; several are named tune-SEED.*."""
    wanted = [f.strip() for f in formats.split(",") if f.strip()]
    if not wanted or not set(wanted) <= set(_FORMATS):
        raise ValueError(f"--format is {', '.join(_FORMATS)} joined by commas, not {formats!r}")
    if output.exists() and not output.is_dir():
        raise ValueError(f"-o {output}: is a file, and a folder is needed")
    from cantilena.composer import load
    from cantilena.sampling import VOICES, chosen

    voice = "any" if anything else voice
    composer = load(model)
    first = secrets.randbelow(2**31) if seed is None else seed
    seeds = list(range(first, first + number))
    sampling = chosen(
        voice=voice, sampler=sampler, resample=resample, guidance=guidance, steps=steps, temperature=temperature
    )
    for begin in range(0, number, 64):
        some = seeds[begin : begin + 64]
        melodies = composer.compose_many(some, bars=bars, qpm=qpm, **sampling)
        for one, melody in zip(some, melodies, strict=True):
            stem = output / ("tune" if number == 1 else f"tune-{one}")
            name = f"Cantilena, {voice}, seed {one}"  # so that a tune one liked can be had again
            instrument = VOICES[voice].program if program is None else program
            for suffix in wanted:
                melody.save(stem.with_suffix(f".{suffix}"), program=instrument, name=name)
            print(f"{stem}.{'|'.join(wanted)}  seed {one}  {melody!r}")
