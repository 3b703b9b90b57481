"""What reads a stranger's data: each entry makes a mutant, and does to it what the product would."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from mutants import Random, flipped, json_mutant, midi_mutant, some_song, text_mutant

from cantilena.codec import decode
from cantilena.corpus.parts import extract_file, file_hash, read_batch
from cantilena.corpus.sources import Sources
from cantilena.errors import CantilenaError
from cantilena.model import Model, open_network
from cantilena.music.bars import stretches
from cantilena.music.extract import candidates
from cantilena.music.insert import insert_after, insert_before, insert_between
from cantilena.music.melody import Melody
from cantilena.music.midi import read_song
from cantilena.music.passage import read_passage
from cantilena.notation.chords import chords_of
from cantilena.notation.reading import read_notation
from cantilena.notation.to_abc import to_abc
from cantilena.notation.to_musicxml import to_musicxml
from cantilena.receipt import Receipt, read_receipt


class RefusedError(CantilenaError):
    """Nothing was read, and it was said in words of Cantilena."""


class Entry(NamedTuple):
    """A way in."""

    make: Callable[[Random], bytes]
    use: Callable[[bytes], Any]  # raises a CantilenaError where it cannot be read


def use_midi(data: bytes) -> None:
    """All that verbs read of a song, and what they write around."""
    song = read_song(data, name="mutant.mid")
    stretches(song), candidates(song), chords_of(song)
    for do in (
        lambda: read_passage(song, ((3, 4),)), lambda: read_passage(song, ((1, 2), (6, 6))),
        lambda: insert_after(song, 2), lambda: insert_before(song, 2), lambda: insert_between(song, song, 2),
    ):  # fmt: skip
        with suppress(CantilenaError):
            passage = do()
            before = passage.before
            again = passage.write(before) if before.bars and passage.locks.locked.all() else passage.song.data
            read_song(again, name="again.mid")
    with suppress(CantilenaError):
        read_receipt(data)


def use_notation(data: bytes) -> None:
    """Notation as a song, and all that is read of that."""
    use_midi(read_notation(data, "mutant.musicxml").midi)


def use_receipt(data: bytes) -> None:
    """A receipt and its request."""
    receipt = Receipt.from_json(data, "mutant.json")
    receipt.table(), receipt.to_json(), receipt.title


def use_request(data: bytes) -> None:
    """A request as the server takes it."""
    try:
        decode(data)
    except ValueError as error:
        if str(error).startswith("not a request: "):
            raise RefusedError(str(error)) from error
        raise


def use_model(data: bytes) -> None:
    """A model folder with this model.json; its networks, which are whole, are opened once."""
    with tempfile.TemporaryDirectory() as place, patch("cantilena.model.open_network", _opened):
        folder = Path(place) / "m"
        folder.mkdir()
        for path in model_folder().iterdir():
            if path.name != "model.json":
                (folder / path.name).symlink_to(path)
        (folder / "model.json").write_bytes(data)
        model = Model.load(folder)
        (model.metres, model.tunes.forms, model.tunes.homes, model.tunes.styles, model.name)  # noqa: B018
        json.dumps(model.about, sort_keys=True).encode()


def _opened(path: Path, threads: int) -> Any:
    return _network(path.resolve(), threads)


@cache
def _network(path: Path, threads: int) -> Any:
    return open_network(path, threads)


def use_archive(data: bytes) -> None:
    """An archive as a corpus reads it, and the melodies in it."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / ("a.zip" if data[:2] == b"PK" else "a.tar")
        path.write_bytes(data)
        files = [(file_hash(found.data), found.data) for found in Sources([path]) if not found.reason]
        if not files:
            raise RefusedError("no member could be read")
        read_batch(extract_file, files)


@cache
def model_folder() -> Path:
    """The shipped model's."""
    return Model.load().folder


@cache
def _tune() -> Melody:
    start = np.arange(0, 256, 4)
    return Melody.from_notes(start, start + 4, 60 + np.arange(64) % 12)


@cache
def _texts() -> tuple[str, ...]:
    abc = 'X:1\nT:A tune\nM:6/8\nL:1/8\nK:Dmix\n|:"D"A2d dcd|"C"e2c A2G|[1 F2A {g}AGE|(3DEF D2 D3:|[2 ~F3 G2E|D6|]\nw:la la\n'
    return to_musicxml(_tune()).decode(), to_abc(_tune()).decode(), abc


@cache
def _receipt() -> Any:
    from cantilena.composer import load

    return json.loads(load().compose(seed=1, bars=4, steps=2, rules={"key": "C", "density": "2..8"}).receipt.to_json())


REQUESTS = [
    {"verb": "compose", "seed": 7, "bars": 8, "metre": "3/4", "rules": {"key": "D dorian", "form": "AABA"}},
    {"verb": "infill", "song": {"name": "a.mid", "sha256": "0" * 64}, "bars": "1-4,7", "keep": None},
    {"verb": "vary", "song": {"name": "a.mid", "sha256": "0" * 64}, "strength": 0.3},
    {"verb": "blend", "songs": [{"name": "a.mid", "sha256": "0" * 64}] * 2, "weights": [[1, 0], [0, 1]]},
]


def _archive(draw: Random) -> bytes:
    out, files = io.BytesIO(), {f"songs/{k}.mid": some_song(draw) for k in range(3)}
    if draw.random() < 0.5:
        with zipfile.ZipFile(out, "w", draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
            for name, data in files.items():
                archive.writestr(zipfile.ZipInfo(name), data)
    else:
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name, data in files.items():
                info = tarfile.TarInfo(draw.choice([name, "../" + name, "/" + name, name * 30]))
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    made = gzip.compress(out.getvalue(), mtime=0) if draw.random() < 0.3 else out.getvalue()
    return flipped(made, draw) if draw.random() < 0.9 else made


ENTRIES: dict[str, Entry] = {
    "midi": Entry(midi_mutant, use_midi),
    "notation": Entry(lambda draw: text_mutant(draw.choice(_texts()), draw), use_notation),
    "receipt": Entry(lambda draw: json_mutant(_receipt(), draw), use_receipt),
    "request": Entry(lambda draw: json_mutant(draw.choice(REQUESTS), draw), use_request),
    "model": Entry(lambda draw: json_mutant(json.loads((model_folder() / "model.json").read_text()), draw), use_model),
    "archive": Entry(_archive, use_archive),
}
