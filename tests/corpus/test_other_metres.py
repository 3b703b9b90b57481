"""A corpus in every metre: its phrases and windows, and the same tune in another metre, grid or notation."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from midi_files import Note, song, spliced, track, tune
from test_corpus import inline, songs

from cantilena.corpus.other_metres import again_in_another_metre, relative_key, runs
from cantilena.corpus.parts import extract_file
from cantilena.corpus.store import Corpus
from cantilena.corpus.tunes import SPLITS
from cantilena.errors import CorpusError
from cantilena.music.melody import Melody
from cantilena.music.metre import FOUR_FOUR, Metre
from cantilena.music.midi import to_midi
from cantilena.notation.extractor import extract_song
from cantilena.notation.to_abc import to_abc
from cantilena.notation.to_musicxml import to_musicxml

METRES = ["2/4", "3/4", "6/8", "9/8", "12/8", "5/4", "3/8", "3/2", "4/4 triplets", "3/4 triplets", "2/2"]


def melody_in(metre: Metre, seed: int, bars: int = 40) -> Melody:
    """A tune on the grid of a metre with long notes, rests and onsets off the beat."""
    draw = random.Random(seed)
    start, end, pitch, at = [], [], [], 0
    while at < bars * metre.bar_steps - 1:
        length = draw.choice([1, 1, 1, 2, 3, 6])
        start.append(at)
        end.append(min(at + length, bars * metre.bar_steps))
        pitch.append(60 + draw.randrange(18))
        at += length + draw.choice([0] * 12 + [metre.phrase_steps])
    return Melody.from_notes(start, end, pitch, bars=bars, metre=metre)


def corpus_of(folder: Path, files: dict[str, bytes], **more: object) -> Corpus:
    (folder / "in").mkdir()
    for name, data in files.items():
        (folder / "in" / name).write_bytes(data)
    return inline([folder / "in"], folder / "out", **more)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    files = {
        f"{k}.mid": to_midi(melody_in(Metre.parse(text), k, bars))
        for k, (text, bars) in enumerate([(text, bars) for text in METRES for bars in (19, 70)])
    }
    return corpus_of(tmp_path_factory.mktemp("mixed"), files)


def test_every_metre_is_kept_with_its_phrases(mixed: Corpus) -> None:
    assert sorted(mixed.manifest["metres"]) == sorted(METRES)
    assert set(mixed.manifest["metres"].values()) == {2}
    for i in range(len(mixed)):
        number = int(Path(mixed.source(i)).stem)
        wanted = melody_in(Metre.parse(METRES[number // 2]), number, (19, 70)[number % 2])
        assert mixed.metre(i) == mixed.melody(i).metre == wanted.metre
        np.testing.assert_array_equal(mixed.melody(i).notes, wanted.notes)
    for split in SPLITS:
        phrases, of = mixed.phrases_in_order(split)
        for i in mixed.indices(split).tolist():
            melody = mixed.melody(i)
            whole = melody.phrases()[: melody.bars // melody.metre.phrase_bars]
            np.testing.assert_array_equal(phrases[of == i], whole)
    assert len(mixed.windows("train", phrases=32, max_silent=32)) > 0
    for i, phrase in mixed.windows("train", phrases=4, max_silent=4).tolist():
        melody = mixed.melody(i)
        assert (phrase + 4) * melody.metre.phrase_bars <= melody.bars


def halved(melody: Melody, metre: Metre) -> Melody:
    """The same tune in half the values."""
    start, end, pitch = melody.notes
    return Melody.from_notes(start // 2, np.maximum(end // 2, start // 2 + 1), pitch, metre=metre)


def even(seed: int, bars: int = 24) -> list[Note]:
    """A tune in eighths."""
    return [(2 * s, 2 * e, p) for s, e, p in tune(seed, bars // 2, low=60)]


def test_the_same_tune_in_another_metre_is_kept_once(tmp_path: Path) -> None:
    reel = Melody.from_notes(*zip(*even(1, 40), strict=True))
    files = {"four.mid": to_midi(reel), "two.mid": to_midi(halved(reel, Metre(2, 4)).transpose(5))}
    files["bars.mid"] = to_midi(Melody.from_notes(*reel.notes, metre=Metre(2, 4)))
    assert len(corpus_of(tmp_path, files)) == 1


def test_a_shuffle_in_triplets_is_that_in_twelve_eight(tmp_path: Path) -> None:
    triplets = melody_in(Metre(4, 4, 3), 3)
    start, end, pitch = triplets.notes
    eighths = Melody.from_notes(2 * start, 2 * end, pitch, metre=Metre(12, 8))
    assert relative_key(eighths) == relative_key(triplets)
    np.testing.assert_array_equal(runs(eighths), runs(triplets))
    assert len(corpus_of(tmp_path, {"a.mid": to_midi(triplets), "b.mid": to_midi(eighths)})) == 1


def test_a_version_in_another_metre_is_in_the_group_of_its_song(tmp_path: Path) -> None:
    one, stranger = even(1, 40), even(2, 40)
    version = Melody.from_notes(*zip(*spliced(one, even(3, 40), 20 * 16), strict=True))
    files = {
        "one.mid": song(track(one)),
        "stranger.mid": song(track(stranger)),
        "version.mid": to_midi(halved(version, Metre(2, 4))),
    }
    corpus = corpus_of(tmp_path, files)
    group = {Path(corpus.source(i)).stem: int(corpus.table["group"][i]) for i in range(len(corpus))}
    assert group["one"] == group["version"] != group["stranger"]


def test_in_one_metre_other_values_are_another_tune_as_ever(tmp_path: Path) -> None:
    slow = Melody.from_notes(*zip(*even(1, 40), strict=True))
    quick = halved(slow, Metre())
    assert relative_key(slow) == relative_key(quick)
    assert len(corpus_of(tmp_path, {"slow.mid": to_midi(slow), "quick.mid": to_midi(quick)})) == 2
    assert again_in_another_metre(np.array([0, 0, 1, 0, 1]), [b"x", b"x", b"x", b"y", b"y"]).tolist() == [
        False, False, True, False, True,
    ]  # fmt: skip


def test_runs_say_nothing_of_key_and_values_and_all_of_the_notes() -> None:
    melody = melody_in(Metre(), 5)
    start, end, pitch = melody.notes
    np.testing.assert_array_equal(runs(melody.transpose(-3)), runs(melody))
    changed = Melody.from_notes(start, end, np.append(pitch[:-1], pitch[-1] + 1))
    assert 0 < np.setdiff1d(runs(changed), runs(melody)).size <= 1
    assert runs(Melody.from_notes([0], [4], [60])).size == 0


def test_a_corpus_in_four_four_is_what_it_was_before_there_were_metres(tmp_path: Path) -> None:
    """Its fingerprint is that of the version that read nothing else."""
    files = {name.replace("/", "-"): data for name, data in songs().items()}
    corpus = corpus_of(tmp_path, files, extractor=partial(extract_file, metres=FOUR_FOUR))
    assert corpus.fingerprint == "1344bf6ed3ba944d288485d501225cdb"
    assert corpus.only(FOUR_FOUR) is corpus


def test_what_is_for_four_four_only_says_so_of_another_corpus(mixed: Corpus) -> None:
    with pytest.raises(CorpusError, match=r"has melodies in .* \.\.\.; here only 4/4 and 2/2 .* --metre 4/4`$"):
        mixed.only(FOUR_FOUR)


def test_notation_is_read_and_the_same_tune_in_it_is_the_same(tmp_path: Path) -> None:
    waltz = melody_in(Metre(3, 4), 9, 32)
    files = {
        "waltz.mid": to_midi(waltz),
        "waltz.abc": to_abc(waltz, title="Waltz", key="C"),
        "jig.musicxml": to_musicxml(melody_in(Metre(6, 8), 10, 32), title="Jig", key="C"),
        "page.xml": b"<html/>",
    }
    corpus = corpus_of(tmp_path, files, extractor=extract_song)
    assert corpus.manifest["metres"] == {"3/4": 1, "6/8": 1}
    assert corpus.manifest["files"]["left_out"]["only tunes found elsewhere"] == 1
    assert corpus.manifest["files"]["found"] == 4
    assert inline([tmp_path / "in"], tmp_path / "midi").manifest["files"]["left_out"]["not a MIDI file"] == 3
