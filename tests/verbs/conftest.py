"""What the tests of verbs share."""

from pathlib import Path

import pytest

from toys import make_networks, write_model


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy that writes as many notes as a song has: of the other one, the gate has nearly every edit drawn six times."""
    folder = tmp_path_factory.mktemp("models") / "toy"
    write_model(folder, make_networks(hold=7))
    return folder
