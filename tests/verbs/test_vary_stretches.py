"""`vary` without bars takes every stretch of the melody, each by itself; a song of two bars gets a hint."""

import pytest
from midi_files import song, track, tune

from cantilena.composer import load
from cantilena.edits.vary import by_stretch, melody_bars
from cantilena.errors import MidiError
from cantilena.music.midi import read_song
from cantilena.music.splice import read_notes
from command_line import run

CHANGES = [(0, 4, 4), (6 * 16, 2, 4), (6 * 16 + 8, 4, 4)]
LATER = 6 * 16 + 8


@pytest.fixture
def two():
    """Bars 1-6 in 4/4, one of 2/4, bars 8-15 in 4/4; a bass beneath."""
    lead = [*tune(1, 6), (6 * 16, 6 * 16 + 8, 71), *((s + LATER, e + LATER, p) for s, e, p in tune(2, 8))]
    bass = [(s, e, p) for s, e, p in tune(3, 12, low=30)]
    return song(track(lead, name="Lead"), track(bass, name="Bass", channel=1), signatures=CHANGES)


def notes_of(data, index=0):
    found = read_song(data).tracks[index]
    tpq = read_song(data).ticks_per_quarter // 4
    return {(int(s) // tpq, int(p)) for s, p in zip(found.start, found.pitch, strict=True)}


def test_every_stretch_is_varied_and_all_else_stays(toy_model, two):
    composer = load(toy_model)
    assert melody_bars(read_song(two)) == ((1, 6), (8, 15))
    result = composer.vary(two, 1.0, steps=2, seed=3)
    before, after = notes_of(two), notes_of(result.midi)
    for first, last in ((0, 6 * 16), (LATER, LATER + 8 * 16)):
        inside = [{note for note in notes if first <= note[0] < last} for notes in (before, after)]
        assert inside[0] != inside[1]
    assert (6 * 16, 71) in after
    assert notes_of(two, 1) == notes_of(result.midi, 1)
    assert str(result.receipt.request.bars) == "1-6,8-15"
    assert result.melody.bars == 8
    assert composer(result.receipt.request.__class__(two, 1.0, steps=2, seed=3, bars="1-6,8-15")).midi == result.midi


def test_one_stretch_alone_is_what_it_was(toy_model, two):
    composer = load(toy_model)
    alone = composer.vary(two, 1.0, steps=2, seed=3, bars="8-15")
    assert {note for note in notes_of(two) if note[0] < LATER} <= notes_of(alone.midi)


def test_bars_in_no_stretch_are_refused(two):
    five = song(track(tune(1, 12)), signatures=[(0, 4, 4), (6 * 16, 33, 16), (6 * 16 + 33, 4, 4)])
    with pytest.raises(MidiError, match="outside the song"):
        by_stretch(read_song(two), ((8, 99),))
    with pytest.raises(MidiError, match="which this model does not know"):
        by_stretch(read_song(five), ((6, 7),), None)
    assert by_stretch(read_song(two), ((5, 9), (11, 12))) == [((5, 6),), ((7, 7),), ((8, 9), (11, 12))]


def test_the_command_says_which_bars_it_takes_and_makes_them_again(toy_model, two, tmp_path):
    (tmp_path / "two.mid").write_bytes(two)
    given = ["two.mid", "--steps", 1, "--seed", 1, "--model", toy_model]
    done = run("vary", *given, "-o", "out.mid", cwd=tmp_path)
    assert done.stdout.startswith("out.mid  bars 1-6,8-15 of track 0  strength 0.5  seed 1  Melody(8 bars, ")
    again = run("again", "out.mid", "--model", toy_model, cwd=tmp_path)
    assert (again.returncode, again.stdout) == (0, "out.mid: the same notes (vary, seed 1)\n")


def test_two_bars_get_a_hint(tmp_path):
    (tmp_path / "short.mid").write_bytes(song(track(tune(1, 2))))
    (tmp_path / "drums.mid").write_bytes(song(track(tune(1, 12), channel=9)))
    hint = "`cantilena compose --motif` makes a tune of two bars"
    for verb in (["extend"], ["vary"], ["infill", "--bars", "1"]):
        done = run(*verb, "short.mid", "-o", "out.mid", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"(1 tracks: 1 shorter than 4 bars); {hint}" in done.stderr
    assert hint not in run("extend", "drums.mid", "-o", "out.mid", cwd=tmp_path).stderr
    assert read_notes(read_song(tmp_path / "short.mid"))
