"""Some mutants of every entry: each is read, or refused with a typed error of one line, quickly."""

import random
import signal

import pytest
from entries import ENTRIES

import fuzz

FEW = {"model": 40, "notation": 150}  # others: more


@pytest.fixture(autouse=True)
def clock():
    before = signal.signal(signal.SIGVTALRM, fuzz.stop)
    yield
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize("name", ENTRIES)
def test_mutants_are_read_or_refused_in_a_line(name):
    found = [fuzz.tried(ENTRIES[name], f"test {k}") for k in range(FEW.get(name, 200))]
    assert [(said, data[:200]) for what, data, said in found if what not in ("read", "typed")] == []
    assert sum(what == "read" for what, *_ in found) >= 0.03 * len(found)  # a mutant that none reads tests little


def test_a_mutant_is_its_seeds():
    for entry in ENTRIES.values():
        assert entry.make(random.Random("a")) == entry.make(random.Random("a")) != entry.make(random.Random("b"))


def test_what_is_untyped_slow_or_many_lines_is_found():
    def broken(data):
        raise KeyError(data)

    def talkative(data):
        raise ValueError("one line\nand another")

    def slow(data):
        while True:
            pass

    for use, what in ((broken, "untyped"), (talkative, "untyped"), (slow, "slow"), (len, "read")):
        seconds, fuzz.SECONDS = fuzz.SECONDS, 0.2
        try:
            assert fuzz.tried(fuzz.Entry(lambda draw: b"x", use), "a")[0] == what
        finally:
            fuzz.SECONDS = seconds
