"""MIDI files in folders and archives: found, bounded, and never written anywhere."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cantilena.corpus import sources
from cantilena.corpus.build import build
from cantilena.corpus.sources import Found, Sources
from cantilena.errors import CorpusError
from cantilena.music.melody import Melody
from cantilena.music.midi import to_midi

FILES = {"a/one.mid": b"1", "a/b/two.MIDI": b"22", "three.Mid": b"333", "notes.txt": b"no", "a/.mid.bak": b"no"}
MIDI = {"a/one.mid": b"1", "a/b/two.MIDI": b"22", "three.Mid": b"333"}


def unpacked(folder: Path) -> Path:
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def packed(path: Path, mode: str) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in FILES.items():
            add(archive, f"./{name}", data)
    return path


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def zipped(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    return path


def read(*paths: Path | str) -> list[Found]:
    return list(Sources(paths))


def contents(found: list[Found]) -> dict[str, bytes]:
    assert not any(file.reason for file in found)
    return {file.name: file.data for file in found}


@pytest.mark.parametrize(
    ("name", "mode"),
    [("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.tgz", "w:gz"), ("x.tar.xz", "w:xz"), ("x.tar.bz2", "w:bz2")],
)
def test_tars(tmp_path: Path, name: str, mode: str) -> None:
    assert contents(read(packed(tmp_path / name, mode))) == {f"{name}/{path}": data for path, data in MIDI.items()}


def test_zips_folders_and_files(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "songs")
    assert contents(read(zipped(tmp_path / "x.zip"))) == {f"x.zip/{path}": data for path, data in MIDI.items()}
    assert contents(read(folder)) == {f"songs/{path}": data for path, data in MIDI.items()}
    assert contents(read(folder / "three.Mid")) == {"three.Mid": b"333"}


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Any]:
    """A store that fsspec reaches, with the files in a folder, in a tar and in a zip."""
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    forget(store)
    store.put(str(unpacked(tmp_path / "songs")), "/bucket/songs", recursive=True)
    for path in (packed(tmp_path / "x.tar.gz", "w:gz"), zipped(tmp_path / "x.zip")):
        store.put(str(path), f"/bucket/{path.name}")
    yield store
    forget(store)


def forget(store: Any) -> None:
    store.store.clear()
    store.pseudo_dirs[:] = [""]


def test_urls_are_read_as_paths_are(bucket: Any, tmp_path: Path) -> None:
    for name in ("songs", "x.tar.gz", "x.zip", "songs/three.Mid"):
        there = Sources([f"memory://bucket/{name}"])
        here = Sources([tmp_path / name])
        assert contents(list(there)) == contents(list(here))
        assert there.total == here.total == (1 if name.endswith(".Mid") else 3)
    assert contents(read("memory://bucket/songs/")) == contents(read("memory://bucket/songs"))
    assert contents(read(f"file://{tmp_path}/songs")) == contents(read(tmp_path / "songs"))


def test_a_url_is_read_by_processes_of_its_own_build(bucket: Any, tmp_path: Path) -> None:
    tune = Melody.from_notes(range(0, 320, 4), range(4, 324, 4), [60, 62, 64, 65, 67] * 16)
    bucket.pipe("/tunes/tune.mid", to_midi(tune))
    with ThreadPoolExecutor() as threads:
        corpus = build(["memory://tunes"], tmp_path / "corpus", executor=threads)
    assert len(corpus) == 1
    assert corpus.manifest["sources"] == [{"name": "tunes", "files": 1}]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("memory://bucket/nothing", "no such file or folder"),
        ("memory://bucket/songs/notes.txt", "neither a folder nor a .mid file"),
        ("nowhere://bucket/songs", "Unsupported filesystem: 'nowhere'"),
        ("s3://bucket/songs", "Install s3fs to access S3"),
    ],
)
def test_a_url_that_cannot_be_read_is_one_line(bucket: Any, url: str, why: str) -> None:
    with pytest.raises(CorpusError, match=why) as caught:
        read(url)
    assert "\n" not in str(caught.value)


class Gone(Exception):
    """As of the clients of some stores, which have no class in common."""


def test_a_store_that_fails_in_the_middle_is_one_line(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Gone("the store is gone")

    found = iter(Sources(["memory://bucket/x.tar.gz"]))
    monkeypatch.setattr(type(bucket), "_open", fail)
    with pytest.raises(CorpusError, match=r"x.tar.gz: cannot be read \(the store is gone\)"):
        list(found)
    monkeypatch.setattr(type(bucket), "info", fail)
    with pytest.raises(CorpusError, match=r"songs: cannot be read \(the store is gone\)"):
        Sources(["memory://bucket/songs"])


def test_without_fsspec_a_url_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "upath", None)
    with pytest.raises(CorpusError, match=r"pip install 'cantilena\[cluster\]'"):
        Sources(["s3://bucket/songs"])


@pytest.mark.parametrize("name", ["sung.kar", "SUNG.KAR", "wrapped.rmi", "wrapped.Rmi"])
def test_karaoke_and_wrapped_files_are_read_from_folders_archives_and_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / name).write_bytes(b"4")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(name, b"4")
    with tarfile.open(tmp_path / "x.tar", "w") as tape:
        add(tape, name, b"4")
    for source in (tmp_path / "songs", tmp_path / "x.zip", tmp_path / "x.tar"):
        assert contents(read(source)) == {f"{source.name}/{name}": b"4"}
    assert contents(read(tmp_path / "songs" / name)) == {name: b"4"}


def test_a_mixture_is_counted_by_source(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "songs")
    mixed = Sources([folder, zipped(tmp_path / "x.zip"), folder / "three.Mid"])
    assert mixed.total == 7
    assert [file.source for file in mixed] == [0] * 3 + [1] * 3 + [2]
    assert mixed.files == [3, 3, 1]


def test_the_total_of_a_tar_is_estimated_and_ends_exact(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        for k in range(300):
            add(archive, f"{k}.mid", os.urandom(4000))
    many = Sources([tmp_path / "x.tar.gz", unpacked(tmp_path / "songs")])
    assert many.total is None
    estimates = [many.total for _ in many]
    assert all(total is not None and 200 < total < 400 for total in estimates[150:300])
    assert many.total == 303


def test_names_that_lead_out_are_only_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "in" / "here"
    place.mkdir(parents=True)
    monkeypatch.chdir(place)
    with tarfile.open("x.tar", "w") as archive:
        for name in ("../../out.mid", "/tmp/cantilena-test-out.mid"):
            add(archive, name, b"data")
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            member = tarfile.TarInfo(f"link{kind!r}.mid")
            member.type, member.linkname = kind, "/etc/hostname"
            archive.addfile(member)
    with zipfile.ZipFile("x.zip", "w") as zip_archive:
        zip_archive.writestr("../../out.mid", b"data")
    found = read(Path("x.tar"), Path("x.zip"))
    assert [f.data for f in found if not f.reason] == [b"data"] * 3
    assert [f.reason for f in found if f.reason] == ["a link or device in an archive"] * 4
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["here", "in", "x.tar", "x.zip"]
    assert not Path("/tmp/cantilena-test-out.mid").exists()


def test_what_is_huge_is_counted_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_BYTES", 1000)
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        add(archive, "bomb.mid", bytes(5_000_000))
        add(archive, "fits.mid", bytes(1000))
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as zip_archive:
        zip_archive.writestr("bomb.mid", bytes(5_000_000))
        zip_archive.writestr("lying.mid", bytes(2000))
    lie = (tmp_path / "x.zip").read_bytes().replace((2000).to_bytes(4, "little"), (900).to_bytes(4, "little"))
    (tmp_path / "x.zip").write_bytes(lie)
    (tmp_path / "big.mid").touch()
    os.truncate(tmp_path / "big.mid", 1 << 40)  # a terabyte of nothing
    found = read(tmp_path / "x.tar.gz", tmp_path / "x.zip", tmp_path / "big.mid")
    assert [(f.name.split("/")[-1], len(f.data)) for f in found if not f.reason] == [("fits.mid", 1000)]
    assert [f.reason for f in found if f.reason] == [
        "larger than 16 MiB", "larger than 16 MiB", "damaged in its archive", "larger than 16 MiB",
    ]  # fmt: skip
    assert max(len(f.data) for f in found) <= 1000


def test_a_pipe_does_not_wait_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mid")
    (tmp_path / "gone.mid").symlink_to(tmp_path / "nowhere")
    assert [f.reason for f in read(tmp_path)] == ["not a file"] * 2


def test_a_member_that_is_damaged_costs_itself(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one.mid", b"AAAABBBBCCCC")
        archive.writestr("two.mid", b"fine")
    path.write_bytes(path.read_bytes().replace(b"AAAABBBB", b"AAAAXBBB"))
    assert [(f.data, f.reason) for f in read(path)] == [(b"", "damaged in its archive"), (b"fine", "")]


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w"])
def test_of_a_tar_that_was_cut_off_the_rest_is_named(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for k in range(200):
            add(archive, f"{k}.mid", os.urandom(4000))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    *found, rest = read(path)
    assert 100 < len(found) < 140
    assert all(len(file.data) == 4000 and not file.reason for file in found)
    assert rest.name == f"x.tar after {len(found)} MIDI files"
    assert (rest.data, rest.reason) == (b"", "the rest of a damaged archive")


def test_a_header_that_is_broken_costs_its_own_member(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for k in range(5):
            add(archive, f"{k}.mid", bytes([k + 1]) * 700 + bytes(1500))  # with whole blocks of zeros
    data = bytearray(path.read_bytes())
    for broken in (0, 2, 3):
        at = data.index(b"%d.mid" % broken)
        damaged = data.copy()
        damaged[at + 100 : at + 156] = b"\xfe" * 56  # mode, owner, size, time, checksum
        path.write_bytes(damaged)
        if not broken:
            with pytest.raises(CorpusError, match=r"x.tar: a damaged archive \(it is cut off, or no tar\)$"):
                read(path)
            continue
        found = read(path)
        assert [f.name for f in found if not f.reason] == [f"x.tar/{k}.mid" for k in range(5) if k != broken]
        assert [(f.name, f.reason) for f in found if f.reason] == [
            (f"x.tar/after {broken - 1}.mid", "a broken header in its archive")
        ]


def test_what_is_no_header_is_not_looked_through_without_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_MOST_LOST", 100)
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        add(archive, "a.mid", b"1")
    path.write_bytes(path.read_bytes()[:1024] + b"x" * 512 * 101 + path.read_bytes()[:1024])
    assert [(f.name, f.reason) for f in read(path)] == [
        ("x.tar/a.mid", ""), ("x.tar after 1 MIDI files", "the rest of a damaged archive"),
    ]  # fmt: skip


@pytest.mark.parametrize("told", [{"mtime": "x"}, {"uid": "9" * 5000}, {"size": "-1"}, {"size": "x"}])
def test_numbers_that_are_none_are_no_words_of_python(tmp_path: Path, told: dict[str, str]) -> None:
    path, member = tmp_path / "x.tar", tarfile.TarInfo("a.mid")
    member.pax_headers = told
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        add(archive, "one.mid", b"1")
        archive.addfile(member)
    found = read(path)
    assert found[0].data == b"1"
    assert {f.reason for f in found[1:]} <= {"", "the rest of a damaged archive", "a broken header in its archive"}


def test_a_corpus_is_built_of_what_a_damaged_archive_still_has(tmp_path: Path) -> None:
    tune = Melody.from_notes(range(0, 320, 4), range(4, 324, 4), [60, 62, 64, 65, 67] * 16)
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for k in range(30):
            add(archive, f"{k}.mid", to_midi(tune, track_name=f"{k}"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with ThreadPoolExecutor(1) as threads:
        made = build([path], tmp_path / "corpus", executor=threads)
    assert len(made) == 1
    assert made.manifest["files"]["left_out"]["the rest of a damaged archive"] == 1


@pytest.mark.parametrize("name", ["x.tar.gz", "x.zip"])
def test_an_archive_that_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"something else altogether" * 100)
    with pytest.raises(CorpusError, match=rf"{name}: a damaged archive \(it is cut off, or no (tar|zip)\)$"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "why"), [("nowhere", "no such file or folder"), ("song.ogg", r"neither a folder nor a .mid file")]
)
def test_sources_of_another_kind(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "song.ogg").write_bytes(b"OggS")
    with pytest.raises(CorpusError, match=why):
        Sources([tmp_path / name])


def test_no_sources() -> None:
    with pytest.raises(CorpusError, match="no sources"):
        Sources([])


def _members(path: Path) -> list[Found]:
    return list(Sources([path]))


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_SPARSE])
def test_a_tar_header_is_bounded_before_it_is_read(tmp_path, kind):
    member = tarfile.TarInfo("a.mid")
    member.type, member.size = kind, 1 << 30
    (tmp_path / "bomb.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + b"1" * 2048)
    with pytest.raises(CorpusError, match=r"a header of 1,073,741,824 bytes|a sparse file"):
        _members(tmp_path / "bomb.tar")


@pytest.mark.parametrize("told", [{"size": str(1 << 62)}, {"GNU.sparse.size": "x"}, {"GNU.sparse.map": "0,1"}])
def test_a_tar_member_without_an_end_is_refused(tmp_path, told):
    member = tarfile.TarInfo("a.txt")
    member.pax_headers = told
    with tarfile.open(tmp_path / "endless.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(member)
    with pytest.raises(CorpusError, match="a damaged archive"):
        _members(tmp_path / "endless.tar")


def test_a_zip_of_a_version_to_come_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "new.zip", "w") as archive:
        archive.writestr("a.mid", b"1")
    data = bytearray((tmp_path / "new.zip").read_bytes())
    data[data.index(b"PK\1\2") + 6] = 99
    (tmp_path / "new.zip").write_bytes(data)
    with pytest.raises(CorpusError, match=r"a damaged archive \(packed in a way that is not known\)"):
        _members(tmp_path / "new.zip")


def test_a_member_of_a_zip_without_a_name_is_stepped_over(tmp_path: Path) -> None:
    """Python's `ZipInfo.is_dir` looks at the last letter of a name: a fuzzer's find."""
    path, nameless = tmp_path / "x.zip", zipfile.ZipInfo("x")
    nameless.filename = ""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(nameless, b"nameless")
        archive.writestr("a.mid", b"1")
    assert "" in zipfile.ZipFile(path).namelist()
    assert [found.name for found in Sources([path])] == ["x.zip/a.mid"]
    assert Sources([path]).total == 1
