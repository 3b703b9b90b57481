"""Locks hold in every edit, whatever the model wants: here its networks are untrained and want nonsense."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from midi_files import STEP, chunk, midi, signature, song, tempo, track, tune

from cantilena.composer import load
from cantilena.edits.recompose import recompose, windows
from cantilena.errors import MidiError
from cantilena.model import Model
from cantilena.music.bars import bar_lines, parse_bars
from cantilena.music.extract import extract
from cantilena.music.locks import Locks, lock_melody
from cantilena.music.melody import Melody, Notes
from cantilena.music.metre import COMMON
from cantilena.music.midi import read_song
from cantilena.music.passage import read_passage
from cantilena.music.splice import find_part, read_notes
from cantilena.result import Result
from melodies import random_melody


@pytest.fixture(scope="module")
def composer(toy_model):
    return load(toy_model)


def notes_of(melody):
    return set(zip(*(a.tolist() for a in melody.notes), strict=True))


def bars_of(spans):
    return {b for first, last in spans for b in range(first, last + 1)}


# -- locks, without a model ------------------------------------------------------------------


@st.composite
def edits(draw, bars=8):
    """A melody, bars of it to compose anew, notes of it to keep there, and what a model wrote over all of it."""
    melody, new = (random_melody(draw(st.integers(0, 10**6)), bars) for _ in range(2))
    spans = draw(st.lists(st.tuples(st.integers(1, bars), st.integers(0, 3)), min_size=1, max_size=3))
    spans = parse_bars([(first, min(first + more, bars)) for first, more in spans])
    which = np.array(draw(st.lists(st.booleans(), min_size=melody.notes.pitch.size, max_size=melody.notes.pitch.size)))
    keep = Melody.from_notes(*(a[which] for a in melody.notes), bars=bars)
    return melody, new, spans, keep


@given(edits())
def test_held_notes_come_back_and_new_ones_stay_between_them(edit):
    melody, new, spans, keep = edit
    locks = lock_melody(melody, spans, keep)
    after = Melody.from_tokens(locks.paste(new.events))  # from_tokens cannot repair what overlaps: there is one voice
    free = bars_of(spans)
    held = {n for n in notes_of(melody) if n[0] // COMMON.bar_steps + 1 not in free} | notes_of(keep)
    assert held <= notes_of(after)
    theirs = {n[0]: n for n in notes_of(new)}
    ends_before = {n[1] for n in held}
    for start, end, pitch in notes_of(after) - held:
        assert start // COMMON.bar_steps + 1 in free
        assert theirs[start][2] == pitch
        wanted = theirs[start][1]
        assert end <= wanted or melody.events[min(end, melody.events.size) - 1] == 0  # it took over a tail
        if end < wanted:  # cut, and by what is held: a note, or silence after the bars
            assert locks.locked[end] or end in ends_before
    silent = {s for s in range(melody.events.size) if s // COMMON.bar_steps + 1 not in free}
    silent -= {s for a, b, _ in notes_of(melody) | held for s in range(a, b)}
    assert not silent & {s for a, b, _ in notes_of(after) for s in range(a, b)}  # locked rests are rests


def test_a_new_note_takes_over_where_the_old_one_rang_out_of_the_bars():
    melody = Melody.from_notes([0, 14, 24], [8, 20, 32], [60, 62, 64])
    locks = lock_melody(melody, ((1, 1),))
    new = Melody.from_notes([12], [32], [70])
    assert notes_of(Melody.from_tokens(locks.paste(new.events))) == {(12, 20, 70), (24, 32, 64)}
    silent = Melody.from_notes([0], [4], [70], bars=2)
    assert notes_of(Melody.from_tokens(locks.paste(silent.events))) == {(0, 4, 70), (24, 32, 64)}


def test_a_held_note_that_rings_into_the_bars_is_held_to_its_end():
    melody = Melody.from_notes([0, 12, 24], [8, 20, 32], [60, 62, 64])
    locks = lock_melody(melody, ((2, 2),))
    new = Melody.from_notes([16, 18, 22], [18, 22, 26], [70, 71, 72], bars=2)
    assert notes_of(Melody.from_tokens(locks.paste(new.events))) == {(0, 8, 60), (12, 20, 62), (22, 26, 72)}


def test_silence_before_and_after_the_melody_says_nothing():
    notes = Notes(*map(np.array, ([40, 100], [44, 104], [60, 62])))  # bars 3 and 7 of 10
    free = np.arange(160) // COMMON.bar_steps == 4
    locks = Locks.around(notes, free)
    assert np.unique(np.flatnonzero(locks.known) // COMMON.bar_steps).tolist() == [2, 3, 5, 6]


# -- windows ----------------------------------------------------------------------------------


@given(st.sets(st.integers(0, 199), min_size=1), st.integers(1, 200))
def test_every_phrase_is_composed_once_in_a_window_that_holds_it_with_context(todo, phrases):
    todo = np.array(sorted(p for p in todo if p < phrases), np.int64)
    found = windows(todo, phrases)
    assert [p for _, now in found for p in now] == todo.tolist()
    for first, now in found:
        assert 0 <= first <= max(0, phrases - 32)
        assert first + min(4, now[0]) <= now[0]
        assert now[-1] + min(4, phrases - 1 - now[-1]) < first + 32


# -- the composer -----------------------------------------------------------------------------


@pytest.mark.parametrize("bars", ["1-8", "5", "20-29,41-44", "69-70", "1-70"])
@pytest.mark.parametrize("grid", ["odd", "even"])
def test_only_the_bars_change(composer, bars, grid):
    melody, free = random_melody(3), bars_of(parse_bars(bars))
    after = composer.infill(melody, bars, grid=grid, seed=1, steps=2, resample=1)
    assert after.bars == 70
    for one, other in ((melody, after), (after, melody)):
        assert {n for n in notes_of(one) if n[0] // COMMON.bar_steps + 1 not in free} <= notes_of(other) | {
            n for n in notes_of(one) if (n[1] - 1) // COMMON.bar_steps + 1 in free
        }
    assert {n for n in notes_of(melody) if n[0] // COMMON.bar_steps + 1 not in free} <= notes_of(after)
    assert notes_of(after) != notes_of(melody)


def test_a_seed_is_the_same_edit_and_another_is_another(composer):
    melody = random_melody(3)
    one, again, other = (composer.infill(melody, "9-24", seed=s, steps=2) for s in (1, 1, 2))
    assert one == again
    assert one != other


def test_later_windows_hold_what_earlier_ones_composed(composer):
    """100 bars anew need three windows; each sees the last phrases before it, none that is yet to come."""
    melody, seen = random_melody(3, bars=110), []

    def draw(seed, *, condition, correct, **asked):
        seen.append((seed, condition))
        return np.random.default_rng(seed).normal(size=condition.x_0.shape).astype(np.float32)

    tokens = recompose(composer.model, lock_melody(melody, ((1, 100),)), draw, seed=0)
    latents = composer.encode(Melody.from_tokens(tokens))
    assert len({seed for seed, _ in seen}) == 3
    for (_, condition), first, known in zip(
        seen, [0, 20, 23], [[], [*range(20, 24), 50, 51], [*range(23, 48), *range(50, 55)]], strict=True
    ):
        assert (np.flatnonzero(condition.known[0]) + first).tolist() == list(known)
        np.testing.assert_array_equal(condition.x_0[0, condition.known[0]], latents[list(known)])


def test_a_phrase_held_in_part_is_corrected_at_every_step(composer):
    """The estimate of the phrase moves, and only that one's; an estimate that already has the notes stays."""
    melody, seen = random_melody(3, bars=64), []
    locks = lock_melody(melody, ((5, 5),))

    def draw(seed, *, condition, correct, **asked):
        x_0 = composer.encode(melody)[None]
        seen.append((correct(x_0), x_0, condition, correct(np.zeros_like(x_0))))
        return x_0

    recompose(composer.model, locks, draw, seed=0)
    ((kept, x_0, condition, moved),) = seen
    assert np.flatnonzero(~condition.known[0]).tolist() == [2]
    assert np.flatnonzero(moved[0].any(-1)).tolist() == [2]
    np.testing.assert_array_equal(np.delete(kept[0], 2, 0), composer.model.space.clip(np.delete(x_0[0], 2, 0)))


def test_at_the_edges_of_a_tune_a_model_of_tunes_hears_silence():
    """16 bars from the second half of a phrase on: of the two at the edges nothing is drawn. Between them some is."""
    beats = np.arange(0, 256, 4)
    model, melody, seen = Model.load("open-64"), Melody.from_notes(beats, beats + 4, 60 + beats % 12), []

    def draw(seed, *, condition, correct, **asked):
        seen.append((condition, correct))
        return condition.x_0

    for bars in ((6, 9), (6, 8)):
        recompose(model, lock_melody(melody, (bars,)), draw, seed=0, lead=1)
    edges = Melody.from_tokens(np.pad(melody.events, 16)).phrases()[[0, 8]]
    for condition, _ in seen:
        assert np.flatnonzero(~condition.known[0]).tolist() == [3, 4]
        np.testing.assert_array_equal(condition.x_0[0, [0, 8]], model.to_latents(edges))
    assert [correct is None for _, correct in seen] == [True, False]


# -- songs ------------------------------------------------------------------------------------


@st.composite
def songs(draw):
    """A song of two parts with tempo changes, a pickup or silence before the tune, and timing off the grid."""
    pickup, bars = draw(st.integers(0, 40)), draw(st.integers(8, 70))
    notes = [(s + pickup, e + pickup, p) for s, e, p in tune(draw(st.integers(0, 999)), bars)]
    loose = draw(st.integers(0, 50))
    events = [(0, b"\xff\x03\x04Lead"), (0, b"\xc2\x0b")]
    for k, (s, e, p) in enumerate(notes):
        begin, end = max(s * STEP + (k * 37) % (2 * loose + 1) - loose, 0), e * STEP - (k * 13) % (loose + 1)
        events += [(begin, bytes([0x92, p, 40 + k % 60])), (max(end, begin + 10), bytes([0x82, p, 0]))]
    head = [(draw(st.integers(0, 20_000)), tempo(draw(st.integers(60, 180)))) for _ in range(draw(st.integers(0, 4)))]
    texts = [(draw(st.integers(0, 9000)), b"\xff\x01\x02hi"), (0, b"\xf0\x03\x41\x10\xf7"), (0, signature(4, 4))]
    other = track(tune(draw(st.integers(0, 999)), bars, low=30), name="Bass", channel=1)
    total = -(-(notes[-1][1]) // COMMON.bar_steps)
    spans = draw(st.lists(st.tuples(st.integers(1, total), st.integers(0, 20)), min_size=1, max_size=3))
    return midi(chunk(head + texts), other, chunk(events)), [(a, min(a + more, total)) for a, more in spans]


@given(songs(), st.sampled_from(["odd", "even", None]), st.integers(0, 2**31))
def test_in_a_song_every_note_outside_the_bars_comes_back(composer, given_song, grid, seed):
    data, spans = given_song
    edited = composer.infill(data, spans, grid=grid, seed=seed, steps=1, resample=1, track=0 if seed % 7 == 0 else None)
    free = bars_of(parse_bars(spans))
    was, now = (find_part(read_song(d), edited.track) for d in (data, edited.midi))

    def bar(n):
        return (n.start + STEP // 2) // STEP // COMMON.bar_steps + 1  # of its nearest sixteenth

    outside = [[n[:4] for n in p.notes if bar(n) not in free] for p in (was, now)]
    new = [n for n in now.notes if bar(n) in free]
    assert set(outside[0]) <= set(outside[1])
    added = set(outside[1]) - set(outside[0])  # a new note that waited for a held one, by less than a sixteenth
    assert all(any(start == o[1] for o in outside[0]) for start, *_ in added)
    held = sorted(outside[0])
    assert not any(h[0] < n.end and n.start < h[1] for n in new for h in held)
    assert was.chunks[:2] == now.chunks[:2]  # the conductor, another part: whole chunks, byte for byte
    for k in range(len(was.chunks)):
        assert k == now.chunk or was.chunks[k] == now.chunks[k]


def test_a_new_note_waits_for_a_held_one_that_is_played_long():
    """The last note of bar 3 ends 30 ticks late: a new one on the bar line begins there, and its off stays its own."""
    notes = tune(1, 16)
    k = max(i for i, n in enumerate(notes) if n[1] <= 48)
    late = [(s, e, p) if i != k else (s, 48, 72) for i, (s, e, p) in enumerate(notes)]
    events = [(e * STEP + 30 * (i == k), bytes([0x80, p, 0])) for i, (_, e, p) in enumerate(late)]
    data = midi(chunk([*events, *((s * STEP, bytes([0x90, p, 80])) for s, _, p in late)]))
    passage = read_passage(data, ((4, 4),))
    for pitch in (72, 74):
        new = Melody.from_notes([48], [52], [pitch], bars=16)
        found = read_notes(read_song(passage.write(passage.melody(new.events))))
        assert (48 * STEP + 30, 52 * STEP, pitch, 80) in found
        assert (late[k][0] * STEP, 48 * STEP + 30, 72, 80) in found


def test_kept_notes_come_back_with_tick_length_and_velocity(composer):
    mine = song(track(tune(1, 16), channel=4, program=5))
    of_song = read_notes(read_song(mine))[10]
    keep = song(
        track([(80, 84, 90), (100, 102, 91)]), track([(of_song.start // STEP, of_song.end // STEP, of_song.pitch)])
    )
    edited = composer.infill(mine, "1-16", keep=keep, seed=3, steps=2)
    found = read_notes(read_song(edited.midi))
    assert {of_song, (80 * STEP, 84 * STEP, 90, 80), (100 * STEP, 102 * STEP, 91, 80)} <= set(found)
    assert all(one.end <= other.start for one, other in pairwise(found))
    read = read_song(edited.midi)
    assert [t.program for t in read.tracks] == [5]
    assert find_part(read, 0).channel == 4


def test_new_notes_are_as_loud_as_their_neighbours(composer):
    events = [(0, b"\xff\x03\x01a")]
    for s, e, p in tune(1, 32):
        velocity = 30 if s < 256 else 110
        events += [(s * STEP, bytes([0x90, p, velocity])), (e * STEP, bytes([0x80, p, 0]))]
    data = midi(chunk(events))
    for bars, velocity in (("5-6", 30), ("27-28", 110)):
        edited = composer.infill(data, bars, seed=1, steps=2)
        new = set(read_notes(read_song(edited.midi))) - set(read_notes(read_song(data)))
        assert new
        assert {n.velocity for n in new} == {velocity}


def test_bars_are_counted_through_changes_of_metre(composer):
    """A bar of 2/4 and two of 3/4, then 4/4: its first bar is number 4."""
    shift = 8 + 24
    notes = [(0, 8, 60), (8, 20, 62), *((s + shift, e + shift, p) for s, e, p in tune(2, 12))]
    data = song(track(notes), signatures=[(0, 2, 4), (8, 3, 4), (shift, 4, 4)])
    assert [b.metre for b in bar_lines(read_song(data))][:5] == ["2/4", "3/4", "3/4", "4/4", "4/4"]
    edited = composer.infill(data, "6", seed=2, steps=2)
    changed = set(read_notes(read_song(data))) ^ set(read_notes(read_song(edited.midi)))
    assert changed
    assert {(n.start // STEP - shift) // COMMON.bar_steps for n in changed} == {2}


@pytest.mark.parametrize("division", [1, 2, 3, 5, 6, 7, 96])
def test_on_a_coarse_grid_the_file_holds_what_the_result_says(composer, division):
    """A file of one tick a quarter cannot say sixteenths; its result can."""
    beats = [(4 * k, 4 * k + 4, 60 + 2 * k % 7) for k in range(32)]
    ticks = [(s * division // 4, e * division // 4, p) for s, e, p in beats]
    data = song(track(ticks, step=1), division=division)
    for seed in range(3):
        edited = composer.infill(data, "3-6", seed=seed, rules={"density": "10..16"}, steps=1)
        assert extract(read_song(edited.midi)).melody == edited.melody
        longer = composer.extend(data, 2, seed=seed, steps=1, before=bool(seed % 2))
        read = extract(read_song(longer.midi)).melody
        assert read.notes.start.size == longer.notes.start.size


def test_the_edit_is_saved_whole(composer, tmp_path):
    edited = composer.infill(song(track(tune(1, 16))), [(3, 4)], seed=1, steps=1)
    assert isinstance(edited, Result)
    edited.save(tmp_path / "out.mid")
    assert (tmp_path / "out.mid").read_bytes() == edited.file
    assert edited.before.bars == edited.melody.bars == 16


@pytest.mark.parametrize(
    ("bars", "message"),
    [
        ("15-17", "bars 15-17 are outside the song, which has 16 bars"),
        ("1-2, 99", "bar 99 is outside the song"),
    ],
)
def test_bars_outside_the_song(composer, bars, message):
    with pytest.raises(MidiError, match=message):
        composer.infill(song(track(tune(1, 16))), bars, steps=1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            song(track(tune(1, 16)), signatures=[(0, 3, 4)]),
            "bar 3 is in 3/4, which this model does not know; it knows 4/4 and 2/2",
        ),
        (song(track(tune(1, 16), channel=9)), r"no melody of 4 bars or more \(1 tracks: 1 drums\)"),
        (b"hello, no music", "not a MIDI file"),
        (song(track(tune(1, 4)), signatures=[(48, 3, 4)]), "bars 3-5 are outside|bar 4 is in 3/4"),
    ],
)
def test_a_song_that_cannot_be_edited(composer, data, message):
    with pytest.raises(MidiError, match=message):
        composer.infill(data, "3-5", steps=1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bars": "two"}, "bars are written like 17-32,41-44"),
        ({"bars": ""}, "bars are written like"),
        ({"bars": []}, "no bars are given"),
        ({"bars": "0-3"}, "counted from 1"),
        ({"bars": "5-3"}, "the first before the last"),
        ({"grid": "both"}, "odd or even bars"),
        ({"seed": -1}, "from 0 up"),
        ({"track": 1}, "a track is 0 to 0, not 1"),
        ({"resample": 11}, "visited 1 to 10 times"),
        ({"voice": "kazoo"}, "a voice is one of"),
        ({"keep": song(track([(0, 4, 60), (80, 84, 33)]))}, "to keep, A1 in bar 6, is neither"),
        ({"keep": random_melody(1)}, "the notes to keep are a MIDI file"),
    ],
)
def test_a_wrong_argument_says_what_is_right(composer, given, message):
    with pytest.raises(ValueError, match=message):
        composer.infill(song(track(tune(1, 16))), **{"bars": "1-2", "steps": 1, **given})


def test_of_a_melody_too(composer):
    melody = random_melody(1, 8)
    with pytest.raises(ValueError, match="outside the melody, which has 8 bars"):
        composer.infill(melody, "8-9")
    with pytest.raises(ValueError, match="to keep, C4 in bar 5, is neither"):
        composer.infill(melody, "1-2", keep=Melody.from_notes([65], [66], [60], bars=8))
    with pytest.raises(ValueError, match="no track is chosen"):
        composer.infill(melody, "1-2", track=1)
