"""`cantilena inspect`: shows what a song, or a model folder, holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cantilena.music.bars import Stretch
    from cantilena.music.extract import Candidate

__all__ = ["inspect"]

_LOOSE = 0.04  # quarters: notes that lie further from sixteenths and from triplets, on average, fit neither


def inspect(
    source: Annotated[
        Path,
        typer.Argument(metavar="SONG|MODEL", help="Look at this MIDI, MusicXML or ABC file, or at this model."),
    ],
) -> None:
    """List the tracks of a song with what they are and why, or show what a model is."""
    if source.is_dir() and not (source / "model.json").exists():
        raise ValueError(f"{source.resolve()}: is a folder without a model; a song is a file")
    is_file = source.exists() and not source.is_dir()
    if is_file or source.suffix.lower() in (".mid", ".midi", ".rmi", ".kar", ".musicxml", ".xml", ".mxl", ".abc"):
        _song(source)
    else:
        _model(source)


def _song(path: Path) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from cantilena.errors import MidiError
    from cantilena.music.bars import stretches
    from cantilena.music.extract import FAMILIES, candidates
    from cantilena.music.metre import names_of
    from cantilena.music.texts import printable
    from cantilena.sources import Source

    source = Source.of(path)
    song = source.song
    where = stretches(song)
    found = candidates(song)
    if not found:
        raise MidiError(f"{song.name}: no bars in {names_of(None)}, so no melody that Cantilena could use")
    table = Table("track", "name", "plays", "bars", "metre", "role, or why it is no melody", box=None, pad_edge=False)
    for index, track in enumerate(song.tracks):
        here = [c for c in found if c.track == index]
        plays = "drums" if track.is_drum else FAMILIES[here[0].family]
        table.add_row(str(index), Text(printable(track.name)), plays, *_told(here, where))
    console = Console(highlight=False)
    plural = "" if len(song.tracks) == 1 else "s"
    console.print(
        f"{printable(song.name)}: {len(song.tracks)} track{plural}, {song.qpm:g} quarter notes a minute",
        markup=False,
    )
    console.print(table)
    for remark in source.remarks:
        console.print(printable(remark), markup=False)


def _told(found: Sequence[Candidate], where: Sequence[Stretch]) -> tuple[str, str, str]:
    """Say of one track which bars its melodies have, as a DAW counts them, and what they are, or why it has none."""
    spans, metres, notes, played = [], list[str](), 0, 0.0
    for c in found:
        if c.melody is not None:
            first = where[c.region].first + c.first_bar
            spans.append(f"{first}-{first + c.melody.bars - 1}")
            metres.append(str(c.melody.metre))
            notes += c.melody.notes.start.size
            played += c.melody.notes.start.size / (1 - c.dropped)
    if not spans:
        return "", "", ", ".join(dict.fromkeys(c.reason for c in found))
    off = max(c.off for c in found if c.melody is not None)
    loose = f", up to {off:.2f} quarters off the grid on average" if off > _LOOSE else ""
    told = f"{found[0].role}, {notes} notes, {1 - notes / played:.0%} dropped{loose}"
    return ",".join(spans), ", ".join(dict.fromkeys(metres)), told


def _model(source: Path) -> None:
    from cantilena.model import Model
    from cantilena.music.texts import printable

    model = Model.load(source)
    denoiser, vae = model.about["denoiser"], model.about["vae"]
    schedule = denoiser["schedule"]["name"]
    lines = [
        f"{model.name}: {model.folder}",
        f"  fingerprint  {model.fingerprint}",
        f"  latent       {model.space.D} of {model.space.Z} dimensions kept; VAE {vae['fingerprint']}",
        f"  denoiser     {denoiser['network']}, predicts {denoiser['prediction']}, {schedule} schedule",
        *(f"  {key:12} {value}" for key, value in model.about["provenance"].items()),
    ]
    print("\n".join(map(printable, lines)))
