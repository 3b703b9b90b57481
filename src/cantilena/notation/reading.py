"""Any file of notation as MIDI: MusicXML (plain or .mxl) and ABC, recognised by what they hold, not by their name."""

from __future__ import annotations

from pathlib import PurePath
from typing import NamedTuple

from cantilena.errors import MidiError
from cantilena.notation.from_abc import read_abc
from cantilena.notation.from_musicxml import read_musicxml
from cantilena.notation.playing import play
from cantilena.notation.tunebook import abc_text, read_book
from cantilena.notation.xml_files import MAX_BYTES as MAX_XML
from cantilena.notation.xml_files import unpacked

__all__ = ["SUFFIXES", "Reading", "read_notation", "to_midi"]

SUFFIXES = (".musicxml", ".xml", ".mxl", ".abc")
_HEAD = 4096  # bytes in which a file says what it is


class Reading(NamedTuple):
    """A file as MIDI, and what its reader would say about it."""

    midi: bytes
    remarks: tuple[str, ...] = ()


def to_midi(data: bytes, name: str) -> bytes:
    """The MIDI file of a file of notation; a MIDI file, and what is neither, as it is.

    Repeats are unfolded as played, metres, keys and tempos stand where they change, chord symbols are markers, lyrics
    are lyrics; a short first bar becomes a full one that begins with rest. Raises MidiError (one line, beginning with
    the file's name) for notation that is broken or too large.
    """
    return read_notation(data, name).midi


def read_notation(data: bytes, name: str) -> Reading:
    """As `to_midi`, with what there is to say: which of several tunes was read."""
    if data[:4] == b"PK\x03\x04":
        if len(data) > MAX_XML:
            raise MidiError(f"{name}: a .mxl archive of more than {MAX_XML >> 20} MiB")
        return Reading(play(read_musicxml(unpacked(data, name), name), name))
    head = data[:_HEAD].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if head[:1] == b"<":
        return Reading(play(read_musicxml(data, name), name))
    text = abc_text(data, name)
    if text is None:
        if data and PurePath(name).suffix.lower() in SUFFIXES and head[:4] not in (b"MThd", b"RIFF"):
            raise MidiError(f"{name}: neither MusicXML nor ABC (it begins with {data[:4]!r})")
        return Reading(data)
    return _first_of(text, name)


def _first_of(text: str, name: str) -> Reading:
    """The first tune of a book, and, where there are more, that it is the first."""
    tunes = read_book(text).tunes
    if not tunes:
        raise MidiError(f"{name}: not ABC (a tune begins with X: and K:)")
    first, *others = tunes
    if not others:
        return Reading(play(read_abc(first.text, name), name))
    midi = play(read_abc(first.text, f"{name}#{first.number}"), name)
    title = f", {first.title}" if first.title else ""
    return Reading(midi, (f"{name}: holds {len(tunes):,} tunes; the first{title}, is read",))
