"""A melody as ABC, for sessions, song books and the web."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from cantilena.music.melody import Melody
from cantilena.notation.chords import Placed
from cantilena.notation.sheet import KeySignature
from cantilena.notation.spelling import alters, spell
from cantilena.notation.to_musicxml import key_of
from cantilena.notation.written import Value, chord_steps, tempo_mark, written_bars

__all__ = ["to_abc"]

_SIGNS = {-2: "__", -1: "_", 0: "=", 1: "^", 2: "^^"}
_LINE = 4  # bars


def to_abc(
    melody: Melody, *, title: str = "Melody", key: str | None = None, chords: Sequence[Placed] = (), program: int = 0
) -> bytes:
    """A melody as an ABC tune in UTF-8: what is said of `to_musicxml` holds here."""
    found, metre = key_of(melody, key), melody.metre
    symbols, (unit, speed) = chord_steps(melody, chords), tempo_mark(melody)
    lines = [
        "X:1",
        f"T:{' '.join(title.split())}",
        f"M:{metre.numerator}/{metre.denominator}",
        "L:1/8",
        f"Q:{(unit / 4).numerator}/{(unit / 4).denominator}={float(speed):.10g}",
    ]
    if program:
        lines.append(f"%%MIDI program {program}")
    lines.append(f"K:{found.tonic}{'' if found.mode == 'major' else found.mode[:3]}")
    written = []
    for number, bar in enumerate(written_bars(melody, tuple(symbols))):
        text, beat = "", 0
        signs: dict[str, set[int]] = {step: {alter} for step, alter in alters(found.signature).items()}
        for value in bar:
            text += " " * (bool(text) and (value.beat != beat or value.pitch is None))
            beat = value.beat
            symbol = symbols.get(number * metre.bar_steps + value.start)
            text += f'"{symbol}"' if symbol else ""
            text += _value(value, found.signature, signs, metre.quarter_steps)
        written.append(text)
    for first in range(0, len(written), _LINE):
        last = first + _LINE >= len(written)
        lines.append(" | ".join(written[first : first + _LINE]) + (" |]" if last else " |"))
    return ("\n".join(lines) + "\n").encode()


def _value(value: Value, key: KeySignature, signs: dict[str, set[int]], quarter: int) -> str:
    """A note or a rest. An accidental is written wherever a reader could take another for it."""
    eighths = Fraction(2 * value.length, quarter)
    text = ""
    if value.opens:
        text = "(3" if value.opens == 3 else f"(3:2:{value.opens}"
    if value.triplet:
        eighths *= Fraction(3, 2)
    if value.pitch is None:
        return text + "z" + _length(eighths)
    step, alter, octave = spell(value.pitch, key)
    if signs[step] != {alter}:
        text += _SIGNS[alter]
    signs[step].add(alter)
    text += step + "," * (4 - octave) if octave <= 4 else step.lower() + "'" * (octave - 5)
    return text + _length(eighths) + "-" * value.tied_to


def _length(eighths: Fraction) -> str:
    if eighths.denominator == 1:
        return "" if eighths == 1 else f"{eighths}"
    return "/" if eighths == Fraction(1, 2) else f"{eighths}"
