"""What a tune takes from real ones by chance."""

import numpy as np
import pytest

from cantilena.edits import tune_form
from cantilena.edits.tune_form import _in_rhythm, _in_time, _unheard, _worth, compose_tune, draw_density, draw_form
from cantilena.edits.window import own_seed
from cantilena.labels import SINGS, PhraseForm
from cantilena.music.melody import REST, Melody, to_token
from cantilena.music.metre import Metre
from cantilena.writing import FREE

KNOWN = {"irish": {"6/8": [1.5, 1.7, 1.9]}, "hymn": {"4/4": [0.5, 0.8]}}


def test_a_density_is_one_of_real_tunes_of_the_style_and_metre():
    drawn = [draw_density(KNOWN, "irish", "6/8", seed) for seed in range(60)]
    assert drawn == [draw_density(KNOWN, "irish", "6/8", seed) for seed in range(60)]
    assert sorted(set(drawn)) == [1.7, 1.9]  # the denser two thirds
    assert np.unique(drawn, return_counts=True)[1].min() > 20


def test_where_none_is_known_none_is_told():
    for style, metre in (("irish", "4/4"), ("reel", "6/8"), (None, "6/8")):
        assert draw_density(KNOWN, style, metre, 0) is None
    assert draw_density({}, "irish", "6/8", 0) is None


def forms(*texts):
    return [PhraseForm.parse(text) for text in texts]


FORMS = forms(*(f"ABAC{chr(68 + k)}FGH AABBAAAB" for k in range(10)))


def test_a_form_is_that_of_a_real_tune_as_long_where_enough_are():
    drawn = {draw_form({"irish": [*FORMS, *forms("AAAA")]}, "irish", 8, seed).text for seed in range(60)}
    assert drawn <= {form.text for form in FORMS}
    assert len(drawn) > 4


def test_a_shorter_one_opens_again_and_goes_on_otherwise():
    form = draw_form({"irish": FORMS}, "irish", 16, 3)
    assert form == draw_form({"irish": FORMS}, "irish", 16, 3)
    letters, rhythms = form
    assert rhythms == 2 * [0, 0, 1, 1, 0, 0, 0, 1]
    first, second = letters[:8], letters[8:]
    assert first[:2] == second[:2]
    assert not set(second[2:]) & set(first)
    assert len(set(second[2:])) == len(set(first[2:]))


def test_a_form_with_a_pickup_phrase_is_gone_on_with_on_the_beat():
    form = draw_form({"irish": forms("ABCDEFGHI AABBCCDDE") * 8}, "irish", 16, 0)  # nine phrases
    assert form.letters[8:10] == [0, 1]
    assert form.rhythms == 2 * [0, 0, 1, 1, 2, 2, 3, 3]


def test_one_style_has_all_its_forms_and_not_the_one_that_is_just_as_long():
    some = forms("ABCDEFGHIJKLMNOP", *(f"AABB{'CDEFGHIJ'[k]}AAB" for k in range(8)))
    drawn = {draw_form({"song": some}, "song", 16, seed).text for seed in range(40)}
    assert len(drawn) > 3


def tune(*phrases):
    return Melody.from_phrases(np.array(phrases, np.int8))


def line(*pitches):
    return [pitch - 19 if step % 4 == 0 else 0 for pitch in pitches for step in range(4)]


A, B = line(60, 62, 64, 65, 67, 65, 64, 62), line(67, 69, 71, 72, 71, 69, 67, 65)
SILENT = [1] + 31 * [0]


@pytest.mark.parametrize(("letters", "pairs"), [([0, 1, 0, 1], 0), ([0, 1, 2, 3], 2), ([0, 0, 0, 1], 3)])
def test_what_is_heard_otherwise_than_its_letters_say_is_counted(letters, pairs):
    assert _unheard(tune(A, B, A, B), letters) == pairs


@pytest.mark.parametrize(
    ("worths", "heard", "drawn"),
    [((0, 2, 1), True, 3), ((0, 2, 1, 0, 1, 0), False, 6), ((-1, -1, -1, 0, 0, 3), True, 6), ((-1,) * 18, True, 18)],
)
def test_it_draws_until_one_is_a_tune_and_of_three_one_that_keeps_its_form(monkeypatch, worths, heard, drawn):
    """Of all that were drawn the best is taken, whichever turn it came in."""
    asked, given = [], iter(worths)

    def sample(seeds, **told):
        assert (told["places"][:, 3] == SINGS).all()
        asked.extend(seeds)
        return np.zeros((len(seeds), 4, 2), np.float32)

    tunes = {}

    def written(seed, *_):
        tunes[id(made := tune(A, B, A, B))] = next(given)
        kept.append(made)
        return made

    kept = []
    monkeypatch.setattr(tune_form, "_written", written)
    monkeypatch.setattr(tune_form, "_worth", lambda one, letters, sung: tunes[id(one)])
    monkeypatch.setattr(tune_form, "_unheard", lambda one, letters: 0 if heard else 1)
    best = compose_tune(sample, lambda seed: seed, 5, 8, Metre.parse("4/4"), PhraseForm([0, 1, 0, 1]))
    assert asked == [5, *(own_seed(5, 1 + k) for k in range(1, drawn))]
    assert tunes[id(best)] == max(worths[:drawn])


def test_a_bass_is_held_to_key_and_form_and_not_to_what_tunes_are():
    low = tune(line(33, 33, 33, 33, 33, 33, 33, 33), line(38, 38, 38, 38, 40, 40, 40, 40))
    assert _worth(low, PhraseForm([0, 1])) < 0 < _worth(low, PhraseForm([0, 1]), sung=False)


def test_four_silent_bars_are_no_tune():
    assert _worth(tune(A, B, SILENT, SILENT, A, B, A, B), PhraseForm([0, 1, 2, 2, 0, 1, 0, 1])) == -10
    assert _worth(tune(A, B, SILENT, A, B, A, A, B), PhraseForm([0, 1, 2, 0, 1, 0, 0, 1])) > -10


# -- rhythms --------------------------------------------------------------------------------------

STEPS = (0, 4, 8, 12, 16, 24)


def sung(pitches, steps=STEPS):
    """A phrase with notes at these steps, one after another: (32,)."""
    made = np.zeros(32, np.int8)
    made[list(steps)] = to_token(np.array(pitches))
    return made


ONE, OTHER = sung([60, 62, 64, 65, 67, 60]), sung([72, 71, 69, 67, 65], (0, 4, 8, 16, 26))


def as_bound(heard):
    """As `write`: each phrase sings what it sang on, at the steps where the bounds let notes begin."""

    def write(bounds):
        heard.append(bounds.onsets)
        return np.stack([
            sung([50 + k] * int((row == 1).sum()), np.flatnonzero(row == 1)) if (row == 1).any() else phrase
            for k, (phrase, row) in enumerate(zip(PHRASES, bounds.onsets, strict=True))
        ])  # fmt: skip

    return write


PHRASES = np.stack([ONE, OTHER, sung([60] * 8, range(0, 32, 4))])


def test_a_phrase_that_is_nearly_in_its_rhythm_comes_to_be_in_it():
    """Four of seven onsets are common with the first's: the second takes its rhythm; the third bears another letter."""
    heard = []
    made = _in_rhythm(as_bound(heard), PHRASES, PhraseForm([0, 1, 2], [0, 0, 1]))
    assert np.flatnonzero(made[1] > REST).tolist() == list(STEPS)
    assert np.array_equal(made[[0, 2]], PHRASES[[0, 2]])
    assert (heard[0][[0, 2]] == FREE).all()
    assert np.array_equal(heard[0][1], PHRASES[0] > REST)


@pytest.mark.parametrize(
    "second",
    [
        sung([72, 71, 69, 67, 65], STEPS[:5]),  # five of six: in that rhythm
        sung([72, 71, 69], (2, 6, 16)),  # one of eight: far from it
    ],
)
def test_what_is_in_its_rhythm_or_far_from_it_stays(second):
    def never(bounds):
        raise AssertionError

    phrases = np.stack([ONE, second])
    assert _in_rhythm(never, phrases, PhraseForm([0, 1], [0, 0])) is phrases


def test_phrases_of_other_letters_do_not_come_to_be_alike_by_their_rhythm():
    tries = []

    def write(bounds):
        tries.append(bounds.onsets)
        return np.stack([ONE, ONE, PHRASES[2]])

    made = _in_rhythm(write, PHRASES, PhraseForm([0, 1, 2], [0, 0, 1]))
    assert np.array_equal(made, PHRASES)
    assert len(tries) == 1


def test_how_many_pairs_are_in_one_rhythm_is_of_those_that_should_be():
    four = Melody.from_phrases(np.stack([ONE, OTHER, sung([55, 57, 59, 60, 62, 55]), ONE]))
    assert _in_time(four, PhraseForm([0, 1, 2, 0], [0, 0, 0, 0])) == pytest.approx(2 / 5)  # of 0 1, 0 2, 1 2, 1 3, 2 3
    assert _in_time(four, PhraseForm([0, 1, 2, 0], [0, 1, 0, 0])) == 1
    assert _in_time(four, PhraseForm([0, 1, 2, 0], [0, 1, 2, 0])) == 0
    assert _in_time(four, PhraseForm([0, 1, 2, 0])) == 0


def test_the_best_of_a_turn_are_written_in_their_rhythms_too(monkeypatch):
    """Each of three draws is written freely, the better two once more; the best of all is taken."""
    asked, form = [], PhraseForm([0, 1, 2, 3], [0, 0, 0, 0])
    worth = {(5, False): 1, (own_seed(5, 2), False): 3, (own_seed(5, 3), False): 2, (own_seed(5, 3), True): 4}

    def written(seed, x_0, bars, key, home, rules, rule, of):
        asked.append((seed, of.rhythms is not None))
        made[id(melody := tune(A, B, A, B))] = worth.get(asked[-1], 0)
        kept.append(melody)
        return melody

    made, kept = {}, []
    monkeypatch.setattr(tune_form, "_written", written)
    monkeypatch.setattr(tune_form, "_worth", lambda one, told, sung: made[id(one)] if told is form else None)
    monkeypatch.setattr(tune_form, "_unheard", lambda one, letters: 0)
    best = compose_tune(
        lambda seeds, **told: np.zeros((len(seeds), 4, 2), np.float32),
        lambda seed: seed,
        5,
        8,
        Metre.parse("4/4"),
        form,
    )
    seeds = [5, own_seed(5, 2), own_seed(5, 3)]
    assert asked == [*((seed, False) for seed in seeds), (seeds[1], True), (seeds[2], True)]
    assert made[id(best)] == 4
