"""A melody of a MIDI file as a file of notation, by the ending of its name; with the chords that the file has."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from cantilena.errors import MidiError
from cantilena.music.bars import Stretch, stretches
from cantilena.music.chunks import file_chunks, track_events
from cantilena.music.extract import line
from cantilena.music.melody import Melody
from cantilena.music.midi import Song, read_song
from cantilena.notation.chords import Placed, chords_of
from cantilena.notation.endings import ENDINGS
from cantilena.notation.engraving import TYPESET, engrave
from cantilena.notation.sheet import KeySignature
from cantilena.notation.spelling import key_of_signature
from cantilena.notation.to_abc import to_abc
from cantilena.notation.to_musicxml import to_musicxml
from cantilena.notation.xml_files import packed
from cantilena.rules.chords import Chords, played_chords

__all__ = ["asked_chords", "chords_in", "signed_key", "write_notation"]

_SIGNATURE = b"\xff\x59"


def write_notation(
    melody: Melody,
    ending: str,
    *,
    midi: bytes,
    track: int,
    title: str,
    key: str | None = None,
    chords: str | None = None,
    bars: Sequence[int] = (),
) -> bytes:
    """The bytes of a file with this ending: a melody that stands in a track of a MIDI file.

    Its key is one that was asked for, the file's (C major is often only a default), or what it seems to be in; its
    chords are those asked for, on these `bars` of it, counted from 1, and the file's on all others.
    Raises CantilenaError where a score cannot be typeset.
    """
    song = read_song(midi)
    asked = [] if chords is None else asked_chords(chords, melody, bars)
    placed = sorted([c for c in chords_in(song, melody, track) if c.bar not in bars] + asked)
    program = song.tracks[track].program if track < len(song.tracks) else None
    key = signed_key(song) if key is None else key
    writer = to_abc if ending == ENDINGS["abc"] else to_musicxml
    written = writer(melody, title=title, key=key, chords=placed, program=program or 0)
    if ending == ENDINGS["mxl"]:
        return packed(written)
    format = next((format for format in TYPESET if ending == ENDINGS[format]), None)
    return written if format is None else engrave(written, title, format=format)


def asked_chords(text: str, melody: Melody, bars: Sequence[int]) -> list[Placed]:
    """A progression ("| Dm7 | G7 | C |") over some bars of a melody, one after another.

    >>> asked_chords("| C | F G |", Melody.from_notes([0], [80], [60]), [4, 5])
    [Placed(bar=4, share=0.0, name='C'), Placed(bar=5, share=0.0, name='F'), Placed(bar=5, share=0.5, name='G')]
    """
    bar, played = melody.metre.bar_steps, played_chords(Chords(text), len(bars), melody.metre)
    return [Placed(bars[notes.start // bar], notes.start % bar / bar, chord.name) for chord, notes in played]


def signed_key(song: Song) -> str | None:
    """The key of the first key signature of a song that says more than no sharps and flats, major; None without one."""
    for chunk in file_chunks(song.data, song.name)[:-1]:
        for event in track_events(chunk, song.name):
            if event.message[:2] == _SIGNATURE and len(event.text) >= 2 and event.text[:2] != b"\0\0":
                fifths = int.from_bytes(event.text[:1], "big", signed=True)
                return key_of_signature(KeySignature(fifths, event.text[1] == 1)) if -7 <= fifths <= 7 else None
    return None


def chords_in(song: Song, melody: Melody, track: int) -> Sequence[Placed]:
    """The chords that stand in the stretch of a song which a melody is, bars counted from its first.

    It is the one in which the track has most of its notes; behind them the melody may go on in silence.
    """
    try:
        found = chords_of(song)
        every = stretches(song) if found and track < len(song.tracks) else []
    except MidiError:
        return ()
    notes = set(zip(melody.notes.start.tolist(), melody.notes.pitch.tolist(), strict=True))

    def common(stretch: Stretch) -> int:
        if abs(stretch.bar - song.ticks_per_quarter * Fraction(melody.metre.bar_quarters)) > 1:
            return 0
        there = line(song.tracks[track], stretch.begin, stretch.end, song.ticks_per_quarter, melody.metre)
        return 0 if there is None else len(notes & set(zip(there.start.tolist(), there.pitch.tolist(), strict=True)))

    best = max(every, key=common, default=None)
    if best is None or not common(best):
        return ()
    return [c._replace(bar=c.bar - best.first + 1) for c in found]
