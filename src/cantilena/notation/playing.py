"""A `Sheet` as it is played: a MIDI file with repeats unfolded, real metres, keys, tempos, chord symbols and lyrics."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction

from cantilena.errors import MidiError
from cantilena.music.chunks import Event, track_chunk, write_number
from cantilena.notation.halves import cut_bars
from cantilena.notation.sheet import Bar, Note, Part, Sheet
from cantilena.notation.unfold import played_order

__all__ = ["TICKS", "play"]

TICKS = 480  # a quarter
_NAME, _LYRIC, _MARKER = 3, 5, 6
_MAX_NOTES = 500_000
_DRUMS = 9
_VELOCITY = 80
_FINEST = 64  # the denominator of a metre


def play(sheet: Sheet, name: str) -> bytes:
    """The MIDI file of a sheet. Raises MidiError where it has no notes, or too many bars or notes.

    A short first bar is a pickup: it becomes a full bar that begins with rest. Where neighbouring short bars make a
    full one, they are one; any other bar that is shorter or longer than its metre has a metre of its own.
    """
    bars = cut_bars(sheet.bars)
    order = played_order(bars, name, sheet.order)
    begins, metres = _laid_out([bars[i] for i in order])
    conductor: list[Event] = [_meta(0, _NAME, sheet.title.encode())] if sheet.title else []
    conductor += [Event(_ticks(at), _metre(*metre), False) for at, metre in metres]
    lines: dict[int, list[tuple[Fraction, Note, str]]] = defaultdict(list)
    times: Counter[int] = Counter()
    key, total = None, 0
    for index, begin in zip(order, begins, strict=True):
        bar = bars[index]
        times[index] += 1
        if bar.key is not None and bar.key != key:
            key = bar.key
            sharps = max(-7, min(7, key.fifths))
            conductor.append(Event(_ticks(begin), b"\xff\x59\x02" + bytes([sharps & 0xFF, key.minor]), False))
        conductor += [_tempo(_ticks(begin + at), qpm) for at, qpm in bar.tempos]
        conductor += [_meta(_ticks(begin + at), _MARKER, chord.encode()) for at, chord in bar.chords]
        for part, notes in bar.notes.items():
            total += len(notes)
            verse = times[index] if any(number > 1 for note in notes for number in note.lyrics) else 1
            lines[part] += [(begin + note.at, note, note.lyrics.get(verse, "")) for note in notes]
        if total > _MAX_NOTES:
            raise MidiError(f"{name}: more than {_MAX_NOTES:,} notes: a broken file")
    if not total:
        raise MidiError(f"{name}: no notes")
    conductor.sort(key=lambda event: event.tick)
    heads = _channels(sheet.parts)
    try:
        chunks = [track_chunk(_timed(conductor))]
        chunks += [track_chunk(_line(sheet.parts[part], heads[part], lines[part])) for part in sorted(lines)]
    except ValueError as error:
        raise MidiError(f"{name}: its time cannot be played: {error}") from error
    head = b"MThd" + (6).to_bytes(4, "big") + b"".join(n.to_bytes(2, "big") for n in (1, len(chunks), TICKS))
    return b"".join([head, *chunks])


def _laid_out(bars: Sequence[Bar]) -> tuple[list[Fraction], list[tuple[Fraction, tuple[int, int]]]]:
    """Where each bar, in the order played, begins, in quarters; and the changes of metre."""
    begins: list[Fraction] = []
    metres: list[tuple[Fraction, tuple[int, int]]] = []
    now = Fraction(0)

    def change(metre: tuple[int, int]) -> None:
        if not metres or metres[-1][1] != metre:
            metres.append((now, metre))

    i = 0
    while i < len(bars):
        bar = bars[i]
        count = _whole(bars, i)
        if bar.metre is None:
            if not metres:
                change((4, 4))
        elif count or not bar.length:
            change(bar.metre)
        elif i == 0 and bar.length < bar.full:
            change(bar.metre)
            now += bar.full - bar.length
        elif i == len(bars) - 1 and bar.length < bar.full:
            change(bar.metre)
        elif own := _own_metre(bar.length):
            change(own)
        else:
            change(bar.metre)
        for one in bars[i : i + max(count, 1)]:
            begins.append(now)
            now += one.length
        i += max(count, 1)
    return begins, metres


def _whole(bars: Sequence[Bar], first: int) -> int:
    """How many bars from `first` on, most often 1, last one full bar together; 0 where none do."""
    total = Fraction(0)
    for count, bar in enumerate(bars[first : first + 4], 1):
        if bar.metre != bars[first].metre:
            break
        total += bar.length
        if total >= bar.full:
            return count if total == bar.full and bars[first].length else 0
        if first == 0:
            break  # a pickup
    return 0


def _own_metre(length: Fraction) -> tuple[int, int] | None:
    for denominator in (4, 8, 16, 32, _FINEST):
        numerator = length * denominator / 4
        if numerator.denominator == 1 and 1 <= numerator <= 255:
            return int(numerator), denominator
    return None


def _line(part: Part, channel: int, notes: Sequence[tuple[Fraction, Note, str]]) -> list[Event]:
    """The events of a track: its name, its program, and its notes, ties joined."""
    events = [_meta(0, _NAME, part.name.encode())]
    if not part.is_drum:
        events.append(Event(0, bytes([0xC0 | channel, part.program]), False))
    placed: list[tuple[int, int, Event]] = []
    sounding: dict[int, list[Fraction]] = {}  # [end] of the tied note of each pitch
    joined: list[tuple[Fraction, int, list[Fraction]]] = []
    for begin, note, lyric in sorted(notes, key=lambda item: (item[0], -item[1].pitch)):
        end = begin + note.length
        tie = sounding.pop(note.pitch, None)
        if tie is not None and tie[0] == begin:
            tie[0] = end
        else:
            tie = [end]
            joined.append((begin, note.pitch, tie))
        if note.tied:
            sounding[note.pitch] = tie
        if lyric:
            placed.append((_ticks(begin), 1, _meta(_ticks(begin), _LYRIC, lyric.encode())))
    last: dict[int, int] = {}
    ends: list[list[int]] = []
    for begin, pitch, (stop,) in joined:
        tick, until = _ticks(begin), max(_ticks(stop), _ticks(begin) + 1)
        if pitch in last and ends[last[pitch]][1] > tick:
            if ends[last[pitch]][0] == tick:  # a unison of two voices
                ends[last[pitch]][1] = max(ends[last[pitch]][1], until)
                continue
            ends[last[pitch]][1] = tick
        last[pitch] = len(ends)
        ends.append([tick, until, pitch])
    for tick, until, pitch in ends:
        placed.append((tick, 2, Event(tick, bytes([0x90 | channel, pitch, _VELOCITY]), False)))
        placed.append((until, 0, Event(until, bytes([0x80 | channel, pitch, 0]), False)))
    placed.sort(key=lambda item: item[:2])
    return _timed([*events, *(event for *_, event in placed)])


def _channels(parts: Sequence[Part]) -> list[int]:
    """A channel for each part, drums on theirs; parts of one program and instrument share what is left."""
    free = [channel for channel in range(16) if channel != _DRUMS]
    channels, count = [], 0
    for part in parts:
        channels.append(_DRUMS if part.is_drum else free[count % len(free)])
        count += not part.is_drum
    return channels


def _timed(events: Sequence[Event]) -> list[Event]:
    last = events[-1].tick if events else 0
    return [*events, Event(last, b"\xff\x2f\x00", False)]


def _ticks(quarters: Fraction) -> int:
    return round(quarters * TICKS)


def _meta(tick: int, kind: int, text: bytes) -> Event:
    return Event(tick, bytes([0xFF, kind]) + write_number(len(text)) + text, False)


def _metre(numerator: int, denominator: int) -> bytes:
    clocks = 36 if denominator == 8 and numerator % 3 == 0 else min(96 // denominator, 255) or 1
    return bytes([0xFF, 0x58, 4, numerator, denominator.bit_length() - 1, clocks, 8])


def _tempo(tick: int, qpm: float) -> Event:
    return Event(tick, b"\xff\x51\x03" + round(60e6 / min(max(qpm, 4), 1000)).to_bytes(3, "big"), False)
