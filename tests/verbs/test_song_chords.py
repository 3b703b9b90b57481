"""Edits follow the chords of a song where it has some; what was followed stands in the receipt, in words."""

import json

import numpy as np
import pytest
from midi_files import song, track

from cantilena.again import perform_again
from cantilena.codec import decode, encode, sources_of, with_sources
from cantilena.composer import load
from cantilena.music.melody import Melody
from cantilena.requests import Compose
from cantilena.rules import Chords, Key
from cantilena.sources import Source

FAST = {"steps": 1, "resample": 1}
SHEET = "\n".join(
    ["X:1", "T:A sheet", "M:4/4", "L:1/8", "K:C"]
    + ['"C"C2E2G2c2|"F"A2F2"G7"D2F2|"Am"A2c2e2c2|"G"d2B2G2D2|' for _ in range(4)]
)
ROUND = ["C", "F G7", "Am", "G"]


@pytest.fixture(scope="module")
def composer(toy_model):
    return load(toy_model)


@pytest.fixture
def sheet(tmp_path):
    path = tmp_path / "sheet.abc"
    path.write_text(SHEET)
    return path


def text(*bars: str) -> str:
    return f"| {' | '.join(bars)} |"


def all_fit(chords: str, melody: Melody) -> bool:
    return bool((Chords(chords)(melody) == 0).all())


def again(result, folder, composer, *given):
    result.save(folder / "made.mid")
    return perform_again(folder / "made.mid", given=given, model="toy", load=lambda _: composer)


def test_infill_follows_bar_by_bar(composer, sheet, tmp_path):
    made = composer.infill(sheet, "2-3,8", seed=1, **FAST)
    asked = made.receipt.request.rules.chords
    assert asked == text("F G7", "Am", "G")
    assert all_fit(asked, Melody.from_tokens(made.events.reshape(-1, 16)[[1, 2, 7]].reshape(-1)))
    assert [(row.bar, row.rule, row.met) for row in made.receipt.rows] == [(b, "chords", True) for b in (2, 3, 8)]
    assert again(made, tmp_path, composer, sheet).same


def test_none_lets_go_and_what_is_asked_wins(composer, sheet, tmp_path):
    free = composer.infill(sheet, "2-3", seed=1, rules={"chords": "none"}, **FAST)
    assert free.receipt.rows == ()
    assert free.receipt.request.rules.chords == "none"
    assert again(free, tmp_path, composer, sheet).same
    other = composer.infill(sheet, "2-3", seed=1, rules={"chords": "| F#m | B |"}, **FAST)
    assert other.receipt.request.rules.chords == "| F#m | B |"
    assert all_fit("| F#m | B |", other.slice(2, 3))
    assert other != free


def test_a_song_without_symbols_has_none_unless_they_are_estimated(composer, tmp_path):
    chords = [(0, 16, 48), (0, 16, 64), (0, 16, 67), (16, 32, 41), (16, 32, 65), (16, 32, 69)]
    beneath = [(a + 32 * k, b + 32 * k, p) for k in range(8) for a, b, p in chords]
    path = tmp_path / "song.mid"
    lead = [(4 * k, 4 * k + 4, 72 + (0, 4, 7, 2, 5, 9, 12, 5)[k % 8]) for k in range(64)]
    path.write_bytes(song(track(lead, name="Lead"), track(beneath, name="Keys", channel=1)))
    assert composer.infill(path, "5-6", track=0, **FAST).receipt.request.rules is None
    made = composer.infill(path, "5-6", track=0, rules={"chords": "estimate"}, **FAST)
    assert made.receipt.request.rules.chords == "estimated | C | F |"
    assert "estimated" in made.receipt.table()
    assert again(made, tmp_path, composer, path).same
    with pytest.raises(ValueError, match="of a Melody are not estimated"):
        composer.infill(made.melody, "5-6", rules={"chords": "estimate"}, **FAST)


def test_they_never_stand_in_the_way_of_what_is_asked(composer, sheet, tmp_path):
    made = composer.infill(sheet, "1-4", rules={"key": "F# major"}, **FAST)  # no tone of C and Am
    assert made.receipt.request.rules.chords == text("N.C.", "F G7", "N.C.", "G")
    assert all(row.met for row in made.receipt.rows if row.rule == "key")
    assert (Key("F# major")(made.slice(1, 4)) == 0).all()
    keep = tmp_path / "keep.mid"
    keep.write_bytes(song(track([(16, 20, 61)])))  # C# on the first beat of bar 2
    kept = composer.infill(sheet, "1-3", keep=keep, **FAST)
    assert kept.receipt.request.rules.chords == text("C", "N.C.", "Am")


@pytest.mark.parametrize("before", [False, True])
def test_beyond_a_song_its_last_bars_come_again(composer, sheet, tmp_path, before):
    made = composer.extend(sheet, 6, before=before, seed=2, **FAST)
    asked = made.receipt.request.rules.chords
    assert asked == text(*[ROUND[k % 4] for k in range(10, 16)])
    assert all_fit(asked, made.slice(1, 6) if before else made.slice(17, 22))
    assert again(made, tmp_path, composer, sheet).same


def test_more_bars_than_a_song_has_go_round(composer, sheet):
    assert composer.extend(sheet, 18, **FAST).receipt.request.rules.chords == text(*ROUND * 4, *ROUND[:2])


@pytest.mark.parametrize("strength", [0.2, 0.6, 1.0])
def test_what_a_variation_changes_fits_and_what_stays_may_not(composer, tmp_path, strength):
    path = tmp_path / "odd.abc"
    path.write_text(SHEET.replace('"Am"A2', '"Am"B2'))  # no tone of its chord, on the first beat
    made = composer.vary(path, strength, seed=3, **FAST)
    assert made.receipt.request.chords == text(*ROUND * 4)
    assert {row.met for row in made.receipt.rows} <= {True}
    was = {(s, p) for s, _, p in zip(*made.before.notes, strict=True)}
    fits = Chords(text(*ROUND)).allowed(16 * 16)
    for start, _, pitch in zip(*made.notes, strict=True):
        assert (start, pitch) in was or fits[start, pitch - 19]
    assert again(made, tmp_path, composer, path).same
    free = composer.vary(path, strength, seed=3, chords="none", **FAST)
    assert free.receipt.rows == ()
    assert free.receipt.request.chords == "none"


@pytest.mark.parametrize("strength", [0.3, 0.7])
@pytest.mark.parametrize("shipped", [False, True])
def test_chords_that_ask_nothing_change_nothing(composer, sheet, strength, shipped):
    """Parts that come again go on together, and the doubt is that of the noise, as without chords."""
    composer = load("open-64") if shipped else composer
    free, bound = (composer.vary(sheet, strength, seed=5, chords=chords, **FAST) for chords in ("none", "| N.C. |"))
    assert free == bound


def test_a_bridge_follows_only_what_is_asked(composer, sheet):
    assert composer.bridge(sheet, sheet, 2, **FAST).receipt.request.rules is None
    with pytest.raises(ValueError, match="only those of a song are estimated"):
        composer.bridge(sheet, sheet, 2, rules={"chords": "estimate"}, **FAST)


def test_a_tune_over_the_chords_of_a_song(composer, sheet, tmp_path):
    made = composer.compose(seed=4, rules={"chords_of": sheet}, steps=1)
    asked = made.receipt.request
    assert made.receipt.rows[0].asked == "| C | F G7 | Am | G | C | F G7 | Am | G | C | F G7 | Am | G ..."
    assert (asked.bars, asked.metre, asked.rules.chords) == (16, "4/4", text(*ROUND * 4))
    assert all_fit(asked.rules.chords, made.melody)
    assert sources_of(asked) == []  # it can be made again without the song
    assert again(made, tmp_path, composer).same
    assert Compose(bars=64, rules={"chords_of": sheet}).bars == 64
    assert Compose(metre="3/4", rules={"chords_of": sheet}).metre == "3/4"
    with pytest.raises(ValueError, match="chords and chords_of: give one"):
        Compose(rules={"chords_of": sheet, "chords": "| C |"})
    with pytest.raises(ValueError, match="a Melody has no chords"):
        Compose(rules={"chords_of": made.melody})


def test_a_request_that_knows_a_song_by_its_hash_is_settled_when_it_is_found(sheet):
    source = Source.of(sheet)
    asked = decode(json.dumps({"verb": "compose", "rules": {"chords_of": source.as_json()}}))
    found = with_sources(asked, [source])
    assert found == Compose(rules={"chords_of": sheet})
    assert encode(found)["bars"] == 16
    assert decode('{"verb": "compose"}') == Compose() == Compose(bars=64, metre="4/4")


def test_bars_before_the_first_chord_are_left_out(tmp_path):
    path = tmp_path / "pickup.abc"
    path.write_text("X:1\nM:3/4\nL:1/4\nK:G\nD|" + '"G"GBd|"D7"AFD|' * 4)
    asked = Compose(rules={"chords_of": path})
    assert (asked.metre, asked.bars, asked.rules.chords) == ("3/4", 8, text(*["G", "D7"] * 4))


def test_compose_has_no_chords_to_let_go_of():
    assert Compose(rules={"chords": "none", "weights": {}}).rules.words == {}
    assert np.array_equal(Compose(rules={"key": "C major", "chords": "none"}).rules.words.get("key"), "C major")
