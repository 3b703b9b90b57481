"""Melody: inverses, canonical form, phrases that speak for themselves, refusals."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cantilena.music.melody import (
    HOLD,
    MAX_PITCH,
    MIN_PITCH,
    REST,
    VOCABULARY,
    Melody,
    canonical,
    is_silent,
    last_change,
    pitch_name,
    transpose,
)
from cantilena.music.metre import COMMON

token = st.sampled_from([HOLD] * 6 + [REST] * 2 + list(range(2, VOCABULARY, 7)) + [VOCABULARY - 1])


def tokens(bars: int) -> st.SearchStrategy[list[int]]:
    return st.lists(token, min_size=bars * COMMON.bar_steps, max_size=bars * COMMON.bar_steps)


melodies = st.integers(1, 7).flatmap(tokens).map(Melody.from_tokens)


def sounding(events: list[int]) -> list[int]:
    """The pitch token that sounds in each step, 0 for none: what the tokens mean, spelled out."""
    now, out = 0, []
    for event in events:
        now = now if event == HOLD else 0 if event == REST else event
        out.append(now)
    return out


@given(st.integers(1, 4).flatmap(tokens))
def test_canonical_means_the_same_and_has_no_redundant_rest(raw: list[int]) -> None:
    events = canonical(np.array(raw))
    assert sounding(events.tolist()) == sounding(raw)
    assert np.array_equal(canonical(events), events)
    now = 0
    for event in events.tolist():
        assert event != REST or now
        now = 0 if event == REST else event or now


@given(melodies)
def test_notes_and_from_notes_are_inverse(melody: Melody) -> None:
    assert Melody.from_notes(*melody.notes, bars=melody.bars, qpm=melody.qpm) == melody


@given(melodies)
def test_phrases_and_from_phrases_are_inverse(melody: Melody) -> None:
    phrases = melody.phrases()
    assert phrases.shape == (-(-melody.bars // 2), COMMON.phrase_steps)
    assert phrases.dtype == np.int8
    joined = Melody.from_phrases(phrases)
    assert np.array_equal(joined.events[: melody.events.size], melody.events)
    rest = np.array(sounding(joined.events.tolist()))[melody.events.size :]
    assert not rest.any(), "an odd bar is padded with silence"


@given(melodies)
def test_a_phrase_alone_says_how_it_begins(melody: Melody) -> None:
    events = melody.events.tolist()
    heard = [0, *sounding(events)]
    for k, phrase in enumerate(melody.phrases().tolist()):
        held_into = heard[k * COMMON.phrase_steps]
        begins = events[k * COMMON.phrase_steps]
        assert phrase[0] == (begins or (HOLD if held_into else REST))
        here = heard[k * COMMON.phrase_steps + 1 : (k + 1) * COMMON.phrase_steps + 1]
        assert bool(is_silent(np.array(phrase))) == (not any(here))


@given(st.lists(token, min_size=1, max_size=40))
def test_last_change(raw: list[int]) -> None:
    expected = [max((j for j in range(i) if raw[j]), default=-1) for i in range(len(raw))]
    assert last_change(np.array(raw)).tolist() == expected


@given(melodies, st.integers(-130, 130))
def test_transposing_tokens_stays_in_range_and_keeps_the_pitch_class(melody: Melody, semitones: int) -> None:
    moved = transpose(melody.events, semitones)
    on = melody.events > REST
    assert np.array_equal(moved[~on], melody.events[~on])
    assert (moved[on] > REST).all()
    assert (moved[on] < VOCABULARY).all()
    assert ((moved[on].astype(int) - melody.events[on] - semitones) % 12 == 0).all()


@given(melodies, st.integers(-12, 12))
def test_transposing_a_melody_is_exact_or_refused(melody: Melody, semitones: int) -> None:
    pitch = melody.notes.pitch + semitones
    if pitch.size and (pitch.min() < MIN_PITCH or pitch.max() > MAX_PITCH):
        with pytest.raises(ValueError, match=r"leaves MIDI pitches 21\.\.108"):
            melody.transpose(semitones)
    else:
        assert np.array_equal(melody.transpose(semitones).notes.pitch, pitch)
        assert melody.transpose(semitones).transpose(-semitones) == melody


@given(melodies, st.data())
def test_slice_keeps_what_starts_in_its_bars(melody: Melody, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, melody.bars))
    last = data.draw(st.integers(first, melody.bars))
    begin, end = (first - 1) * COMMON.bar_steps, last * COMMON.bar_steps
    start, stop, pitch = melody.notes
    inside = (start >= begin) & (start < end)
    sliced = melody.slice(first, last)
    assert sliced.bars == last - first + 1
    assert np.array_equal(sliced.notes.start, start[inside] - begin)
    assert np.array_equal(sliced.notes.end, np.minimum(stop[inside], end) - begin)
    assert np.array_equal(sliced.notes.pitch, pitch[inside])


@pytest.mark.parametrize(
    ("events", "why"),
    [
        (np.zeros((2, 16), int), "whole bars"),
        (np.zeros(0, int), "whole bars"),
        (np.zeros(17, int), "whole bars"),
        (np.zeros(16), "integer tokens"),
        (np.full(16, VOCABULARY), "tokens are 0..89"),
        (np.full(16, -1), "tokens are 0..89"),
        (np.array([REST] + 15 * [HOLD]), "not canonical"),
        (np.array([40, REST, REST] + 13 * [HOLD]), "not canonical"),
    ],
)
def test_what_is_no_melody_is_refused(events: np.ndarray, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Melody(events)


@pytest.mark.parametrize("qpm", [0, 0.5, 1001, float("nan")])
def test_an_impossible_tempo_is_refused(qpm: float) -> None:
    with pytest.raises(ValueError, match="qpm"):
        Melody(np.zeros(16, np.int8), qpm)


@pytest.mark.parametrize(
    ("start", "end", "pitch"),
    [
        ([0, 3], [4, 8], [60, 60]),  # overlap
        ([4], [4], [60]),  # empty
        ([-1], [4], [60]),  # before the first bar
        ([4, 0], [8, 4], [60, 62]),  # not in order
        ([0], [17], [60]),  # past the last bar
        ([0], [4], [20]),
        ([0], [4], [109]),
    ],
)
def test_notes_that_are_no_melody_are_refused(start: list[int], end: list[int], pitch: list[int]) -> None:
    with pytest.raises(ValueError, match=r"notes of a melody|pitches are MIDI"):
        Melody.from_notes(start, end, pitch, bars=1)


@pytest.mark.parametrize(("first", "last"), [(0, 1), (2, 1), (1, 3)])
def test_bars_outside_are_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match=r"not inside 1-2"):
        Melody(np.zeros(32, np.int8)).slice(first, last)


def test_a_melody_cannot_be_changed_from_outside() -> None:
    events = np.zeros(16, np.int8)
    melody = Melody(events)
    events[0] = 41
    assert not melody.events.any()
    with pytest.raises(ValueError, match="read-only"):
        melody.events[0] = 41


def test_equality_hash_and_pickle() -> None:
    a, b = (Melody.from_notes([0], [4], [60], qpm=90) for _ in range(2))
    assert a == b
    assert hash(a) == hash(b)
    assert a != Melody.from_notes([0], [4], [60], qpm=91)
    assert pickle.loads(pickle.dumps(a)) == a


def test_seconds_and_bars() -> None:
    melody = Melody(np.zeros(64, np.int8), qpm=120)
    assert melody.bars == 4
    assert melody.seconds == 8


def test_pitch_names() -> None:
    assert [pitch_name(p) for p in (21, 60, 70, 108)] == ["A0", "C4", "A#4", "C8"]
