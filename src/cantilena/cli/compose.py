"""`cantilena compose`."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from cantilena.cli.options import Guidance, ModelName, Seed, Steps, check_place, drawn
from cantilena.cli.rules import AsJson, Asked, show, takes_rules
from cantilena.model import DEFAULT_MODEL

__all__ = ["compose"]

_FORMATS = ("mid", "svg", "wav")
_BATCH_BARS = 64 * 64  # composed at once


@takes_rules
def compose(
    number: Annotated[
        int, typer.Option("-n", min=1, max=10_000, help="How many melodies, with seeds from --seed up.")
    ] = 1,
    seed: Seed = None,
    bars: Annotated[int, typer.Option(min=2, max=1000, help="Length in bars of 4/4.")] = 64,
    loop: Annotated[bool, typer.Option("--loop", help="Let the end lead back to the start; --bars is even.")] = False,
    motif: Annotated[
        Path | None, typer.Option(metavar="FILE.mid", help="A tune of the first two bars with notes in this file.")
    ] = None,
    cadence: Annotated[
        bool, typer.Option("--cadence", help="End on a long, stable note that fills the last bar.")
    ] = False,
    voice: Annotated[
        str | None,
        typer.Option(
            help="lead, any, bass, keys, organ, guitar, strings, brass, reed, flute, synth. "
            "lead if not given; with --motif, what suits the motif."
        ),
    ] = None,
    anything: Annotated[bool, typer.Option("--any", help="Any voice: the model without labels.")] = False,
    model: ModelName = DEFAULT_MODEL,
    steps: Steps = None,
    sampler: Annotated[str, typer.Option(help="ddpm, ddim or dpm_solver_pp.")] = "ddpm",
    temperature: Annotated[
        float | None, typer.Option(min=0, max=1.5, help="Of ddpm: lower is calmer and repeats more, higher is wilder.")
    ] = None,
    resample: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=10,
            help="Visits of each level: 2 agrees more with itself, for twice the time. "
            "1 if not given; 2 for more than 64 bars, 4 with --motif.",
        ),
    ] = None,
    guidance: Guidance = 1.0,
    program: Annotated[
        int | None, typer.Option(min=0, max=127, help="General MIDI program; the voice's if not given.")
    ] = None,
    qpm: Annotated[
        float | None,
        typer.Option(min=10, max=400, help="Tempo in quarter notes a minute; 120, or the motif's, if not given."),
    ] = None,
    rules: Asked = None,
    chord_track: Annotated[
        bool, typer.Option("--chord-track", help="Write the chords as a second track of the MIDI file.")
    ] = False,
    pick: Annotated[
        int | None, typer.Option(min=1, help="Draw many (--of) and keep so many: the best, and no two alike.")
    ] = None,
    of: Annotated[int, typer.Option(min=1, max=1000, help="How many to draw for --pick.")] = 64,
    as_json: AsJson = False,
    formats: Annotated[str, typer.Option("--format", help="Of mid, svg, wav, joined by commas.")] = "mid,svg,wav",
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the files go.")] = Path("."),
) -> None:
    """Compose new melodies: tune.mid, tune.svg, tune.wav; several are named tune-SEED.*."""
    wanted = [f.strip() for f in formats.split(",") if f.strip()]
    if not wanted or not set(wanted) <= set(_FORMATS):
        raise ValueError(f"--format is {', '.join(_FORMATS)} joined by commas, not {formats!r}")
    check_place(output, output)
    from cantilena.composer import load
    from cantilena.rules import Chords, chord_notes
    from cantilena.sampling import chosen, voice_of

    voice = "any" if anything else voice
    composer = load(model)
    first = drawn(seed)
    chords = (rules or {}).get("chords")
    chords = chords[0] if isinstance(chords, list) else chords  # without its weight
    if chord_track and chords is None:
        raise ValueError("--chord-track writes the chords of --chords: give some")
    beneath = chord_notes(Chords(chords), bars) if chords is not None and chord_track else []
    sampling = chosen(
        voice=voice, sampler=sampler, resample=resample, guidance=guidance, steps=steps, temperature=temperature
    )
    arguments: dict[str, Any] = {
        "bars": bars,
        "loop": loop,
        "motif": motif,
        "cadence": cadence,
        "qpm": qpm,
        "rules": rules,
        **sampling,
    }
    if pick is not None:
        tunes = iter([composer.pick(pick, of=of, seed=first, **arguments)])
        number = pick
    else:
        size = max(1, min(64, _BATCH_BARS // bars))
        seeds = range(first, first + number)
        tunes = (composer.compose_many(seeds[i : i + size], **arguments) for i in range(0, number, size))
    what = (voice or "lead") if motif is None else motif.stem
    instrument = voice_of(voice or "lead").program if program is None else program
    for tune in chain.from_iterable(tunes):
        assert tune.receipt is not None
        one = tune.receipt.recipe.arguments["seed"]
        stem = output / ("tune" if number == 1 else f"tune-{one}")
        file = stem.with_suffix(".mid")
        if motif is not None and "mid" in wanted and file.exists() and motif.exists() and file.samefile(motif):
            raise ValueError(f"{file}: is the motif, and would be replaced; give another folder with -o")
        name = f"Cantilena, {what}, seed {one}"
        for suffix in wanted:
            more = {"beneath": beneath} if suffix == "mid" else {}
            tune.save(stem.with_suffix(f".{suffix}"), program=instrument, name=name, **more)
        if not as_json:
            print(f"{stem}.{'|'.join(wanted)}  seed {one}  {tune!r}")
        show(tune.receipt, as_json=as_json)
