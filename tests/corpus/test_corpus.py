"""The corpus: the same whatever the order, archives and workers, and however often it was killed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from midi_files import Note, midi, raw_chunk, song, spliced, track, tune

from cantilena.corpus import build as corpus_build
from cantilena.corpus import manifest, parts
from cantilena.corpus import merge as corpus_merge
from cantilena.corpus.build import build
from cantilena.corpus.parts import extract_file, rules
from cantilena.corpus.store import MELODY, Corpus, fingerprint, purity
from cantilena.corpus.tunes import SPLITS, tune_key
from cantilena.errors import CorpusError
from cantilena.music.extract import ROLES, Candidate, candidates
from cantilena.music.melody import Melody, is_silent
from cantilena.music.metre import FOUR_FOUR
from cantilena.music.midi import read_song

SONGS = 24
COVERS = {k: 100 + k for k in range(6)}  # song -> its cover, transposed and with other lengths


def lead_of(k: int) -> list[Note]:
    """A short tune, or every fourth time a long one with a rest of seven phrases."""
    return tune(k, 20 + k, low=60) if k % 4 else [n for n in tune(k, 150, low=60) if not 400 <= n[0] < 640]


def songs() -> dict[str, bytes]:
    """Files by name: songs with a lead, a bass and drums, covers, and what has to be left out."""
    files: dict[str, bytes] = {}
    for k in range(SONGS):
        lead = lead_of(k)
        bass = tune(500 + k, 18, low=36)
        drums = track(tune(7, 20), channel=9)
        files[f"rock/{k}.mid"] = song(track(lead, name="Melody"), track(bass, channel=1, program=33), drums, qpm=80 + k)
    for k, name in COVERS.items():
        cover = [(s, s + 1, p + 2) for s, _, p in lead_of(k)[:-1]]
        files[f"covers/{name}.mid"] = song(track(cover, program=40))
    chords = [(s, e, p + d) for s, e, p in tune(300, 20, low=60) for d in (0, 3, 7)]
    files["odd/chords.mid"] = song(track(chords, program=0))
    files["odd/again.mid"] = files["rock/13.mid"]  # the same file
    files["odd/copy.mid"] = song(track(tune(3, 23, low=60)))  # the same tune, nothing else
    files["odd/waltz.mid"] = song(track(tune(200, 20)), signatures=[(0, 3, 4)])
    files["odd/short.mid"] = song(track(tune(201, 10)), track(tune(202, 2), channel=1))
    files["odd/empty.mid"] = b""
    files["odd/text.mid"] = b"not music"
    return files


class Inline(Executor):
    """Does the work at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def inline(sources: Sequence[Path], directory: Path, **more: Any) -> Corpus:
    return build(sources, directory, executor=Inline(), **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sources") / "songs"
    for name, data in songs().items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


@pytest.fixture(scope="module")
def corpus(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return inline([folder], tmp_path_factory.mktemp("corpora") / "songs")


def everything(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def hidden(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.parent.iterdir() if path.name.startswith("."))


# -- what it holds -----------------------------------------------------------------------------


def expected() -> list[tuple[bytes, Candidate]]:
    """Every melody that has to be there: files by hash, each tune once. Written without the builder."""
    files = sorted((hashlib.blake2b(data, digest_size=16).digest(), data) for data in songs().values())
    kept, seen = [], set()
    for name, data in dict(files).items():
        try:
            found = candidates(read_song(data))
        except Exception:
            continue
        for c in found:
            if c.melody is None or c.melody.bars < 16:
                continue
            start, _, pitch = c.melody.notes
            key = (tuple(np.diff(start)), tuple(np.diff(pitch)))
            if key not in seen:
                kept.append((name, c))
            seen.add(key)
    return kept


def test_it_holds_each_tune_once_with_its_labels(corpus: Corpus) -> None:
    wanted = expected()
    assert len(corpus) == len(wanted) == corpus.manifest["melodies"] > 50
    names = [json.loads(line)["hash"] for line in (corpus.directory / "files.jsonl").read_text().splitlines()]
    for i, (name, c) in enumerate(wanted):
        row = corpus.table[i]
        assert c.melody is not None
        assert corpus.melody(i) == c.melody
        assert np.array_equal(corpus.phrases(i), c.melody.phrases())
        assert names[row["file"]] == name.hex()
        assert (row["track"], row["region"], row["family"]) == (c.track, c.region, c.family)
        assert ROLES[row["role"]] == c.role
        assert row["dropped"] == np.float32(c.dropped)
    assert len({corpus.source(i) for i in range(len(corpus))}) == corpus.manifest["files"]["kept"]


def test_events_are_views_of_the_files(corpus: Corpus) -> None:
    events = corpus.events(3)
    assert events.dtype == np.int8
    assert not events.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        events[0] = 1


def test_a_cover_is_in_the_split_of_its_song(corpus: Corpus) -> None:
    row = {corpus.source(i): corpus.table[i] for i in range(len(corpus))}
    for k, cover in COVERS.items():
        one, other = row[f"songs/rock/{k}.mid"], row[f"songs/covers/{cover}.mid"]
        assert (one["group"], one["split"]) == (other["group"], other["split"])


def test_no_group_and_no_file_is_in_two_splits(corpus: Corpus) -> None:
    for field in ("group", "file"):
        pairs = {(int(row[field]), int(row["split"])) for row in corpus.table}
        assert len(pairs) == len({value for value, _ in pairs})
    assert {int(g) for g in corpus.table["group"]} == set(range(corpus.manifest["groups"]["count"]))


def test_covers_do_not_leak_in_a_larger_collection(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for k in range(120):
        lead = tune(k, 24, low=60)
        cover = [(s, s + 1, p - 3) for s, _, p in spliced(lead, tune(900 + k, 24, low=60), 16 * 16)]
        (tmp_path / "in" / f"a{k}.mid").write_bytes(song(track(lead)))
        (tmp_path / "in" / f"b{k}.mid").write_bytes(song(track(cover)))
    corpus = inline([tmp_path / "in"], tmp_path / "out")
    split = {corpus.source(i): corpus.table["split"][i] for i in range(len(corpus))}
    assert len(split) == 240
    assert all(split[f"in/a{k}.mid"] == split[f"in/b{k}.mid"] for k in range(120))
    assert corpus.manifest["groups"]["count"] == 120
    assert set(corpus.table["split"].tolist()) == {0, 1, 2}


def test_the_manifest_accounts_for_every_file_and_track(corpus: Corpus) -> None:
    m = corpus.manifest
    assert m["files"]["found"] == len(songs())
    assert m["files"]["left_out"] == {
        "no melody of 16 bars or more": 1,
        "not a MIDI file": 1,
        "only tunes found elsewhere": 1,
        "the file is empty": 1,
        "the same file again": 1,
    }
    assert m["tracks"]["left_out"] == {
        "drums": SONGS,
        "of 4 to 15 bars": 1,
        "shorter than 4 bars": 1,
        "the same tune again": 1,
    }
    for what in ("files", "tracks"):
        assert m[what]["found"] == m[what]["kept"] + sum(m[what]["left_out"].values())
    assert m["sources"] == [{"name": "songs", "files": len(songs())}]
    assert m["crashed"] == []
    splits = m["splits"]
    assert sum(splits[s]["melodies"] for s in SPLITS) == len(corpus) == sum(m["roles"].values())
    assert sum(splits[s]["bars"] for s in SPLITS) == sum(corpus.melody(i).bars for i in range(len(corpus)))
    assert m["metres"] == {"4/4": len(corpus) - 1, "3/4": 1}
    assert m["purities"]["over .4"] == 1
    sizes = np.bincount(corpus.table["group"])
    assert m["groups"]["largest"][0]["melodies"] == sizes.max()
    assert sum(m["groups"]["sizes"].values()) == sizes.size


# -- windows and phrases against plain versions ------------------------------------------------


def whole_phrases(corpus: Corpus, i: int) -> int:
    melody = corpus.melody(i)
    return melody.bars // melody.metre.phrase_bars


@pytest.mark.parametrize(
    ("stride", "max_silent", "phrases"), [(1, 0, 32), (3, 8, 32), (8, 0, 32), (1, 3, 5), (2, 0, 1)]
)
def test_windows(corpus: Corpus, stride: int, max_silent: int, phrases: int) -> None:
    total = 0
    for split in SPLITS:
        plain = []
        for i in corpus.indices(split).tolist():
            silent = is_silent(corpus.phrases(i))[: whole_phrases(corpus, i)]
            starts = range(0, len(silent) - phrases + 1, stride)
            plain += [[i, p] for p in starts if silent[p : p + phrases].sum() <= max_silent]
        windows = corpus.windows(split, stride=stride, max_silent=max_silent, phrases=phrases)
        assert windows.dtype == np.int64
        assert windows.shape == (len(plain), 2)
        assert windows.tolist() == plain
        total += len(plain)
    assert total


def test_windows_with_rests_are_more(corpus: Corpus) -> None:
    assert len(corpus.windows("train", max_silent=8)) > len(corpus.windows("train")) > 0


def test_unique_phrases(corpus: Corpus) -> None:
    for split in SPLITS:
        plain = Counter(
            phrase.tobytes() for i in corpus.indices(split) for phrase in corpus.phrases(i)[: whole_phrases(corpus, i)]
        )
        phrases, count = corpus.unique_phrases(split)
        assert {p.tobytes(): n for p, n in zip(phrases, count.tolist(), strict=True)} == plain
        assert corpus.manifest["splits"][split]["unique_phrases"] == sum((p > 1).any() for p in phrases)


def late(data: bytes) -> list[Candidate]:
    """The usual candidates, after a silent phrase and a pickup: a melody may begin so, if rarely."""

    def shifted(melody: Melody) -> Melody:
        silence = np.zeros(melody.metre.bar_steps, np.int8)
        return melody.like(np.concatenate([np.zeros(2 * silence.size + 4, np.int8), melody.events, silence[4:]]))

    return [replace(c, melody=shifted(c.melody)) if c.melody else c for c in extract_file(data)]


def test_silence_at_the_start_is_not_the_end_of_the_melody_before(folder: Path, tmp_path: Path) -> None:
    corpus = inline([folder], tmp_path / "out", extractor=late)
    last = [corpus.melody(i).notes.end[-1] - corpus.events(i).size for i in range(len(corpus))]
    assert max(last) == 0, "some end in a sounding note"
    test_windows(corpus, 1, 3, 5)
    test_unique_phrases(corpus)


def test_many_shards_are_like_one(
    folder: Path, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_merge, "SHARD_STEPS", 3000)
    small = inline([folder], tmp_path / "small")
    assert len(small.manifest["shards"]) > 5
    assert max(small.manifest["shards"]) <= 3000
    assert small.fingerprint == corpus.fingerprint
    assert all(small.melody(i) == corpus.melody(i) for i in range(len(corpus)))
    assert np.array_equal(small.windows("train", max_silent=2), corpus.windows("train", max_silent=2))


def test_purity_classes(corpus: Corpus) -> None:
    assert purity([0, 0.0999, 0.1, 0.4, 0.401, 1]).tolist() == [0, 0, 1, 1, 2, 2]
    every = corpus.purity(np.arange(len(corpus)))
    assert np.array_equal(every, purity(corpus.table["dropped"]))
    assert int(corpus.purity(int(np.argmax(every)))) == 2


def test_arguments_that_are_wrong(corpus: Corpus) -> None:
    with pytest.raises(ValueError, match="a split is one of train, validation, test, not 'dev'"):
        corpus.indices("dev")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1"):
        corpus.windows("train", stride=0)


def test_it_pickles_as_its_path(corpus: Corpus) -> None:
    blob = pickle.dumps(corpus)
    assert len(blob) < 500
    assert pickle.loads(blob).melody(5) == corpus.melody(5)


# -- the same, however it is made --------------------------------------------------------------


def tarred(path: Path, folder: Path, names: Sequence[str], mode: str) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name in names:
            data = (folder / name).read_bytes()
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def zipped(path: Path, folder: Path, names: Sequence[str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.write(folder / name, name)
    return path


@pytest.mark.parametrize("seed", range(3))
def test_order_archives_workers_and_batches_do_not_matter(
    folder: Path, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    draw = random.Random(seed)
    names = list(songs())
    draw.shuffle(names)
    monkeypatch.setattr(corpus_build, "BATCH_FILES", draw.choice((1, 3, 7)))
    a, b = sorted(draw.sample(range(len(names)), 2))
    mixed = [
        tarred(tmp_path / "x.tar.xz", folder, names[:a], "w:xz"),
        zipped(tmp_path / "y.zip", folder, names[a:b]),
        *(folder / name for name in names[b:]),
    ]
    draw.shuffle(mixed)
    with ThreadPoolExecutor(seed + 1) as threads:
        other = build(mixed, tmp_path / "out", executor=threads, workers=seed + 1)
    assert other.fingerprint == corpus.fingerprint
    for file in ("melodies.npy", "events-0000.npy"):
        assert (other.directory / file).read_bytes() == (corpus.directory / file).read_bytes()
    ignored = ("sources", "groups")  # which name names
    assert {k: v for k, v in other.manifest.items() if k not in ignored} == {
        k: v for k, v in corpus.manifest.items() if k not in ignored
    }


def test_processes_make_the_same(folder: Path, corpus: Corpus, tmp_path: Path) -> None:
    build([folder], tmp_path / "out", workers=2)
    assert everything(tmp_path / "out") == everything(corpus.directory)


def test_other_music_has_another_fingerprint(folder: Path, corpus: Corpus, tmp_path: Path) -> None:
    more = tmp_path / "more.mid"
    more.write_bytes(song(track(tune(4000, 20))))
    assert inline([folder, more], tmp_path / "out").fingerprint != corpus.fingerprint
    more.write_bytes(b"nothing")
    assert inline([folder, more], tmp_path / "out").fingerprint == corpus.fingerprint, "what is left out does not count"


def test_every_label_and_every_event_counts_in_the_fingerprint(corpus: Corpus) -> None:
    files = [bytes([k]) * 16 for k in range(len(songs()))]
    events = np.array(np.load(corpus.directory / "events-0000.npy"))
    seen = {fingerprint(corpus.table, files, [events])}
    for field in ("split", "group", "track", "region", "family", "role", "dropped", "qpm", "steps", "file"):
        table = corpus.table.copy()
        table[field][5] += 1
        seen.add(fingerprint(table, files, [events]))
    table = corpus.table.copy()
    table["quarter_steps"][5] = 3
    seen.add(fingerprint(table, files, [events]))
    events[777] += 1
    seen.add(fingerprint(corpus.table, files, [events]))
    assert len(seen) == 13
    moved = corpus.table.copy()
    moved["shard"] += 1
    assert fingerprint(moved, files, [events]) in seen, "where the events lie does not count"


def test_rules_are_the_version_and_the_extractor(monkeypatch: pytest.MonkeyPatch) -> None:
    now = rules(extract_file)
    assert rules(extract_file) == now
    assert rules(partial(deadly)) != rules(partial(deadly, 1)) != rules(deadly)
    monkeypatch.setattr(parts, "EXTRACTOR_VERSION", parts.EXTRACTOR_VERSION + 1)
    assert rules(extract_file) != now


def test_files_give_the_melodies_of_their_version() -> None:
    """Where this fails on purpose, raise EXTRACTOR_VERSION and take the new digest: kept parts are then read anew."""
    digest = hashlib.sha256()
    for seed in range(40):
        draw = random.Random(seed)
        notes, at = [], 0
        while at < 24 * 16:
            length = draw.choice([1, 2, 3, 4, 8])
            notes += [(at, at + length, 48 + draw.randrange(36)) for _ in range(draw.choice([1, 1, 1, 3]))]
            at += length + draw.choice([0, 0, 0, 1, 40])
        notes.append((at, at + draw.choice([2, 20, 60]), 60))
        for found in extract_file(
            song(track(notes, name=draw.choice(["", "Lead", "Bass"])), track(notes[::2], channel=9))
        ):
            digest.update(repr((found.track, found.region, found.family, found.role, round(found.dropped, 4))).encode())
            if found.melody is not None:
                digest.update(tune_key(found.melody) + found.melody.events.tobytes())
    assert (parts.EXTRACTOR_VERSION, digest.hexdigest()[:16]) == (2, "5f30fe9d8ff722aa")


def test_of_several_names_the_first_is_kept(tmp_path: Path, folder: Path) -> None:
    for name in ("zz.mid", "aa.mid", "mm.mid"):
        shutil.copy(folder / "rock/1.mid", tmp_path / name)
    made = inline([tmp_path / name for name in ("zz.mid", "aa.mid", "mm.mid")], tmp_path / "out")
    assert {made.source(i) for i in range(len(made))} == {"aa.mid"}


# -- stopped and taken up again ----------------------------------------------------------------

DYING = """
import os, signal, sys
from concurrent.futures import ThreadPoolExecutor
from cantilena.corpus import build as corpus_build
corpus_build.BATCH_FILES = 6
moment, steps = int(sys.argv[1]), 0
def fatal(function):
    def step(*args, **kwargs):
        global steps
        steps += 1
        if steps == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return step
for name in sys.argv[4:]:
    setattr(os, name, fatal(getattr(os, name)))
corpus_build.build([sys.argv[2]], sys.argv[3], executor=ThreadPoolExecutor(1))
print(steps)
"""


def dying(
    moment: int,
    folder: Path,
    directory: Path,
    calls: Sequence[str] = ("fsync", "replace", "rename", "unlink", "rmdir", "mkdir"),
) -> subprocess.CompletedProcess[str]:
    """A build in a process that is killed just before the `moment`th of these calls of the system."""
    arguments = [str(moment), str(folder), str(directory), *calls]
    return subprocess.run([sys.executable, "-c", DYING, *arguments], capture_output=True, text=True, timeout=60)


def in_parts(directory: Path) -> set[str]:
    work = directory.parent / f".{directory.name}.building"
    names: set[str] = set()
    for path in work.glob("parts-*/*.npz"):
        if not path.name.startswith("."):
            with np.load(path) as part:
                names.update(file["hash"] for file in json.loads(part["files"].tobytes()))
    return names


class Recorder:
    """An extractor that keeps the hashes of what it was given, under the name of the usual one."""

    def __init__(self) -> None:
        self.__module__, self.__qualname__ = extract_file.__module__, extract_file.__qualname__
        self.read: list[str] = []

    def __call__(self, data: bytes) -> list[Candidate]:
        self.read.append(hashlib.blake2b(data, digest_size=16).hexdigest())
        return extract_file(data)


def test_killed_at_any_moment_it_goes_on_and_is_the_same(folder: Path, corpus: Corpus, tmp_path: Path) -> None:
    whole = dying(10_000, folder, tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    assert everything(tmp_path / "whole") == everything(corpus.directory)
    steps = int(whole.stdout)
    assert steps > 30
    before_merge = after_merge = 0
    for moment in (2, 9, 14, 19, 22, 25, steps - 7, steps - 1):
        directory = tmp_path / f"killed-{moment}"
        assert dying(moment, folder, directory).returncode == -signal.SIGKILL
        done, complete = in_parts(directory), directory.exists()
        before_merge += bool(done) and not complete
        after_merge += complete
        recorder = Recorder()
        inline([folder], directory, extractor=recorder)
        assert everything(directory) == everything(corpus.directory), moment
        assert len(set(recorder.read)) == len(recorder.read), "no file twice"
        if complete:
            assert recorder.read == [], "it was whole already"
        else:
            assert done.isdisjoint(recorder.read), "no file of a part is read again"
            assert len(done) + len(recorder.read) == len(set(songs().values())), "and none is lost"
        assert not (directory.parent / f".{directory.name}.building").exists()
    assert before_merge > 3
    assert after_merge > 1


def test_killed_at_a_random_time_with_processes(folder: Path, corpus: Corpus, tmp_path: Path) -> None:
    code = (
        "import sys; from cantilena.corpus import build as b; b.BATCH_FILES = 2\n"
        "if __name__ == '__main__':\n"
        "    b.build([sys.argv[1]], sys.argv[2], workers=2, progress=lambda done, total: print(done, flush=True))\n"
    )
    (tmp_path / "script.py").write_text(code)
    command = [sys.executable, tmp_path / "script.py", folder, tmp_path / "out"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as building:
        assert building.stdout is not None
        while int(building.stdout.readline()) < 10:
            pass
        building.kill()
    assert not (tmp_path / "out").exists()
    assert len(in_parts(tmp_path / "out")) >= 8
    inline([folder], tmp_path / "out")
    assert everything(tmp_path / "out") == everything(corpus.directory)


def test_a_rebuild_that_is_killed_while_it_replaces_ends_well(folder: Path, corpus: Corpus, tmp_path: Path) -> None:
    more = tmp_path / "more.mid"
    more.write_bytes(song(track(tune(4000, 20))))
    inline([folder, more], tmp_path / "out")
    for name in ("latents", "notes"):
        (tmp_path / "out" / name).mkdir()
        (tmp_path / "out" / name / "mine").write_text(name)
    for moment, is_there in ((1, True), (2, False), (3, True), (4, True)):
        if moment > 2:
            inline([folder, more], tmp_path / "out")
        assert dying(moment, folder, tmp_path / "out", ["rename"]).returncode == -signal.SIGKILL
        assert (tmp_path / "out").exists() == is_there
    inline([folder], tmp_path / "out")
    for name in ("latents", "notes"):
        assert (tmp_path / "out" / name / "mine").read_text() == name
        shutil.rmtree(tmp_path / "out" / name)
    assert everything(tmp_path / "out") == everything(corpus.directory)
    assert hidden(tmp_path / "out") == []


def failing(monkeypatch: pytest.MonkeyPatch, module: Any, after: int) -> None:
    write, calls = module.write_whole, 0

    def full(path: Path, data: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls > after:
            raise OSError(28, "No space left on device", str(path))
        write(path, data)

    monkeypatch.setattr(module, "write_whole", full)


@pytest.mark.parametrize(
    ("module", "after"), [(corpus_build, 0), (corpus_build, 3), (corpus_merge, 0), (corpus_merge, 3)]
)
def test_a_full_disk_is_one_line_and_the_build_goes_on(
    folder: Path, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, after: int
) -> None:
    monkeypatch.setattr(corpus_build, "BATCH_FILES", 5)
    with monkeypatch.context() as patch:
        failing(patch, module, after)
        with pytest.raises(CorpusError, match=r"No space left on device; what was read is kept") as refusal:
            inline([folder], tmp_path / "out")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "out").exists()
    done, recorder = in_parts(tmp_path / "out"), Recorder()
    inline([folder], tmp_path / "out", extractor=recorder)
    assert done.isdisjoint(recorder.read)
    assert everything(tmp_path / "out") == everything(corpus.directory)


def test_ctrl_c_keeps_what_is_done(
    folder: Path, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_build, "BATCH_FILES", 4)

    def interrupt(done: int, total: int | None) -> None:
        if done >= 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inline([folder], tmp_path / "out", progress=interrupt)
    assert len(in_parts(tmp_path / "out")) >= 8
    inline([folder], tmp_path / "out")
    assert everything(tmp_path / "out") == everything(corpus.directory)


def test_a_part_that_is_broken_is_read_again(folder: Path, corpus: Corpus, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus_build, "BATCH_FILES", 4)
        failing(patch, corpus_build, 5)
        with pytest.raises(CorpusError):
            inline([folder], tmp_path / "out")
    first, second, third, *_ = sorted((tmp_path / ".out.building").glob("parts-*/*.npz"))
    first.write_bytes(first.read_bytes()[:500])
    second.write_bytes(b"")
    third.write_bytes(bytes(2000))
    inline([folder], tmp_path / "out")
    assert everything(tmp_path / "out") == everything(corpus.directory)


def test_parts_of_other_rules_are_not_used(folder: Path, corpus: Corpus, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus_build, "BATCH_FILES", 4)
        failing(patch, corpus_build, 5)
        with pytest.raises(CorpusError):
            inline([folder], tmp_path / "out", extractor=only_the_first)
    recorder = Recorder()
    inline([folder], tmp_path / "out", extractor=recorder)
    assert len(recorder.read) == len(set(songs().values()))
    assert everything(tmp_path / "out") == everything(corpus.directory)
    assert hidden(tmp_path / "out") == []


def only_the_first(data: bytes) -> list[Candidate]:
    return extract_file(data)[:1]


def test_parts_of_files_that_are_no_more_are_left_out(folder: Path, corpus: Corpus, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "songs")
    (tmp_path / "songs/more.mid").write_bytes(song(track(tune(4000, 20))))
    with pytest.MonkeyPatch.context() as patch:
        failing(patch, corpus_merge, 0)
        with pytest.raises(CorpusError):
            inline([tmp_path / "songs"], tmp_path / "out")
    (tmp_path / "songs/more.mid").unlink()
    inline([tmp_path / "songs"], tmp_path / "out")
    assert everything(tmp_path / "out") == everything(corpus.directory)


def test_what_is_complete_is_not_done_again_and_what_changed_is(folder: Path, tmp_path: Path) -> None:
    sources = tmp_path / "songs"
    shutil.copytree(folder, sources)
    first = inline([sources], tmp_path / "out")
    recorder = Recorder()
    assert inline([sources], tmp_path / "out", extractor=recorder).fingerprint == first.fingerprint
    assert recorder.read == []
    assert len(inline([sources], tmp_path / "out", extractor=only_the_first)) < len(first)
    assert inline([sources], tmp_path / "out", extractor=recorder).fingerprint == first.fingerprint
    (sources / "rock/2.mid").unlink()
    again = inline([sources], tmp_path / "out", extractor=recorder)
    assert len(again) < len(first)
    assert recorder.read
    assert first.melody(0) is not None, "who has the old one open keeps it"
    assert hidden(tmp_path / "out") == []


# -- files that kill ---------------------------------------------------------------------------


def deadly(data: bytes) -> list[Candidate]:
    """The usual extractor, with planted bugs."""
    if b"EXIT" in data:
        os._exit(3)
    if b"RAISE" in data:
        raise RuntimeError("a bug\nin a parser")
    return extract_file(data)


def test_files_that_crash_a_worker_are_named_and_cost_themselves_only(
    folder: Path, corpus: Corpus, tmp_path: Path
) -> None:
    for kind in ("EXIT", "RAISE"):
        (tmp_path / f"{kind.lower()}.mid").write_bytes(song(track(tune(1, 20), name=kind)))
    made = build([tmp_path, folder], tmp_path / "out", workers=2, extractor=deadly)
    assert made.fingerprint == corpus.fingerprint
    assert made.manifest["crashed"] == [
        {"name": f"{tmp_path.name}/exit.mid", "detail": "it killed the process that read it, twice"},
        {"name": f"{tmp_path.name}/raise.mid", "detail": "RuntimeError: a bug in a parser"},
    ]
    assert made.manifest["files"]["left_out"]["crashed"] == 2
    assert hidden(tmp_path / "out") == []


def short_of_memory(data: bytes) -> list[Candidate]:
    """Allocations fail in the file of the last of the songs."""
    if b"GREEDY" in data:
        raise MemoryError("Unable to allocate 8 GiB")
    return extract_file(data)


def test_too_little_memory_is_no_fault_of_a_file(folder: Path, corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "greedy.mid").write_bytes(song(track(tune(1, 20), name="GREEDY")))
    with pytest.raises(MemoryError, match="8 GiB"):
        inline([folder, tmp_path / "greedy.mid"], tmp_path / "out", extractor=short_of_memory)
    assert not (tmp_path / "out").exists()


# -- two at once, and directories that hold something else -------------------------------------


def test_a_second_build_in_the_same_process_is_refused(folder: Path, corpus: Corpus, tmp_path: Path) -> None:
    refused: list[str] = []

    def again(done: int, total: int | None) -> None:
        if not refused:
            with pytest.raises(CorpusError, match="another build of it is running") as refusal:
                inline([folder], tmp_path / "out")
            refused.append(str(refusal.value))

    inline([folder], tmp_path / "out", progress=again)
    assert refused
    assert everything(tmp_path / "out") == everything(corpus.directory)


def test_a_second_build_in_another_process_is_refused(folder: Path, corpus: Corpus, tmp_path: Path) -> None:
    code = "import sys; from cantilena.corpus.build import build; build([sys.argv[1]], sys.argv[2])"
    seen: list[subprocess.CompletedProcess[str]] = []

    def other(done: int, total: int | None) -> None:
        if not seen:
            command = [sys.executable, "-c", code, str(folder), str(tmp_path / "out")]
            seen.append(subprocess.run(command, capture_output=True, text=True, timeout=60))

    inline([folder], tmp_path / "out", progress=other)
    assert seen[0].returncode == 1
    assert "another build of it is running" in seen[0].stderr.splitlines()[-1]
    assert everything(tmp_path / "out") == everything(corpus.directory)


def test_builds_of_several_directories_do_not_disturb_each_other(folder: Path, corpus: Corpus, tmp_path: Path) -> None:
    threads = [threading.Thread(target=inline, args=([folder], tmp_path / str(k))) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(everything(tmp_path / str(k)) == everything(corpus.directory) for k in range(3))


@pytest.mark.parametrize("name", ["thesis.txt", "manifest.json", "melodies.npy"])
def test_a_directory_that_holds_something_else_is_not_touched(folder: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text('{"name": "a browser extension"}')
    with pytest.raises(CorpusError, match="holds something else than a corpus"):
        inline([folder], tmp_path / "out")
    assert (tmp_path / "out" / name).read_text() == '{"name": "a browser extension"}'
    assert hidden(tmp_path / "out") == []


def test_an_empty_directory_and_missing_parents_are_fine(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert len(inline([folder / "rock/1.mid"], tmp_path / "out")) == 2
    assert len(inline([folder / "rock/1.mid"], tmp_path / "a/b/c")) == 2


def test_nothing_to_keep_is_an_error_with_its_reasons(folder: Path, tmp_path: Path) -> None:
    only = partial(extract_file, metres=FOUR_FOUR)
    files = [folder / "odd" / f"{name}.mid" for name in ("waltz", "empty", "text")]
    with pytest.raises(CorpusError, match=r"no melody in 3 files \(1 .*, 1 .*, 1 .*\)"):
        inline(files, tmp_path / "out", extractor=only)
    (tmp_path / "none").mkdir()
    with pytest.raises(CorpusError, match=r"no melody in 0 files \(none has the name of a song\)"):
        inline([tmp_path / "none"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_files_broken_in_one_way_are_counted_together(tmp_path: Path) -> None:
    """Where in a file it is broken, and by which byte, is no reason of its own."""
    for name, body in {"a": b"\x00\x90\x3c\xc8", "b": b"\x00\x90\x3c\x40\x00\xb0\x07\xff"}.items():
        (tmp_path / f"{name}.mid").write_bytes(midi(raw_chunk(body + b"\x00\xff\x2f\x00")))
    with pytest.raises(CorpusError, match=r"\(2 broken MIDI: a data byte of more than 127\)"):
        inline([tmp_path], tmp_path / "out")


def test_a_group_that_is_too_large_fails_the_build(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "MAX_GROUP", 2)
    with pytest.raises(CorpusError, match=r"one song group holds 3 of \d+ melodies .* more than 5% cannot be one song"):
        inline([folder], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(manifest, "MAX_GROUP", 3)
    inline([folder], tmp_path / "out")


# -- progress ----------------------------------------------------------------------------------


def test_progress_ends_at_all(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus_build, "BATCH_FILES", 4)
    told: list[tuple[int, int | None]] = []
    inline([folder], tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert {total for _, total in told} == {len(songs())}
    assert told[-1] == (len(songs()), len(songs()))


# -- opening -----------------------------------------------------------------------------------


def test_there_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"nowhere: no corpus there; make one with `cantilena corpus build`"):
        Corpus.open(tmp_path / "nowhere")
    with pytest.raises(CorpusError, match=r"not a corpus \(it has no manifest.json\)"):
        Corpus.open(tmp_path)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def another_format(directory: Path) -> None:
    said = json.loads((directory / "manifest.json").read_text())
    (directory / "manifest.json").write_text(json.dumps({**said, "format": "cantilena corpus 99"}))


def a_pickle(directory: Path) -> None:
    np.save(directory / "melodies.npy", np.array([print], object), allow_pickle=True)


def another_table(directory: Path) -> None:
    np.save(directory / "melodies.npy", np.zeros(3, MELODY))


def test_a_corpus_of_the_format_without_metres_is_read_as_four_four(tmp_path: Path) -> None:
    (tmp_path / "one.mid").write_bytes(song(track(tune(1, 20))))
    made = inline([tmp_path / "one.mid"], tmp_path / "out")
    names = [name for name in MELODY.names or () if name not in ("numerator", "denominator", "quarter_steps")]
    old = np.zeros(len(made), [(name, MELODY[name]) for name in names])
    old[names] = made.table[names]
    np.save(tmp_path / "out" / "melodies.npy", old)
    said = (tmp_path / "out" / "manifest.json").read_text()
    (tmp_path / "out" / "manifest.json").write_text(said.replace("cantilena corpus 2", "cantilena corpus 1"))
    read = Corpus.open(tmp_path / "out")
    assert np.array_equal(read.table, made.table)
    assert read.melody(0) == made.melody(0)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda d: shorten(d / "manifest.json"), "its manifest.json cannot be read"),
        (lambda d: (d / "manifest.json").write_text("[1]"), "expected the format 'cantilena corpus 2', not None"),
        (another_format, "expected the format 'cantilena corpus 2', not 'cantilena corpus 99'"),
        (lambda d: (d / "melodies.npy").unlink(), "incomplete or damaged"),
        (lambda d: shorten(d / "melodies.npy"), "incomplete or damaged"),
        (lambda d: (d / "events-0000.npy").unlink(), "incomplete or damaged"),
        (lambda d: shorten(d / "events-0000.npy"), "incomplete or damaged"),
        (a_pickle, "incomplete or damaged"),
        (another_table, "its files and its manifest disagree"),
    ],
)
def test_a_damaged_corpus_is_one_line(
    corpus: Corpus, tmp_path: Path, damage: Callable[[Path], object], why: str
) -> None:
    directory = tmp_path / "damaged"
    shutil.copytree(corpus.directory, directory)
    damage(directory)
    with pytest.raises(CorpusError, match=why) as refusal:
        Corpus.open(directory)
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith(str(directory))


def test_a_damaged_corpus_is_built_again(folder: Path, corpus: Corpus, tmp_path: Path) -> None:
    directory = tmp_path / "damaged"
    shutil.copytree(corpus.directory, directory)
    shorten(directory / "events-0000.npy")
    inline([folder], directory)
    assert everything(directory) == everything(corpus.directory)
