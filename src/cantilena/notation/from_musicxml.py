"""MusicXML, plain or as .mxl, into a `Sheet`. Files of strangers: sizes are bounded, and entities are refused."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from cantilena.errors import MidiError
from cantilena.notation.chords import chord_name, normal_chord
from cantilena.notation.sheet import Bar, KeySignature, Note, Part, Sheet
from cantilena.notation.spelling import spell

__all__ = ["MAX_BYTES", "read_musicxml", "unpacked"]

MAX_BYTES = 32 << 20  # of a file, packed or not
_MAX_DEPTH = 64
_NOBODY = -1
_FEW = 4  # a voice with less than a quarter of the notes of its staff's main one is no line of its own
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_JUMPS = (
    (re.compile(r"\b(d\.?\s?c\.?(?=\W|$)|da capo)", re.IGNORECASE), "D.C."),
    (re.compile(r"\b(d\.?\s?s\.?(?=\W|$)|dal segno)", re.IGNORECASE), "D.S."),
)
_BEATS = {"whole": 4, "half": 2, "quarter": 1, "eighth": Fraction(1, 2), "16th": Fraction(1, 4)}


def unpacked(data: bytes, name: str) -> bytes:
    """The MusicXML inside an .mxl archive. MidiError for a broken one, or one that unpacks to more than MAX_BYTES."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            root = next((n for n in names if n.endswith((".musicxml", ".xml")) and not n.startswith("META-INF/")), "")
            if "META-INF/container.xml" in names:
                container = _tree(_member(archive, "META-INF/container.xml", 1 << 16, name), name)
                root = next((e.get("full-path", "") for e in container.iter() if _tag(e) == "rootfile"), root)
            if root not in names:
                raise MidiError(f"{name}: a .mxl archive without a score in it")
            return _member(archive, root, MAX_BYTES, name)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        raise MidiError(f"{name}: broken .mxl archive ({error})") from error


def _member(archive: zipfile.ZipFile, member: str, limit: int, name: str) -> bytes:
    with archive.open(member) as file:
        found = file.read(limit + 1)
    if len(found) > limit:
        raise MidiError(f"{name}: {member} unpacks to more than {limit >> 10:,} KiB")
    return found


def read_musicxml(data: bytes, name: str) -> Sheet:
    """The sheet of a score-partwise or score-timewise file. MidiError (one line) for anything else."""
    root = _tree(data, name)
    if _tag(root) not in ("score-partwise", "score-timewise"):
        raise MidiError(f"{name}: not MusicXML with a score (it begins with <{_tag(root)[:40]}>)")
    title = next((_text(e) for t in ("work-title", "movement-title") for e in root.iter(t) if _text(e)), "")
    reader = _Reader(Sheet(title, [], []))
    told = {e.get("id", ""): e for e in root.iter("score-part")}
    try:
        for number, measures in _parts(root).items():
            reader.part(told.get(number, Element("score-part")), measures)
    except KeyError as error:
        raise MidiError(f"{name}: broken MusicXML: part {number[:20]}, bar {reader.number[:20]}: no step {error}") from error
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        where = f"part {number[:20]}, bar {reader.number[:20]}"
        raise MidiError(f"{name}: broken MusicXML: {where}: {error}") from error
    return reader.sheet


def _tree(data: bytes, name: str) -> Element:
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


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2].rpartition(":")[2]


def _parts(root: Element) -> dict[str, list[Element]]:
    """The measures of each part."""
    if _tag(root) == "score-partwise":
        return {part.get("id", f"{k}"): part.findall("measure") for k, part in enumerate(root.findall("part"))}
    found: dict[str, list[Element]] = {}
    for measure in root.findall("measure"):
        for part in measure.findall("part"):
            part.attrib.update({key: value for key, value in measure.attrib.items() if key != "id"})
            found.setdefault(part.get("id", ""), []).append(part)
    return found


class _Reader:
    """Reads one part after the other into the bars of one sheet."""

    def __init__(self, sheet: Sheet):
        self.sheet, self.number = sheet, ""
        self.first = True  # the part whose metre, keys and tempos count
        self.index, self.chording = 0, _NOBODY  # the number of a part, and of the first that has chords

    def part(self, told: Element, measures: list[Element]) -> None:
        sheet = self.sheet
        name = " ".join((_text(told.find("part-name")) or told.get("id", "")).split())
        program = int(_text(told.find("midi-instrument/midi-program")) or 1) - 1
        drums = _text(told.find("midi-instrument/midi-channel")) == "10"
        pitches = {e.get("id"): int(_text(e.find("midi-unpitched")) or 0) - 1 for e in told.findall("midi-instrument")}
        self.divisions, self.transposed = Fraction(1), 0
        self.metre: tuple[int, int] | None = (4, 4)
        self.key: KeySignature | None = None
        self.ending: frozenset[int] = frozenset()

        part = Part(name, program if 0 <= program <= 127 else 0, drums)
        lines = _lines(measures)
        numbers = {line: len(sheet.parts) + k for k, line in enumerate(dict.fromkeys(lines.values()))}
        sheet.parts += [replace(part, name=f"{name} {k + 1}" if k else name) for k in range(len(numbers))]

        def line(note: Element) -> int:
            return numbers[lines[_place(note)]]

        for k, measure in enumerate(measures):
            self.number = measure.get("number", f"{k + 1}")
            if k == len(sheet.bars):
                sheet.bars.append(Bar(key=self.key))
            bar = sheet.bars[k]
            self.measure(measure, bar, line, pitches)
            if self.first:
                bar.metre, bar.key = self.metre, self.key
        self.first = False
        self.index += 1

    def measure(self, measure: Element, bar: Bar, line: Any, pitches: dict[str | None, int]) -> None:
        now = begin = Fraction(0)
        signs = bar.signs
        sound_jump = any(e.get("dacapo") or e.get("dalsegno") for e in measure.iter("sound"))
        for element in measure:
            match element.tag:
                case "attributes":
                    self.attributes(element)
                case "backup":
                    now = max(now - self.duration(element), Fraction(0))
                case "forward":
                    now += self.duration(element)
                case "note":
                    if element.find("grace") is not None or element.find("cue") is not None:
                        continue
                    length = self.duration(element)
                    if element.find("chord") is None:
                        begin = now
                        now += length
                    pitch = self.pitch(element, pitches)
                    if pitch is not None and length > 0:
                        tied = any(tie.get("type") == "start" for tie in element.findall("tie"))
                        note = Note(begin, length, pitch, tied, dict(_lyrics(element)))
                        bar.notes.setdefault(line(element), []).append(note)
                case "harmony":
                    shift = _number(element.find("offset")) / self.divisions
                    if self.chording in (_NOBODY, self.index) and (chord := self.harmony(element)):
                        self.chording = self.index
                        bar.chords.append((max(now + shift, Fraction(0)), chord))
                case "direction" | "sound":
                    shift = _number(element.find("offset")) / self.divisions
                    self.direction(element, bar, max(now + shift, Fraction(0)), sound_jump)
                case "barline":
                    self.barline(element, bar)
            bar.length = max(bar.length, now)
        signs.endings |= self.ending
        if any(e.get("type") in ("stop", "discontinue") for e in measure.iter("ending")):
            self.ending = frozenset()

    def duration(self, element: Element) -> Fraction:
        duration = _number(element.find("duration"))
        if duration < 0:
            raise ValueError("a negative duration")
        return duration / self.divisions

    def attributes(self, element: Element) -> None:
        if (divisions := element.find("divisions")) is not None:
            self.divisions = _number(divisions)
            if self.divisions <= 0:
                raise ValueError("divisions of 0")
        if (transpose := element.find("transpose")) is not None:
            octaves = round(_number(transpose.find("octave-change")))
            self.transposed = round(_number(transpose.find("chromatic"))) + 12 * octaves
        if (key := element.find("key")) is not None and (fifths := _text(key.find("fifths"))):
            minor = _text(key.find("mode")).lower() in ("minor", "aeolian")
            concert = int(fifths)
            if self.transposed:
                concert = (concert + 7 * self.transposed + 5) % 12 - 5
            self.key = KeySignature(concert, minor)
        if (time := element.find("time")) is not None:
            self.metre = _metre(time)

    def pitch(self, note: Element, pitches: dict[str | None, int]) -> int | None:
        if (pitch := note.find("pitch")) is not None:
            alter = round(_number(pitch.find("alter")))
            octave = int(_text(pitch.find("octave")))
            found = 12 * (octave + 1) + _STEPS[_text(pitch.find("step"))] + alter + self.transposed
            return found if 0 <= found <= 127 else None
        if note.find("unpitched") is None:
            return None
        instrument = note.find("instrument")
        found = pitches.get(None if instrument is None else instrument.get("id"), -1)
        return found if 0 <= found <= 127 else 38  # a snare

    def harmony(self, element: Element) -> str:
        """The name of a chord as it sounds; "" of none."""
        root, bass = (self.spelled(element.find(what), what) for what in ("root", "bass"))
        degrees = [
            (
                _text(d.find("degree-type")) or "add",
                round(_number(d.find("degree-value"))),
                round(_number(d.find("degree-alter"))),
            )
            for d in element.findall("degree")
        ]
        return normal_chord(chord_name(root, _text(element.find("kind")), degrees, bass)) if root else ""

    def spelled(self, element: Element | None, what: str) -> str:
        """The name of a root or a bass, moved to where it sounds."""
        if element is None:
            return ""
        step, alter = _text(element.find(f"{what}-step")), round(_number(element.find(f"{what}-alter")))
        if self.transposed:
            step, alter, _ = spell(60 + _STEPS[step] + alter + self.transposed, self.key or KeySignature(0))
        return step + "#" * max(alter, 0) + "b" * max(-alter, 0)

    def direction(self, element: Element, bar: Bar, at: Fraction, sound_jump: bool) -> None:
        signs = bar.signs
        for sound in element.iter("sound"):
            signs.segno |= sound.get("segno") is not None
            signs.coda |= sound.get("coda") is not None
            signs.to_coda |= sound.get("tocoda") is not None
            signs.fine |= sound.get("fine") is not None
            if sound.get("dalsegno") is not None or sound.get("dacapo") == "yes":
                signs.jump = "D.S." if sound.get("dalsegno") is not None else "D.C."
        signs.segno |= element.find("direction-type/segno") is not None
        words = " ".join(_text(e) for e in element.iter("words"))
        to_coda = re.search(r"\bto\s+coda|al\s+coda", words, re.IGNORECASE)
        if element.find("direction-type/coda") is not None and not signs.to_coda:
            signs.coda |= to_coda is None
        if re.search(r"\bto\s+coda", words, re.IGNORECASE):
            signs.to_coda = True
        signs.fine |= re.fullmatch(r"\W*fine\W*", words, re.IGNORECASE) is not None
        if not sound_jump:
            signs.jump = signs.jump or next((jump for pattern, jump in _JUMPS if pattern.search(words)), "")
        if self.first and (tempo := _tempo(element)):
            bar.tempos.append((at, tempo))

    def barline(self, element: Element, bar: Bar) -> None:
        signs = bar.signs
        if (repeat := element.find("repeat")) is not None:
            if repeat.get("direction") == "forward":
                signs.begins = True
            else:
                signs.times = max(signs.times, int(repeat.get("times") or 2), 2)
        if (ending := element.find("ending")) is not None and ending.get("type") == "start":
            self.ending = frozenset(int(n) for n in re.findall(r"\d{1,3}", ending.get("number", "1"))) or frozenset({1})
        for sign in ("segno", "coda"):
            if element.find(sign) is not None:
                setattr(signs, sign, True)


def _place(note: Element) -> tuple[str, str]:
    return _text(note.find("staff")) or "1", _text(note.find("voice")) or "1"


def _lines(measures: list[Element]) -> dict[tuple[str, str], tuple[str, str]]:
    """Which line each staff and voice belongs to: its own, or, of a voice with few notes, the staff's main one."""
    count = Counter(_place(note) for measure in measures for note in measure.iter("note"))
    lines = {}
    for place in sorted(count):
        main = max((p for p in sorted(count) if p[0] == place[0]), key=count.__getitem__)
        lines[place] = place if count[place] * _FEW >= count[main] else main
    return lines


def _metre(time: Element) -> tuple[int, int] | None:
    """A time signature; None where there is none, or one that is not n/2^k."""
    beats, kinds = ([_text(e) for e in time.findall(tag)] for tag in ("beats", "beat-type"))
    if not beats or len(beats) != len(kinds) or not all(re.fullmatch(r"\d+(\s*\+\s*\d+)*", b) for b in beats):
        return None
    whole = sum(Fraction(sum(map(int, b.split("+"))), int(k)) for b, k in zip(beats, kinds, strict=True))
    denominator = max(map(int, kinds))
    numerator = whole * denominator
    fits = denominator in (1, 2, 4, 8, 16, 32, 64) and numerator.denominator == 1 and 1 <= numerator <= 255
    return (int(numerator), denominator) if fits else None


def _tempo(element: Element) -> float | None:
    for sound in element.iter("sound"):
        if (tempo := sound.get("tempo")) is not None and 4 <= float(tempo) <= 1000:
            return float(tempo)
    for metronome in element.iter("metronome"):
        beat, number = _text(metronome.find("beat-unit")), re.search(r"\d+(\.\d+)?", _text(metronome.find("per-minute")))
        if beat in _BEATS and number:
            dotted = Fraction(3, 2) if metronome.find("beat-unit-dot") is not None else 1
            return float(_BEATS[beat] * dotted * Fraction(number[0]))
    return None


def _lyrics(note: Element) -> Iterator[tuple[int, str]]:
    for k, lyric in enumerate(note.findall("lyric"), 1):
        text = "".join(_text(e) for e in lyric.findall("text"))
        number = re.search(r"\d{1,3}", lyric.get("number", ""))
        if text:
            joined = _text(lyric.find("syllabic")) in ("begin", "middle")
            yield int(number[0]) if number else k, text + "-" * joined


def _number(element: Element | None) -> Fraction:
    """The number that an element holds, 0 without one; ValueError for what is none, or too long to be one."""
    text = _text(element)
    if not (found := re.fullmatch(r"[-+]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})|", text)):
        raise ValueError(f"{text[:20]!r} is no number")
    return Fraction(found[0] or 0)


def _text(element: Element | None) -> str:
    return "" if element is None or element.text is None else element.text.strip()
