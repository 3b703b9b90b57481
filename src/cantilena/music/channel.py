"""What a channel is set to: program, volume, pedals, bend. New bars are played as their track is, whatever was left.

A song may fade out, bend its last note or hold the pedal down for ever; what comes behind it must not go on so.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from cantilena.music.chunks import Event, track_chunk, track_events
from cantilena.music.midi import Song
from cantilena.music.splice import Part, find_part
from cantilena.music.voices import weave

__all__ = ["default_of", "set_channel", "settings_of"]

_Place: TypeAlias = tuple[int, int, int]  # tick; 0 in another chunk, 1 in the track's own; index in that chunk's events
_Messages: TypeAlias = tuple[bytes, ...]

_CONTROLLER, _PROGRAM, _PRESSURE, _BEND = 0xB0, 0xC0, 0xD0, 0xE0
_BANK, _RESET_ALL = (0, 32), 121
_PARAMETERS = {6, 38, *range(96, 102)}  # they act once: nothing holds that could be set back
_PEDALS = (64, 66, 67, 69)
_RESET = (1, 11, *_PEDALS)  # controllers that RESET_ALL sets back, with bend and pressure
_STARTS_AT = {7: 100, 8: 64, 10: 64, 11: 127, **dict.fromkeys(range(70, 80), 64)}  # all other controllers at 0


class _Change(NamedTuple):
    """A setting made anew, and the messages that make it so: a program's with its bank."""

    place: _Place
    messages: _Messages


def set_channel(song: Song, track: int, begin: int, end: int) -> bytes:
    """The file of `song` with the channel of a track set, from tick `begin` to `end`, as the track is played.

    It has the program of the track's nearest note, and of volume and all other controllers what holds at most of its
    notes; pedals are up and nothing is bent. What the file sets otherwise between the two ticks is set back there, and
    at `end` all is as the file has it, if a note of the channel follows. Where all holds already, it is the file as it
    is. Raises MidiError where the events cannot be followed.
    """
    part = find_part(song, track)
    placed = _placed(part, song.name)
    onsets: list[_Place] = [(n.start, 1, n.on) for n in part.notes]
    nearest = max((place for place in onsets if place[0] < begin), default=min(onsets))
    follows = min((place for place, m in placed if m[0] >> 4 == 0x9 and m[2] and place[0] >= end), default=None)
    inside: list[Event] = []
    behind: list[Event] = []
    for setting, changes in _changes(placed).items():
        if setting[0] & 0xF0 == _PROGRAM:
            wanted = _held(setting, changes, nearest)
        elif setting[0] & 0xF0 in (_BEND, _PRESSURE) or setting[-1] in _PEDALS:
            wanted = (default_of(setting),)
        else:
            wanted = Counter(_held(setting, changes, place) for place in onsets).most_common(1)[0][0]
        heard = {begin: _held(setting, changes, (begin, 2, 0))}
        heard |= {c.place[0]: c.messages for c in changes if begin < c.place[0] < end}
        wrong = [tick for tick, messages in heard.items() if messages != wanted]
        inside += [Event(tick, message, False) for tick in wrong for message in wanted]
        if wrong and follows and not any((end,) <= c.place < follows for c in changes):
            behind += [Event(end, message, False) for message in _held(setting, changes, (end, 0, -1))]
    if not inside:
        return song.data
    chunks = list(part.chunks)
    chunks[part.chunk] = track_chunk(weave(part.events, before=behind, behind=inside))
    return b"".join(chunks)


def settings_of(message: bytes) -> Iterator[tuple[bytes, bytes]]:
    """What a message of a channel sets: the setting, which is how such a message begins, and a message that sets it."""
    kind, channel = message[0] & 0xF0, message[0] & 0xF
    if kind == _CONTROLLER and message[1] == _RESET_ALL:
        reset = [bytes([_CONTROLLER | channel, number]) for number in _RESET]
        for setting in (*reset, bytes([_PRESSURE | channel]), bytes([_BEND | channel])):
            yield setting, default_of(setting)
    elif kind == _CONTROLLER and message[1] < 120 and message[1] not in _PARAMETERS:
        yield message[:2], message
    elif kind in (_PROGRAM, _PRESSURE, _BEND):
        yield message[:1], message


def default_of(setting: bytes) -> bytes:
    """The message that makes a setting what it is before a file sets it."""
    if setting[0] & 0xF0 == _BEND:
        return setting + b"\0\x40"
    return setting + bytes([_STARTS_AT.get(setting[1], 0) if len(setting) > 1 else 0])


def _placed(part: Part, name: str) -> list[tuple[_Place, bytes]]:
    """The messages of a part's channel, in all chunks, in order."""
    placed = []
    for chunk, data in enumerate(part.chunks[:-1]):
        own = chunk == part.chunk
        for index, (tick, message, _) in enumerate(track_events(data, name)):
            if message[0] < 0xF0 and message[0] & 0xF == part.channel:
                placed.append(((tick, int(own), index if own else chunk), message))
    return sorted(placed, key=lambda item: item[0])


def _changes(placed: Sequence[tuple[_Place, bytes]]) -> dict[bytes, list[_Change]]:
    """What is set and when, by setting. A program that the track's own chunk sets is not another chunk's to change."""
    changes: dict[bytes, list[_Change]] = defaultdict(list)
    bank: dict[bytes, bytes] = {}
    for place, message in placed:
        for setting, sets in settings_of(message):
            if setting[0] & 0xF0 == _CONTROLLER and setting[1] in _BANK:
                bank[setting] = sets
            else:
                whole = (*bank.values(), sets) if setting[0] & 0xF0 == _PROGRAM else (sets,)
                changes[setting].append(_Change(place, whole))
    for setting, made in changes.items():
        own = [change for change in made if change.place[1]]
        if setting[0] & 0xF0 == _PROGRAM and own:
            changes[setting] = own
    return changes


def _held(setting: bytes, changes: Sequence[_Change], place: _Place) -> _Messages:
    """The messages that make a setting what it is at a place."""
    last = bisect_left(changes, place, key=lambda change: change.place)
    return changes[last - 1].messages if last else (default_of(setting),)
