"""What the studio's tests share: a composer, and a studio that runs. Each is started once, when it is first needed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import Server

from cantilena.composer import Composer, load


@pytest.fixture(scope="session")
def composer() -> Composer:
    """The model that ships."""
    return load()


@pytest.fixture(scope="session")
def studio() -> Iterator[Server]:
    """A studio in a process of its own, with the model that ships."""
    with Server() as server:
        yield server


@pytest.fixture
def server(studio: Server) -> Server:
    """That studio, started again where a test has killed it."""
    if not studio.runs:
        studio.start()
    return studio


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the page's source, with what npm installs for it: to build it, and for axe-core."""
    if shutil.which("npm") is None:
        pytest.skip("no npm here")
    copy = tmp_path_factory.mktemp("page") / "web"
    shutil.copytree(Path(__file__).parents[2] / "web", copy, ignore=shutil.ignore_patterns("node_modules"))
    words = ["npm", "ci", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(words, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return copy
