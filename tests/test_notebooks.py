"""Each notebook of examples/ runs from its first cell to its last, and is committed without what it printed."""

import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(path.name for path in EXAMPLES.glob("*.ipynb"))
SHOWS = {  # what a reader has to see in it
    "compose_and_edit.ipynb": ["Melody(64 bars", "notes stay; what changed is in bars", "the same notes"],
    "reproduce_a_toy.ipynb": [
        "runs/denoiser: step",
        "Scores, variance over the means of pieces",
        "REFERENCE  corpus:train",
    ],
}


def test_there_are_two():
    assert set(NOTEBOOKS) == set(SHOWS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_runs(name, tmp_path, monkeypatch):
    shutil.copy(EXAMPLES / name, tmp_path)
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "TMPDIR"):
        (tmp_path / variable).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(tmp_path / name, as_version=4)
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()  # raises CellExecutionError where a cell fails
    shown = "".join(
        output.get("text", "") + "".join(str(data) for data in output.get("data", {}).values())
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    )
    for words in SHOWS[name]:
        assert words in shown


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_committed_without_outputs(name):
    for cell in nbformat.read(EXAMPLES / name, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
