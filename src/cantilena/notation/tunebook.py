"""An ABC tunebook: the tunes of a file, the numbers by which they are named, and each as a file of its own."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import NamedTuple

from cantilena.errors import MidiError

__all__ = ["MAX_BYTES", "Book", "Tune", "abc_text", "read_book", "split_book"]

MAX_BYTES = 16 << 20  # of a file
_HEAD = 4096  # bytes in which a file says what it is
_SHARED = re.compile(r"(?:[A-DF-IL-OQ-SUZmr]:|%%).*")  # what a file's header may hold for all of its tunes
_MOST_SHARED = 2048  # characters of it
_FIRST = re.compile(r"^X:", re.MULTILINE)
_NUMBER = re.compile(r"X:\s*(\d{1,9})\s*(?:%.*)?")


class Tune(NamedTuple):
    """One tune of a book; what is told of it stands in its head, as it is written there."""

    number: int  # by which it is named
    title: str
    metre: str
    key: str
    text: str  # a file of ABC that holds this tune alone


class Book(NamedTuple):
    """The tunes of a file, in their order."""

    tunes: tuple[Tune, ...]
    by_place: bool  # whether they are numbered by their place, as X: fields are missing, or the same

    def tune(self, number: int, name: str) -> Tune:
        """The tune of this number in the book of this name; MidiError (one line) where there is none."""
        for tune in self.tunes:
            if tune.number == number:
                return tune
        if not self.tunes:
            raise MidiError(f"{name}: is no ABC tunebook, so it has no tune {number}")
        first, last = min(self.tunes).number, max(self.tunes).number
        said = "1 tune" if len(self.tunes) == 1 else f"{len(self.tunes):,} tunes, {first} to {last}"
        raise MidiError(f"{name}: has no tune {number}, but {said} (cantilena inspect {name} lists them)")


def abc_text(data: bytes, name: str) -> str | None:
    """The text of an ABC file, its lines ended by a line feed; None of what is no ABC.

    It is in UTF-8 or, where it is none, in Latin-1. Raises MidiError (one line) where it is too large.
    """
    head = data if PurePath(name).suffix.lower() == ".abc" and len(data) <= MAX_BYTES else data[:_HEAD]
    head = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    known = head[:4] == b"%abc" or re.search(rb"(?:^|[\r\n])X:", head)
    if not known or head[:1] == b"<" or head[:4] in (b"MThd", b"RIFF", b"PK\x03\x04"):
        return None
    if len(data) > MAX_BYTES:
        raise MidiError(f"{name}: more than {MAX_BYTES >> 20} MiB of ABC")
    return _decoded(data).replace("\r\n", "\n").replace("\r", "\n")


def read_book(text: str) -> Book:
    """The tunes in a text of ABC, each from its X: field on; without one the whole text, if it has a K: field.

    A tune is named by its X: field where these are numbers and no two are the same, else by its place, from 1. What
    stands before the first tune holds for all. Text between tunes is no part of them.

    >>> book = read_book("L:1/4\\n\\nX:2\\nT:One\\nK:C\\nCDEF|\\n\\nA word.\\n\\nX:5\\nT:Other\\nM:3/4\\nK:G\\nGAB|\\n")
    >>> [(tune.number, tune.title, tune.metre, tune.key) for tune in book.tunes], book.by_place
    ([(2, 'One', '', 'C'), (5, 'Other', '3/4', 'G')], False)
    >>> book.tunes[0].text
    'X:2\\nL:1/4\\nT:One\\nK:C\\nCDEF|\\n'
    """
    starts = [found.start() for found in _FIRST.finditer(text)]
    if not starts:
        return Book((_told(1, text),) if re.search(r"^K:", text, re.MULTILINE) else (), False)
    shared = _shared(text[: starts[0]])
    parts = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    texts = [_alone(part, shared) for part in parts if _NUMBER.match(part) or re.search(r"^K:", part, re.MULTILINE)]
    numbers = [int(found[1]) for one in texts if (found := _NUMBER.match(one))]
    by_place = len(set(numbers)) < len(texts)
    named = range(1, len(texts) + 1) if by_place else numbers
    return Book(tuple(_told(number, one) for number, one in zip(named, texts, strict=True)), by_place)


def split_book(data: bytes, name: str) -> list[tuple[str, bytes]]:
    """The tunes of an ABC book of several, each named `book.abc#3` and as a file; anything else as it is."""
    try:
        text = abc_text(data, name) if PurePath(name).suffix.lower() == ".abc" else None
    except MidiError:
        text = None
    tunes = () if text is None else read_book(text).tunes
    if len(tunes) < 2:
        return [(name, data)]
    return [(f"{name}#{tune.number}", tune.text.encode()) for tune in tunes]


def _shared(text: str) -> str:
    """The fields and directives of a file's header, which ends with the first empty line."""
    header = re.split(r"\n[ \t]*\n", text.lstrip("\n"), maxsplit=1)[0]
    lines = [line for line in header.splitlines() if _SHARED.fullmatch(line)]
    told = "".join(f"{line}\n" for line in lines)
    return told if len(told) <= _MOST_SHARED else ""


def _alone(part: str, shared: str) -> str:
    """A tune as a file: the header's fields come behind its number, and it ends with the empty line after its notes."""
    number, _, rest = part.partition("\n")
    found = re.search(r"^K:.*(?:\n(?:[ \t]*|%.*|[A-Za-z]:(?![|:]).*))*", rest, re.MULTILINE)
    begin = found.end() if found else 0
    end = re.search(r"\n[ \t]*\n", rest[begin:])
    tune = rest[: begin + end.start()] if end else rest
    return f"{number.rstrip()}\n{shared}{tune.rstrip()}\n"


def _told(number: int, text: str) -> Tune:
    head = text[: found.end()] if (found := re.search(r"^K:.*", text, re.MULTILINE)) else text
    title, metre, key = (_field(head, letter) for letter in "TMK")
    return Tune(number, title, metre, key, text)


def _field(head: str, letter: str) -> str:
    """The first of the title's fields, the last of others: the tune's stands behind the file's."""
    found = re.findall(rf"^{letter}:([^%\n]*)", head, re.MULTILINE)
    return " ".join((found[0] if letter == "T" else found[-1]).split()) if found else ""


def _decoded(data: bytes) -> str:
    """A text in UTF-8, or, where it is none, in Latin-1."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
