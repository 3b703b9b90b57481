"""`Source`: music that a request reads. In a receipt it is its name and the hash of what was read, never a path."""

from __future__ import annotations

import hashlib
import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from cantilena.errors import MidiError

if TYPE_CHECKING:
    from cantilena.music.melody import Melody
    from cantilena.music.metre import Metres
    from cantilena.music.midi import Song
    from cantilena.notation.reading import Reading
    from cantilena.notation.tunebook import Book, Tune

__all__ = ["Music", "Source", "Sourced", "file_of"]

_HASH = re.compile("[0-9a-f]{64}")
_NAME = 255  # characters
_TUNE = re.compile(r"(.+)#([0-9]{1,9})", re.DOTALL)


class Source:
    """A MIDI file's bytes, or a Melody, with a name for people; of a receipt, only the name and the hash of these.

    A file of notation (MusicXML, ABC) is turned into MIDI; its hash is that of the file itself. A tune of an ABC
    tunebook is named `book.abc#3`; its hash is that of the tune, so the others of the book may change.
    """

    title = ""  # of a tune of a book

    def __init__(self, name: str, sha256: str, content: bytes | Melody | None = None, path: Path | None = None):
        self.name, self.sha256, self.content, self.path = name, sha256, content, path

    @classmethod
    def of(cls, given: Music) -> Source:
        """What is `given`: the path of a file or of a tune in one, which is read now, its bytes, a Melody, or a result.

        Raises MidiError (one line) for a file that cannot be read, ValueError for anything else.
        """
        from cantilena.music.melody import Melody
        from cantilena.music.metre import COMMON

        match given:
            case Source():
                return given
            case Melody():
                metre = "" if given.metre == COMMON else f"in {given.metre} "
                told = f"{given.qpm!r} quarters a minute {metre}".encode()
                return cls("melody", hashlib.sha256(told + given.events.tobytes()).hexdigest(), given)
            case bytes():
                return cls("MIDI data", hashlib.sha256(given).hexdigest(), given)
            case str() | Path():
                path, number = file_of(given)
                try:
                    data = path.read_bytes()
                except (OSError, ValueError) as error:  # ValueError: a name that no file can have
                    name = path.name or path.resolve()
                    raise MidiError(f"{name}: cannot be read ({getattr(error, 'strerror', error)})") from error
                file = cls(_told(path.name), hashlib.sha256(data).hexdigest(), data, path)
                return file if number is None else file.tune_of_book(number)
        source = getattr(given, "source", None)
        if isinstance(source, cls):
            return source
        raise ValueError(f"music is a MIDI file's name, its bytes, or a Melody, not {type(given).__name__}")

    @classmethod
    def from_json(cls, value: Any) -> Source:
        """From {"name": ..., "sha256": ...}; ValueError for anything else. No file is looked for."""
        match value:
            case {"name": str(name), "sha256": str(digest), **more} if not more and _HASH.fullmatch(digest):
                if len(name) <= _NAME:
                    return cls(name, digest)
        raise ValueError('a source is {"name": a short text, "sha256": 64 hexadecimal digits}')

    def as_json(self) -> dict[str, str]:
        """What a receipt holds of it."""
        return {"name": self.name, "sha256": self.sha256}

    @cached_property
    def book(self) -> Book:
        """The tunes of an ABC file; none of any other. Raises MidiError (one line) for one that is too large."""
        from cantilena.notation.tunebook import Book, abc_text, read_book

        text = abc_text(self.content, self.name) if isinstance(self.content, bytes) else None
        return Book((), False) if text is None else read_book(text)

    def tune_of_book(self, number: int) -> Source:
        """The tune of this number in an ABC file, as music of its own; MidiError (one line) where there is none."""
        return self._tune(self.book.tune(number, self.name))

    def _tune(self, tune: Tune) -> Source:
        data = tune.text.encode()
        source = Source(f"{self.name}#{tune.number}", hashlib.sha256(data).hexdigest(), data, self.path)
        source.title = tune.title
        return source

    def tunes(self) -> tuple[Source, ...]:
        """The tunes of an ABC file, each as music of its own; () of any other. MidiError for one that is too large."""
        return tuple(map(self._tune, self.book.tunes))

    def songs(self) -> tuple[Source, ...]:
        """The tunes of an ABC file of several; of anything else it alone."""
        tunes = self.tunes()
        return tunes if len(tunes) > 1 else (self,)

    @property
    def melody(self) -> Melody | None:
        """The Melody that was given; None where it was a file."""
        return None if isinstance(self.content, bytes | None) else self.content

    @cached_property
    def _reading(self) -> Reading:
        from cantilena.notation.reading import read_notation

        if not isinstance(self.content, bytes):
            raise MidiError(f"{self.name}: is not there (SHA-256 {self.sha256[:16]}...)")
        return read_notation(self.content, self.name)

    @property
    def data(self) -> bytes:
        """The bytes of the MIDI file that was given, or that notation is turned into.

        Raises MidiError where only its hash is known, or notation cannot be read.
        """
        return self._reading.midi

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the reader of a file would say about it, each a line. Raises MidiError as `data` does."""
        said = self._reading.remarks if isinstance(self.content, bytes) else ()
        if self.path is None or len(self.book.tunes) < 2:
            return said
        return (f"{said[0]} ({self.name}#{self.book.tunes[1].number} is the second)",)  # who has the file can name it

    @cached_property
    def song(self) -> Song:
        """The file that was given, read once. Raises MidiError where it is no song, or not there."""
        from cantilena.music.midi import read_song

        return read_song(self.data, name=self.name)

    def tune(self, track: int | None = None, metres: Metres = None) -> tuple[Melody, int | None]:
        """Its melody, and the number of the track that has it (None of a Melody): that of `track`, if one is given.

        It is in one of `metres`, if some are given. Raises MidiError for a song that has none, ValueError for a track
        of a Melody.
        """
        if self.melody is not None:
            if track is not None:
                raise ValueError("of a Melody no track is chosen")
            return self.melody, None
        from cantilena.music.extract import extract

        found = extract(self.song, track, metres)
        return cast("Melody", found.melody), found.track  # `extract` raises where there is none

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Source) and self.as_json() == other.as_json()

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return f"Source({self.name!r}, {self.sha256[:8]})"


def file_of(given: str | Path) -> tuple[Path, int | None]:
    """The path of a file, and the number of a tune in it where a path is `book.abc#3` and no file has that name.

    >>> [(path.name, number) for path, number in map(file_of, ["folder/book.abc#3", "C#.mid"])]
    [('book.abc', 3), ('C#.mid', None)]
    """
    path = Path(given)
    found = _TUNE.fullmatch(path.name)
    if found is None or os.path.lexists(path):
        return path, None
    return path.with_name(found[1]), int(found[2])


def _told(name: str) -> str:
    """A file's name as any JSON can hold it."""
    return name.encode("utf-8", "replace").decode("utf-8")[:_NAME]


class Sourced(Protocol):
    """A result, which another request may go on from."""

    @property
    def source(self) -> Source:
        """What it is to the next request."""


if TYPE_CHECKING:  # what may be given; what a request holds of it is a Source
    Music: TypeAlias = Source | Sourced | Melody | Path | str | bytes
else:
    Music = Source
