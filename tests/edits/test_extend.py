"""New bars are composed beside what is held, in one sample, and a song around them comes back event by event."""

import io
from collections import Counter
from fractions import Fraction
from functools import partial
from types import SimpleNamespace

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from midi_files import STEP, chunk, midi, signature, tempo, track, tune

from cantilena.composer import load
from cantilena.edits.extend import bridge, extend
from cantilena.music.insert import free_bars, insert_after, insert_before, insert_between
from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON
from cantilena.music.midi import read_song
from cantilena.music.splice import find_part, read_notes
from cantilena.rules import Key, Rules
from cantilena.writing import Bounds
from melodies import random_melody
from oracles import Oracle


@pytest.fixture(scope="module")
def composer(toy_model):
    return load(toy_model)


def watched(composer, verb, locks):
    """The tokens of an edit whose samples are noise, and the samples that it asked for."""
    asked = []

    def draw(seed, phrases=32, condition=None, correct=None, **steered):
        x_0 = np.random.default_rng(seed).normal(size=(1, phrases, composer.model.space.D)).astype(np.float32)
        asked.append((phrases, condition, x_0[0]))
        return x_0

    return verb(composer.model, locks, draw, seed=3), asked


# -- what is held -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bars", "new", "phrases", "held", "composed"),
    [  # bars there, new bars; phrases of the sample, of which held, and where the new ones stand
        (70, 32, 32, 16, 16),  # what one window has room for
        (70, 8, 32, 24, 24),  # never more than 24, and the rest is sampled, too
        (71, 8, 32, 24, 24),  # phrases are counted from the joint
        (70, 64, 48, 16, 16),
        (70, 1000, 516, 16, 16),  # all at once
        (70, 3, 32, 24, 24),  # two phrases for three bars
        (7, 4, 32, 3, 4),  # a bar that fills no phrase is not held
        (1, 4, 32, 1, 1),  # but where there is no other
    ],
)
@pytest.mark.parametrize("before", [False, True])
def test_phrases_at_the_joint_are_held_and_the_new_ones_stand_beside_them(
    composer, bars, new, phrases, held, composed, before
):
    melody = random_melody(5, bars) if bars > 1 else Melody.from_notes([0, 4], [4, 16], [60, 64])
    locks = free_bars(new, **{"before" if before else "after": melody})
    tokens, ((size, condition, x_0),) = watched(composer, extend, locks)
    assert size == phrases
    begin = composed if bars < 8 else held
    there = np.flatnonzero(condition.known[0])
    rows = slice(size - begin - -(-new // 2), size - begin) if before else slice(begin, begin + -(-new // 2))
    edge = there[0] == rows.stop if before else there[-1] == rows.start - 1
    assert (len(there), edge, np.ptp(there)) == (held, True, held - 1)
    whole = Melody.from_tokens(np.pad(melody.events, (0, 32))).phrases()[:held] if before else _aligned(melody)[-held:]
    np.testing.assert_array_equal(
        condition.x_0[0, there], composer.model.space.normalize(composer.model.encode(whole)[0])
    )
    heard = np.zeros((size, 32), np.int8)  # what is new is written beside what is held
    heard[there] = whole
    bounds = Bounds.fixing(heard, np.tile(condition.known[0][:, None], 32))
    sampled = composer.model.to_phrases(x_0, bounds)
    if not before:  # which the decoder hears, but what comes after it only as pitch classes
        assert not np.array_equal(sampled[rows], composer.model.to_phrases(x_0)[rows])
    steps = new * COMMON.bar_steps
    mine = sampled[rows].reshape(-1)
    mine, now = (mine[-steps:], tokens[:steps]) if before else (mine[:steps], tokens[-steps:])
    np.testing.assert_array_equal(mine[1:], now[1:])
    old = Melody.from_tokens(tokens[steps:] if before else tokens[:-steps])
    assert old == melody


def _aligned(melody):
    """Phrases of which the last ends with the melody."""
    odd = np.zeros(melody.bars % 2 * COMMON.bar_steps, np.int8)
    return Melody.from_tokens(np.append(odd, melody.events)).phrases()


@pytest.mark.parametrize(("bars", "new"), [(64, 8), (63, 8), (64, 7), (9, 60)])
def test_a_bridge_is_composed_between_both(composer, bars, new):
    a, b = random_melody(1, bars), random_melody(2, 40)
    tokens, asked = watched(composer, bridge, free_bars(new, after=a, before=b))
    steps = bars * COMMON.bar_steps
    assert Melody.from_tokens(tokens[:steps]) == a
    assert Melody.from_tokens(tokens[steps + new * COMMON.bar_steps :]) == b
    _, condition, _ = asked[0]
    known = composer.model.space.normalize(composer.model.encode(_aligned(a)[-4:])[0])
    joint = int(np.flatnonzero(~condition.known[0])[0])  # a phrase begins there
    np.testing.assert_array_equal(condition.x_0[0, joint - 4 : joint], known)
    assert condition.known[0, joint + new // 2 + 1 :].any() == (new < 60)  # b is held, too


class Holds(Oracle):
    """Who only ever goes on, in place of a model whose latents it takes."""

    def __init__(self, model):
        super().__init__(np.zeros((1, 32)))
        self.space, self.to_latents = model.space, model.to_latents

    def plan(self, z, sigma, labels):
        return super().plan(np.zeros((len(z), 1)), sigma, labels)


@pytest.mark.parametrize("rules", [None, Rules([Key("chromatic")])], ids=["free", "rules"])
def test_a_note_that_would_go_on_ends_at_the_joint(composer, rules):
    """A decoder that only ever goes on: of the held note nothing is left behind the joint."""
    held = Melody.from_notes([0, 4, 8], [4, 8, 64], [60, 62, 64])
    other = SimpleNamespace(model=Holds(composer.model), decode=composer.decode)
    tokens, _ = watched(other, partial(extend, rules=rules), free_bars(2, after=held))
    assert Melody.from_tokens(tokens).notes.end.tolist() == [4, 8, 64]


def test_what_is_new_is_written_after_what_is_held(composer):
    """A decoder that repeats the note it heard last knows that of the song's last bar."""

    class Repeats(Holds):
        def step(self, plan, plain, token, notes, state):
            return np.where(np.arange(90) == notes[:, :1], 1, plain * 0).astype(np.float32), state

    other = SimpleNamespace(model=Repeats(composer.model), decode=composer.decode)
    song_ = random_melody(4, 40)
    last = int(song_.notes.pitch[-1])
    tokens, _ = watched(other, extend, free_bars(8, after=song_))
    new = Melody.from_tokens(tokens).notes
    assert set(new.pitch[new.start >= 640].tolist()) == {last}
    assert (new.start >= 640).sum() == 8 * COMMON.bar_steps


def test_a_seed_is_the_same_music_and_another_is_another(composer):
    locks, between = free_bars(8, after=random_melody(1)), free_bars(8, after=random_melody(1), before=random_melody(2))
    for verb, room in ((extend, locks), (bridge, between)):
        one, again, other = (
            verb(composer.model, room, composer.bound_sampler({"steps": 2}), seed=s) for s in (1, 1, 2)
        )
        assert np.array_equal(one, again)
        assert not np.array_equal(one, other)


# -- songs ------------------------------------------------------------------------------------


def edited(composer, passage, verb, seed=0):
    after = passage.melody(verb(composer.model, passage.locks, composer.bound_sampler({"steps": 1}), seed=seed))
    return passage.write(after), after


@st.composite
def songs(draw):
    """A song of two parts, 4/4 at both ends, with tempo changes, texts, controllers and timing off the grid."""
    pickup, bars, loose = draw(st.integers(0, 40)), draw(st.integers(8, 16)), draw(st.integers(0, 50))
    division = draw(st.sampled_from([480, 384, 96]))
    step = division // 4
    notes = [(s + pickup, e + pickup, p) for s, e, p in tune(draw(st.integers(0, 999)), bars)]
    setup = [b"\xff\x03\x04Lead", bytes([0xC2, draw(st.integers(0, 127))]), b"\xb2\x07\x50", b"\xe2\x00\x40"]
    events = [(draw(st.sampled_from([0, 0, 1])), e) for e in setup]
    for k, (s, e, p) in enumerate(notes):
        begin, end = max(s * step + (k * 37) % (2 * loose + 1) - loose, 0), e * step - (k * 13) % (loose + 1)
        events += [(begin, bytes([0x92, p, 40 + k % 60])), (max(end, begin + 5), bytes([0x82, p, 0]))]
    last = notes[-1][1] * step
    head = [(draw(st.integers(0, last)), tempo(draw(st.integers(60, 180)))) for _ in range(draw(st.integers(0, 3)))]
    texts = [(draw(st.integers(0, last)), m) for m in (b"\xff\x01\x02hi", b"\xff\x06\x01A")]
    texts += [(draw(st.integers(1, last)), b"\xb2\x40\x7f")]
    other = track(tune(draw(st.integers(0, 999)), bars, low=30), name="Bass", channel=1, step=step)
    return midi(chunk([*head, (0, signature(4, 4))]), other, chunk([*events, *texts]), division=division)


def timed(data, at=0, moves=lambda message: True):
    """All messages as mido reads them, in quarters as fractions; `at` later where they move."""
    file, found = mido.MidiFile(file=io.BytesIO(data)), Counter()
    for one in file.tracks:
        tick = 0
        for message in one:
            tick += message.time
            if message.type != "end_of_track":
                raw = tuple(message.bytes())
                found[Fraction(tick, file.ticks_per_beat) + (at if tick or moves(raw) else 0), raw] += 1
    return found


def is_music(message):
    return message[0] >> 4 in (8, 9) or message[:2] == (0xFF, 0x06)


@given(songs(), songs(), st.integers(1, 20), st.sampled_from(["after", "before", "between"]), st.integers(0, 2**31))
def test_all_of_a_song_comes_back_and_only_notes_of_the_new_bars_are_added(composer, a, b, bars, where, seed):
    if where == "between":
        passage, verb = insert_between(a, b, bars), bridge
    else:
        passage, verb = (insert_after if where == "after" else insert_before)(a, bars), extend
    data, after = edited(composer, passage, verb, seed)
    begin = 4 * (passage.bars[0][0] - passage.stretch.first) + Fraction(
        passage.stretch.begin, passage.song.ticks_per_quarter
    )
    end = begin + 4 * bars
    wanted = timed(a, 4 * bars, is_music) if where == "before" else timed(a)
    if where == "between":
        wanted += timed(b, end)
    found = timed(data)
    assert not wanted - found
    added = found - wanted
    channel = passage.part.channel
    notes = Counter({e: n for e, n in added.items() if e[1][0] in (0x80 | channel, 0x90 | channel)})
    rest = set((added - notes).keys())
    assert all(begin <= q <= end for q, _ in notes)
    if where == "between":  # time, and what a's controllers are set back to
        assert {q for q, _ in rest} <= {begin, end}
    else:
        assert {m[0] for _, m in rest} <= {0xB0 | channel, 0xC0 | channel}  # the pedal comes up
        assert {q for q, _ in rest} <= {begin, end}
    # the notes of the melody are there as the next reader sees them, and sound as the track
    read = read_song(data)
    part = find_part(read, passage.candidate.track)
    assert [t.program or 0 for t in read.tracks] == [t.program or 0 for t in passage.song.tracks]
    new = [n for n in part.notes if begin <= Fraction(n.start, read.ticks_per_quarter) < end]
    wanted_new = sum(1 for s in after.notes.start.tolist() if not passage.locks.locked[s])
    assert 0 <= wanted_new - (len(part.notes) - len(passage.part.notes)) <= 1  # one that has no room beside a late one
    assert len(new) >= wanted_new - 1
    assert after.bars == passage.before.bars + bars if where != "between" else after.bars > passage.before.bars + bars


def test_new_notes_are_as_loud_as_their_neighbours(composer):
    events = [(0, b"\xc4\x05")]
    for s, e, p in tune(1, 32):
        events += [(s * STEP, bytes([0x94, p, 30 if s < 256 else 110])), (e * STEP, bytes([0x84, p, 0]))]
    data = midi(chunk(events))
    for passage, verb, velocity in (
        (insert_after(data, 4), extend, 110), (insert_before(data, 4), extend, 30), (insert_between(data, data, 4), bridge, 110)
    ):  # fmt: skip
        out, _ = edited(composer, passage, verb)
        first = (passage.bars[0][0] - 1) * COMMON.bar_steps * STEP
        new = [n for n in read_notes(read_song(out)) if first <= n.start < first + 4 * COMMON.bar_steps * STEP]
        assert new
        assert {n.velocity for n in new} == {velocity}
