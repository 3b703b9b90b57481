"""What a melody shares with known tunes: by hand, at any pitch, in other notation, and against random music."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cantilena.errors import ModelError
from cantilena.music.melody import Melody
from cantilena.music.metre import Metre
from cantilena.provenance import KnownTunes
from melodies import random_melody

REEL = Melody.from_notes(
    range(0, 32, 2), range(2, 34, 2), [62, 64, 66, 67, 69, 67, 66, 64, 62, 66, 69, 74, 73, 71, 69, 66]
)


def index(*melodies: Melody) -> KnownTunes:
    names = [f"tune {k}" for k in range(len(melodies))]
    return KnownTunes.of(melodies, names, [f"collection/{name}.mid" for name in names], [REEL])


@pytest.mark.parametrize("semitones", [0, 5, -7])
def test_a_copy_is_found_at_any_pitch(semitones):
    found = index(random_melody(1, 8), REEL).nearest(REEL.transpose(semitones))
    assert (found.near[0].title, found.longest, found.notes) == ("tune 1", 16, 16)
    assert found.human == 1


def test_a_copy_is_found_in_double_and_half_values_and_another_metre():
    start, end, pitch = REEL.notes
    slow = Melody.from_notes(2 * start, 2 * end, pitch)
    assert index(slow).nearest(REEL).longest == 16
    assert index(REEL).nearest(slow).longest == 16
    assert index(REEL).nearest(Melody.from_notes(start, end, pitch, metre=Metre(2, 4))).longest == 16


def test_a_quotation_is_found_with_its_bar():
    start, end, pitch = random_melody(7, 4).notes
    start_, end_, pitch_ = (a[:9] for a in REEL.notes)
    quoting = Melody.from_notes(
        np.append(start, start_ + 64), np.append(end, end_ + 64), np.append(pitch, pitch_ + 3), bars=8
    )
    found = index(random_melody(2, 8), REEL).nearest(quoting)
    assert (found.near[0].title, found.near[0].notes, found.near[0].bar) == ("tune 1", 9, 5)


def test_another_rhythm_is_no_copy():
    start, end, pitch = REEL.notes
    limping = Melody.from_notes(start + np.arange(16) % 2, end + np.arange(1, 17) % 2, pitch)
    assert index(REEL).nearest(limping).longest <= 2


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 1000))
def test_it_is_the_longest_run_that_one_finds_by_looking_at_all(seed, other):
    """Against the definition: of all pairs of places, how long both go on alike."""
    one, two = random_melody(seed, 6), random_melody(other, 6)
    moves = [
        list(zip(np.diff(m.notes.pitch).tolist(), np.diff(m.notes.start).tolist(), strict=True)) for m in (one, two)
    ]

    def longest(scale):
        best = 0
        for i in range(len(moves[0])):
            for j in range(len(moves[1])):
                k = 0
                while (
                    i + k < len(moves[0]) and j + k < len(moves[1])
                    and moves[0][i + k][0] == moves[1][j + k][0] and moves[0][i + k][1] * scale == moves[1][j + k][1]
                ):  # fmt: skip
                    k += 1
                best = max(best, k)
        return best

    wanted = max(longest(scale) for scale in (1, 2, 0.5))
    found = index(two).nearest(one)
    assert found.longest == (wanted + 1 if wanted else 0)


def test_it_is_kept_in_a_model_folder(tmp_path):
    index(random_melody(1, 4), REEL).save(tmp_path / "provenance.npz")
    about = {"sources": {"of": [{"collection": "collection", "licence": "CC0-1.0"}]}}
    found = KnownTunes.load(tmp_path, about).nearest(REEL)
    assert found.near[0].licence == "CC0-1.0"
    assert "16 of its 16 notes" in found.text()
    (tmp_path / "provenance.npz").write_bytes(b"no array")
    with pytest.raises(ModelError, match="not the tunes that a model learned from"):
        KnownTunes.load(tmp_path, about)
    with pytest.raises(ModelError, match="does not say which tunes"):
        KnownTunes.load(tmp_path / "elsewhere", about)


def test_silence_is_near_nothing():
    found = index(REEL).nearest(Melody(np.zeros(16, np.int8)))
    assert (found.near, found.longest, found.notes) == ((), 0, 0)
