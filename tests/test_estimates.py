"""`on_estimate`: who looks on is shown every x0_hat, and where in the melody it stands."""

import numpy as np
import pytest

from cantilena.composer import Composer, load
from cantilena.music.melody import BAR_STEPS, PHRASE_STEPS, Melody
from cantilena.requests import Compose, Extend, Infill, Vary

FAR = 8 * BAR_STEPS


@pytest.fixture(scope="module")
def composer() -> Composer:
    return load()


@pytest.fixture(scope="module")
def song(composer: Composer) -> Melody:
    return composer.compose(seed=3, bars=96).melody


def last_seen(composer: Composer, request) -> tuple[np.ndarray, int, int]:
    """The last estimate as notes on the melody's own steps; how many there were."""
    seen: list[tuple[np.ndarray, int]] = []
    after = composer(request, on_estimate=lambda x0_hat, at, _: seen.append((x0_hat, at))).melody
    x0_hat, at = seen[-1]
    shown = composer.model.literal().to_phrases(x0_hat[0]).reshape(-1)
    inside = slice(max(0, -at), after.events.size - at)
    shown = shown[inside]
    there = after.events[max(0, at) : max(0, at) + shown.size]
    return (shown > 1) & (there == shown), int((there > 1).sum()), len(seen)


@pytest.mark.parametrize(
    "ask",
    [
        lambda song: Infill(song, "61-72", steps=8, resample=1),
        lambda song: Infill(song, "62-71", steps=8, resample=1),  # phrases begin on even bars
        lambda song: Extend(song, 9, steps=8, resample=1),
        lambda song: Extend(song, 9, before=True, steps=8, resample=1),
        lambda song: Vary(song, 0.2, steps=8),
    ],
)
def test_an_estimate_stands_where_its_notes_come_to_stand(composer, song, ask):
    """One step off, hardly any note of the melody would agree with what was shown."""
    agree, notes, seen = last_seen(composer, ask(song))
    assert seen == 8
    assert agree.sum() > 0.6 * notes


def test_every_step_of_a_new_tune_is_shown_and_what_is_raised_ends_the_work(composer):
    shapes = []
    composer(Compose(bars=4, steps=5), on_estimate=lambda x0_hat, at, _: shapes.append((x0_hat.shape, at)))
    assert [(shape[1] * PHRASE_STEPS, at) for shape, at in shapes] == 5 * [(64 * BAR_STEPS, 0)]

    def stop(x0_hat, at, labels):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        composer(Compose(bars=4), on_estimate=stop)


def test_the_last_estimate_written_in_its_own_voice_is_the_tune(composer):
    seen = []
    after = composer(Compose(seed=5, bars=64, voice="flute"), on_estimate=lambda *told: seen.append(told)).melody
    x0_hat, _, labels = seen[-1]
    phrases = composer.model.told(labels, [5]).to_phrases(x0_hat[0])
    assert Melody.from_phrases(phrases, after.qpm) == after
