"""Files of songs in folders and archives, one after another, without unpacking anything to disk.

A source lies on this machine, as a `Path`, or where fsspec reaches (`s3://bucket/songs`, `https://host/songs.tar`), as
a `UPath`, which has the methods of a `Path`.
"""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self, TypeAlias

from cantilena.errors import CorpusError

if TYPE_CHECKING:
    from upath import UPath

__all__ = ["MAX_BYTES", "SONGS", "Found", "Sources", "Tunes"]

MAX_BYTES = 16 << 20  # a larger MIDI file is a broken one, or an attack
SONGS = (".mid", ".midi", ".kar", ".rmi", ".musicxml", ".mxl", ".xml", ".abc")
_TOO_LARGE = f"larger than {MAX_BYTES >> 20} MiB"
_NOT_REGULAR = "a link or device in an archive"
_MOST_HEADER = 1 << 16  # bytes of a long name or of pax records before a member; a name has 4,096 at most
_MOST_LOST = MAX_BYTES // tarfile.BLOCKSIZE  # blocks that are no header, one after another
_MOST_MEMBER = 1 << 36  # bytes of a member that is passed over: no collection of MIDI files has a larger one
_DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, EOFError, LZMAError, zlib.error,
    ValueError, OverflowError, RecursionError, NotImplementedError, RuntimeError,  # of numbers and chains in headers
)  # fmt: skip
_NO_HEADER = "a broken header in its archive"
_REST = "the rest of a damaged archive"
_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (tarfile.TarError, "it is cut off, or no tar"), (zipfile.BadZipFile, "it is cut off, or no zip"),
    (LZMAError, "what was packed cannot be unpacked"), (zlib.error, "what was packed cannot be unpacked"),
    (EOFError, "it is cut off"), (NotImplementedError, "packed in a way that is not known"),
    (Exception, "a header of impossible numbers"),
)  # fmt: skip
_EXTENDED = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Found:
    """A file whose name says that it is a song: its `data`, or the `reason` why it cannot be had."""

    source: int  # index into Sources.paths
    name: str  # source and path in it: "pop.tar.xz/rock/12.mid"; never a path of the machine
    data: bytes = b""
    reason: str = ""


class Sources:
    """Any mix of folders (searched through), MIDI files, `.tar`, `.tar.*` and `.zip` archives; read by iterating.

    Each is a path of this machine, or a URL of a kind that fsspec knows.

    Songs are files whose name ends in .mid, .midi, .kar (karaoke), .rmi (wrapped in RIFF), .musicxml, .mxl, .xml or
    .abc, in any case; whether they are what they are called is for the extractor to say. Archive members are read into
    memory and nowhere else, so a name like ``../../etc`` is only a name. `total` is the number of files:
    exact for folders and zips, estimated for tars from the share that has been read, None before anything is known.
    `tunes`, if given, says which songs a file holds, by name: each is a file of its own from there on.
    A damaged member is one that cannot be had; where an archive cannot be followed any further, so is its rest.
    Raises CorpusError (one line) for a source that is missing, of another kind, or damaged from its first file on.
    """

    def __init__(self, paths: Iterable[str | Path], tunes: Tunes | None = None) -> None:
        self.paths = tuple(_place(path) for path in paths)
        self.names = tuple(map(_label, self.paths))  # what each is called, without where it lies
        self.files = [0] * len(self.paths)  # found so far in each
        self._tunes = tunes or (lambda data, name: [(name, data)])
        self._counted = 0  # in folders and zips, before reading
        self._beyond = 0  # songs found in files beyond the first of each
        self._tar_bytes = self._tar_read = self._tar_files = 0
        if not self.paths:
            raise CorpusError("no sources: name a folder, .mid files or an archive of them")
        for path in self.paths:
            with _reached(path):
                read = _reader(path)
                if read is _tar:
                    self._tar_bytes += path.stat().st_size
                else:
                    self._counted += _count(path, read)

    @property
    def total(self) -> int | None:
        """How many files there are, as far as is known."""
        if not self._tar_bytes:
            return self._counted + self._beyond
        if not self._tar_read:
            return None
        return self._counted + self._beyond + round(self._tar_files * max(self._tar_bytes / self._tar_read, 1))

    def __iter__(self) -> Iterator[Found]:
        self.files = [0] * len(self.paths)
        self._tar_read = self._tar_files = self._beyond = 0
        for index, path in enumerate(self.paths):
            with _reached(path):
                yield from self._read(index, path)

    def _read(self, index: int, path: _Place) -> Iterator[Found]:
        read, before = _reader(path), self._tar_read
        try:
            for name, data, reason, position in read(path):
                if read is _tar:
                    self._tar_files += 1
                    self._tar_read = before + position
                told = f"{self.names[index]}/{name.removeprefix('./')}".rstrip("/")
                songs = self._tunes(data, told)
                self.files[index] += len(songs)
                self._beyond += len(songs) - 1
                for song, content in songs:
                    yield Found(index, song, content, reason)
        except _DAMAGED as error:
            if not self.files[index]:
                raise CorpusError(f"{path}: a damaged archive ({_why(error)})") from error
            yield Found(index, f"{self.names[index]} after {self.files[index]:,} MIDI files", reason=_REST)
        if read is _tar:
            self._tar_read = before + path.stat().st_size


_Place: TypeAlias = "Path | UPath"
Tunes = Callable[[bytes, str], Sequence[tuple[str, bytes]]]  # data and name of a file -> those of the songs in it
_Item = tuple[str, bytes, str, int]  # name in the source, data, reason, bytes of the source read so far


def _place(path: str | Path) -> _Place:
    if "://" not in str(path):
        return Path(path)
    try:
        from upath import UPath
    except ImportError as error:
        raise CorpusError(f"{path}: URLs need fsspec: pip install 'cantilena[cluster]'") from error
    try:
        return UPath(path)
    except (ValueError, ImportError) as error:  # an unknown kind of URL, or one whose package is missing
        raise CorpusError(f"{path}: {error}") from error


@contextmanager
def _reached(path: _Place) -> Iterator[None]:
    """CorpusError for what cannot be read; what goes wrong beyond this machine has no class of its own."""
    try:
        yield
    except CorpusError:
        raise
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:
        if isinstance(path, Path):
            raise
        raise CorpusError(f"{path}: cannot be read ({error or type(error).__name__})") from error


def _label(path: _Place) -> str:
    return path.name or (path.resolve().name if isinstance(path, Path) else str(path).rstrip("/").rpartition("/")[2])


def _reader(path: _Place) -> Callable[[_Place], Iterator[_Item]]:
    name = path.name.lower()
    if path.is_dir():
        return _folder
    if not path.exists():
        raise CorpusError(f"{path}: no such file or folder")
    if name.endswith(SONGS):
        return _file
    if name.endswith(".zip"):
        return _zip
    if ".tar" in path.suffixes[-2:] or name.endswith((".tgz", ".txz", ".tbz2")):
        return _tar
    raise CorpusError(f"{path}: neither a folder nor a .mid file nor a .tar, .tar.* or .zip archive of them")


def _count(path: _Place, read: Callable[[_Place], Iterator[_Item]]) -> int:
    if read is not _zip:
        return sum(1 for _ in _walk(path)) if read is _folder else 1
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            return sum(_is_song(info.filename) for info in archive.infolist())
    except _DAMAGED as error:
        raise CorpusError(f"{path}: a damaged archive ({_why(error)})") from error


class _BoundError(tarfile.TarError):
    """A tar asks for more than any collection of MIDI files has."""


def _why(error: Exception) -> str:
    """What is wrong with an archive, in words of ours."""
    return (
        str(error) if isinstance(error, _BoundError) else next(said for kind, said in _WORDS if isinstance(error, kind))
    )


def _is_song(name: str) -> bool:
    return name.lower().endswith(SONGS)


def _walk(folder: _Place) -> Iterator[tuple[str, _Place]]:
    """The songs in a folder, at any depth: name in it and place."""
    if not isinstance(folder, Path):
        for path in folder.fs.find(folder.path):  # one request lists a whole bucket
            if _is_song(path):
                name = path.removeprefix(folder.path).lstrip("/")
                yield name, folder / name
        return
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if _is_song(name):
                yield os.path.relpath(os.path.join(root, name), folder), Path(root, name)


def _folder(folder: _Place) -> Iterator[_Item]:
    for name, path in _walk(folder):
        yield name, *_contents(path), 0


def _file(path: _Place) -> Iterator[_Item]:
    yield "", *_contents(path), 0


def _contents(path: _Place) -> tuple[bytes, str]:
    try:
        if not path.is_file():  # a pipe would wait for ever
            return b"", "not a file"
        with path.open("rb") as file:
            return _bounded(file)
    except OSError as error:
        return b"", f"cannot be read: {error.strerror or type(error).__name__}"


def _bounded(file: IO[bytes]) -> tuple[bytes, str]:
    data = file.read(MAX_BYTES + 1)
    return (b"", _TOO_LARGE) if len(data) > MAX_BYTES else (data, "")


class _Tape(tarfile.TarFile):
    """A tar that counts the headers that it lost."""

    lost = 0


class _Header(tarfile.TarInfo):
    """A header of a tar whose records, sizes and kinds are bounded before they are read.

    Where one is broken, the next one that is whole is looked for: it costs its own member.
    """

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        for lost in range(_MOST_LOST):
            try:
                return super().fromtarfile(archive)
            except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
                if not lost:  # or it is zeros of what was lost
                    raise
            except (tarfile.InvalidHeaderError, tarfile.SubsequentHeaderError):  # type: ignore[attr-defined]
                if not archive.offset:  # no tar at all
                    raise
                if isinstance(archive, _Tape):
                    archive.lost += not lost
            except tarfile.TruncatedHeaderError as error:  # type: ignore[attr-defined]
                raise tarfile.ReadError("cut off") from error
        raise _BoundError(f"no header in {MAX_BYTES >> 20} MiB")

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _EXTENDED and not 0 <= self.size <= _MOST_HEADER:
            raise _BoundError(f"a header of {self.size:,} bytes")
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise _BoundError("a sparse file")
        member: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return member

    def _apply_pax_info(self, records: dict[str, str], encoding: str, errors: str) -> None:
        if any(record.startswith("GNU.sparse") for record in records):
            raise _BoundError("a sparse file")
        super()._apply_pax_info(records, encoding, errors)  # type: ignore[misc]
        if not 0 <= self.size <= _MOST_MEMBER:
            raise _BoundError("a member without an end")


def _tar(path: _Place) -> Iterator[_Item]:
    opened = {"mode": "r|*", "bufsize": 1 << 18, "tarinfo": _Header}
    with path.open("rb") as file, _Tape.open(fileobj=file, **opened) as archive:  # type: ignore[call-overload]
        lost, last = 0, ""
        for member in archive:
            if archive.lost > lost:
                yield f"after {last}" if last else "at its beginning", b"", _NO_HEADER, file.tell()
            lost, last = archive.lost, member.name
            if not 0 <= member.size <= _MOST_MEMBER:
                raise _BoundError("a member without an end")
            archive.members = []  # or it would keep every header it has seen
            if member.isdir() or not _is_song(member.name):
                continue
            if not member.isreg():
                yield member.name, b"", _NOT_REGULAR, file.tell()
                continue
            if member.size > MAX_BYTES:
                yield member.name, b"", _TOO_LARGE, file.tell()
                continue
            content = archive.extractfile(member)
            yield member.name, content.read() if content else b"", "", file.tell()
        if archive.lost > lost:
            yield f"after {last}", b"", _NO_HEADER, file.tell()


def _zip(path: _Place) -> Iterator[_Item]:
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if not _is_song(info.filename):  # nor is a folder, whose name ends in a slash
                continue
            try:
                with archive.open(info) as member:
                    data, reason = _bounded(member)
            except (*_DAMAGED, RuntimeError, NotImplementedError):  # the others need not be
                data, reason = b"", "locked with a password" if info.flag_bits & 1 else "damaged in its archive"
            yield info.filename, data, reason, 0
