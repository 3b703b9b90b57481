"""Two workers of dask on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest


@contextmanager
def two_workers() -> Iterator[Any]:
    """A cluster of two processes. How long it takes to close, on a busy machine too long for dask, is not tested."""
    distributed = pytest.importorskip("distributed")
    local = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    try:
        yield local
    finally:
        with suppress(TimeoutError):
            local.close()
