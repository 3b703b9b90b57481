"""MIDI files written byte by byte, so that a test can also write what no library would."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

STEP = 120  # ticks a sixteenth at 480 a quarter
Note = tuple[int, int, int]  # start and end in steps, MIDI pitch


def variable_length(number: int) -> bytes:
    out = [number & 0x7F]
    while number := number >> 7:
        out.append(number & 0x7F | 0x80)
    return bytes(reversed(out))


def chunk(events: Iterable[tuple[int, bytes]]) -> bytes:
    """A track of (tick, message) in any order; equal ticks keep theirs."""
    out, now = b"", 0
    for tick, message in sorted(events, key=lambda event: event[0]):
        out += variable_length(tick - now) + message
        now = tick
    return raw_chunk(out + b"\x00\xff\x2f\x00")


def raw_chunk(body: bytes) -> bytes:
    return b"MTrk" + len(body).to_bytes(4, "big") + body


def midi(*chunks: bytes, division: int = 480) -> bytes:
    head = (1).to_bytes(2, "big") + len(chunks).to_bytes(2, "big") + division.to_bytes(2, "big")
    return b"MThd" + (6).to_bytes(4, "big") + head + b"".join(chunks)


def signature(numerator: int, denominator: int) -> bytes:
    return bytes([0xFF, 0x58, 4, numerator, denominator.bit_length() - 1, 24, 8])


def tempo(qpm: float) -> bytes:
    return b"\xff\x51\x03" + round(60e6 / qpm).to_bytes(3, "big")


def track(
    notes: Sequence[Note], *, name: str = "", program: int | None = None, channel: int = 0, step: int = STEP
) -> bytes:
    events = [(0, b"\xff\x03" + variable_length(len(name)) + name.encode())] if name else []
    events += [(0, bytes([0xC0 | channel, program]))] if program is not None else []
    offs = [(end * step, bytes([0x80 | channel, pitch, 0])) for _, end, pitch in notes]
    ons = [(start * step, bytes([0x90 | channel, pitch, 80])) for start, _, pitch in notes]
    return chunk([*events, *offs, *ons])


def song(
    *tracks: bytes, signatures: Sequence[tuple[int, int, int]] = (), qpm: float = 120, division: int = 480
) -> bytes:
    """A file of `tracks`; `signatures` are (bar line in steps, numerator, denominator)."""
    conductor = [(0, tempo(qpm)), *((at * STEP, signature(n, d)) for at, n, d in signatures)]
    return midi(chunk(conductor), *tracks, division=division)


def tune(seed: int, bars: int = 20, *, low: int = 55) -> list[Note]:
    """A tune of quarters and eighths with a little repetition, different for each seed."""
    draw = random.Random(seed)
    notes: list[Note] = []
    at, pitch = 0, low + draw.randrange(12)
    while at < bars * 16:
        length = draw.choice((2, 2, 4, 4, 6))
        if not at or draw.random() < 0.9:
            notes.append((at, min(at + length, bars * 16), pitch))
        at += length
        pitch = min(max(pitch + draw.choice((-7, -4, -3, -2, -1, 1, 2, 3, 5, 8)), low), low + 30)
    return notes


def spliced(one: Sequence[Note], other: Sequence[Note], at: int) -> list[Note]:
    """`one` up to step `at`, then `other`."""
    return [(s, min(e, at), p) for s, e, p in one if s < at] + [n for n in other if n[0] >= at]
