"""`cantilena inspect`: what a MIDI file, or a model folder, holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["inspect"]


def inspect(
    source: Annotated[Path, typer.Argument(metavar="SONG.mid|MODEL", help="A MIDI file, or a model's name or folder.")],
) -> None:
    """List the tracks of a song with what they are and why, or show what a model is."""
    if source.suffix.lower() in (".mid", ".midi", ".rmi", ".kar") or source.is_file():
        _song(source)
    else:
        _model(source)


def _song(path: Path) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from cantilena.errors import MidiError
    from cantilena.music.extract import FAMILIES, candidates
    from cantilena.music.midi import read_song

    song = read_song(path)
    found = candidates(song)
    if not found:
        raise MidiError(f"{song.name}: no 4/4 or 2/2 bars, so no melody that Cantilena could use")
    table = Table("track", "name", "plays", "bars", "role, or why it is no melody", box=None, pad_edge=False)
    for c in found:
        span = f"{c.first_bar + 1}-{c.first_bar + c.melody.bars}" if c.melody else ""
        why = f"{c.role}, {c.melody.notes.start.size} notes, {c.dropped:.0%} dropped" if c.melody else c.reason
        table.add_row(str(c.track), Text(c.name), FAMILIES[c.family], span, why)
    console = Console(highlight=False)
    plural = "" if len(song.tracks) == 1 else "s"
    console.print(
        f"{song.name}: {len(song.tracks)} track{plural}, {song.qpm:g} quarter notes a minute",
        markup=False,
    )
    console.print(table)


def _model(source: Path) -> None:
    from cantilena.model import Model

    model = Model.load(source)
    denoiser, vae = model.about["denoiser"], model.about["vae"]
    print(f"{model.name}: {model.folder}")
    print(f"  fingerprint  {model.fingerprint}")
    print(f"  latent       {model.space.D} of {model.space.Z} dimensions kept; VAE {vae['fingerprint']}")
    schedule = denoiser["schedule"]["name"]
    print(f"  denoiser     {denoiser['network']}, predicts {denoiser['prediction']}, {schedule} schedule")
    for key, value in model.about["provenance"].items():
        print(f"  {key:12} {value}")
