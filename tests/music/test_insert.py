"""Room for new bars: where it is made in a melody and in a song, and what has none."""

import numpy as np
import pytest
from midi_files import STEP, chunk, midi, signature, song, tempo, track, tune

from cantilena.errors import MidiError
from cantilena.music.insert import free_bars, insert_after, insert_before, insert_between
from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON, FOUR_FOUR
from melodies import random_melody

BAR = COMMON.bar_steps * STEP


def shifted(notes, steps):
    return [(s + steps, e + steps, p) for s, e, p in notes]


def open_bars(locks):
    return (np.flatnonzero((~locks.locked).reshape(-1, COMMON.bar_steps).all(1)) + 1).tolist()


def test_room_is_free_and_all_else_is_held():
    a, b = random_melody(1, 5), random_melody(2, 3)
    assert open_bars(free_bars(2, after=a)) == [6, 7]
    assert open_bars(free_bars(2, before=b)) == [1, 2]
    locks = free_bars(2, after=a, before=b)
    assert open_bars(locks) == [6, 7]
    for part, melody in ((slice(0, 80), a), (slice(112, 160), b)):
        assert Melody.from_tokens(locks.tokens[part]) == melody
        assert locks.locked[part].all()


def test_new_notes_end_where_held_music_or_silence_begins():
    """A note held to the joint ends there, and a new one does not ring into the rest before a pickup."""
    held = Melody.from_notes([0], [16], [60])
    pickup = Melody.from_notes([12], [16], [64])
    locks = free_bars(1, after=held, before=pickup)
    new = np.zeros(48, np.int8)
    new[20] = 50
    notes = Melody.from_tokens(locks.paste(new)).notes
    assert [n.tolist() for n in notes] == [[0, 20, 44], [16, 32, 48], [60, 69, 64]]


# -- songs ------------------------------------------------------------------------------------


def test_after_is_behind_the_last_bar_of_the_track_and_beneath_the_others():
    """The tune sounds to bar 12, the bass to bar 20: the new bars are 13 to 15."""
    data = song(track(tune(1, 12), name="Lead"), track(tune(2, 20, low=30), name="Bass", channel=1))
    passage = insert_after(data, 3)
    assert (passage.candidate.track, passage.bars, passage.before.bars) == (0, ((13, 15),), 12)
    assert (passage.stretch.begin, passage.stretch.bars, open_bars(passage.locks)) == (0, 15, [13, 14, 15])
    assert insert_after(data, 3, track=1).bars == ((21, 23),)


def test_a_last_note_played_a_little_long_makes_no_bar():
    notes = tune(1, 12)
    for late, bar in ((40, 13), (80, 14)):  # of 120 ticks a sixteenth
        events = [(s * STEP, bytes([0x90, p, 80])) for s, _, p in notes]
        events += [(e * STEP + (late if e == notes[-1][1] else 0), bytes([0x80, p, 0])) for _, e, p in notes]
        assert insert_after(midi(chunk(events)), 1).bars == ((bar, bar),)


def test_bars_after_are_counted_through_changes_of_metre():
    """Two bars of 3/4, then 4/4 in which the tune begins in its third bar: new bars go on in 4/4, from bar 15."""
    data = song(track(shifted(tune(1, 10), 24 + 32)), signatures=[(0, 3, 4), (24, 4, 4)])
    passage = insert_after(data, 2)
    assert (passage.bars, passage.stretch.first, passage.stretch.begin) == (((15, 16),), 3, 24 * STEP)
    assert passage.before.notes.start[0] == 32
    assert open_bars(passage.locks) == [13, 14]


def test_new_bars_sound_as_the_track_though_its_channel_changed():
    """The tune is played with program 5 and fades out, and then the channel goes to 9 for nobody."""
    setup = [(0, b"\xc0\x05"), (0, b"\xb0\x07\x50"), (11 * BAR, b"\xb0\x07\x00"), (12 * BAR, b"\xc0\x09")]
    notes = [(s * STEP, bytes([0x90, p, 80])) for s, _, p in tune(1, 12)]
    notes += [(e * STEP, bytes([0x80, p, 0])) for _, e, p in tune(1, 12)]
    passage = insert_after(midi(chunk([*setup, *notes])), 3)
    events = [(e.tick, e.message) for e in passage.part.events if e.status in (0xB0, 0xC0)]
    assert events == [*setup, (12 * BAR, b"\xc0\x05"), (12 * BAR, b"\xb0\x07\x50")]


def test_before_moves_the_song_and_keeps_the_bars_in_which_the_tune_waits():
    data = song(track(shifted(tune(1, 10), 32)), track(tune(2, 12, low=30), name="Bass", channel=1))
    passage = insert_before(data, 4)
    assert (passage.bars, open_bars(passage.locks)) == (((1, 4),), [1, 2, 3, 4])
    assert passage.before.notes.start[0] == 32
    assert min(n.start for n in passage.part.notes) == 6 * BAR
    assert int(passage.song.tracks[1].start[0]) == 4 * BAR


def test_between_begins_where_all_of_a_has_ended():
    """The tune of a ends in bar 9, its bass in bar 12; b waits a bar. New bars 13 and 14; b is bars 15 on."""
    a = song(track(tune(1, 9)), track(tune(2, 12, low=30), name="Bass", channel=1), division=480)
    b = song(track(shifted([(s, e, p) for s, e, p in tune(3, 8)], 16), channel=2), division=480)
    passage = insert_between(a, b, 2)
    assert (passage.bars, open_bars(passage.locks)) == (((13, 14),), [13, 14])
    assert (passage.before.bars, passage.locks.locked.size) == (12, (12 + 2 + 9) * COMMON.bar_steps)
    assert int(passage.song.tracks[2].start[0]) == 15 * BAR
    assert passage.part.channel == 0
    late = midi(chunk([(12 * BAR + 5 * STEP, tempo(60))]), track(tune(1, 9)))
    assert insert_between(late, b, 2).bars == ((14, 15),)  # a change of tempo must not come in b


def test_between_counts_ticks_that_fit_both():
    a, b = song(track(tune(1, 8)), division=480), song(track(tune(3, 8), step=96), division=384)
    passage = insert_between(a, b, 1, track_b=0)
    assert passage.song.ticks_per_quarter == 1920
    assert int(passage.song.tracks[1].start[0]) == 9 * 4 * 1920
    assert passage.song.qpm == 120
    late = song(track(shifted(tune(1, 8), 24)), signatures=[(0, 3, 4), (24, 4, 4)])  # two bars of 3/4 before
    passage = insert_between(late, b, 1)
    assert (passage.bars, passage.stretch.begin) == (((11, 11),), 6 * 1920)


# -- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bars", [0, -3, 1001, 2.5, True, "8", np.float64(8), np.bool_(True)])
def test_bars_that_are_none(bars):
    for call in (
        lambda: free_bars(bars, after=random_melody(1, 4)), lambda: insert_before(song(track(tune(1, 8))), bars)
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"1 to 1000 new bars are composed, not {bars}"):
            call()


def test_a_melody_without_notes():
    with pytest.raises(ValueError, match="a melody without notes"):
        free_bars(2, after=random_melody(1, 4), before=Melody(np.zeros(32, np.int8)))


@pytest.mark.parametrize(
    ("data", "where", "message"),
    [
        (song(track(tune(1, 12)), signatures=[(0, 4, 4), (160, 3, 4)]), "after", "track 0 ends in 3/4, which this model"),
        (song(track(tune(1, 12)), signatures=[(0, 4, 4), (160, 3, 4)]), "a", "it ends in 3/4, which this model"),
        (song(track(tune(1, 12)), signatures=[(0, 3, 4), (24, 4, 4)]), "before", "it begins in 3/4, which this model"),
        (song(track(tune(1, 12)), signatures=[(0, 3, 4), (24, 4, 4)]), "b", "it begins in 3/4, which this"),
        (song(track(tune(1, 12)), signatures=[(0, 3, 4)]), "after", "is in 3/4, which this model does not know"),
        (song(track(tune(1, 12), channel=9)), "before", r"no melody of 4 bars or more \(1 tracks: 1 drums\)"),
        (song(track(shifted(tune(1, 12), 48)), signatures=[(0, 4, 4), (16, 3, 4), (28, 4, 4)]), "before",
         "track 0 has no melody in bars 1-1: without notes in 4/4"),
        (midi(chunk([(0, signature(4, 4)), (13 * BAR, signature(3, 4))]), track(tune(1, 12)),
              track(tune(2, 20, low=30), channel=1)), "after", "bar 14, which the new bars would reach, is in 3/4"),
        (midi(chunk([(12 * BAR, signature(3, 4))]), track(tune(1, 12))), "a", "bar 13, which the new bars would reach, is"),
        (midi(chunk([(12 * BAR + 960, signature(4, 4))]), track(tune(1, 12))), "after", "bar 13, .* is cut short"),
        (b"", "after", "the file is empty"),
        (b"", "b", "the file is empty"),
        (b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x01\xe0MTrk\x00\x00\x00\x09\x00", "a", "broken MIDI|no notes|cannot be"),
        (b"hello, no music", "before", "not a MIDI file"),
    ],
)  # fmt: skip
def test_songs_that_have_no_room(data, where, message):
    good = song(track(tune(1, 8)))
    calls = {
        "after": lambda: insert_after(data, 4, metres=FOUR_FOUR),
        "before": lambda: insert_before(data, 4, metres=FOUR_FOUR),
        "a": lambda: insert_between(data, good, 4, metres=FOUR_FOUR),
        "b": lambda: insert_between(good, data, 4, metres=FOUR_FOUR),
    }  # fmt: skip
    with pytest.raises(MidiError, match=f"^MIDI data: {message}") as refused:
        calls[where]()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("call", [
    lambda d: insert_after(d, 4, track=3), lambda d: insert_before(d, 4, track=-1), lambda d: insert_between(d, d, 4, track_b=1),
])  # fmt: skip
def test_a_track_that_is_not_there(call):
    with pytest.raises(ValueError, match="a track is 0 to 0, not"):
        call(song(track(tune(1, 8))))


def test_a_song_that_would_be_too_long():
    slow = song(track(tune(1, 3100), step=1), division=4)
    with pytest.raises(MidiError, match="with the new bars it would be longer than 4,000 bars"):
        insert_after(slow, 1000)
