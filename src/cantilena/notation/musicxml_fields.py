"""What single elements of MusicXML say: times, tempos, lyrics; and which line the notes of a part belong to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from xml.etree.ElementTree import Element

from cantilena.notation.sheet import Bar
from cantilena.notation.xml_files import text_in

__all__ = ["Place", "lines_of", "lyrics_in", "metre_in", "place_of", "repeat_bar", "tempo_in"]

Place = tuple[str, str]  # staff and voice
_FEW = 4  # a voice with less than a quarter of the notes of its staff's main one is no line of its own
_BEATS = {
    "whole": Fraction(4),
    "half": Fraction(2),
    "quarter": Fraction(1),
    "eighth": Fraction(1, 2),
    "16th": Fraction(1, 4),
}


def place_of(note: Element) -> Place:
    """The staff and the voice that a note stands in."""
    return text_in(note.find("staff")) or "1", text_in(note.find("voice")) or "1"


def lines_of(measures: list[Element]) -> dict[Place, Place]:
    """Which line each staff and voice belongs to: its own, or, of a voice with few notes, the staff's main one."""
    count = Counter(place_of(note) for measure in measures for note in measure.iter("note"))
    lines = {}
    for place in sorted(count):
        main = max((p for p in sorted(count) if p[0] == place[0]), key=count.__getitem__)
        lines[place] = place if count[place] * _FEW >= count[main] else main
    return lines


def metre_in(time: Element) -> tuple[int, int] | None:
    """A time signature; None where there is none, or one that is not n/2^k."""
    beats, kinds = ([text_in(e) for e in time.findall(tag)] for tag in ("beats", "beat-type"))
    if not beats or len(beats) != len(kinds) or not all(re.fullmatch(r"\d+(\s*\+\s*\d+)*", b) for b in beats):
        return None
    whole = sum(Fraction(sum(map(int, b.split("+"))), int(k)) for b, k in zip(beats, kinds, strict=True))
    denominator = max(map(int, kinds))
    numerator = whole * denominator
    fits = denominator in (1, 2, 4, 8, 16, 32, 64) and numerator.denominator == 1 and 1 <= numerator <= 255
    return (int(numerator), denominator) if fits else None


def tempo_in(element: Element) -> float | None:
    """The quarters a minute that a direction gives; None where it gives none."""
    for sound in element.iter("sound"):
        if (tempo := sound.get("tempo")) is not None and 4 <= float(tempo) <= 1000:
            return float(tempo)
    for metronome in element.iter("metronome"):
        beat, number = (
            text_in(metronome.find("beat-unit")),
            re.search(r"\d+(\.\d+)?", text_in(metronome.find("per-minute"))),
        )
        if beat in _BEATS and number:
            dotted = Fraction(3, 2) if metronome.find("beat-unit-dot") is not None else Fraction(1)
            return float(_BEATS[beat] * dotted * Fraction(number[0]))
    return None


def lyrics_in(note: Element) -> Iterator[tuple[int, str]]:
    """The syllables beneath a note, each with its verse; "-" at the end joins one to the next."""
    for k, lyric in enumerate(note.findall("lyric"), 1):
        text = "".join(text_in(e) for e in lyric.findall("text"))
        number = re.search(r"\d{1,3}", lyric.get("number", ""))
        if text:
            joined = text_in(lyric.find("syllabic")) in ("begin", "middle")
            yield int(number[0]) if number else k, text + "-" * joined


def repeat_bar(bar: Bar, other: Bar, parts: Sequence[int]) -> None:
    """Let parts play in a bar what they play in the other, with its chords where the bar has none; no words."""
    for part in parts:
        if part in other.notes:
            bar.notes[part] = [replace(note, lyrics={}) for note in other.notes[part]]
    bar.chords = bar.chords or list(other.chords)
    bar.length = max(bar.length, other.length)
