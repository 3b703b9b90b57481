"""Pieces: what is measured is what was in the files, and what was not is said."""

from pathlib import Path

import numpy as np
import pytest
from midi_files import song, track, tune

from cantilena.errors import CantilenaError, CorpusError, MidiError
from cantilena.metrics.pieces import Pieces, corpus_pieces, read_pieces
from cantilena.music.extract import extract
from cantilena.music.melody import Melody, canonical, is_silent
from cantilena.music.midi import read_song, to_midi
from melodies import random_melody


@pytest.fixture
def songs(tmp_path):
    for seed, bars in enumerate((70, 64, 30, 6)):
        (tmp_path / f"{seed}.mid").write_bytes(to_midi(random_melody(seed, bars)))
    return tmp_path


def test_a_folder_gives_first_windows_and_whole_short_melodies(songs):
    pieces = read_pieces(songs)
    assert [row.size // 16 for row in pieces.events] == [64, 64, 30, 6]
    np.testing.assert_array_equal(pieces.events[0], random_melody(0, 70).slice(1, 64).events)
    np.testing.assert_array_equal(pieces.events[3], random_melody(3, 6).events)
    assert pieces.groups.tolist() == [0, 1, 2, 3]
    assert pieces.skipped == {}
    assert [row.size // 16 for row in read_pieces(songs, bars=16).events] == [16, 16, 16, 6]
    assert len(read_pieces(songs / "2.mid")) == 1


def test_folders_are_searched_through_and_what_gives_nothing_is_counted(songs):
    (songs / "deep").mkdir()
    (songs / "deep" / "broken.MID").write_bytes(b"not music")
    (songs / "deep" / "short.mid").write_bytes(to_midi(random_melody(8, 5)))
    (songs / "deep" / "waltz.mid").write_bytes(song(track(tune(1)), signatures=[(0, 3, 4)]))
    (songs / "deep" / "ninth.mid").write_bytes(to_midi(random_melody(9, 9)))
    (songs / "deep" / "notes.txt").write_bytes(b"not asked for")
    pieces = read_pieces(songs)
    assert len(pieces) == 7
    assert pieces.skipped == {"not a MIDI file": 1}
    assert sorted(str(metre) for metre in pieces.metres) == ["3/4", *["4/4"] * 6]
    assert min(row.size for row in pieces.events) == 5 * 16


def test_most_is_a_draw_of_the_seed(songs, corpus):
    few = [read_pieces(songs, most=2, seed=seed) for seed in range(8)]
    assert {len(p) for p in few} == {2}
    assert len({tuple(row.size for row in p.events) for p in few}) > 1
    np.testing.assert_array_equal(read_pieces(songs, most=2, seed=3).events[1], few[3].events[1])
    one, other = (corpus_pieces(corpus, "train", 20, seed=seed) for seed in (0, 1))
    assert len(one) == len(other) == 20
    assert any((a != b).any() for a, b in zip(one.events, other.events, strict=True))


def test_a_split_gives_its_windows_without_silent_phrases(corpus):
    pieces = corpus_pieces(corpus, "train")
    windows = corpus.windows("train")
    assert len(pieces) == len(windows) == len(pieces.groups)
    for row, group, (melody, phrase) in zip(pieces.events, pieces.groups, windows, strict=True):
        expected = corpus.melody(melody).slice(2 * phrase + 1, 2 * phrase + 64).events
        np.testing.assert_array_equal(row, expected)
        assert group == corpus.table["group"][melody]
        assert not is_silent(corpus.phrases(melody)[phrase : phrase + 32]).any()
    for source, split in ((f"{corpus.directory}:validation", "validation"), (str(corpus.directory), "test")):
        read = read_pieces(source, bars=8)
        assert len(read) == len(corpus.windows(split, phrases=4))
        assert {row.size for row in read.events} == {128}
        assert read.name == f"toy:{split}"


@pytest.mark.parametrize("ending", ["npz", "npy"])
def test_arrays_are_made_canonical_and_cut(tmp_path, ending):
    events = np.random.default_rng(0).integers(0, 90, (5, 70 * 16))
    path = tmp_path / f"tokens.{ending}"
    if ending == "npz":
        np.savez(path, events=events)
    else:
        np.save(path, events)
    pieces = read_pieces(path)
    np.testing.assert_array_equal(np.stack(pieces.events), canonical(events[:, :1024]))


def test_batches_hold_every_piece_once_in_its_place(songs):
    pieces = read_pieces(songs)
    seen = {}
    for indices, events in pieces.batches():
        seen |= dict(zip(indices.tolist(), events, strict=True))
    assert sorted(seen) == [0, 1, 2, 3]
    assert all((seen[i] == pieces.events[i]).all() for i in seen)


def refused(path: Path, said: str, error: type[CantilenaError] = CantilenaError) -> None:
    with pytest.raises(error, match=said) as caught:
        read_pieces(path)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_read_is_one_line(tmp_path):
    refused(tmp_path / "nowhere", "no such file or folder")
    refused(f"{tmp_path}/nowhere:train", "no corpus there", CorpusError)
    refused(tmp_path / "nowhere.npz", "no such file")
    refused(tmp_path, r"no melody in 0 files \(no song in it\)", MidiError)
    (tmp_path / "odd.mid").write_bytes(song(track(tune(1)), signatures=[(0, 17, 4)]))
    refused(tmp_path, r"in 1 files \(1 no melody of 4 bars or more\)", MidiError)
    refused(tmp_path / "odd.mid", "no melody of 4 bars or more", MidiError)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"notes": np.zeros((2, 96), int)}, "expected an array named events, not notes"),
        ({"events": np.zeros(96, int)}, r"events are \(n, steps\)"),
        ({"events": np.zeros((0, 96), int)}, "n 1 or more"),
        ({"events": np.full((2, 96), 90)}, r"tokens are 0\.\.89, not 90\.\.90"),
        ({"events": np.full((2, 96), -1)}, r"tokens are 0\.\.89"),
        ({"events": np.zeros((2, 95), int)}, "whole bars of 16 steps"),
        ({"events": np.zeros((2, 0), int)}, "one or more"),
        ({"events": np.zeros((2, 96))}, "integer tokens, not float64"),
        ({"events": np.array([[None] * 96], object)}, "cannot be read"),
    ],
)
def test_wrong_arrays_are_one_line(tmp_path, arrays, said):
    np.savez(tmp_path / "x.npz", **arrays)
    refused(tmp_path / "x.npz", said)


def test_a_damaged_file_is_one_line(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", events=np.random.default_rng(0).integers(0, 90, (50, 96)))
    whole = (tmp_path / "x.npz").read_bytes()
    middle = len(whole) // 2
    for data in (b"", b"PK\3\4", b"no archive", whole[:middle], whole[:middle] + bytes(9) + whole[middle + 9 :]):
        (tmp_path / "x.npz").write_bytes(data)
        refused(tmp_path / "x.npz", "cannot be read")


def test_wrong_arguments(corpus):
    with pytest.raises(ValueError, match="even number of bars"):
        corpus_pieces(corpus, "train", bars=7)
    with pytest.raises(ValueError, match="bars=5"):
        read_pieces("x", bars=5)
    with pytest.raises(ValueError, match="most=0"):
        read_pieces("x", most=0)
    with pytest.raises(ValueError, match="groups are 2 integers"):
        Pieces.of(np.zeros((2, 96), int), groups=[1])
    with pytest.raises(CantilenaError, match="no window of 80 bars"):
        corpus_pieces(corpus, "train", bars=80)


def test_what_was_composed_is_measured_whatever_a_corpus_would_say_of_it(tmp_path):
    """Two pitches, silence at first, hardly a note: no melody of a corpus, and a piece all the same, bar for bar."""
    poor = Melody.from_notes([160, 164, 400], [164, 170, 410], [60, 62, 60], bars=64)
    (tmp_path / "poor.mid").write_bytes(to_midi(poor))
    assert extract_refuses(tmp_path / "poor.mid")
    (events,) = read_pieces(tmp_path / "poor.mid").events
    np.testing.assert_array_equal(events, poor.events[: 26 * 16])

    rich = random_melody(3, 64)
    (tmp_path / "rich.mid").write_bytes(to_midi(rich))
    assert len(read_pieces(tmp_path).events) == 2


def extract_refuses(path):
    with pytest.raises(MidiError, match="no melody"):
        extract(read_song(path))
    return True


def test_of_several_poor_voices_the_one_with_most_notes_is_measured(tmp_path):
    few, many = [(0, 16, 40), (120, 130, 41)], [(s, s + 2, 60 + s % 3) for s in range(0, 128, 4)]
    (tmp_path / "poor.mid").write_bytes(song(track(few), track(many, channel=1)))
    assert extract_refuses(tmp_path / "poor.mid")
    (events,) = read_pieces(tmp_path / "poor.mid").events
    assert (events > 1).sum() == len(many)


def test_notation_is_read_as_midi_is(tmp_path):
    lines = "".join("C2 E2 G2 c2 | e2 d2 c2 G2 |\n" for _ in range(4))
    (tmp_path / "a.abc").write_text(f"X:1\nT:Tune\nM:4/4\nL:1/8\nK:C\n{lines}")
    (tmp_path / "b.abc").write_text("X:1\nM:3/4\nL:1/4\nK:C\n" + "C E G|" * 8 + "\n")
    pieces = read_pieces(tmp_path)
    assert [row.size // metre.bar_steps for row, metre in zip(pieces.events, pieces.metres, strict=True)] == [8, 8]
    assert (pieces.events[0] > 1).sum() == 32
    assert pieces.failed == 0
