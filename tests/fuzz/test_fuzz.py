"""Some mutants of every entry: each is read, or refused with an error of Cantilena of one line, quickly."""

import os
import random

import numpy as np
import pytest
from entries import ENTRIES, Entry

import fuzz
from cantilena.errors import ModelError

FEW = {"model": 40, "notation": 150}  # others: more


@pytest.fixture(scope="module")
def child():
    with fuzz.Child() as running:
        yield running


@pytest.mark.parametrize("name", ENTRIES)
def test_mutants_are_read_or_refused_in_a_line(name, child):
    tried = [child.tried(name, f"test {k}") for k in range(FEW.get(name, 200))]
    assert [(k, said) for k, (found, said) in enumerate(tried) if found not in ("read", "typed")] == []
    assert sum(one.found == "read" for one in tried) >= 0.03 * len(tried)  # a mutant that none reads tests little


def test_a_mutant_is_its_seeds():
    for entry in ENTRIES.values():
        assert entry.make(random.Random("a")) == entry.make(random.Random("a")) != entry.make(random.Random("b"))


def odd():
    """Entries that are not as they should be; the first mutant of each is none."""
    return {use.__name__: Entry(one, use) for use in (refuses, broken, wrong, talkative, slow, large, dies, len)}


def one(draw):
    return b"x" if draw.random() < 1 else b""


calls = []


def first(use):
    """Whether it is the first call in this process: the one before mutants."""
    calls.append(use)
    return calls.count(use) == 1


def refuses(data):
    raise ModelError("no")


def broken(data):
    raise KeyError(data)


def wrong(data):
    raise ValueError("one line, but of nobody in particular")


def talkative(data):
    raise ModelError("one line\nand another")


def slow(data):
    if not first(slow):
        while True:
            pass


def large(data):
    np.ones(1 if first(large) else 1 << 31, np.uint8)


def dies(data):
    first(dies) or os._exit(3)


def test_the_memory_of_who_begins_it_is_no_mutants():
    grown = np.ones(fuzz.MEMORY + (64 << 20), np.uint8)  # the kernel hands its peak on to every process begun after
    with fuzz.Child(odd) as running:
        assert running.tried("len", "a").found == "read"
    assert grown.all()


def test_what_is_untyped_slow_large_or_many_lines_is_found_and_the_rest_goes_on():
    with fuzz.Child(odd, seconds=0.5) as running:
        found = {name: running.tried(name, "a").found for name in odd()}
        again = running.tried("len", "b").found
    assert found == {
        "refuses": "typed", "broken": "untyped", "wrong": "untyped", "talkative": "untyped", "slow": "slow",
        "large": "large", "dies": "untyped", "len": "read",
    }  # fmt: skip
    assert again == "read"
