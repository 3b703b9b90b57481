"""Phrases that a dask cluster encodes are those that this machine encodes, also where a worker is killed."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cantilena.corpus.cluster import Cluster
from cantilena.errors import CorpusError
from cantilena.training import latents
from cantilena.training.latents import encode_phrases
from dask_cluster import two_workers
from melodies import random_melody


@pytest.fixture
def phrases(monkeypatch):
    monkeypatch.setattr(latents, "_PART", 16)
    return np.concatenate([random_melody(seed).phrases() for seed in range(20)])


def test_two_processes_one_of_them_killed_encode_the_same(phrases, toy_networks):
    alone = encode_phrases(toy_networks[0], phrases)
    told, killed = [], []
    with (
        two_workers() as local,
        Cluster(local.scheduler_address) as cluster,
    ):
        pids = list(cluster._client.run(os.getpid).values())

        def kill_one(done, total):
            told.append((done, total))
            if done >= 32 and not killed:
                os.kill(pids[0], signal.SIGKILL)
                killed.append(done)

        together = encode_phrases(toy_networks[0], phrases, executor=cluster, progress=kill_one)
    assert killed and killed[0] < len(phrases)  # noqa: PT018
    assert told[-1] == (len(phrases), len(phrases))
    np.testing.assert_array_equal(together, alone)


class Broken:
    """An executor whose workers lack PyTorch."""

    workers, heals = 2, True

    def submit(self, fn, *args):
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: __import__("torch_that_is_not_there"))


def test_workers_without_pytorch_are_one_line(phrases, toy_networks):
    with pytest.raises(CorpusError, match=r"a worker cannot encode: pip install 'cantilena\[train\]' there"):
        encode_phrases(toy_networks[0], phrases, executor=Broken())
