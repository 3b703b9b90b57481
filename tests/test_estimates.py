"""`on_estimate`: who looks on is shown every x0_hat as notes, where they come to stand."""

import numpy as np
import pytest

from cantilena.composer import Composer, load
from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON
from cantilena.requests import Compose, Extend, Infill, Vary
from cantilena.verbs.gate import EDITS


@pytest.fixture(scope="module")
def composer() -> Composer:
    return load()


@pytest.fixture(scope="module")
def song(composer: Composer) -> Melody:
    return composer.compose(seed=3, bars=96).melody


@pytest.mark.parametrize(
    ("ask", "first", "last"),
    [
        (lambda song: Infill(song, "61-72", steps=8, resample=1), 61, 72),
        (lambda song: Infill(song, "62-71", steps=8, resample=1), 62, 71),  # phrases begin on even bars
        (lambda song: Infill(song, "61-72", steps=8, resample=1, rules={"density": "4..6"}), 61, 72),
        (lambda song: Extend(song, 9, steps=8, resample=1), 97, 105),
        (lambda song: Extend(song, 9, steps=8, resample=1, rules={"key": "C major"}), 97, 105),
        (lambda song: Extend(song, 9, before=True, steps=8, resample=1), 1, 9),
    ],
)
def test_the_last_estimate_is_what_is_composed_at_its_own_place(composer, song, ask, first, last):
    seen = []
    result = composer(ask(song), on_estimate=lambda melody, at: seen.append((melody.events, at)))
    after, last_of_its_draw = result.melody, 8 * result.receipt.draw - 1
    assert len(seen) in range(last_of_its_draw + 1, 8 * EDITS + 1, 8)  # eight of each draw
    steps = np.arange((first - 1) * COMMON.bar_steps, last * COMMON.bar_steps)
    new = after.events[steps]
    shown = [tokens[steps - at] for tokens, at in seen]
    agree = [((tokens > 1) & (tokens == new)).sum() / (new > 1).sum() for tokens in shown]
    assert agree[last_of_its_draw] == 1
    assert agree[0] < 1


def test_of_a_variation_the_notes_that_change_are_shown(composer, song):
    """As the last estimate of one look: several are taken for how much they keep, and it need not be the last."""
    seen = []
    request = Vary(song, 0.6, bars="41-56", steps=8)
    after = composer(request, on_estimate=lambda melody, at: seen.append((melody.events, at))).melody
    steps = np.arange(40 * COMMON.bar_steps, 56 * COMMON.bar_steps)
    now, was = after.events[steps], song.events[steps]
    changed = (now > 1) & (now != was)
    assert changed.sum() > 5
    shown = [(tokens[steps - at][changed] == now[changed]).all() for tokens, at in seen]
    assert any(shown)
    assert not shown[0]


def test_every_step_of_a_new_tune_is_shown_and_the_last_is_the_tune(composer):
    seen = []
    asked = Compose(seed=5, bars=64, voice="flute", steps=6, plain=True)
    after = composer(asked, on_estimate=lambda melody, at: seen.append((melody.events, at))).melody
    assert [(tokens.size, at) for tokens, at in seen] == 6 * [(64 * COMMON.bar_steps, 0)]
    assert Melody.from_tokens(seen[-1][0], after.qpm) == after


def test_what_it_raises_ends_the_work(composer):
    def stop(melody, at):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        composer(Compose(bars=4), on_estimate=stop)
