"""A variation changes what noise changed, and nothing that only the VAE would change; locks hold at every strength."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from midi_files import STEP, chunk, midi, song, track, tune

from cantilena.composer import Composer, load
from cantilena.diffusion import NoiseSchedule
from cantilena.edits.vary import changed_steps, level_of, melody_bars, noise_level, varied_file, vary
from cantilena.music.bars import parse_bars
from cantilena.music.locks import lock_melody
from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON
from cantilena.music.midi import read_song
from cantilena.music.passage import read_passage
from cantilena.music.splice import read_notes
from melodies import random_melody
from oracles import Deaf


@pytest.fixture(scope="module")
def composer(toy_model):
    return load(toy_model)


@pytest.fixture(scope="module")
def deaf(toy_model):
    """A change of one phrase is none of those after it."""
    return Composer(Deaf.load(toy_model))


def notes_of(melody):
    return set(zip(*(a.tolist() for a in melody.notes), strict=True))


def varied(composer, melody, strength, *, bars=None, seed=1, lead=0, draw=None):
    locks = lock_melody(melody, parse_bars(bars) if bars else ((1, melody.bars),))
    draw = draw or composer.bound_sampler({"steps": 2})
    stays, tokens = vary(composer.model, locks, draw, strength=strength, seed=seed, lead=lead)
    return Melody.from_tokens(stays.paste(tokens), melody.qpm)


# -- what changes -----------------------------------------------------------------------------


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_steps_that_do_not_change_have_the_same_notes_in_both(one, other):
    was, now = random_melody(one, 8), random_melody(other, 8)
    spliced = Melody.from_tokens(np.append(was.events[:64], now.events[64:]))
    changed = changed_steps(was, spliced)
    for melody, twin in ((was, spliced), (spliced, was)):
        for note in notes_of(melody):
            assert changed[note[0] : note[1]].all() if note not in notes_of(twin) else not changed[note[0]]
    assert not changed_steps(was, was).any()


def test_what_the_vae_alone_rewrites_stays(composer):
    """The draw gives back the song's latents: decoded they are another melody, but not another than before."""
    melody = random_melody(3, 64)
    assert Melody.from_phrases(composer.decode(composer.encode(melody))) != melody
    assert varied(composer, melody, 0.5, draw=lambda seed, **asked: composer.encode(melody)[None]) == melody


def test_one_phrase_that_comes_back_changed_is_all_that_changes(deaf):
    melody = random_melody(3, 64)
    was = deaf.encode(melody)

    def draw(seed, **asked):
        x_0 = was[None].copy()
        x_0[0, 5] = 3 * np.random.default_rng(seed).normal(size=was.shape[1])
        return x_0

    after = varied(deaf, melody, 0.5, draw=draw)
    assert after != melody
    begin, end = 5 * 32, 6 * 32
    far = 64  # as far as a decoded note may ring out of its phrase
    for a, b in ((melody, after), (after, melody)):
        assert {n for n in notes_of(a) if n[1] <= begin - far or n[0] >= end + far} <= notes_of(b)


def test_at_0_it_is_the_song_and_nothing_is_drawn(composer):
    melody = random_melody(3)
    assert varied(composer, melody, 0, draw=lambda *a, **k: pytest.fail("drawn")) == melody


@pytest.mark.parametrize("bars", ["1-8", "5", "20-29,41-44", "69-70", "1-70"])
@pytest.mark.parametrize("lead", [0, 1])
@pytest.mark.parametrize("strength", [0.4, 1])
def test_only_the_bars_change(composer, bars, lead, strength):
    melody, free = random_melody(3), {b for first, last in parse_bars(bars) for b in range(first, last + 1)}
    after = varied(composer, melody, strength, bars=bars, lead=lead)
    assert after.bars == melody.bars
    assert {n for n in notes_of(melody) if n[0] // COMMON.bar_steps + 1 not in free} <= notes_of(after)
    silent = np.repeat([b + 1 not in free for b in range(melody.bars)], COMMON.bar_steps)
    for a, b, _ in notes_of(melody):
        silent[a:b] = False
    assert not any(silent[a:b].any() for a, b, _ in notes_of(after))
    assert notes_of(after) != notes_of(melody)


def test_silence_around_the_bars_stays_silent(composer):
    """It is not held as the music is, so something is drawn there; it is not heard."""
    notes = random_melody(3, 40).notes
    melody = Melody.from_notes(notes.start + 160, notes.end + 160, notes.pitch, bars=60)
    after = varied(composer, melody, 1, bars="11-50")
    assert after != melody
    assert after.notes.start.min() >= 160
    assert after.notes.end.max() <= 800


@pytest.mark.parametrize("bars", [4, 31, 64, 65, 100])
def test_melodies_of_any_length(composer, bars):
    melody = random_melody(3, bars)
    one, again, other = (varied(composer, melody, 0.8, seed=s) for s in (1, 1, 2))
    assert one == again
    assert one != other
    assert one.bars == bars


# -- noise ------------------------------------------------------------------------------------


def test_the_song_starts_with_noise_of_the_level_and_the_same_for_every_strength(composer):
    melody, seen = random_melody(3, 64), []

    def draw(seed, *, phrases, x_t, start, **asked):
        seen.append((seed, x_t, start))
        return composer.encode(melody)[None]

    for strength in (0.2, 0.7, 1):
        varied(composer, melody, strength, draw=draw)
    schedule, noises = composer.model.schedule, []
    for _, x_t, start in seen:
        bar = float(schedule.alpha_bar_at(start))
        noises.append((x_t - bar**0.5 * composer.encode(melody)[None]) / (1 - bar) ** 0.5)
    assert len({seed for seed, *_ in seen}) == 1
    assert seen[-1][2] == schedule.T
    np.testing.assert_allclose(noises[0], noises[2], atol=1e-4)
    np.testing.assert_allclose(noises[1], noises[2], atol=1e-4)
    assert noises[0].std() == pytest.approx(1, abs=0.15)
    other = composer.sample([seen[0][0]], steps=1, start=1, x_t=seen[0][1])  # the draw's own noise is another
    assert abs(np.corrcoef(other.ravel(), noises[0].ravel())[0, 1]) < 0.99


def test_levels_rise_with_the_strength_on_any_schedule():
    for schedule in (NoiseSchedule.cosine(), NoiseSchedule.linear(), NoiseSchedule.cosine(T=50)):
        levels = [level_of(schedule, strength) for strength in np.linspace(0, 1, 41)]
        assert (np.diff(levels) > 0).sum() >= 39
        assert levels[0] == 0
        assert levels[-1] == schedule.T
        among = [level_of(schedule, strength, held=0.6) for strength in np.linspace(0, 1, 41)]
        assert (np.diff(among) > 0).sum() >= 39
        assert (among[0], among[-1]) == (0, schedule.T)
        assert all(a > b for a, b in zip(among[1:-2], levels[1:-2], strict=True))  # what is held leads back
        level = noise_level(schedule, 0.5)
        assert (1 - schedule.alpha_bar_at(level)) ** 0.5 == pytest.approx(0.5, abs=0.01)
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="a strength is between 0"):
            level_of(NoiseSchedule.cosine(), wrong)


def test_equal_phrases_go_on_together_where_they_are_free(composer):
    """Phrases 0, 4 and 8 are one and the same; phrase 8 is held. Another share of it at another strength."""
    base = random_melody(3, 64)
    phrases = base.phrases()
    phrases[[4, 8]] = phrases[0]
    melody, seen = Melody.from_phrases(phrases), []
    assert np.array_equal(melody.phrases()[4], melody.phrases()[0])

    def draw(seed, *, shared, **asked):
        x_0 = np.random.default_rng(0).normal(size=(1, 32, composer.model.space.D)).astype(np.float32)
        seen.append((x_0, shared.denoiser(lambda x_t, log_snr, x0_prev: x_t)(x_0, None, None)))
        return composer.encode(melody)[None]

    for strength, share in ((0.5, 1 - 0.5**3), (1, 0)):
        varied(composer, melody, strength, bars="1-16,19-64", draw=draw)
        x_0, moved = seen[-1]
        mean = x_0[0, [0, 4]].mean(axis=0)
        for k in (0, 4):
            np.testing.assert_allclose(moved[0, k], (1 - share) * x_0[0, k] + share * mean, atol=1e-5)
        np.testing.assert_allclose(moved[0, 8], x_0[0, 8], atol=1e-6)
        np.testing.assert_allclose(moved[0, 20], x_0[0, 20], atol=1e-6)


# -- what the network sees --------------------------------------------------------------------


def test_a_short_melody_is_continued_first(composer):
    melody, seen = random_melody(3, 8), []

    def draw(seed, *, condition=None, x_t=None, **asked):
        seen.append((condition.known[0].tolist(), x_t is None))
        return np.random.default_rng(seed).normal(size=condition.x_0.shape).astype(np.float32)

    varied(composer, melody, 0.5, draw=draw)
    assert seen[:2] == [([True] * 4 + [False] * 28, True), ([False] * 32, False)]
    assert set(map(str, seen[2:])) <= {str(seen[1])}  # where other levels of noise are tried


@pytest.mark.parametrize(
    ("bars", "phrases", "known"),
    [
        ("1-200", 100, []),
        ("101-110", 32, [*range(13), *range(18, 32)]),
        ("1-2", 32, range(1, 32)),
        ("21-120", 58, [*range(4), *range(54, 58)]),
    ],
)
def test_a_long_melody_is_seen_around_its_bars(composer, bars, phrases, known):
    melody, seen = random_melody(3, 200), []

    def draw(seed, *, phrases, condition, **asked):
        seen.append((phrases, np.flatnonzero(condition.known[0]).tolist()))
        return np.zeros_like(condition.x_0)

    varied(composer, melody, 0.5, bars=bars, draw=draw)
    assert all(one == (phrases, list(known)) for one in seen)  # at every level of noise that is tried
    assert seen


# -- songs ------------------------------------------------------------------------------------


def file(notes, velocity=lambda s: 80):
    events = [(0, b"\xff\x03\x04Lead"), (0, b"\xc2\x0b"), (30, b"\xf0\x03\x41\x10\xf7")]
    for s, e, p in notes:
        begin = s * STEP + (s * 37) % 51 - 20 * (s > 0)
        events += [(begin, bytes([0x92, p, velocity(s)])), (e * STEP - 10, bytes([0x82, p, 0]))]
    return midi(chunk([]), track(tune(7, 20, low=30), name="Bass", channel=1), chunk(events))


@pytest.mark.parametrize("bars", [None, "3-8"])
def test_in_a_song_notes_that_stay_keep_their_timing_and_velocity(deaf, bars):
    data = file(tune(1, 20), lambda s: 40 + s % 60)
    spans = parse_bars(bars) if bars else melody_bars(read_song(data), 1)
    passage = read_passage(data, spans, track=1)
    melody = passage.before
    one_phrase = deaf.encode(melody)

    def draw(seed, *, phrases, x_t=None, **asked):
        x_0 = np.zeros((1, phrases, deaf.model.space.D), np.float32)
        x_0[0, : len(one_phrase)] = one_phrase
        if x_t is not None:
            x_0[0, 2] = one_phrase[7]
        return x_0

    locks, tokens = vary(deaf.model, passage.locks, draw, strength=0.5, seed=1)
    out, after = varied_file(passage, locks, tokens)
    was, now = set(read_notes(read_song(data))), set(read_notes(read_song(out)))
    stay = notes_of(melody) & notes_of(after)
    assert stay < notes_of(melody)
    assert len(was & now) >= len(stay) + len(tune(7, 20))
    assert was != now
    assert all(4 * 16 - 8 <= round(n.start / STEP) < 6 * 16 + 16 for n in was ^ now)
    untouched, _ = varied_file(passage, *vary(deaf.model, passage.locks, draw, strength=0, seed=1))
    assert untouched == data


def test_notes_of_a_chord_stay_or_go_together(composer):
    """Bar 3 changes; every onset there, and everywhere, is a chord of two."""
    notes = tune(1, 20, low=60)
    data = file([*notes, *((s, e, p - 12) for s, e, p in notes)])
    passage = read_passage(data, melody_bars(read_song(data), 1), track=1)
    steps = passage.before.events.size
    free = np.arange(steps) // COMMON.bar_steps == 2
    free |= changed_steps(passage.before, Melody.from_tokens(np.where(free, 0, passage.before.events)))
    locks = type(passage.locks).around(passage.before.notes, free)
    out, after = varied_file(passage, locks, np.zeros(steps, np.int8))
    now = {(round(n.start / STEP), n.pitch) for n in read_notes(read_song(out))}
    gone = {n[0] for n in notes_of(passage.before) - notes_of(after)}
    assert gone
    assert all(((s, p - 12) in now) == ((s, p) in now) == (s not in gone) for s, _, p in notes)


def test_notes_before_a_change_of_metre_stay(composer):
    waltz = [(0, 8, 60), (8, 20, 62), *((s + 24, e + 24, p) for s, e, p in tune(2, 12))]
    data = song(track(waltz), signatures=[(0, 3, 4), (24, 4, 4)])
    passage = read_passage(data, ((3, 14),))
    free = np.ones(passage.before.events.size, np.bool_)
    locks = type(passage.locks).around(passage.before.notes, free)
    out, _ = varied_file(passage, locks, Melody.from_notes([0], [4], [50], bars=12).events)
    assert {(n.start // STEP, n.pitch) for n in read_notes(read_song(out))} == {(0, 60), (8, 62), (24, 50)}


def test_the_bars_in_which_the_melody_sounds():
    late = [(s + 40, e + 40, p) for s, e, p in tune(1, 12)]
    assert melody_bars(read_song(song(track(late)))) == ((3, 15),)
    waltz = [(0, 8, 60), (8, 20, 62), *((s + 24, e + 24, p) for s, e, p in tune(2, 12))]
    assert melody_bars(read_song(song(track(waltz), signatures=[(0, 3, 4), (24, 4, 4)]))) == ((3, 14),)
    two = song(track(tune(5, 20, low=30), name="Bass"), track(tune(1, 12), name="Lead"))
    assert melody_bars(read_song(two), 0) == ((1, 20),)
    assert melody_bars(read_song(two)) == ((1, 12),)


def test_songs_that_noise_changes_sooner_or_later_keep_as_many_notes_each():
    """Each keeps 1 - strength of its notes to a twentieth, or what is nearest: another level is looked for."""
    composer = load()
    for seed, melody in enumerate((random_melody(5, 16), random_melody(6, 16))):
        for strength in (0.3, 0.6):
            now = composer.vary(melody, strength=strength, seed=seed).melody
            there = set(zip(now.notes.start.tolist(), now.notes.pitch.tolist(), strict=True))
            had = list(zip(melody.notes.start.tolist(), melody.notes.pitch.tolist(), strict=True))
            assert np.mean([note in there for note in had]) == pytest.approx(1 - strength, abs=0.12)
