"""The fields of an ABC tune: key, metre, unit length, tempo, the order of parts."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from cantilena.notation.sheet import KeySignature

__all__ = ["Key", "parse_key", "parse_length", "parse_metre", "parse_order", "parse_tempo", "parse_voice"]

_MODES = {
    "": 0,
    "maj": 0,
    "ion": 0,
    "m": -3,
    "min": -3,
    "aeo": -3,
    "mix": -1,
    "dor": -2,
    "phr": -4,
    "lyd": 1,
    "loc": -5,
}
_TONICS = {"C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5, "F": -1}
_SHARPS = "FCGDAEB"
_MAX_ORDER = 400
_KEY = re.compile(
    r"([A-G])([#b]?)\s*((?:maj|ion|min|aeo|mix|dor|phr|lyd|loc)[a-z]*|m(?![a-z]))?(?![a-zA-Z])", re.IGNORECASE
)
_ACCIDENTALS = {"^": 1, "_": -1, "=": 0, "^^": 2, "__": -2}


class Key(NamedTuple):
    """A key of ABC: its signature, how far each letter is altered, and by how many semitones the voice sounds off."""

    signature: KeySignature | None
    alters: dict[str, int]
    transpose: int = 0


def parse_key(text: str, before: Key | None = None) -> Key:
    """A K: field. What names no key ("clef=bass") keeps the one before.

    >>> parse_key("Ador").signature, parse_key("F# minor").signature, parse_key("D exp ^f").alters
    (KeySignature(fifths=1, minor=False), KeySignature(fifths=3, minor=True), {'F': 1})
    """
    transpose = _sounding(text) or (before.transpose if before else 0)
    bare = re.sub(r"\b\w+\s*=\s*\S+", "", text).strip()
    if bare in ("HP", "Hp"):
        return Key(KeySignature(2), {"F": 1, "C": 1}, transpose)
    found = _KEY.match(bare)
    if not found and bare and not re.match(r"none\b", bare, re.IGNORECASE) and before:
        return before._replace(transpose=transpose)
    if not found:
        blank = not bare and before is not None
        return before._replace(transpose=transpose) if blank and before else Key(KeySignature(0), {}, transpose)
    mode = (found[3] or "").lower()[:3]
    fifths = _TONICS[found[1].upper()] + 7 * ((found[2] == "#") - (found[2] == "b")) + _MODES.get(mode, 0)
    fifths = fifths - 12 if fifths > 7 else fifths + 12 if fifths < -7 else fifths
    letters = _SHARPS[:fifths] if fifths >= 0 else _SHARPS[fifths:]
    alters = {letter: 1 if fifths > 0 else -1 for letter in letters}
    rest = bare[found.end() :]
    if re.match(r"\s*exp\b", rest):
        alters = {}
    for sign, letter in re.findall(r"(\^\^|__|[\^_=])([a-gA-G])(?![a-z])", rest):
        alters[letter.upper()] = _ACCIDENTALS[sign]
    return Key(KeySignature(fifths, mode in ("m", "min", "aeo")), alters, transpose)


def _sounding(text: str) -> int:
    """Semitones that clef, octave and transposition of a K: or V: field move what sounds."""
    semitones = 0
    if found := re.search(r"\boctave\s*=\s*([-+]?\d)", text):
        semitones += 12 * int(found[1])
    if found := re.search(r"\btranspose\s*=\s*([-+]?\d{1,2})", text):
        semitones += int(found[1])
    if found := re.search(r"(?:treble|bass|alto|tenor|G2|F4)([-+])8", text):
        semitones += 12 if found[1] == "+" else -12
    return semitones


def parse_voice(text: str) -> tuple[str, str, int]:
    """A V: field: the voice's id, its name and the semitones that it sounds off.

    >>> parse_voice('2 name="Tenor" clef=treble-8')
    ('2', 'Tenor', -12)
    """
    voice = (text.split() or ["1"])[0]
    found = re.search(r"""\b(?:name|nm)\s*=\s*(?:"([^"]*)"|(\S+))""", text)
    return voice, (found[1] or found[2] or "").replace("\\n", " ") if found else "", _sounding(text)


def parse_metre(text: str) -> tuple[int, int] | None:
    """An M: field: (numerator, denominator), None where there is none.

    >>> parse_metre("C|"), parse_metre("6/8"), parse_metre("(2+3)/8"), parse_metre("none")
    ((2, 2), (6, 8), (5, 8), None)
    """
    text = text.strip()
    if text in ("C", "C|"):
        return (4, 4) if text == "C" else (2, 2)
    if not (found := re.match(r"\(?\s*(\d{1,3}(?:\s*\+\s*\d{1,3})*)\s*\)?\s*/\s*(\d{1,2})", text)):
        return None
    numerator, denominator = sum(map(int, found[1].split("+"))), int(found[2])
    return (numerator, denominator) if 1 <= numerator <= 255 and denominator in (1, 2, 4, 8, 16, 32, 64) else None


def parse_length(text: str) -> Fraction | None:
    """An L: field in quarters; None where it is no length."""
    found = re.match(r"\s*(\d{1,2})\s*(?:/\s*(\d{1,3}))?\s*$", text)
    length = Fraction(4 * int(found[1]), int(found[2] or 1) or 1) if found else Fraction(0)
    return length if length > 0 else None


def parse_tempo(text: str) -> float | None:
    """A Q: field in quarters a minute, None where it gives no number.

    >>> parse_tempo('"Slow" 3/8=60'), parse_tempo("120"), parse_tempo('"Allegro"')
    (90.0, 120.0, None)
    """
    lengths, is_told, speed = re.sub(r'"[^"]*"', "", text).rpartition("=")
    if not (found := re.match(r"\s*(\d{1,4}(?:\.\d+)?)(?!\s*/)", speed)):
        return None
    beats = re.findall(r"(\d{1,3})/(\d{1,3})", lengths) if is_told else []
    beat = sum((Fraction(4 * int(n), int(d) or 4) for n, d in beats), Fraction(0)) or Fraction(1)
    qpm = float(beat) * float(found[1])
    return qpm if 4 <= qpm <= 1000 else None


def parse_order(text: str) -> str:
    """A P: field of a head: the order of parts, numbers and brackets written out.

    >>> parse_order("A2(BC)2"), parse_order("ABA")
    ('AABCBC', 'ABA')
    """
    text = re.sub(r"[^A-Z()\d]", "", text[:_MAX_ORDER])
    while found := re.search(r"\(([A-Z]*)\)(\d*)|([A-Z])(\d+)", text):
        group, times = found[1] if found[3] is None else found[3], found[2] if found[3] is None else found[4]
        text = text[: found.start()] + group * min(int(times or 1), _MAX_ORDER) + text[found.end() :]
        if len(text) > _MAX_ORDER:
            return ""
    return re.sub(r"[^A-Z]", "", text)
