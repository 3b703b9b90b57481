"""XML of strangers: .mxl archives and documents are read within bounds, and no entity is expanded."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from fractions import Fraction
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from cantilena.errors import MidiError

__all__ = ["MAX_BYTES", "number_in", "packed", "tag_of", "text_in", "unpacked", "xml_tree"]

MAX_BYTES = 32 << 20  # of a file, packed or not
_MAX_DEPTH = 64
_CONTAINER = b"""<?xml version="1.0" encoding="UTF-8"?>
<container>
  <rootfiles>
    <rootfile full-path="score.musicxml" media-type="application/vnd.recordare.musicxml+xml"/>
  </rootfiles>
</container>
"""


def unpacked(data: bytes, name: str) -> bytes:
    """The MusicXML inside an .mxl archive. MidiError for a broken one, or one that unpacks to more than MAX_BYTES."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            root = next((n for n in names if n.endswith((".musicxml", ".xml")) and not n.startswith("META-INF/")), "")
            if "META-INF/container.xml" in names:
                container = xml_tree(_member(archive, "META-INF/container.xml", 1 << 16, name), name)
                root = next((e.get("full-path", "") for e in container.iter() if tag_of(e) == "rootfile"), root)
            if root not in names:
                raise MidiError(f"{name}: a .mxl archive without a score in it")
            return _member(archive, root, MAX_BYTES, name)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        raise MidiError(f"{name}: broken .mxl archive ({error})") from error


def packed(musicxml: bytes) -> bytes:
    """The inverse of `unpacked`: an .mxl archive of a score. The same score is the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for member, data in (("META-INF/container.xml", _CONTAINER), ("score.musicxml", musicxml)):
            archive.writestr(zipfile.ZipInfo(member), data, zipfile.ZIP_DEFLATED, 9)
    return file.getvalue()


def _member(archive: zipfile.ZipFile, member: str, limit: int, name: str) -> bytes:
    with archive.open(member) as file:
        found = file.read(limit + 1)
    if len(found) > limit:
        raise MidiError(f"{name}: {member} unpacks to more than {limit >> 10:,} KiB")
    return found


def xml_tree(data: bytes, name: str) -> Element:
    """The tree of an XML document. No entity is expanded and nothing outside is read."""
    builder, depth = TreeBuilder(), 0
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise MidiError(f"{name}: XML more than {_MAX_DEPTH} deep is no score")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def entity(*_: Any) -> NoReturn:
        raise MidiError(f"{name}: XML that defines entities is not read")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = entity
    if len(data) > MAX_BYTES:
        raise MidiError(f"{name}: more than {MAX_BYTES >> 20} MiB of XML")
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise MidiError(f"{name}: broken XML ({error})") from error
    return builder.close()


def tag_of(element: Element) -> str:
    """An element's name, without its namespace."""
    return element.tag.rpartition("}")[2].rpartition(":")[2]


def number_in(element: Element | None) -> Fraction:
    """The number that an element holds, 0 without one; ValueError for what is none, or too long to be one."""
    text = text_in(element)
    if not (found := re.fullmatch(r"[-+]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})|", text)):
        raise ValueError(f"{text[:20]!r} is no number")
    return Fraction(found[0] or 0)


def text_in(element: Element | None) -> str:
    """The text of an element without the space around it, "" of none."""
    return "" if element is None or element.text is None else element.text.strip()
