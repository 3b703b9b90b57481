"""`build`: folders and archives of songs -> a `Corpus`. Resumable, streamed, the same whatever the order.

Two stages, both restartable at any moment:

1. *Reading.* Files are hashed as they stream by; those whose hash is in no part yet go in batches through the pool,
   and every finished batch becomes one part file, written in one step, in `.NAME.building` beside the corpus.
2. *Merging.* (`merge`) The parts of the files that were seen become a corpus in a temporary folder, which is renamed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from cantilena.corpus.merge import Seen, merge
from cantilena.corpus.parts import SECONDS, Extractor, File, Part, extract_file, file_hash, read_batch, rules
from cantilena.corpus.sources import Sources, Tunes
from cantilena.corpus.store import Corpus
from cantilena.corpus.worker_pool import WorkerPool
from cantilena.errors import CorpusError
from cantilena.files import sole, write_whole

__all__ = ["build"]

BATCH_FILES, BATCH_BYTES = 32, 2 << 20
Progress = Callable[[int, int | None], None]
_OURS = re.compile(r"manifest\.json|melodies\.npy|files\.jsonl|events-\d+\.npy")


def build(
    sources: Iterable[str | Path],
    directory: str | Path,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    extractor: Extractor = extract_file,
    tunes: Tunes | None = None,
    seconds: float = SECONDS,
) -> Corpus:
    """Make a corpus in `directory` of every melody of at least 16 bars in `sources`.

    `executor` is any `concurrent.futures` executor (default: a process for each of `workers`, default all cores);
    `progress(done, total)` is told of files, `total` being None until it can be estimated; `extractor` turns the
    bytes of a file into candidates, and has to be importable by the workers; `tunes` says which songs a file holds, as
    of `Sources`. A file that takes more than `seconds` of
    computing is left out, and counted; in threads of an executor there is no such limit.

    A build that was interrupted goes on where it stopped; one that is complete is not done again. Raises CorpusError
    (one line) for unreadable sources, a directory that holds something else, a second build of the same directory,
    a full disk, or a song group above 5 % of the corpus. Memory: a few batches, then some 5 kB a melody.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from tempfile import TemporaryDirectory
    >>> from cantilena import Melody, save
    >>> tune = Melody.from_notes(range(0, 320, 4), range(4, 324, 4), [60, 62, 64, 65, 67] * 16)
    >>> with TemporaryDirectory() as folder, ThreadPoolExecutor() as threads:
    ...     save(tune, f"{folder}/tune.mid")
    ...     corpus = build([f"{folder}/tune.mid"], f"{folder}/corpus", executor=threads)
    ...     corpus.melody(0)
    Melody(20 bars, 80 notes, C4-G4, 120 qpm)
    """
    directory, found = Path(directory).resolve(), Sources(sources, tunes)
    work, code = directory.parent / f".{directory.name}.building", rules(extractor, seconds)
    parts = work / f"parts-{code}"
    try:
        with _locked(work, directory):
            _keep(work / "replaced", directory)
            if not _complete(found, directory, code):
                with WorkerPool[File, bytes](
                    partial(read_batch, extractor, seconds=seconds), executor=executor, workers=workers
                ) as pool:
                    seen = _read(found, parts, pool, progress or (lambda done, total: None))
                merge(seen, found, parts, work / "merged", work / "spool", code)
                _replace(work / "merged", directory, work / "replaced")
            shutil.rmtree(parts, ignore_errors=True)
    except OSError as error:
        where = error.filename or directory
        raise CorpusError(
            f"{where}: {error.strerror or error}; what was read is kept, and the same command goes on from there"
        ) from error
    return Corpus.open(directory)


def _read(found: Sources, folder: Path, pool: WorkerPool[File, bytes], progress: Progress) -> Seen:
    """Stage 1: every file of the sources is in a part of `folder`; what was seen of them."""
    seen, done, known = Seen(), 0, _known(folder)

    def batches() -> Iterator[Sequence[File]]:
        nonlocal done
        batch: list[File] = []
        for file in found:
            name = b"" if file.reason else file_hash(file.data)
            if not seen.add(file, name) or name in known:
                done += 1
                progress(done, found.total)
                continue
            if batch and (len(batch) == BATCH_FILES or sum(len(data) for _, data in batch) > BATCH_BYTES):
                yield batch
                batch = []
            batch.append((name, file.data))
        if batch:
            yield batch

    for batch, part in pool.run(batches()):
        key = hashlib.blake2b(b"".join(name for name, _ in batch), digest_size=16).hexdigest()
        if part is None:
            part = Part.crashed(batch[0], "it killed the process that read it, twice").to_bytes()
        write_whole(folder / f"{key}.npz", part)
        done += len(batch)
        progress(done, found.total)
    progress(done, done)
    return seen


def _known(folder: Path) -> set[bytes]:
    """Hashes of the files in whole parts; broken ones and leftovers of other rules are removed."""
    for other in folder.parent.glob("parts-*"):
        if other != folder:
            shutil.rmtree(other)
    known: set[bytes] = set()
    folder.mkdir(exist_ok=True)
    for path in sorted(folder.iterdir()):
        try:
            if path.name.startswith("."):
                raise ValueError("never finished")
            known.update(bytes.fromhex(file["hash"]) for file in Part.load(path).files)
        except ValueError:
            path.unlink()
    return known


def _complete(found: Sources, directory: Path, code: str) -> bool:
    """Whether the corpus is there already, made of these very files by this very code."""
    if not directory.exists():
        return False
    said = directory / "manifest.json"
    if not directory.is_dir() or (
        any(directory.iterdir()) and not (said.exists() and "cantilena corpus" in said.read_text("utf-8", "replace"))
    ):
        raise CorpusError(f"{directory}: holds something else than a corpus; name a new directory")
    try:
        manifest = Corpus.open(directory).manifest
    except CorpusError:
        return False
    if manifest.get("rules") != code:
        return False
    seen = Seen()
    for file in found:
        seen.add(file, b"" if file.reason else file_hash(file.data))
    return bool(seen.digest() == manifest.get("input"))


def _replace(merged: Path, directory: Path, old: Path) -> None:
    """Put the new corpus where it belongs, and what lay beside the old one (encoded latents, notes) beside it."""
    if directory.exists():
        os.rename(directory, old)
    os.rename(merged, directory)
    _keep(old, directory)


def _keep(old: Path, directory: Path) -> None:
    """Finish a `_replace` that was killed in the middle: nothing of the old directory is lost but its corpus."""
    if old.exists() and not directory.exists():
        os.rename(old, directory)
    if old.exists():
        for path in sorted(old.iterdir()):
            if not _OURS.fullmatch(path.name):
                os.rename(path, directory / path.name)
        shutil.rmtree(old)


@contextmanager
def _locked(work: Path, directory: Path) -> Iterator[None]:
    """Hold the folder `work` for this build alone, as long as the process lives; it goes when it holds no part."""
    lock = work / "lock"
    try:
        with sole(lock, CorpusError(f"{directory}: another build of it is running")):
            try:
                yield
            finally:
                if not any(work.glob("parts-*/*.npz")) and not (work / "replaced").exists():
                    with suppress(OSError):
                        for path in set(work.iterdir()) - {lock}:
                            shutil.rmtree(path) if path.is_dir() else path.unlink()
    finally:
        with suppress(OSError):  # it holds something, or another build has it
            work.rmdir()
