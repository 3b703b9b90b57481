"""A melody of a MIDI file as a file of notation, by the ending of its name; with the chords that the file has."""

from __future__ import annotations

from collections.abc import Sequence

from cantilena.errors import MidiError
from cantilena.music.bars import stretches
from cantilena.music.chunks import file_chunks, track_events
from cantilena.music.melody import Melody
from cantilena.music.midi import Song, read_song
from cantilena.notation.chords import Placed, chords_of
from cantilena.notation.endings import ENDINGS
from cantilena.notation.engraving import engrave
from cantilena.notation.sheet import KeySignature
from cantilena.notation.spelling import key_of_signature
from cantilena.notation.to_abc import to_abc
from cantilena.notation.to_musicxml import to_musicxml
from cantilena.notation.xml_files import packed
from cantilena.rules.chords import Chords, played_chords

__all__ = ["asked_chords", "write_notation"]

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
) -> bytes:
    """The bytes of a file with this ending: a melody that stands in a track of a MIDI file.

    Its key is one that was asked for, the file's (C major is often only a default), or what it seems to be in; its
    chords are those asked for, or the file's. Raises CantilenaError where a score cannot be typeset.
    """
    song = read_song(midi)
    placed = asked_chords(chords, melody) if chords is not None else _chords_in(song, melody)
    program = song.tracks[track].program if track < len(song.tracks) else None
    key = _signed_key(song) if key is None else key
    writer = to_abc if ending == ENDINGS["abc"] else to_musicxml
    written = writer(melody, title=title, key=key, chords=placed, program=program or 0)
    if ending == ENDINGS["mxl"]:
        return packed(written)
    return engrave(written, title) if ending == ENDINGS["score"] else written


def asked_chords(text: str, melody: Melody) -> list[Placed]:
    """A progression ("| Dm7 | G7 | C |") over all bars of a melody.

    >>> asked_chords("| C | F G |", Melody.from_notes([0], [32], [60]))
    [Placed(bar=1, share=0.0, name='C'), Placed(bar=2, share=0.0, name='F'), Placed(bar=2, share=0.5, name='G')]
    """
    bar, played = melody.metre.bar_steps, played_chords(Chords(text), melody.bars, melody.metre)
    return [Placed(notes.start // bar + 1, notes.start % bar / bar, chord.name) for chord, notes in played]


def _signed_key(song: Song) -> str | None:
    """The key of the first key signature of a song that says more than no sharps and flats, major; None without one."""
    for chunk in file_chunks(song.data, song.name)[:-1]:
        for event in track_events(chunk, song.name):
            if event.message[:2] == _SIGNATURE and len(event.text) >= 2 and event.text[:2] != b"\0\0":
                fifths = int.from_bytes(event.text[:1], "big", signed=True)
                return key_of_signature(KeySignature(fifths, event.text[1] == 1)) if -7 <= fifths <= 7 else None
    return None


def _chords_in(song: Song, melody: Melody) -> Sequence[Placed]:
    """The chords that stand in the stretch of a song which a melody is, bars counted from its first."""
    try:
        found = chords_of(song)
        first = next((s.first for s in stretches(song) if s.bars == melody.bars), None) if found else None
    except MidiError:
        return ()
    return () if first is None else [c._replace(bar=c.bar - first + 1) for c in found]
