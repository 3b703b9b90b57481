"""Models of the hub: from a cache that is laid out as huggingface_hub has it, without a network."""

import shutil
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError

from cantilena import hub
from cantilena.composer import load
from cantilena.errors import ModelError
from cantilena.model import find_model

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of the hub, empty."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "hub"


def kept(cache, toy_model, name="someone/waltzes"):
    """A model as it lies in the cache after a download of its branch "main"."""
    folder = cache / f"models--{name.replace('/', '--')}"
    snapshot = folder / "snapshots" / REVISION
    shutil.copytree(toy_model, snapshot)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(REVISION)
    return snapshot


def test_what_is_in_the_cache_is_taken_without_a_network(cache, toy_model, monkeypatch):
    place = kept(cache, toy_model)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *a, **k: pytest.fail("the hub was asked"))
    for name in ("someone/waltzes", "someone/waltzes@main", f"someone/waltzes@{REVISION}"):
        assert find_model(name) == place
    assert load("someone/waltzes").compose(seed=1, bars=4, steps=2, plain=True).bars == 4


def test_what_is_not_there_is_said_in_a_line(cache, toy_model):
    kept(cache, toy_model)
    for name in ("someone/jigs", "someone/waltzes@v2"):
        with pytest.raises(ModelError, match="is not in the cache, and the hub is offline"):
            find_model(name)


def test_a_folder_is_never_a_model_of_the_hub(cache, toy_model, tmp_path):
    shutil.copytree(toy_model, tmp_path / "someone" / "waltzes")
    assert find_model("someone/waltzes").resolve() == (tmp_path / "someone" / "waltzes").resolve()
    with pytest.raises(ModelError, match="no model there"):
        find_model("someone/jigs")  # beside it: a slip of the pen, no name of the hub


@pytest.mark.parametrize("name", ["waltzes", "a/b/c", "../waltzes", "a/", "/etc/x", "a/b@", "a b/c", "./a/b"])
def test_other_names_are_none_of_the_hub(name, cache):
    with pytest.raises(ModelError):
        hub.fetch(name) if hub.NAME.fullmatch(name) else find_model(name)
    assert not hub.NAME.fullmatch(name)


def downloads(monkeypatch, size, cache, toy_model, licence="cc-by-4.0"):
    """A hub that has one model of so many bytes a file, and what was asked of it."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    asked = []

    def info(self, repo, *, revision=None, files_metadata=False):
        files = [SimpleNamespace(rfilename=name, size=size) for name in (*hub.FILES, "evil.pkl", "train.py")]
        return SimpleNamespace(siblings=files, card_data=SimpleNamespace(license=licence))

    def download(*, local_files_only=False, **how):
        if local_files_only:
            raise LocalEntryNotFoundError("not there")
        asked.append(how)
        return str(kept(cache, toy_model))

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return asked


def test_before_a_download_licence_and_size_are_said_and_only_a_models_files_are_fetched(
    cache, toy_model, monkeypatch, capsys
):
    asked = downloads(monkeypatch, 2_000_000, cache, toy_model)
    assert (find_model("someone/waltzes@main") / "model.json").is_file()
    said = capsys.readouterr().err
    assert said.startswith("someone/waltzes@main: 18 MB, licence: cc-by-4.0; it is kept in ")
    (how,) = asked
    assert how["revision"] == "main"
    assert set(how["allow_patterns"]) == set(hub.FILES)
    assert all(name.endswith((".onnx", ".npz", ".json", ".md")) for name in hub.FILES)


def test_what_is_too_large_is_not_fetched(cache, toy_model, monkeypatch):
    asked = downloads(monkeypatch, 200_000_000, cache, toy_model)
    with pytest.raises(ModelError, match="1,800 MB are more than a model of Cantilena has"):
        find_model("someone/waltzes@main")
    assert not asked


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(ModelError, match=r"pip install 'cantilena\[hub\]'"):
        hub.fetch("someone/waltzes")
