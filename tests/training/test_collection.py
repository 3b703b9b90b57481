"""An archive with its index becomes tunes: roles, bars, phrases, and each melody once."""

import io
import tarfile

import numpy as np
import pytest
import symusic

from cantilena.errors import CorpusError
from cantilena.music.melody import phrases_of
from cantilena.music.metre import bars_a_phrase
from cantilena.training.collection import gather, is_open, melody_of, roles_of
from cantilena.training.tunes import Tunes

HEADER = ("file", "tier", "collection", "style", "year")


def midi(*tracks, metre=(4, 4), title="song"):
    """Tracks of (name, [(quarter, quarters, pitch)]) as a MIDI file."""
    score = symusic.Score(480)
    score.time_signatures.append(symusic.TimeSignature(0, *metre))
    for name, notes in tracks:
        track = symusic.Track(name)
        for at, length, pitch in notes:
            track.notes.append(symusic.Note(round(480 * at), round(480 * length), pitch, 80))
        score.tracks.append(track)
    return score.dumps_midi()


def line(pitches, length=1.0):
    return [(k * length, length, pitch) for k, pitch in enumerate(pitches)]


TUNE = [60, 62, 64, 65, 67, 69, 67, 65, 64, 62, 60, 62, 64, 60, 62, 59]


def archive(tmp_path, files, rows):
    with tarfile.open(tmp_path / "tunes.tar", "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"./music/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    text = "\n".join("\t".join(r) for r in (HEADER, *rows))
    (tmp_path / "index.tsv").write_text(text + "\n")
    counts = gather(tmp_path / "tunes.tar", tmp_path / "index.tsv", tmp_path / "tunes.npz")
    return Tunes.open(tmp_path / "tunes.npz"), counts


def test_only_what_anyone_may_use_is_taken():
    row = {"tier": "mit", "collection": "openewld", "year": "1930"}
    assert is_open(row)
    assert not is_open({**row, "year": "1931"})
    assert not is_open({**row, "year": ""})
    assert is_open({**row, "collection": "lieder", "year": ""})
    assert not is_open({**row, "tier": "gpl"})
    assert not is_open({**row, "tier": "pd-unstated", "collection": "ryansmammoth"})


@pytest.mark.parametrize(
    ("collection", "style", "tracks", "roles"),
    [
        ("lieder", "lied", ["Violin", "Voice (lyrics)", "Alto (lyrics)", "Piano RH", "Piano LH"], [2, 0, 1, 2, 3]),
        ("lieder", "lied", ["Piano RH", "Piano LH"], [1, 3]),
        ("polish", "song", ["Piano", "Voice (lyrics)", "Bass"], [2, 0, 3]),
        ("polish", "church", ["Cantus", "Altus", "Bassus"], [1, 2, 3]),
        ("openhymnal", "hymn", ["S", "A", "T", "B"], [0, 2, 2, 3]),
        ("cre_irish", "irish", ["tune"], [0]),
        ("mutopia", "folk", ["a"], [0]),
        ("mutopia", "keyboard", ["a"], [1]),
        ("quartets", "quartet", [], []),
    ],
)
def test_roles_are_those_of_the_source(collection, style, tracks, roles):
    assert roles_of({"collection": collection, "style": style}, tracks) == roles


def test_a_phrase_holds_whole_bars():
    assert [bars_a_phrase(steps) for steps in (6, 8, 12, 16, 18, 24, 32, 33)] == [4, 4, 2, 2, 1, 1, 1, 0]


def notes(*given):
    time, duration, pitch = (np.array(column) for column in zip(*given, strict=True))
    return {"time": time * 120, "duration": duration * 120, "pitch": pitch}


def test_the_highest_note_wins_and_a_lower_one_under_it_is_not_heard():
    scale = [(k, 1, 60 + k) for k in range(8, 16)]
    events, far = melody_of(notes((0, 4, 72), (0, 4, 60), (1, 1, 64), (4, 2, 67), *scale), 0, 16 * 120, 120)
    assert events.tolist()[:8] == [53, 0, 0, 0, 48, 0, 1, 0]
    assert far == 0
    assert melody_of(notes((0, 4, 72)), 0, 16 * 120, 120) is None


def test_a_higher_note_ends_the_one_that_sounds():
    scale = [(k, 1, 60 + k) for k in range(8, 16)]
    events, _ = melody_of(notes((0, 8, 60), (2, 2, 72), *scale), 0, 16 * 120, 120)
    assert events.tolist()[:5] == [41, 0, 53, 0, 1]


def test_phrases_of_three_quarter_time_end_in_silence_and_notes_go_on():
    events = np.zeros(48, np.int8)
    events[[0, 20, 30]] = 41, 43, 1  # the second note rings from the first phrase into the second
    found = phrases_of(events, 24)
    assert found.shape == (2, 32)
    assert found[0, [0, 20, 24]].tolist() == [41, 43, 1]
    assert found[1, 0] == 0
    assert found[1, 6] == 1
    assert not found[:, 25:].any()


def test_a_phrase_that_begins_in_silence_says_so_and_nothing_ends_twice():
    events = np.zeros(64, np.int8)
    events[[0, 4, 8, 40]] = 41, 1, 1, 43
    found = phrases_of(events, 32)
    assert found[0, [0, 4, 8]].tolist() == [41, 1, 0]
    assert found[1, [0, 8]].tolist() == [1, 43]
    assert phrases_of(np.r_[np.full(1, 41, np.int8), np.zeros(7, np.int8)], 24)[0, [0, 8, 24]].tolist() == [41, 1, 1]


def test_an_archive_becomes_tunes_and_what_is_the_same_is_one(tmp_path):
    other = [p + 3 * (k % 2) for k, p in enumerate(TUNE)]
    files = {
        "a.mid": midi(("tune", line(TUNE))),
        "b.mid": midi(("tune", line([p + 5 for p in TUNE]))),  # the same, higher
        "c.mid": midi(
            ("Voice (lyrics)", line(other)), ("Piano LH", line([p - 24 for p in reversed(TUNE)])), metre=(3, 4)
        ),
        "d.mid": midi(("tune", line([p + 1 - (k % 3) for k, p in enumerate(TUNE)]))),
        "e.mid": b"no music",
    }
    rows = [
        ("a.mid", "ccby", "cre_irish", "irish", ""),
        ("b.mid", "cc0", "quartets", "quartet", ""),
        ("c.mid", "cc0", "lieder", "lied", ""),
        ("d.mid", "gpl", "nottingham", "folk", ""),
        ("e.mid", "cc0", "lieder", "lied", ""),
    ]
    tunes, counts = archive(tmp_path, files, rows)
    assert counts == {"files": 4, "melodies": 3, "phrases": 8, "the same again": 1, "unreadable files": 1}
    assert tunes.styles == ("irish", "lied", "quartet")
    assert tunes.table["role"].tolist() == [0, 0, 3]
    assert [tunes.metres[m] for m in tunes.table["metre"]] == [(4, 4, 4), (3, 4, 4), (3, 4, 4)]
    assert tunes.phrases(0)[0, ::4].tolist() == [p - 19 for p in TUNE[:8]]
    assert tunes.phrases(1)[0, [0, 4, 20, 24]].tolist() == [other[0] - 19, other[1] - 19, other[5] - 19, 1]
    assert tunes.quarters(1) == 6


def test_triplets_have_a_grid_of_their_own(tmp_path):
    pitches = [TUNE[k % 16] for k in range(48)]
    tunes, _ = archive(
        tmp_path, {"a.mid": midi(("t", line(pitches, 1 / 3)))}, [("a.mid", "cc0", "cre_irish", "irish", "")]
    )
    assert [tunes.metres[m] for m in tunes.table["metre"]] == [(4, 4, 3)]
    assert (tunes.phrases(0)[0, :24] > 1).all()
    assert tunes.table["bar"].tolist() == [12]


def test_an_archive_without_an_open_tune_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="no open tune"):
        archive(tmp_path, {"a.mid": midi(("t", line(TUNE)))}, [("a.mid", "gpl", "nottingham", "folk", "")])
