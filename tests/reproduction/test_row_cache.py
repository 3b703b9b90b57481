"""Melodies kept while they are made come back, and others never stand in for them."""

import numpy as np
import pytest

from cantilena.errors import CantilenaError
from cantilena.metrics.pieces import read_pieces
from cantilena.reproduction.row_cache import RowCache
from melodies import random_melody

EVENTS = np.stack([random_melody(seed, 64).events for seed in range(3)])


def test_what_is_written_is_read_and_can_be_evaluated(tmp_path):
    cache = RowCache(tmp_path / "new" / "row.npz", {"row": "prior", "moments": (0.5, 0.25)})
    assert cache.read().shape == (0, 1024)
    cache.write(EVENTS[:1])
    cache.write(EVENTS)
    assert np.array_equal(cache.read(), EVENTS)
    assert [p.name for p in cache.path.parent.iterdir()] == ["row.npz"]
    assert np.array_equal(read_pieces(cache.path).events, EVENTS)


def test_melodies_that_depend_on_other_things_do_not_count(tmp_path):
    RowCache(tmp_path / "row.npz", {"steps": 20}).write(EVENTS)
    assert len(RowCache(tmp_path / "row.npz", {"steps": 21}).read()) == 0
    assert len(RowCache(tmp_path / "row.npz", {"steps": 20, "settle": 0}).read()) == 0
    assert len(RowCache(tmp_path / "row.npz", {"steps": 20}).read()) == 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:200]),
        lambda path: np.savez(path, events=EVENTS),
        lambda path: np.savez(path, events=EVENTS[:, :512], recipe=np.array("{}")),
    ],
)
def test_a_damaged_file_is_one_clear_line(tmp_path, spoil):
    cache = RowCache(tmp_path / "row.npz", {})
    cache.write(EVENTS)
    spoil(cache.path)
    with pytest.raises(CantilenaError, match=r"row.npz: no melodies kept there .*; remove it to begin anew") as caught:
        cache.read()
    assert "\n" not in str(caught.value)


def test_a_full_disk_leaves_what_was_kept(tmp_path, monkeypatch):
    cache = RowCache(tmp_path / "row.npz", {})
    cache.write(EVENTS[:2])
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        cache.write(EVENTS)
    assert np.array_equal(cache.read(), EVENTS[:2])
