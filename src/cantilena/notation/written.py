"""A melody as notes are written: cut at bar lines and beats with ties, triplets in groups, beams over beats."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from cantilena.music.melody import Melody
from cantilena.music.metre import Metre
from cantilena.notation.chords import Placed

__all__ = ["KINDS", "Value", "chord_steps", "tempo_mark", "written_bars"]

KINDS = {  # quarters: MusicXML's type, and whether it is dotted
    Fraction(8): ("breve", False),
    Fraction(6): ("whole", True),
    Fraction(4): ("whole", False),
    Fraction(3): ("half", True),
    Fraction(2): ("half", False),
    Fraction(3, 2): ("quarter", True),
    Fraction(1): ("quarter", False),
    Fraction(3, 4): ("eighth", True),
    Fraction(1, 2): ("eighth", False),
    Fraction(1, 4): ("16th", False),
}
_BEAMS = {"eighth": 1, "16th": 2}


@dataclass
class Value:
    """A note or a rest as it is written, within a bar."""

    start: int  # steps from the bar's beginning
    length: int  # steps
    pitch: int | None  # None: a rest
    tied_from: bool = False  # it goes on from the one before
    tied_to: bool = False
    kind: str = ""  # MusicXML's type; "" of a rest that fills a bar
    dotted: bool = False
    triplet: bool = False
    opens: int = 0  # a triplet begins with this value, of so many values
    closes: bool = False  # a triplet ends with it
    beams: tuple[str, ...] = ()  # MusicXML's, from the eighths' on
    beat: int = 0  # which of the bar's


def chord_steps(melody: Melody, chords: Iterable[Placed]) -> dict[int, str]:
    """The chords of a melody by the step, of the whole melody, at which they stand; those outside are left out."""
    bar = melody.metre.bar_steps
    steps = {(chord.bar - 1) * bar + round(chord.share * bar): chord.name for chord in chords}
    return {step: name for step, name in sorted(steps.items()) if 0 <= step < melody.events.size}


def tempo_mark(melody: Melody) -> tuple[Fraction, Fraction]:
    """The beat in which a tempo is told, in quarters, and how many of them a minute has: a dotted quarter in 6/8.

    It is a quarter where the number of other beats is none of two decimals.

    >>> tempo_mark(Melody.from_notes([0], [12], [60], bars=1, qpm=165, metre=Metre(6, 8)))
    (Fraction(3, 2), Fraction(110, 1))
    """
    metre, qpm = melody.metre, Fraction(melody.qpm).limit_denominator(1000)
    beat = max(Fraction(metre.beat_steps, metre.quarter_steps), Fraction(1))
    number = qpm / beat
    return (beat, number) if (100 * number).denominator == 1 else (Fraction(1), qpm)


def written_bars(melody: Melody, cuts: Sequence[int] = ()) -> list[list[Value]]:
    """The values of each bar of a melody, which is also cut at the steps `cuts`.

    >>> bars = written_bars(Melody.from_notes([2], [10], [60]))
    >>> [(v.length, v.pitch, v.kind, v.tied_to) for v in bars[0][:3]]
    [(2, None, 'eighth', False), (2, 60, 'eighth', True), (6, 60, 'quarter', False)]
    """
    metre = melody.metre
    size = metre.bar_steps
    bars: list[list[Value]] = [[] for _ in range(melody.events.size // size)]
    spans: list[tuple[int, int, int | None]] = []
    now = 0
    for start, end, pitch in zip(*(a.tolist() for a in melody.notes), strict=True):
        spans += [(now, start, None), (start, end, pitch)]
        now = end
    spans.append((now, melody.events.size, None))
    stops = sorted({*range(size, melody.events.size, size), *cuts})
    for start, end, pitch in spans:
        at = start
        while at < end:
            following = bisect_right(stops, at)
            until = min(end, stops[following]) if following < len(stops) else end
            if pitch is None and at % size == 0 and until - at == size:
                length, kind, dotted, triplet = size, "", False, False
            else:
                length, kind, dotted, triplet = _value(at % size, until - at, metre)
            tied = pitch is not None
            bars[at // size].append(
                Value(at % size, length, pitch, tied and at > start, tied and at + length < end, kind, dotted, triplet)
            )
            at += length
    for bar in bars:
        _grouped(bar, metre)
    return bars


def _value(start: int, length: int, metre: Metre) -> tuple[int, str, bool, bool]:
    """The first value of what is `length` steps long from a step of the bar on: its length, type, dot and triplet."""
    q = metre.quarter_steps
    beat = _beat(metre)
    left = beat - start % beat
    if q == 3:
        if left < beat or length < beat:  # within a triplet
            length = min(length, left)
            return length, "quarter" if length == 2 else "eighth", False, True
        length -= length % beat
    elif left < beat or length < beat:
        length = min(length, left)
    elif metre.compound:
        length -= length % beat
    for quarters, (kind, dotted) in KINDS.items():
        if (steps := quarters * q) <= length and steps.denominator == 1 and _suits(int(steps), start, beat, metre):
            return int(steps), kind, dotted, False
    raise AssertionError(f"{length} steps from step {start} of {metre}")  # a sixteenth always suits


def _suits(steps: int, start: int, beat: int, metre: Metre) -> bool:
    """Whether in compound metres a value is a part of a beat, or whole beats."""
    return not metre.compound or steps < beat or steps % beat == 0


def _beat(metre: Metre) -> int:
    """Steps within which values are written out: a quarter, or a compound metre's beat."""
    if metre.quarter_steps == 3:
        return 3
    return metre.beat_steps if metre.compound or metre.beat_steps < 4 or metre.beat_steps == 6 else 4


def _grouped(bar: list[Value], metre: Metre) -> None:
    """Say where triplets begin and end, and what beams join."""
    beat = max(_beat(metre), 3 if metre.quarter_steps == 3 else 4)  # beams may join beats of an eighth
    groups: dict[int, list[Value]] = {}
    for value in bar:
        value.beat = value.start // beat
        groups.setdefault(value.beat, []).append(value)
    for group in groups.values():
        triplet = [value for value in group if value.triplet]
        if triplet:
            triplet[0].opens, triplet[-1].closes = len(triplet), True
        run: list[Value] = []
        for value in group:
            if value.pitch is not None and value.kind in _BEAMS:
                run.append(value)
            else:
                _beam(run)
                run = []
        _beam(run)


def _beam(run: list[Value]) -> None:
    if len(run) < 2:
        return
    counts = [_BEAMS[value.kind] for value in run]
    for i, value in enumerate(run):
        beams = []
        for level in range(1, counts[i] + 1):
            before, after = i > 0 and counts[i - 1] >= level, i + 1 < len(run) and counts[i + 1] >= level
            hook = "forward hook" if i == 0 else "backward hook"
            beams.append("continue" if before and after else "end" if before else "begin" if after else hook)
        value.beams = tuple(beams)
