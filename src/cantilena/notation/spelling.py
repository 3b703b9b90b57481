"""Keys and the names of notes in them: a key's signature, and which of F# and Gb a pitch is."""

from __future__ import annotations

from typing import NamedTuple

from cantilena.notation.sheet import KeySignature
from cantilena.rules.pitch import Key

__all__ = ["C_MAJOR", "MODES", "Spelled", "Tonality", "alters", "key_of_signature", "spell", "tonality"]

MODES = {  # how many fifths the scale on C lies from C major's
    "major": 0, "ionian": 0, "lydian": 1, "mixolydian": -1, "dorian": -2, "minor": -3, "aeolian": -3, "phrygian": -4,
    "locrian": -5, "harmonic minor": -3, "melodic minor": -3, "major pentatonic": 0, "minor pentatonic": -3,
    "blues": -3,
}  # fmt: skip
_WRITTEN = ("major", "minor", "ionian", "aeolian", "dorian", "phrygian", "lydian", "mixolydian", "locrian")
_FIFTHS = "FCGDAEB"  # from F on, which is one fifth below C

_FLATS, _SHARPS = -6, 10  # fifths from C: Gb and A#, beyond which lie Cb and E#


class Tonality(NamedTuple):
    """A key as it is written."""

    tonic: str
    mode: str  # a church mode, major or minor
    signature: KeySignature


C_MAJOR = Tonality("C", "major", KeySignature(0))


class Spelled(NamedTuple):
    """A pitch as it is written: step, semitones that it is altered by, and octave, 4 from middle C on."""

    step: str
    alter: int
    octave: int


def tonality(key: Key) -> Tonality:
    """A key as it is written, of at most seven sharps or flats: G# major as Ab major, harmonic minor as minor.

    >>> tonality(Key("D dorian"))
    Tonality(tonic='D', mode='dorian', signature=KeySignature(fifths=0, minor=False))
    >>> tonality(Key("G# major")).tonic
    'Ab'
    """
    tonic, _, mode = key.asked.partition(" ")
    if mode not in MODES:  # whole tone, chromatic
        return C_MAJOR
    fifths = _FIFTHS.index(tonic[0]) - 1 + 7 * (tonic.count("#") - tonic.count("b")) + MODES[mode]
    fifths += 12 * ((fifths < -7) - (fifths > 7))
    tonic = _tonic(fifths - MODES[mode])
    mode = mode if mode in _WRITTEN else "minor" if MODES[mode] else "major"
    return Tonality(tonic, mode, KeySignature(fifths, mode in ("minor", "aeolian")))


def key_of_signature(signature: KeySignature) -> str:
    """The name of the key of a signature, as `Key` reads it.

    >>> key_of_signature(KeySignature(-3, True)), key_of_signature(KeySignature(6))
    ('C minor', 'F# major')
    """
    return f"{_tonic(signature.fifths + 3 * signature.minor)} {'minor' if signature.minor else 'major'}"


def _tonic(fifths: int) -> str:
    """The note so many fifths above C."""
    shift = (fifths + 1) // 7
    return _FIFTHS[(fifths + 1) % 7] + "#" * max(shift, 0) + "b" * max(-shift, 0)


def spell(pitch: int, key: KeySignature) -> Spelled:
    """A pitch as it is written in a key: in the scale as it stands, outside as is usual (in A minor G#, in C major Bb).

    >>> spell(68, KeySignature(0, True)), spell(59, KeySignature(-7))
    (Spelled(step='G', alter=1, octave=4), Spelled(step='C', alter=-1, octave=4))
    """
    low = key.fifths - (2 if key.minor else 3)  # the twelve names lie a fifth apart: Eb Bb F C G D A E B F# C# G#
    place = low + (7 * pitch - low) % 12
    if not key.fifths - 1 <= place <= key.fifths + 5:  # outside the scale a white key is written as one
        place += 12 * ((place < _FLATS) - (place > _SHARPS))
    step, alter = _FIFTHS[(place + 1) % 7], (place + 1) // 7
    return Spelled(step, alter, (pitch - alter) // 12 - 1)


def alters(key: KeySignature) -> dict[str, int]:
    """How the signature alters each step.

    >>> alters(KeySignature(-2))["E"], alters(KeySignature(-2))["A"]
    (-1, 0)
    """
    letters = _FIFTHS[: key.fifths] if key.fifths >= 0 else _FIFTHS[key.fifths :]
    return {step: (1 if key.fifths > 0 else -1) if step in letters else 0 for step in _FIFTHS}
