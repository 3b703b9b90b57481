"""A file that computes without an end is left out, and named; nothing hangs, and the others are what they were."""

from __future__ import annotations

import hashlib
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from cantilena.corpus.build import build
from cantilena.corpus.parts import SECONDS, extract_file, rules
from cantilena.corpus.time_limit import TooSlowError, time_limit
from cantilena.music.extract import Candidate
from cantilena.music.melody import Melody
from cantilena.music.midi import to_midi


def endless() -> None:
    while True:
        pass


def test_what_computes_for_longer_is_interrupted() -> None:
    before = signal.getsignal(signal.SIGPROF)
    with pytest.raises(TooSlowError), time_limit(0.1), suppress(Exception):
        endless()
    assert signal.getsignal(signal.SIGPROF) is before
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)


def test_what_is_done_in_time_is_left_alone() -> None:
    with time_limit(60):
        done = sum(range(1000))
    assert done == 499500


def test_in_another_thread_there_is_no_limit() -> None:
    found: list[int] = []

    def work() -> None:
        with time_limit(1e-3):
            found.append(sum(range(100_000)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [4999950000]


def test_where_the_system_has_no_such_clock_there_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    monkeypatch.delattr(signal, "setitimer")
    with time_limit(1e-3):
        done = sum(range(100_000))
    assert done == 4999950000


def slow(data: bytes) -> list[Candidate]:
    """The usual extractor, which some files keep busy: in Python, or in C, which no signal reaches."""
    if b"PYTHON" in data:
        endless()
    if b"IN C" in data:
        hashlib.pbkdf2_hmac("sha256", b"", b"", 1 << 30)
    return extract_file(data)


def test_files_that_take_too_long_are_counted_and_cost_themselves_only(tmp_path: Path) -> None:
    songs = tmp_path / "songs"
    songs.mkdir()
    for k in range(3):
        tune = Melody.from_notes(range(0, 320, 4), range(4, 324, 4), [60 + k, 62, 64 + k, 65, 67 + 2 * k] * 16)
        (songs / f"{k}.mid").write_bytes(to_midi(tune))
    plain = build([songs], tmp_path / "plain", workers=1)
    for name in ("PYTHON", "IN C"):
        (songs / f"{name}.mid").write_bytes(to_midi(tune, track_name=name))
    made = build([songs], tmp_path / "out", workers=1, extractor=slow, seconds=0.4)
    left_out = made.manifest["files"]["left_out"]
    assert (left_out["longer than 0.4 s to read"], left_out["crashed"]) == (1, 1)
    assert made.manifest["crashed"] == [
        {"name": "songs/IN C.mid", "detail": "it killed the process that read it, twice"}
    ]
    assert len(made) == len(plain)
    assert [made.melody(k) == plain.melody(k) for k in range(len(plain))] == [True] * len(plain)


def test_a_build_with_another_patience_reads_anew() -> None:
    assert rules(extract_file) == rules(extract_file, SECONDS) != rules(extract_file, 2 * SECONDS)
