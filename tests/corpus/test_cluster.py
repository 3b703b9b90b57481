"""A corpus built by a dask cluster is the one that this machine builds, also where a worker is killed."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

import cantilena.corpus.build
from cantilena.corpus.build import build
from cantilena.corpus.cluster import Cluster
from cantilena.errors import CorpusError
from cantilena.music.midi import to_midi
from dask_cluster import two_workers
from melodies import random_melody


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("songs")
    for seed in range(40):
        (folder / f"{seed}.mid").write_bytes(to_midi(random_melody(seed)))
    return folder


def test_two_processes_one_of_them_killed_build_the_same_corpus(songs, tmp_path, monkeypatch):
    monkeypatch.setattr(cantilena.corpus.build, "BATCH_FILES", 2)
    with ThreadPoolExecutor(1) as here:
        alone = build([songs], tmp_path / "alone", executor=here)
    with (
        two_workers() as local,
        Cluster(local.scheduler_address) as cluster,
    ):
        assert cluster.workers == 2
        pids = list(cluster._client.run(os.getpid).values())
        killed = []

        def kill_one(done, total):
            if done >= 4 and not killed:
                os.kill(pids[0], signal.SIGKILL)
                killed.append(done)

        store = pytest.importorskip("fsspec").filesystem("memory")
        store.put(f"{songs}/", "/cluster/songs/", recursive=True)
        together = build(
            ["memory://cluster/songs"], tmp_path / "together", executor=cluster, workers=2, progress=kill_one
        )
        assert killed and killed[0] < 40  # noqa: PT018
        assert pids[0] not in cluster._client.run(os.getpid).values()
    assert together.fingerprint == alone.fingerprint
    assert len(together) == len(alone) > 0


def test_nobody_there_is_one_line():
    pytest.importorskip("distributed")
    with pytest.raises(CorpusError, match="nowhere: no dask scheduler answers there"):
        Cluster("nowhere")


def test_without_dask_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(CorpusError, match=r"pip install 'cantilena\[cluster\]'"):
        Cluster("tcp://localhost:8786")
