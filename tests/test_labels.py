"""What is said of phrases: how much of each is silent, and where it stands."""

import numpy as np
import pytest

from cantilena.labels import (
    PLACE_NULLS,
    PLACES,
    PhraseForm,
    places,
    places_among,
    rest_classes,
    rhythm_letters,
    silent_shares,
)
from cantilena.music.melody import Melody
from cantilena.music.metre import Metre
from melodies import random_melody

HOLD, REST, C5 = 0, 1, 53


def phrase(*spans):
    """(token, steps) one after another: (32,)."""
    return np.array([t for token, steps in spans for t in (token, *([HOLD] * (steps - 1)))], np.int8)


@pytest.mark.parametrize("metre", ["4/4", "3/4", "6/8", "2/4", "12/8"])
def test_a_silent_share_is_that_of_the_steps_at_which_nothing_sounds(metre):
    metre = Metre.parse(metre)
    melody = Melody.from_tokens(random_melody(3).events[: 12 * metre.phrase_steps], metre=metre)
    steps, sounds = melody.metre.phrase_steps, np.zeros(melody.events.size, bool)
    for start, end in zip(melody.notes.start, melody.notes.end, strict=True):
        sounds[start:end] = True
    wanted = 1 - sounds.reshape(-1, steps).mean(axis=1)
    np.testing.assert_allclose(silent_shares(melody.phrases(), steps), wanted, atol=1e-12)


def test_a_phrase_sings_pauses_or_rests():
    """Two quarters of eight are a breath, three a pause, five a rest; a held note is none of these."""
    some = [
        phrase((C5, 32)), phrase((C5, 24), (REST, 8)), phrase((C5, 20), (REST, 12)), phrase((C5, 12), (REST, 20)),
        phrase((REST, 32)), phrase((HOLD, 32)),
    ]  # fmt: skip
    assert rest_classes(np.array(some)).tolist() == [0, 0, 1, 2, 2, 0]


def test_new_phrases_are_to_rest_as_most_of_the_known_do():
    """Of those that do not rest: who asks for bars wants notes there."""
    sings, rests = phrase((C5, 4), (C5 + 2, 28)), phrase((REST, 32))
    phrases = np.array([sings, rests, sings, rests, rests, sings])
    found = places_among(phrases, np.array([True, True, True, False, False, True]), 0, whole=True)
    assert found[:, 3].tolist() == [0, 2, 0, 0, 0, 0]
    assert found[:, 2].tolist() == found[:, 4].tolist() == [0, 1, 0, PLACES, PLACES, 0]
    silence = places_among(np.array([rests, sings]), np.array([True, False]), 0, whole=True)
    assert silence[:, 3].tolist() == [2, PLACE_NULLS[3]]
    among = places_among(phrases, np.array([False, True, True, True, True, False]), 0, whole=True)
    assert among[:, 3].tolist() == [0, 2, 0, 2, 2, 0]
    nothing = places_among(phrases, np.zeros(6, bool), None, whole=False)
    assert nothing.tolist() == [list(PLACE_NULLS)] * 6


def test_phrases_of_one_rhythm_share_a_letter_whatever_they_sing():
    """Nearly all onsets are the same: one of six may differ, one of four not; lengths and rests say nothing."""
    walk = [(C5 + k, 4) for k in range(5)] + [(C5, 12)]
    some = [
        phrase(*walk), phrase(*((pitch + 7 - 2 * k, n) for k, (pitch, n) in enumerate(walk))),
        phrase(*walk[:4], (C5, 6), (C5, 10)), phrase(*walk[:5], (C5, 4), (REST, 8)),
        phrase((C5, 8), (C5, 8), (C5, 8), (C5, 8)), phrase((C5, 8), (C5, 8), (C5, 8), (C5, 4), (C5, 4)),
        phrase((C5, 8), (C5, 8), (C5, 16)), phrase((REST, 32)), phrase((HOLD, 32)),
    ]  # fmt: skip
    assert rhythm_letters(np.array(some)).tolist() == [0, 0, 1, 0, 2, 2, 3, 4, 4]


@pytest.mark.parametrize("text", ["ABA AB", "AB AB AB", "A?", "A  A"])
def test_what_is_no_form_is_refused(text):
    with pytest.raises(ValueError, match=r"no form|not found"):
        PhraseForm.parse(text)


def test_a_form_is_text_and_back():
    form = PhraseForm.of(np.array([phrase((C5 + k % 3, 8), (C5, 24)) for k in range(30)]))
    assert form == PhraseForm([0, 1, 2] * 10, [0] * 30)
    assert PhraseForm.parse(form.text) == form
    assert PhraseForm.parse(PhraseForm(list(range(30))).text) == PhraseForm(list(range(30)))
    assert form.cut(4).text == "ABCA AAAA"


def test_what_is_not_said_is_null():
    assert places(2)[:, 2:].tolist() == [list(PLACE_NULLS[2:])] * 2
