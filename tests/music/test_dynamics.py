"""New notes are as loud as the song's around them, and accented where the song accents."""

import numpy as np
import pytest
from midi_files import chunk, midi

from cantilena.music.dynamics import Dynamics
from cantilena.music.metre import COMMON
from cantilena.music.midi import read_song
from cantilena.music.passage import read_passage
from cantilena.music.splice import TickNote, read_notes

STEP = 120  # ticks of a sixteenth


def weight(tick):
    return int(COMMON.weights[tick // STEP % 16])


def played(step, level):
    """How hard a pianist strikes a step."""
    return level + {0: 24, -1: 12, -2: 6, -3: 0, -4: -10}[int(COMMON.weights[step % 16])]


def notes(bars, level=lambda step: 70):
    random = np.random.default_rng(3)
    steps = [s for s in range(bars * 16) if s % 4 == 0 or random.random() < 0.5]
    return [TickNote(s * STEP, (s + 1) * STEP, 60 + s % 7, played(s, level(s))) for s in steps]


def test_accents_are_the_songs():
    dynamics = Dynamics(notes(16), weight)
    found = [dynamics.velocity(s * STEP) for s in range(64, 80)]
    assert np.abs(np.array(found) - [played(s, 70) for s in range(64, 80)]).max() <= 4
    assert found[0] - found[1] > 25


def test_the_level_is_that_around():
    dynamics = Dynamics(notes(16, lambda step: 90 if step < 128 else 45), weight)
    loud, soft = (np.array([dynamics.velocity(s * STEP) for s in at]) for at in (range(32, 48), range(208, 224)))
    assert np.abs(loud - soft - 45).max() <= 6


def test_a_flat_song_stays_flat_and_one_of_few_notes_is_not_read_into():
    flat = [note._replace(velocity=80) for note in notes(16)]
    assert {Dynamics(flat, weight).velocity(s * STEP) for s in range(64)} == {80}
    two = Dynamics([TickNote(0, STEP, 60, 120), TickNote(STEP, 2 * STEP, 60, 40)], weight)
    assert 40 < two.velocity(2 * STEP) < two.velocity(16 * STEP) < 120


def test_alone_the_metre_is_heard_lightly_and_nothing_is_out_of_range():
    alone = Dynamics([], weight)
    assert [alone.velocity(s * STEP) for s in (0, 8, 4, 2, 1)] == [90, 84, 80, 76, 76]
    top = Dynamics([note._replace(velocity=127 if weight(note.start) == 0 else 126) for note in notes(8)], weight)
    assert max(top.velocity(s * STEP) for s in range(128)) <= 127
    low = Dynamics([note._replace(velocity=1) for note in notes(8)], weight)
    assert min(low.velocity(s * STEP) for s in range(128)) == 1


def test_bars_anew_are_written_so():
    song = notes(12)
    events = sorted(
        [(n.start, 1, bytes([0x90, n.pitch, n.velocity])) for n in song] + [(n.end, 0, bytes([0x80, n.pitch, 0])) for n in song]
    )  # fmt: skip
    data = midi(chunk([(tick, message) for tick, _, message in events]))
    passage = read_passage(data, ((5, 6),))
    tokens = np.zeros(passage.before.events.size, np.int8)
    tokens[64:96:2] = 50
    new = [n for n in read_notes(read_song(passage.write(passage.melody(tokens)))) if 64 * STEP <= n.start < 96 * STEP]
    assert len(new) == 16
    for note in new:
        assert note.velocity == pytest.approx(played(note.start // STEP, 70), abs=4)
