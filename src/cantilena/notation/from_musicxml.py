"""MusicXML into a `Sheet`: one part after the other, bar for bar."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from xml.etree.ElementTree import Element

from cantilena.errors import MidiError
from cantilena.notation.chords import chord_name, normal_chord
from cantilena.notation.musicxml_fields import lines_of, lyrics_in, metre_in, place_of, repeat_bar, tempo_in
from cantilena.notation.sheet import Bar, KeySignature, Note, Part, Sheet
from cantilena.notation.spelling import spell
from cantilena.notation.xml_files import number_in, tag_of, text_in, xml_tree
from cantilena.rules.chord_names import NO_CHORD

__all__ = ["read_musicxml"]

_NOBODY = -1
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_JUMPS = (
    (re.compile(r"\b(d\.?\s?c\.?(?=\W|$)|da capo)", re.IGNORECASE), "D.C."),
    (re.compile(r"\b(d\.?\s?s\.?(?=\W|$)|dal segno)", re.IGNORECASE), "D.S."),
)


def read_musicxml(data: bytes, name: str) -> Sheet:
    """The sheet of a score-partwise or score-timewise file. MidiError (one line) for anything else."""
    root = xml_tree(data, name)
    if tag_of(root) not in ("score-partwise", "score-timewise"):
        raise MidiError(f"{name}: not MusicXML with a score (it begins with <{tag_of(root)[:40]}>)")
    title = next((text_in(e) for t in ("work-title", "movement-title") for e in root.iter(t) if text_in(e)), "")
    reader = _Reader(Sheet(title, [], []))
    told = {e.get("id", ""): e for e in root.iter("score-part")}
    try:
        for number, measures in _parts(root).items():
            reader.part(told.get(number, Element("score-part")), measures)
    except KeyError as error:
        raise MidiError(
            f"{name}: broken MusicXML: part {number[:20]}, bar {reader.number[:20]}: no step {error}"
        ) from error
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        where = f"part {number[:20]}, bar {reader.number[:20]}"
        raise MidiError(f"{name}: broken MusicXML: {where}: {error}") from error
    return reader.sheet


def _parts(root: Element) -> dict[str, list[Element]]:
    """The measures of each part."""
    if tag_of(root) == "score-partwise":
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
        name = " ".join((text_in(told.find("part-name")) or told.get("id", "")).split())
        program = round(number_in(told.find("midi-instrument/midi-program"))) - 1
        drums = text_in(told.find("midi-instrument/midi-channel")) == "10"
        pitches = {
            e.get("id"): int(text_in(e.find("midi-unpitched")) or 0) - 1 for e in told.findall("midi-instrument")
        }
        self.divisions, self.transposed = Fraction(1), 0
        self.metre: tuple[int, int] | None = (4, 4)
        self.key: KeySignature | None = None
        self.ending: frozenset[int] = frozenset()
        self.repeated = 0  # a bar is the one so many before it, as a % says

        part = Part(name, program if 0 <= program <= 127 else 0, drums)
        lines = lines_of(measures)
        numbers = {line: len(sheet.parts) + k for k, line in enumerate(dict.fromkeys(lines.values()))}
        sheet.parts += [replace(part, name=f"{name} {k + 1}" if k else name) for k in range(len(numbers))]

        def line(note: Element) -> int:
            return numbers[lines[place_of(note)]]

        for k, measure in enumerate(measures):
            self.number = measure.get("number", f"{k + 1}")
            if k == len(sheet.bars):
                sheet.bars.append(Bar(key=self.key))
            bar = sheet.bars[k]
            self.measure(measure, bar, line, pitches)
            if 0 < self.repeated <= k and not any(bar.notes.get(number) for number in numbers.values()):
                repeat_bar(bar, sheet.bars[k - self.repeated], list(numbers.values()))
            if self.first:
                bar.metre, bar.key = self.metre, self.key
        self.first = False
        self.index += 1

    def measure(
        self, measure: Element, bar: Bar, line: Callable[[Element], int], pitches: dict[str | None, int]
    ) -> None:
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
                        note = Note(begin, length, pitch, tied, dict(lyrics_in(element)))
                        bar.notes.setdefault(line(element), []).append(note)
                case "harmony":
                    shift = number_in(element.find("offset")) / self.divisions
                    if self.chording in (_NOBODY, self.index) and (chord := self.harmony(element)):
                        self.chording = self.index
                        bar.chords.append((max(now + shift, Fraction(0)), chord))
                case "direction" | "sound":
                    shift = number_in(element.find("offset")) / self.divisions
                    self.direction(element, bar, max(now + shift, Fraction(0)), sound_jump)
                case "barline":
                    self.barline(element, bar)
            bar.length = max(bar.length, now)
        signs.endings |= self.ending
        if any(e.get("type") in ("stop", "discontinue") for e in measure.iter("ending")):
            self.ending = frozenset()

    def duration(self, element: Element) -> Fraction:
        duration = number_in(element.find("duration"))
        if duration < 0:
            raise ValueError("a negative duration")
        return duration / self.divisions

    def attributes(self, element: Element) -> None:
        if (divisions := element.find("divisions")) is not None:
            self.divisions = number_in(divisions)
            if self.divisions <= 0:
                raise ValueError("divisions of 0")
        if (transpose := element.find("transpose")) is not None:
            octaves = round(number_in(transpose.find("octave-change")))
            self.transposed = round(number_in(transpose.find("chromatic"))) + 12 * octaves
        if (key := element.find("key")) is not None and (fifths := text_in(key.find("fifths"))):
            minor = text_in(key.find("mode")).lower() in ("minor", "aeolian")
            concert = int(fifths)
            if self.transposed:
                concert = (concert + 7 * self.transposed + 5) % 12 - 5
            self.key = KeySignature(concert, minor)
        if (sign := element.find("measure-style/measure-repeat")) is not None:
            self.repeated = int(text_in(sign) or 1) if sign.get("type") == "start" else 0
        if (time := element.find("time")) is not None:
            self.metre = metre_in(time)

    def pitch(self, note: Element, pitches: dict[str | None, int]) -> int | None:
        if (pitch := note.find("pitch")) is not None:
            alter = round(number_in(pitch.find("alter")))
            octave = int(text_in(pitch.find("octave")))
            found = 12 * (octave + 1) + _STEPS[text_in(pitch.find("step"))] + alter + self.transposed
            return found if 0 <= found <= 127 else None
        if note.find("unpitched") is None:
            return None
        instrument = note.find("instrument")
        found = pitches.get(None if instrument is None else instrument.get("id"), -1)
        return found if 0 <= found <= 127 else 38  # a snare

    def harmony(self, element: Element) -> str:
        """The name of a chord as it sounds; "N.C." where none is to be played, "" where it is not said."""
        kind = text_in(element.find("kind"))
        if kind == "none":
            return NO_CHORD.name
        root, bass = (self.spelled(element.find(what), what) for what in ("root", "bass"))
        degrees = [
            (
                text_in(d.find("degree-type")) or "add",
                round(number_in(d.find("degree-value"))),
                round(number_in(d.find("degree-alter"))),
            )
            for d in element.findall("degree")
        ]
        if not root:
            return ""
        if kind == "other":  # its text says what the format has no word for
            text = (found.get("text") or "") if (found := element.find("kind")) is not None else ""
            return normal_chord(f"{root}{text}" + (f"/{bass}" if bass else "")) if text else ""
        return normal_chord(chord_name(root, kind, degrees, bass))

    def spelled(self, element: Element | None, what: str) -> str:
        """The name of a root or a bass, moved to where it sounds."""
        if element is None:
            return ""
        step, alter = text_in(element.find(f"{what}-step")), round(number_in(element.find(f"{what}-alter")))
        if self.transposed:
            step, alter, _ = spell(60 + _STEPS[step] + alter + self.transposed, self.key or KeySignature(0))
        return step + "#" * max(alter, 0) + "b" * max(-alter, 0)

    def direction(self, element: Element, bar: Bar, at: Fraction, sound_jump: bool) -> None:
        signs, before = bar.signs, replace(bar.signs)
        for sound in element.iter("sound"):
            signs.segno |= sound.get("segno") is not None
            signs.coda |= sound.get("coda") is not None
            signs.to_coda |= sound.get("tocoda") is not None
            signs.fine |= sound.get("fine") is not None
            if sound.get("dalsegno") is not None or sound.get("dacapo") == "yes":
                signs.jump = "D.S." if sound.get("dalsegno") is not None else "D.C."
        signs.segno |= element.find("direction-type/segno") is not None
        words = " ".join(text_in(e) for e in element.iter("words"))
        to_coda = re.search(r"\bto\s+coda|al\s+coda", words, re.IGNORECASE)
        if element.find("direction-type/coda") is not None and not signs.to_coda:
            signs.coda |= to_coda is None
        if re.search(r"\bto\s+coda", words, re.IGNORECASE):
            signs.to_coda = True
        signs.fine |= re.fullmatch(r"\W*fine\W*", words, re.IGNORECASE) is not None
        for sign in ("segno", "coda", "to_coda", "fine"):
            if getattr(signs, sign) and not getattr(before, sign):
                signs.at[sign] = at
        if not sound_jump:
            signs.jump = signs.jump or next((jump for pattern, jump in _JUMPS if pattern.search(words)), "")
        if self.first and (tempo := tempo_in(element)):
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
