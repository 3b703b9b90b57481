"""What a composer relies on: the same seed is the same music, alone, in a batch and tomorrow."""

import inspect

import numpy as np
import pytest

from cantilena import engine
from cantilena.composer import load
from cantilena.diffusion import SAMPLERS
from cantilena.errors import ModelError
from cantilena.model import LABEL_NULLS
from cantilena.music.melody import Melody
from cantilena.requests import Compose
from cantilena.sampling import VOICES, Voice


@pytest.fixture(scope="module")
def composer(toy_model):
    return load(toy_model)


def test_a_seed_is_the_same_music_alone_in_a_batch_and_again(composer, toy_model):
    alone = composer.compose(seed=7, steps=4)
    assert alone == composer.compose(seed=7, steps=4)
    assert alone == composer.compose_many(range(6, 9), Compose(steps=4))[1]
    assert alone == load(toy_model).compose(seed=7, steps=4)
    assert alone != composer.compose(seed=8, steps=4)


def test_more_melodies_than_a_batch_holds(composer, monkeypatch):
    monkeypatch.setattr(engine, "_BATCH", 4)
    many = composer.compose_many(range(6), Compose(steps=2, plain=True))
    assert many == [composer.compose(seed=seed, steps=2, plain=True) for seed in range(6)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_composes_64_bars(composer, sampler):
    melody = composer.compose(seed=1, sampler=sampler, steps=4, qpm=90)
    assert (melody.bars, melody.qpm) == (64, 90)


def test_a_sample_that_settles_encodes_a_phrase_again_only_where_its_notes_changed(composer, monkeypatch):
    asked = {"steps": 12, "settle": 0.7, "temperature": 1.0}
    encoded, encode = [], type(composer.model).encode

    def counted(self, phrases):
        encoded.append(np.prod(phrases.shape[:-1]))
        return encode(self, phrases)

    monkeypatch.setattr(type(composer.model), "encode", counted)
    monkeypatch.setattr(engine, "_BATCH", 16)
    some = composer.sample(range(24), **asked)  # a batch, and another of another size
    assert sum(encoded) < 8 * 24 * 32  # eight steps settle
    monkeypatch.setattr(engine, "_Clamp", lambda model: lambda x0_hat: model.to_latents(model.to_phrases(x0_hat)))
    encoded.clear()
    assert np.array_equal(composer.sample(range(24), **asked), some)
    assert sum(encoded) == 8 * 24 * 32


@pytest.mark.parametrize("bars", [2, 7, 32, 63])
def test_a_shorter_melody_is_a_part_of_the_long_one(composer, bars):
    """From an odd bar on; which part it is tests/edits/test_length.py says."""
    given = {"seed": 1, "steps": 3, "plain": True}
    melody, whole = composer.compose(bars=bars, **given), composer.compose(**given)
    assert melody.bars == bars
    assert any(melody == whole.slice(first, first + bars - 1) for first in range(1, 66 - bars, 2))


@pytest.mark.parametrize("bars", [65, 130, 1000])
def test_a_longer_melody_is_a_single_sample_of_as_many_bars(composer, bars):
    given = {"steps": 1, "resample": 1}
    melody = composer.compose(seed=1, bars=bars, plain=True, **given)
    assert melody.bars == bars
    x_0 = composer.sample([1], phrases=(bars + 1) // 2, **given)[0]
    whole = Melody.from_phrases(composer.decode(x_0, [1], voice="lead"))
    assert melody == whole.slice(1, bars)


def test_every_voice_is_another_condition(composer):
    labels = {name: tuple(composer.engine.labels({"voice": name})) for name in VOICES}
    assert len(set(labels.values())) == len(VOICES)
    assert labels["any"] == LABEL_NULLS
    x_0 = {name: composer.sample([0], voice=voice, steps=2) for name, voice in VOICES.items()}
    assert all(not np.allclose(x_0["any"], x) for name, x in x_0.items() if name != "any")


def test_at_temperature_0_only_the_first_noise_is_random(composer):
    """Then ddpm is a deterministic walk from x_T, and no other noise is looked at."""
    x_0 = composer.sample([3, 4], temperature=0)
    np.testing.assert_array_equal(x_0, composer.sample([3, 4], temperature=0))
    assert not np.allclose(x_0, composer.sample([3, 4], temperature=1), atol=0.05)
    assert not np.allclose(x_0[0], x_0[1])


def test_guidance_goes_away_from_the_unlabelled_melody(composer):
    """One step: x0_hat is linear in the prediction, so w = 2 lies as far beyond w = 1 as that from no label."""
    voice = Voice(role=0, purity=0)
    free, one, two = (
        composer.sample([5], voice=v, steps=1, guidance=w) for v, w in ((Voice(), 1), (voice, 1), (voice, 2))
    )
    inside = (np.abs([free, one, two]) < np.abs(composer.model.space.low).min() * 0.999).all(0)
    inside &= (two > composer.model.space.low) & (two < composer.model.space.high)
    assert inside.any()
    np.testing.assert_allclose((two - one)[inside], (one - free)[inside], atol=1e-4)


def test_progress_is_told(composer):
    seen = []
    composer.compose_many(range(65), Compose(steps=3, plain=True), lambda done, total: seen.append((done, total)))
    assert seen == [(i, 6) for i in range(1, 7)]
    seen.clear()
    composer(Compose(steps=3, plain=True), lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_progress_of_songs_is_one_count(composer):
    seen = []
    composer.compose_many([1, 2], Compose(steps=3, bars=8), lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[0] == (1, 12)
    assert seen[-1] == (12, 12)


def test_encode_inverts_decode_in_shape(composer):
    melody = composer.compose(seed=0, steps=2)
    x_0 = composer.encode(melody)
    assert x_0.shape == (32, composer.model.space.D)
    assert composer.decode(x_0).shape == (32, 32)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bars": 1001}, "2 to 1000 bars, not 1001"),
        ({"bars": 1}, "2 to 1000 bars"),
        ({"bars": 7, "loop": True}, "a loop is phrases of two bars"),
        ({"bars": 8, "loop": True, "cadence": True}, "a loop does not come to rest"),
        ({"voice": "kazoo"}, "a voice is one of lead, any"),
        ({"sampler": "euler"}, "a sampler is one of"),
        ({"steps": 0}, "at least 1 step"),
        ({"temperature": 2}, "a temperature is between 0 and 1.5"),
        ({"temperature": 0.5, "sampler": "ddim"}, "a temperature is for the sampler ddpm"),
        ({"seed": -1}, "seeds are integers from 0 up"),
    ],
)
def test_a_wrong_argument_says_what_is_right(composer, given, message):
    with pytest.raises(ValueError, match=message):
        composer.compose(**given)


def test_an_unknown_keyword_is_refused(composer):
    with pytest.raises(TypeError, match=r"^compose takes no keyword temprature: did you mean temperature\?$"):
        composer.compose(temprature=3)


def test_what_is_no_request_is_refused(composer):
    with pytest.raises(TypeError, match=r"a request is one of Compose, Pick, .* not dict"):
        composer({"verb": "compose"})


def test_a_method_says_what_it_takes(composer):
    """Its keywords are the fields of the request, each with its sentence."""
    assert list(inspect.signature(composer.infill).parameters)[:4] == ["song", "bars", "keep", "grid"]
    assert "grid: Phrases of two bars begin on odd or even bars" in composer.infill.__doc__


def test_a_model_that_is_not_there():
    with pytest.raises(ModelError, match="nowhere: no model there"):
        load("nowhere")
