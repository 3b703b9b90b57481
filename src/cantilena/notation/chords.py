"""Chord symbols: the names they have here, in ABC and in MusicXML; and those that stand in a song."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from cantilena.music.bars import bar_lines
from cantilena.music.chunks import file_chunks, track_events
from cantilena.music.midi import Song
from cantilena.rules.chords import NO_CHORD, parse_chord

__all__ = ["KINDS", "Placed", "chord_name", "chords_of", "kind_of", "normal_chord", "split_chord"]

KINDS = {  # MusicXML's kind: our suffix
    "major": "",
    "minor": "m",
    "augmented": "aug",
    "diminished": "dim",
    "dominant": "7",
    "major-seventh": "maj7",
    "minor-seventh": "m7",
    "diminished-seventh": "dim7",
    "augmented-seventh": "aug7",
    "half-diminished": "m7b5",
    "major-minor": "mmaj7",
    "major-sixth": "6",
    "minor-sixth": "m6",
    "dominant-ninth": "9",
    "major-ninth": "maj9",
    "minor-ninth": "m9",
    "dominant-11th": "11",
    "major-11th": "maj11",
    "minor-11th": "m11",
    "dominant-13th": "13",
    "major-13th": "maj13",
    "minor-13th": "m13",
    "suspended-second": "sus2",
    "suspended-fourth": "sus4",
    "power": "5",
}
_DEGREES = {  # suffixes that are no kind and its degrees in a row
    "7sus4": ("suspended-fourth", (("add", 7, -1),)),
    "9sus4": ("suspended-fourth", (("add", 7, -1), ("add", 9, 0))),
    "add9": ("major", (("add", 9, 0),)),
    "69": ("major-sixth", (("add", 9, 0),)),
}
_NO_CHORD = re.compile(r"n\.?c\.?|nochord", re.IGNORECASE)
_MARKER = b"\xff\x06"
_SYMBOL = re.compile(r"([A-G])(##|bb|[#b]?)([^/\s]*)(?:/([A-G])(##|bb|[#b]?))?")
_SUFFIX = re.compile(r"(?:maj|min|mi|ma|dim|aug|sus|add|omit|no|alt|m|M|o|ø|°|º|h|Δ|[-+^#b()\d,.])*")


class Placed(NamedTuple):
    """A chord symbol where it stands."""

    bar: int  # counted from 1, as a DAW does
    share: float  # of the bar that has passed, 0..1
    name: str


def chords_of(song: Song) -> list[Placed]:
    """The chord symbols of a song, in order: its marker events that are chords' names. Other markers are left out.

    Letters alone that go on from A, each once, are parts of the song and no chords.
    Raises MidiError where events or bars cannot be followed.
    """
    found: list[tuple[int, str]] = []
    for chunk in file_chunks(song.data, song.name)[:-1]:
        for event in track_events(chunk, song.name):
            if event.message[:2] == _MARKER and (name := normal_chord(event.text.decode("utf-8", "replace"))):
                found.append((event.tick, name))
    letters = [name for _, name in sorted(found, key=lambda item: item[0])]
    if letters == list("ABCDEFG"[: len(letters)]):
        return []
    placed, bars, number = [], bar_lines(song), 0
    for tick, name in sorted(found, key=lambda item: item[0]):
        while number < len(bars) and bars[number].end <= tick:
            number += 1
        if number == len(bars):
            break
        bar = bars[number]
        placed.append(Placed(number + 1, (tick - bar.begin) / (bar.end - bar.begin), name))
    return placed


def normal_chord(text: str) -> str:
    """A chord's name as Cantilena writes it, from however it is spelled; "" where it is none.

    The sign that nothing is played there has a name, too: "N.C.".

    >>> [normal_chord(t) for t in ("Amin7", "C-", "F♯ø", "GM7", "Bb+", "Dsus", "N.C.", "Verse 1", "Chorus")]
    ['Am7', 'Cm', 'F#m7b5', 'Gmaj7', 'Bbaug', 'Dsus4', 'N.C.', '', '']
    """
    text = text.strip().replace(" ", "").replace("♯", "#").replace("♭", "b")
    if _NO_CHORD.fullmatch(text):
        return NO_CHORD.name
    try:
        return parse_chord(text).name
    except ValueError:
        found = _SYMBOL.fullmatch(text)
        return text if found and _SUFFIX.fullmatch(found[3]) else ""


def split_chord(name: str) -> tuple[str, str, str]:
    """Root, suffix and bass ("" of none) of a normal chord's name; ValueError for another text."""
    found = _SYMBOL.fullmatch(name)
    if not found:
        raise ValueError(f"{name!r} is no chord (as Dm7 or C/E)")
    return found[1] + found[2], found[3], "" if found[4] is None else found[4] + found[5]


def chord_name(root: str, kind: str, degrees: Sequence[tuple[str, int, int]] = (), bass: str = "") -> str:
    """A chord's name from MusicXML's: its kind, and degrees (add, alter or subtract; number; semitones); "" of none.

    >>> chord_name("G", "suspended-fourth", [("add", 7, -1)]), chord_name("C", "dominant", [("add", 9, -1)], "E")
    ('G7sus4', 'C7b9/E')
    """
    if kind in ("none", "other", "") or kind not in KINDS:
        known = {"half-diminished-seventh": "m7b5", "pedal": "", "Neapolitan": "", "Italian": "7", "French": "7"}
        if kind not in known:
            return ""
        suffix = known[kind]
    else:
        suffix = KINDS[kind]
    degrees = sorted(degrees, key=lambda degree: degree[1])
    for name, (of, more) in _DEGREES.items():
        if kind == of and {(d, n) for d, n, _ in degrees} == {(d, n) for d, n, _ in more}:
            suffix, degrees = name, []
    for what, number, semitones in degrees:
        sign = "#" * max(semitones, 0) + "b" * max(-semitones, 0)
        plain = not sign and what == "add"
        suffix += f"no{number}" if what == "subtract" else f"{'add' if plain else sign}{number}"
    return root + suffix + (f"/{bass}" if bass else "")


def kind_of(suffix: str) -> tuple[str, tuple[tuple[str, int, int], ...]]:
    """MusicXML's kind and degrees of a suffix: the inverse of `chord_name`, "other" where there is none.

    >>> kind_of("m7"), kind_of("7b9")
    (('minor-seventh', ()), ('dominant', (('add', 9, -1),)))
    """
    if suffix in _DEGREES:
        return _DEGREES[suffix]
    kinds = {ours: kind for kind, ours in KINDS.items()}
    for size in range(len(suffix), -1, -1):
        if suffix[:size] in kinds:
            more = re.findall(r"(add|no|##|bb|#|b)(\d+)", suffix[size:])
            if "".join(a + b for a, b in more) != suffix[size:]:
                continue
            return kinds[suffix[:size]], tuple(_degree(sign, int(number)) for sign, number in more)
    return "other", ()


def _degree(sign: str, number: int) -> tuple[str, int, int]:
    if sign == "no":
        return "subtract", number, 0
    semitones = sign.count("#") - sign.count("b") if sign != "add" else 0
    return ("alter" if number in (3, 5) and semitones else "add"), number, semitones
