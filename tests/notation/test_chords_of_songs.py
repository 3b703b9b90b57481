"""Chord symbols are read from a song's markers, whatever their spelling; other markers are no chords."""

import pytest
from midi_files import chunk, midi, signature, track, tune
from sheets import song_of

from cantilena.music.melody import Melody
from cantilena.music.midi import read_song
from cantilena.notation.chords import KINDS, Placed, chord_name, chords_of, kind_of, normal_chord, split_chord
from cantilena.notation.progression import progression
from cantilena.notation.to_abc import to_abc
from cantilena.notation.to_musicxml import to_musicxml


def song(*markers: tuple[int, str], metre: tuple[int, int] = (4, 4)):
    """A tune with markers at these quarters."""
    told = [(0, signature(*metre))]
    told += [(at * 480, b"\xff\x06" + bytes([len(text.encode())]) + text.encode()) for at, text in markers]
    return read_song(midi(chunk(told), track(tune(1, 8))))


def test_where_they_stand():
    found = chords_of(song((0, "Am7"), (6, "D7"), (8, "Gmaj7/B"), (400, "C")))
    assert found == [Placed(1, 0, "Am7"), Placed(2, 0.5, "D7"), Placed(3, 0, "Gmaj7/B")]
    assert chords_of(song((4, "C7"), metre=(3, 4))) == [Placed(2, pytest.approx(1 / 3), "C7")]


def test_markers_that_are_no_chords():
    assert chords_of(song((0, "Intro"), (4, "Verse 1"), (8, "Am"), (12, "Chorus"), (16, "End"))) == [Placed(3, 0, "Am")]
    assert chords_of(song((0, "A"), (8, "B"), (16, "C"))) == []
    assert [c.name for c in chords_of(song((0, "A"), (8, "D"), (16, "A")))] == ["A", "D", "A"]


@pytest.mark.parametrize(
    ("text", "name"),
    [("C♯ø", "C#m7b5"), ("A min", "Am"), ("Bb△7", "Bbmaj7"), ("G13(no5)", "G13(no5)"), ("H7", ""), ("C/", ""), ("Coda", ""),
     ("D.C.", ""), ("Fine", ""), ("B section", ""), ("", "")],
)  # fmt: skip
def test_spellings(text, name):
    assert normal_chord(text) == name


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_there_and_back(kind):
    assert kind_of(split_chord(chord_name("F#", kind, bass="A#"))[1]) == (kind, ())


@pytest.mark.parametrize("text", ["N.C.", "NC", "n.c.", "N.C", "No chord"])
def test_the_sign_that_nothing_is_played(text):
    assert normal_chord(text) == "N.C."
    placed = song((0, "C"), (4, text), (6, "G7"), (12, "C"))
    assert progression(placed)[:4] == ["C", "N.C. G7", "G7", "C"]


def test_no_chord_goes_there_and_back_in_notation():
    melody = Melody.from_notes(range(0, 48, 4), range(4, 52, 4), [60, 62, 64, 65] * 3)
    chords = [Placed(1, 0, "C"), Placed(2, 0.5, "N.C."), Placed(3, 0, "G7")]
    for write in (to_abc, to_musicxml):
        data = write(melody, title="Tune", key="C", chords=chords)
        assert chords_of(song_of(data)) == chords
