"""A melody as MusicXML 4.0, for any program that writes scores."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np

from cantilena.music.melody import Melody
from cantilena.notation.chords import Placed, kind_of, split_chord
from cantilena.notation.sheet import KeySignature
from cantilena.notation.spelling import C_MAJOR, Tonality, alters, spell, tonality
from cantilena.notation.written import Value, chord_steps, tempo_mark, written_bars
from cantilena.rules.chord_names import NO_CHORD
from cantilena.rules.pitch import Key, estimate_key

__all__ = ["key_of", "to_musicxml"]

_HEAD = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN"'
    b' "http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
_BEATS = {Fraction(1): "quarter", Fraction(2): "half", Fraction(4): "whole"}
_BASS = 55  # a melody whose mean pitch is lower is written in the bass clef


def to_musicxml(
    melody: Melody, *, title: str = "Melody", key: str | None = None, chords: Sequence[Placed] = (), program: int = 0
) -> bytes:
    """A melody as a MusicXML file: notes spelled for the key ("D dorian"), or the one that it seems to be in.

    `chords` are chord symbols where they stand, bars counted from the melody's first; `program` is the General MIDI
    program 0..127. Read back, it is the same in notes, metre, key and chords (tests/notation/). ValueError for a key
    that is none.
    """
    found, metre = key_of(melody, key), melody.metre
    harmonies = chord_steps(melody, chords)
    root = Element("score-partwise", version="4.0")
    _add(SubElement(root, "work"), "work-title", title)
    _add(SubElement(SubElement(root, "identification"), "encoding"), "software", "Cantilena")
    part = SubElement(SubElement(root, "part-list"), "score-part", id="P1")
    _add(part, "part-name", title).set("print-object", "no")
    _add(SubElement(part, "score-instrument", id="P1-I1"), "instrument-name", title)
    instrument = SubElement(part, "midi-instrument", id="P1-I1")
    _add(instrument, "midi-channel", "1")
    _add(instrument, "midi-program", f"{program + 1}")
    score = SubElement(root, "part", id="P1")
    bars = written_bars(melody)
    for number, bar in enumerate(bars):
        measure = SubElement(score, "measure", number=f"{number + 1}")
        if number == 0:
            _begin(measure, melody, found)
        held = alters(found.signature)
        octaves: dict[tuple[str, int], int] = {}
        for value in bar:
            begin = number * metre.bar_steps + value.start
            for step in range(begin, begin + value.length):
                if step in harmonies:
                    _harmony(measure, harmonies[step], step - begin)
            _note(measure, value, found.signature, held, octaves)
        if number == len(bars) - 1:
            _add(SubElement(measure, "barline", location="right"), "bar-style", "light-heavy")
    indent(root, " ")
    return _HEAD + bytes(tostring(root, encoding="utf-8")) + b"\n"


def key_of(melody: Melody, key: str | None) -> Tonality:
    """A key as it is written, or else the one that a melody seems to be in; C major of one without notes."""
    if key is None and not melody.notes.pitch.size:
        return C_MAJOR
    return tonality(estimate_key(melody) if key is None else Key(key))


def _begin(measure: Element, melody: Melody, key: Tonality) -> None:
    """Clef, key, time and tempo."""
    metre, pitch = melody.metre, melody.notes.pitch
    attributes = SubElement(measure, "attributes")
    _add(attributes, "divisions", f"{metre.quarter_steps}")
    written = SubElement(attributes, "key")
    _add(written, "fifths", f"{key.signature.fifths}")
    _add(written, "mode", key.mode)
    time = SubElement(attributes, "time")
    _add(time, "beats", f"{metre.numerator}")
    _add(time, "beat-type", f"{metre.denominator}")
    clef = SubElement(attributes, "clef")
    low = pitch.size and float(np.mean(pitch)) < _BASS
    _add(clef, "sign", "F" if low else "G")
    _add(clef, "line", "4" if low else "2")
    direction = SubElement(measure, "direction", placement="above")
    metronome = SubElement(SubElement(direction, "direction-type"), "metronome")
    beat, number = tempo_mark(melody)
    dotted = beat.numerator % 3 == 0
    _add(metronome, "beat-unit", _BEATS[beat / Fraction(3, 2) if dotted else beat])
    if dotted:
        SubElement(metronome, "beat-unit-dot")
    _add(metronome, "per-minute", f"{float(number):g}")
    SubElement(direction, "sound", tempo=f"{melody.qpm:.10g}")


def _note(
    measure: Element, value: Value, key: KeySignature, held: dict[str, int], octaves: dict[tuple[str, int], int]
) -> None:
    note = SubElement(measure, "note")
    accidental = ""
    if value.pitch is None:
        SubElement(note, "rest", {} if value.kind else {"measure": "yes"})
    else:
        step, alter, octave = spell(value.pitch, key)
        pitch = SubElement(note, "pitch")
        _add(pitch, "step", step)
        if alter:
            _add(pitch, "alter", f"{alter}")
        _add(pitch, "octave", f"{octave}")
        if not value.tied_from or value.start:  # what is tied over a bar line keeps its accidental
            if octaves.get((step, octave), held[step]) != alter:
                accidental = _ACCIDENTALS[alter]
            octaves[step, octave] = alter
    _add(note, "duration", f"{value.length}")
    for kind, tied in (("stop", value.tied_from), ("start", value.tied_to)):
        if tied:
            SubElement(note, "tie", type=kind)
    _add(note, "voice", "1")
    if value.kind:
        _add(note, "type", value.kind)
    if value.dotted:
        SubElement(note, "dot")
    if accidental:
        _add(note, "accidental", accidental)
    if value.triplet:
        modification = SubElement(note, "time-modification")
        _add(modification, "actual-notes", "3")
        _add(modification, "normal-notes", "2")
        _add(modification, "normal-type", "eighth")
    for level, beam in enumerate(value.beams, 1):
        _add(note, "beam", beam).set("number", f"{level}")
    if value.tied_from or value.tied_to or value.opens or value.closes:
        notations = SubElement(note, "notations")
        for kind, tied in (("stop", value.tied_from), ("start", value.tied_to)):
            if tied:
                SubElement(notations, "tied", type=kind)
        for kind, is_end in (("start", value.opens), ("stop", value.closes)):
            if is_end:
                SubElement(notations, "tuplet", type=kind, bracket="yes")


def _harmony(measure: Element, name: str, offset: int) -> None:
    harmony = SubElement(measure, "harmony")
    if name != NO_CHORD.name:
        root, suffix, bass = split_chord(name)
        kind, degrees = kind_of(suffix)
    else:
        root, suffix, bass, kind, degrees = "C", name, "", "none", ()  # the format asks for a root
    _spelled(SubElement(harmony, "root"), "root", root)
    _add(harmony, "kind", kind).set("text", suffix)
    if bass:
        _spelled(SubElement(harmony, "bass"), "bass", bass)
    for what, number, semitones in degrees:
        degree = SubElement(harmony, "degree")
        degree.set("print-object", "no")  # the kind's text says it
        _add(degree, "degree-value", f"{number}")
        _add(degree, "degree-alter", f"{semitones}")
        _add(degree, "degree-type", what)
    if offset:
        _add(harmony, "offset", f"{offset}")


def _spelled(parent: Element, what: str, name: str) -> None:
    _add(parent, f"{what}-step", name[0])
    if alter := name.count("#") - name.count("b"):
        _add(parent, f"{what}-alter", f"{alter}")


def _add(parent: Element, tag: str, text: str) -> Element:
    child = SubElement(parent, tag)
    child.text = text
    return child
