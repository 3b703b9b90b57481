"""Bars are counted as a DAW counts them, in every metre that has bars."""

import pytest
from midi_files import STEP, chunk, midi, signature, song, track, tune

from cantilena.errors import MidiError
from cantilena.music.bars import bar_lines, stretches
from cantilena.music.extract import candidates
from cantilena.music.metre import FOUR_FOUR
from cantilena.music.midi import read_song


def written(numerator, power, at=0):
    """A song with a signature whose bytes say what they like."""
    event = bytes([0xFF, 0x58, 4, numerator, power, 24, 8])
    return read_song(midi(chunk([(at, event)]), track(tune(1, 12))), name="x.mid")


@pytest.mark.parametrize(
    ("numerator", "power", "metre"),
    [(4, 8, "4/256"), (1, 31, r"1/2\^31"), (2, 33, r"2/2\^33"), (1, 255, r"1/2\^255"), (0, 2, "0/4"), (0, 0, "0/1")],
)
def test_a_metre_without_bars_is_one_line(numerator, power, metre):
    with pytest.raises(MidiError, match=f"^x.mid: its bars cannot be counted: from bar 1 on its metre is {metre};"):
        bar_lines(written(numerator, power))
    with pytest.raises(MidiError, match=f"from bar 5 on its metre is {metre};"):
        stretches(written(numerator, power, at=4 * 16 * STEP))
    assert candidates(written(numerator, power)) == []


def test_a_metre_behind_the_last_note_has_no_bars():
    assert len(bar_lines(written(4, 8, at=12 * 16 * STEP))) == 12


@pytest.mark.parametrize(("power", "bars"), [(0, 3), (2, 12), (5, 96), (7, 384)])
def test_every_denominator_to_128ths_is_counted(power, bars):
    found = bar_lines(written(4, power))
    assert (len(found), found[0].metre) == (bars, f"4/{2**power}")
    assert found[-1].begin < 12 * 16 * STEP <= found[-1].end


def test_bars_that_are_no_whole_number_of_ticks_do_not_drift():
    """Eight bars of 3/8 are twelve quarters, also where a quarter is one tick."""
    data = midi(chunk([(0, signature(3, 8))]), track([(0, 24, 60)], step=1), division=1)
    found = bar_lines(read_song(data))
    assert [bar.begin for bar in found[:5]] == [0, 1, 3, 4, 6]
    assert len(found) == 16


def test_stretches_are_numbered_through_other_metres():
    data = song(track(tune(1, 14)), signatures=[(0, 4, 4), (96, 2, 4), (104, 4, 4), (168, 3, 4)])
    assert [(s.first, s.bars) for s in stretches(read_song(data), FOUR_FOUR)] == [(1, 6), (8, 4)]
    assert [(s.first, s.bars) for s in stretches(read_song(data))] == [(1, 6), (7, 1), (8, 4), (12, 5)]
