"""`cantilena inspect`: shows what songs, or a model folder, hold, for people or as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cantilena.model import Model
    from cantilena.music.bars import Stretch
    from cantilena.music.extract import Candidate
    from cantilena.sources import Source

__all__ = ["inspect"]

_LOOSE = 0.04  # quarters: notes that lie further from sixteenths and from triplets, on average, fit neither
_SUFFIXES = (".mid", ".midi", ".rmi", ".kar", ".musicxml", ".xml", ".mxl", ".abc")


def inspect(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SONG|MODEL...",
            help="Look at these MIDI, MusicXML or ABC files, or at this model; book.abc#3 is a tune of a book, - is "
            "standard input.",
        ),
    ],
    digest: Annotated[
        bool,
        typer.Option("--digest", help="Compose seeds 0 to 9 of a model, and say if they are as its maker had them."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a file, each on a line.")] = False,
) -> None:
    """List the tracks of a song with what they are and why, or the tunes of a book, or show what a model is."""
    from json import dumps

    from cantilena.cli.streams import is_stream, song_at
    from cantilena.sources import file_of

    found: dict[str, Any]
    show: Callable[[dict[str, Any]], None]
    for number, source in enumerate(sources):
        if source.is_dir() and not (source / "model.json").exists():
            raise ValueError(f"{source.resolve()}: is a folder without a model; a song is a file")
        file, _ = file_of(source)
        is_file = file.exists() and not file.is_dir()
        if is_stream(source) or is_file or file.suffix.lower() in _SUFFIXES:
            if digest:
                raise ValueError(f"{source}: is a song; --digest is of a model")
            song = song_at(source)
            tunes = song.songs()
            found, show = (_book(song, tunes), _show_book) if len(tunes) > 1 else (_song(song), _show_song)
        else:
            from cantilena.model import Model

            found, show = _model(model := Model.load(source)), _show_model
            if digest:
                found["digests"] = _digests(model)
        if json:
            print(dumps(found, allow_nan=False))
            continue
        if number:
            print()
        show(found)


def _book(source: Source, tunes: Sequence[Source]) -> dict[str, Any]:
    """What the tunes of a book are, ready for JSON: of one that cannot be read, why."""
    from cantilena.errors import MidiError
    from cantilena.music.bars import bar_lines

    rows = []
    for told, tune in zip(source.book.tunes, tunes, strict=True):
        bars, why = None, ""
        try:
            bars = len(bar_lines(tune.song))
        except MidiError as error:
            why = str(error).removeprefix(f"{tune.name}: ")
        rows.append({
            "number": told.number, "title": told.title, "metre": told.metre, "key": told.key, "bars": bars, "why": why,
        })  # fmt: skip
    name = source.name
    some = next((row["number"] for row in reversed(rows) if row["bars"]), rows[-1]["number"])
    remarks = [f"{name}#{some} is a tune of it, for every command; {name} alone is the first"]
    if source.book.by_place:
        remarks.append(f"{name}: its X: fields are not all numbers, or some are the same, so tunes go by their place")
    return {"file": name, "sha256": source.sha256, "tunes": rows, "remarks": remarks}


def _show_book(book: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from cantilena.music.texts import printable

    table = Table("#", "title", "metre", "key", "bars as played", box=None, pad_edge=False)
    for tune in book["tunes"]:
        texts = [Text(printable(tune[name])) for name in ("title", "metre", "key")]
        table.add_row(str(tune["number"]), *texts, Text(printable(tune["why"] or str(tune["bars"]))))
    console = Console(highlight=False)
    console.print(f"{printable(book['file'])}: {len(book['tunes']):,} tunes", markup=False)
    console.print(table)
    for remark in book["remarks"]:
        console.print(printable(remark), markup=False, soft_wrap=True)


def _song(source: Source) -> dict[str, Any]:
    """What a song holds, ready for JSON. Raises MidiError where no track has bars that Cantilena knows."""
    from cantilena.errors import MidiError
    from cantilena.music.bars import bar_lines, stretches
    from cantilena.music.extract import FAMILIES, candidates, extract
    from cantilena.music.metre import names_of

    song = source.song
    found = candidates(song)  # first: it refuses a song of endless parts
    bars, where = bar_lines(song), {stretch.region: stretch for stretch in stretches(song)}
    if not found:
        raise MidiError(f"{song.name}: no bars in {names_of(None)}, so no melody that Cantilena could use")
    tracks = []
    for index, track in enumerate(song.tracks):
        here = [c for c in found if c.track == index]
        spans = [_span(c, where[c.region]) for c in here if c.melody is not None and c.region in where]
        tracks.append({
            "track": index,
            "name": track.name,
            "plays": "drums" if track.is_drum else FAMILIES[here[0].family],
            "program": track.program,
            "role": here[0].role if spans else None,
            "spans": spans,
            "reasons": [] if spans else list(dict.fromkeys(c.reason for c in here)),
        })  # fmt: skip
    melody = extract(song).track if any(track["spans"] for track in tracks) else None
    return {
        "file": source.name, "sha256": source.sha256, "bars": len(bars), "qpm": song.qpm, "melody": melody,
        "tracks": tracks, "remarks": list(source.remarks),
    }  # fmt: skip


def _span(found: Candidate, stretch: Stretch) -> dict[str, Any]:
    """The bars of a track's melody, as a DAW counts them, and what it is like there."""
    assert found.melody is not None
    first = stretch.first + found.first_bar
    return {
        "first": first, "last": first + found.melody.bars - 1, "metre": str(found.melody.metre),
        "notes": int(found.melody.notes.start.size), "dropped": round(found.dropped, 4),
        "off_grid": round(found.off, 4),
    }  # fmt: skip


def _show_song(song: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from cantilena.music.texts import printable

    table = Table("track", "name", "plays", "bars", "metre", "role, or why it is no melody", box=None, pad_edge=False)
    for track in song["tracks"]:
        table.add_row(str(track["track"]), Text(printable(track["name"])), track["plays"], *_told(track))
    console = Console(highlight=False)
    plural = "" if len(song["tracks"]) == 1 else "s"
    told = f"{printable(song['file'])}: {len(song['tracks'])} track{plural}, {song['qpm']:g} quarter notes a minute"
    console.print(told, markup=False)
    console.print(table)
    for remark in song["remarks"]:
        console.print(printable(remark), markup=False, soft_wrap=True)


def _told(track: dict[str, Any]) -> tuple[str, str, str]:
    """Say of one track in which bars and metres it has melodies, and what they are, or why it has none."""
    spans = track["spans"]
    if not spans:
        return "", "", ", ".join(track["reasons"])
    notes = sum(span["notes"] for span in spans)
    played = sum(span["notes"] / (1 - span["dropped"]) for span in spans)
    off = max(span["off_grid"] for span in spans)
    loose = f", up to {off:.2f} quarters off the grid on average" if off > _LOOSE else ""
    told = f"{track['role']}, {notes} notes, {1 - notes / played:.0%} dropped{loose}"
    bars = ",".join(f"{span['first']}-{span['last']}" for span in spans)
    return bars, ", ".join(dict.fromkeys(span["metre"] for span in spans)), told


def _model(model: Model) -> dict[str, Any]:
    """What a model is, ready for JSON."""
    denoiser, vae = model.about["denoiser"], model.about["vae"]
    return {
        "model": model.name, "folder": str(model.folder), "fingerprint": model.fingerprint,
        "latent": {"kept": model.space.D, "dimensions": model.space.Z},
        "vae": vae["fingerprint"],
        "denoiser": {
            "network": denoiser["network"], "predicts": denoiser["prediction"],
            "schedule": denoiser["schedule"]["name"],
        },
        "metres": [str(metre) for metre in model.metres],
        "provenance": model.about["provenance"],
    }  # fmt: skip


def _digests(model: Model) -> dict[str, Any]:
    """What seeds 0 to 9 come to here, ready for JSON."""
    from cantilena.digests import compare

    found = compare(model)
    return {"notes": found.notes, "stored": found.stored is not None, "differ": found.differ, "told": found.verdict}


def _show_model(model: dict[str, Any]) -> None:
    from cantilena.music.texts import printable

    denoiser, latent = model["denoiser"], model["latent"]
    told = f"{denoiser['network']}, predicts {denoiser['predicts']}, {denoiser['schedule']} schedule"
    lines = [
        f"{model['model']}: {model['folder']}",
        f"  fingerprint  {model['fingerprint']}",
        f"  latent       {latent['kept']} of {latent['dimensions']} dimensions kept; VAE {model['vae']}",
        f"  denoiser     {told}",
        *(f"  {key:12} {value}" for key, value in model["provenance"].items()),
    ]
    if digests := model.get("digests"):
        lines += [f"  seed {seed:<7} {notes}" for seed, notes in enumerate(digests["notes"])]
        lines += [f"  digests      {digests['told']}"]
    print("\n".join(map(printable, lines)))
