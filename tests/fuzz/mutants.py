"""Mutants of files that a stranger may give: by their structure, so that many get past the parser, and by bytes."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable
from typing import Any

from midi_files import midi, raw_chunk, signature, song, track, variable_length

from cantilena.music.chunks import file_chunks, track_events

Random = random.Random
NUMBERS = (0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 64, 127, 128, 255, 256, 479, 32767, 65535, 2**21, 2**28 - 1)
TEXTS = (
    b"",
    b"\x1b[31mred",
    b"\x00",
    "ü日本".encode(),
    b"\xff\xfe",
    b"a" * 300,
    b"Am7b5/G",
    b"{}",
    b"@KMIDI KARAOKE FILE",
)


def some_song(draw: Random) -> bytes:
    """A whole song of two tracks in some metre, with chords now and then."""
    numerator, denominator = draw.choice([(4, 4), (3, 4), (6, 8), (5, 4), (2, 2), (12, 8)])
    bar = numerator * 16 // denominator
    tracks = []
    for channel in range(draw.choice([1, 2, 3])):
        notes, at = [], 0
        while at < 8 * bar:
            length = draw.choice([1, 2, 2, 4, 4, 8])
            if draw.random() < 0.9:
                notes.append((at, at + length, 60 + draw.choice([0, 2, 4, 5, 7, 9, 11, 12])))
            at += length
        tracks.append(
            track(
                notes, name=draw.choice(["", "Melody", "Bass"]), program=draw.choice([None, 0, 33, 73]), channel=channel
            )
        )
    return song(*tracks, signatures=[(0, numerator, denominator)])


def midi_mutant(draw: Random) -> bytes:
    """A song of which events were moved, changed, doubled or left out, or some bytes flipped."""
    data = some_song(draw)
    if draw.random() < 0.25:
        return flipped(data, draw)
    *chunks, _ = file_chunks(data, "seed")
    tracks = [[(e.tick, e.message) for e in track_events(c, "seed")] for c in chunks[1:]]
    for _ in range(draw.choice([1, 1, 2, 3, 8])):
        draw.choice(CHANGES)(draw.choice(tracks), draw)
    if draw.random() < 0.1:
        tracks.append(list(draw.choice(tracks)))
    division = draw.choice([480, 480, 480, 1, 2, 3, 24, 96, 120, 960, 15360, 32767, 0, 0xE728, 0x8001])
    bodies = [_body(events, draw) for events in tracks]
    made = bytearray(midi(*map(raw_chunk, bodies), division=division))
    if draw.random() < 0.1:
        made[8:10] = draw.choice([0, 1, 2, 3]).to_bytes(2, "big")
    if draw.random() < 0.05:
        made += draw.choice([b"", b"XFIH\0\0\0\4abcd", b"rest"])
    return bytes(made)


def _body(events: list[tuple[int, bytes]], draw: Random) -> bytes:
    out, now, running = bytearray(), 0, draw.random() < 0.5
    status = None
    for tick, message in sorted(events, key=lambda event: event[0]):
        out += variable_length(min(max(tick - now, 0), 2**28 - 1))
        out += message[1:] if running and message[:1] == status and message[0] < 0xF0 else message
        status, now = (message[:1] if message and message[0] < 0xF0 else None), max(tick, now)
    return bytes(out)


def _insert(events: list[tuple[int, bytes]], draw: Random) -> None:
    tick = draw.choice([0, *(t for t, _ in events)]) + draw.choice([0, 0, 1, 120, -7, 2**27])
    text = draw.choice(TEXTS)
    events.append((max(tick, 0), draw.choice([
        b"\xff" + bytes([draw.randrange(0x60)]) + variable_length(len(text)) + text,
        b"\xff\x58\x04" + bytes(draw.choice(NUMBERS) % 256 for _ in range(4)),
        b"\xff\x51\x03" + draw.choice(NUMBERS).to_bytes(4, "big")[1:],
        b"\xff\x59\x02" + bytes(draw.choice(NUMBERS) % 256 for _ in range(2)),
        b"\xff\x2f\x00",
        bytes([0xF0 | draw.choice([0, 7])]) + variable_length(len(text)) + text,
        bytes([draw.choice([0x80, 0x90, 0xA0, 0xB0, 0xE0]) | draw.randrange(16), draw.randrange(128), draw.randrange(128)]),
        bytes([draw.choice([0xC0, 0xD0]) | draw.randrange(16), draw.randrange(128)]),
        signature(draw.choice([1, 3, 4, 7, 32]), draw.choice([1, 2, 4, 8, 16, 64])),
    ])))  # fmt: skip


def _move(events: list[tuple[int, bytes]], draw: Random) -> None:
    k = draw.randrange(len(events))
    events[k] = (max(0, events[k][0] + draw.choice([-480, -120, -1, 1, 40, 480, 10**6])), events[k][1])


def _change(events: list[tuple[int, bytes]], draw: Random) -> None:
    k = draw.randrange(len(events))
    message = bytearray(events[k][1])
    if len(message) > 1:
        message[draw.randrange(1, len(message))] = draw.choice(NUMBERS) % 128
    events[k] = (events[k][0], bytes(message))


def _drop(events: list[tuple[int, bytes]], draw: Random) -> None:
    del events[draw.randrange(len(events))]
    events or events.append((0, b"\xff\x2f\x00"))


def _double(events: list[tuple[int, bytes]], draw: Random) -> None:
    k = draw.randrange(len(events))
    events += [(events[k][0] + n, events[k][1]) for n in range(draw.choice([1, 2, 50]))]


CHANGES: tuple[Callable[[list[tuple[int, bytes]], Random], None], ...] = (
    _insert,
    _insert,
    _move,
    _change,
    _drop,
    _double,
)


def flipped(data: bytes, draw: Random) -> bytes:
    """Some bytes changed, cut out or doubled."""
    made = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 5, 20])):
        at = draw.randrange(len(made))
        match draw.randrange(4):
            case 0:
                made[at] = draw.randrange(256)
            case 1:
                del made[at : at + draw.choice([1, 2, 8])]
            case 2:
                made[at:at] = made[at : at + draw.choice([1, 4, 30])]
            case _:
                made[at] = draw.choice([0, 0x7F, 0x80, 0xFF])
        made = made or bytearray(b"\0")
    return bytes(made)


WORDS = ("", "0", "-1", "1", "2", "4", "1/0", "3/8", "99999999999999999999", "1e999", "nan", "C", "H", "Cb", "##", "|:", ":|", "[1", "%",
         "(3:2:9", "start", "stop", "\x1b[0m", "&lt;", "é", "K:C\n", "M:0/4\n", "M:2/4\n", "L:1/0\n", "~", ">>", "z64", "A,,,,,,,")  # fmt: skip


def text_mutant(text: str, draw: Random) -> bytes:
    """A text of which words were exchanged, moved, doubled or left out, and lines too."""
    parts = re.split(r"(\W+)", text)
    for _ in range(draw.choice([1, 1, 2, 4, 12])):
        a, b = draw.randrange(len(parts)), draw.randrange(len(parts))
        match draw.randrange(4):
            case 0:
                parts[a] = draw.choice(WORDS)
            case 1:
                parts[a], parts[b] = parts[b], parts[a]
            case 2:
                parts[a:a] = parts[min(a, b) : max(a, b)][:40]
            case _:
                del parts[a : a + draw.choice([1, 3, 10])]
        parts = parts or [""]
    made = "".join(parts).encode()
    return flipped(made, draw) if made and draw.random() < 0.1 else made


VALUES: tuple[Any, ...] = (None, True, False, 0, 1, -1, 3, 10**30, -0.0, 1e308, "", "x", "C major", "1-4", "\x1b[2J", [], {}, [[]], [1, 2],
                           {"name": "x", "sha256": "0" * 64}, "a" * 5000)  # fmt: skip


def json_mutant(value: Any, draw: Random) -> bytes:
    """JSON of which values were exchanged, keys left out, renamed or new; near the top as often as deep within."""
    found = json.loads(json.dumps(value))
    for _ in range(draw.choice([1, 1, 2, 3, 6])):
        if not (place := _place(found, draw)):
            break
        holder, key = place
        if isinstance(holder, dict) and draw.random() < 0.25:
            kept = holder.pop(key)
            if draw.random() < 0.5:
                holder[draw.choice(["bars", "seed", "verb", "path", f"{key}x"])] = kept
        else:
            holder[key] = draw.choice((_near, _near, _other, _many))(holder[key], draw)
    text = json.dumps(found).encode()
    return flipped(text, draw) if draw.random() < 0.1 else text


def _near(value: Any, draw: Random) -> Any:
    """A value of the same kind."""
    match value:
        case bool():
            return not value
        case int():
            return draw.choice([value + 1, value - 1, -value, 2 * value, draw.choice(NUMBERS), value + 2**33])
        case float():
            return draw.choice([value / 2, value * 2, -value, value * 1e9, float("nan")])
        case str():
            return draw.choice([value[: len(value) // 2], value * 2, value.swapcase(), draw.choice(WORDS)])
        case _:
            return _other(value, draw)


def _other(value: Any, draw: Random) -> Any:
    return copy.deepcopy(draw.choice(VALUES))


def _many(value: Any, draw: Random) -> Any:
    return [value] * draw.choice([1, 3])


def _place(value: Any, draw: Random) -> tuple[Any, Any] | None:
    """A place within: at each level it is here, or goes on further down."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    if not keys:
        return None
    key = draw.choice(list(keys))
    return (draw.random() < 0.7 and _place(value[key], draw)) or (value, key)
