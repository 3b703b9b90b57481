"""Chords by name: a root, a quality and maybe a bass; in every usual spelling."""

from __future__ import annotations

import re
from typing import NamedTuple

from cantilena.rules.pitch import pitch_class

__all__ = ["NO_CHORD", "QUALITIES", "Chord", "nearest_chord", "parse_chord"]

QUALITIES: dict[str, tuple[int, ...]] = {  # semitones above the root
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "5": (0, 7),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "mmaj7": (0, 3, 7, 11),
    "7sus4": (0, 5, 7, 10),
    "dim7": (0, 3, 6, 9),
    "m7b5": (0, 3, 6, 10),
    "add9": (0, 2, 4, 7),
    "9": (0, 2, 4, 7, 10),
    "maj9": (0, 2, 4, 7, 11),
    "m9": (0, 2, 3, 7, 10),
    "69": (0, 2, 4, 7, 9),
    "11": (0, 2, 4, 5, 7, 10),
    "m11": (0, 2, 3, 5, 7, 10),
    "13": (0, 2, 4, 7, 9, 10),
    "maj13": (0, 2, 4, 7, 9, 11),
    "7b5": (0, 4, 6, 10),
    "aug7": (0, 4, 8, 10),
    "7b9": (0, 1, 4, 7, 10),
    "7#9": (0, 3, 4, 7, 10),
    "7#11": (0, 4, 6, 7, 10),
    "maj7#11": (0, 4, 6, 7, 11),
    "9sus4": (0, 2, 5, 7, 10),
}
_SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_SPELLINGS = (  # other ways to write the beginning of a quality
    (r"(\u0394|\u25b3)$", "maj7"),
    (r"(Maj|MAJ|Ma|MA|M|major|\u0394|\u25b3)", "maj"), (r"(minor|min|Min|mi|-)(?!n)", "m"), (r"mM(aj)?", "mmaj"),
    (r"(\u00f8|\u00d8)7?", "m7b5"), (r"(\u00b0|o)", "dim"), (r"\+", "aug"), (r"dom", ""), (r"sus(?![24])", "sus4"),
    (r"7\+|7#5", "aug7"), (r"7sus(?!4)", "7sus4"), (r"6/9", "69"), (r"maj$", ""), (r"maj(?=6|9sus)", ""),
)  # fmt: skip


class Chord(NamedTuple):
    """A chord by pitch classes."""

    name: str
    root: int
    bass: int  # the root unless the name has a slash
    tones: tuple[int, ...]  # from the root up; a bass of its own is none of them

    @property
    def fits(self) -> frozenset[int]:
        """The pitch classes that a melody may have over it: its tones and its bass."""
        return frozenset((*self.tones, self.bass))


NO_CHORD = Chord("N.C.", 0, 0, tuple(range(12)))  # where a melody is free


def parse_chord(name: str) -> Chord:
    """A chord from its name: a root, one of QUALITIES, and maybe a bass ("C/E"); ValueError for any other.

    Usual spellings are understood, and written in one way.

    >>> parse_chord("Dm7").tones, parse_chord("C/E").bass
    ((2, 5, 9, 0), 4)
    >>> [parse_chord(name).name for name in ("CM7", "C-7", "F#\u00f8", "Bb7(b9)", "C+", "Csus")]
    ['Cmaj7', 'Cm7', 'F#m7b5', 'Bb7b9', 'Caug', 'Csus4']
    """
    plain = name.replace("\u266d", "b").replace("\u266f", "#")
    match = re.fullmatch(r"([A-G][#b]?)((?:[^/]|6/9)*)(?:/([A-G][#b]?))?", plain)
    quality = _quality(match[2]) if match else ""
    if not match or quality not in QUALITIES:
        kinds = ", ".join(f"C{quality}" for quality in QUALITIES)
        raise ValueError(f"{name!r} is not a chord; known are {kinds} on any root, and a bass as in C/E")
    root = pitch_class(match[1])
    tones = tuple((root + s) % 12 for s in QUALITIES[quality])
    written = match[1] + quality + (f"/{match[3]}" if match[3] else "")
    return Chord(written, root, pitch_class(match[3]) if match[3] else root, tones)


def _quality(text: str) -> str:
    """A quality in the spelling of QUALITIES, where it is one."""
    text = re.sub(r"add(?=[#b])", "", re.sub(r"[()\s,]", "", text))
    text = text.replace("sus4add7add9", "9sus4").replace("sus4add7", "7sus4")
    for other, ours in _SPELLINGS:
        if text in QUALITIES:
            break
        text = re.sub(f"^(?:{other})", ours, text, count=1)
    return text


def nearest_chord(name: str) -> Chord:
    """The chord, or the richest one known that its name begins with; NO_CHORD where that is none.

    >>> nearest_chord("C7alt").name, nearest_chord("Gno3").name, nearest_chord("F##m7").name, nearest_chord("?").name
    ('C7', 'G', 'Gm7', 'N.C.')
    """
    found = re.match(r"([A-G])(##|bb)", name)
    if found:
        name = _SHARPS[(pitch_class(found[1]) + (2 if found[2] == "##" else -2)) % 12] + name[3:]
    above, _, bass = name.partition("/")
    shorter = [above[:end] for end in range(len(above), 0, -1)]
    for spelled in [above, above.replace("add", ""), *shorter]:
        for text in (f"{spelled}/{bass}" if bass else spelled, spelled):
            try:
                return parse_chord(text)
            except ValueError:
                continue
    return NO_CHORD
