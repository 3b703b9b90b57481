"""Chords that are guessed are those that sound, by bar or by half a bar; symbols are spread over the beats of a bar."""

from dataclasses import replace

import numpy as np
import pytest
from midi_files import chunk, midi, signature, song, track, tune

from cantilena.errors import MidiError
from cantilena.music.bars import bar_lines
from cantilena.music.midi import Track, read_song
from cantilena.notation.chords import Placed
from cantilena.notation.estimated_chords import estimate_chords
from cantilena.notation.progression import in_bars, progression, whole
from cantilena.rules import Chords, chord_notes

KEYS = [("C", "Am", "F", "G"), ("Eb", "Cm", "Fm", "Bb7"), ("F#m", "D", "Bm", "E7"), ("Dm", "Gm", "C", "F")]


def played(*bars: str, drums: bool = False):
    """Sixteen bars of 4/4 in which chords are struck on the bar, and a note of each is sung above it."""
    text = f"| {' | '.join(bars)} |"
    beneath = [(s, e, p) for s, e, pitches in chord_notes(Chords(text), 16) for p in pitches]
    above = [(s, e, max(pitches) + 12) for s, e, pitches in chord_notes(Chords(text), 16)]
    more = [track([(k, k + 1, 36) for k in range(0, 256, 4)], channel=9)] if drums else []
    return read_song(song(track(above), track(beneath, channel=1), *more))


@pytest.mark.parametrize("names", KEYS)
def test_what_is_played_is_what_is_heard(names):
    assert progression(played(*names), guess=True) == list(names) * 4
    assert progression(played(*names, drums=True), guess=True) == list(names) * 4


def test_chords_of_half_a_bar():
    assert progression(played("C G", "Am", "F C", "G"), guess=True)[:4] == ["C G", "Am", "F C", "G"]


def test_where_only_drums_sound_there_is_no_chord():
    heard = played("C")
    drums = Track("", None, True, *(np.array(x) for x in ([0], [100], [40])))
    silent = replace(heard, tracks=(drums,))
    assert estimate_chords(silent, bar_lines(heard)[:2]) == [[""], [""]]
    late = replace(heard, tracks=tuple(replace(t, start=t.start + 1920, end=t.end + 1920) for t in heard.tracks))
    assert progression(late, guess=True)[:2] == ["N.C.", "C"]
    with pytest.raises(MidiError, match="has no chords, and no notes that could tell them"):
        whole(replace(heard, tracks=(replace(drums, end=np.array([20000])),)))


def test_symbols_come_before_guesses():
    marked = [(0, signature(4, 4)), (1920, b"\xff\x06\x02Am")]
    assert whole(read_song(midi(chunk(marked), track(tune(1, 8))))).chords == f"| {' | '.join(['Am'] * 7)} |"
    assert whole(played("C")).chords.startswith("estimated | C |")
    assert progression(played("C")) == []


def test_chords_stand_on_beats_as_the_rule_spreads_them():
    """Every bar of names, spread out by the rule again, has each beat's own chord."""
    random = np.random.default_rng(0)
    for metre, beats in (("4/4", 4), ("3/4", 3), ("5/4", 5), ("6/8", 2), ("12/8", 4), ("7/8", 7)):
        lines = bar_lines(read_song(midi(chunk([(0, signature(*map(int, metre.split("/"))))]), track(tune(1, 20)))))
        names = random.choice(["C", "G7", "Am"], (len(lines), beats))
        placed = [Placed(k + 1, b / beats, str(names[k, b])) for k in range(len(lines)) for b in range(beats)]
        for text, each in zip(in_bars(placed, lines), names.tolist(), strict=True):
            steps = Chords(text)
            few = text.split()
            assert len(few) <= beats
            whole_, more = divmod(beats, len(few))
            spread = [name for k, name in enumerate(few) for _ in range(whole_ + (k < more))]
            assert spread == each
            assert len(steps.bars) == 1
