"""What is said in two places of the project says the same in both."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from oldest import oldest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_citation_is_of_this_version():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {PROJECT['version']}\n" in citation
    assert f"\nlicense: {PROJECT['license']}\n" in citation


def test_the_wheel_holds_the_model_and_no_baseline_and_no_test(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.iterdir()
    names = [Path(name) for name in ZipFile(wheel).namelist()]
    own = [name.relative_to("cantilena") for name in names if name.parts[0] == "cantilena"]
    assert {name.parts[0] for name in names} == {"cantilena", f"cantilena-{PROJECT['version']}.dist-info"}
    assert {Path("cli/reproduce.py"), Path("reproduction/page.html"), Path("py.typed")} <= set(own)
    networks = {path.name for path in own if path.suffix == ".onnx"}
    assert networks == {"encoder.onnx", "decoder.onnx", "decoder_start.onnx", "decoder_step.onnx", "denoiser.onnx"}
    assert not [path for path in own if path.stem.startswith("test_") or path.name == "conftest.py"]


def test_the_hooks_run_what_make_lint_runs():
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert lint
    made = [line.strip().replace("$(BIN)/", "").removesuffix(" .") for line in lint[1].splitlines()]
    hooks = re.findall(r"entry: \.venv/bin/(.*)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert [hook.removesuffix(" --force-exclude") for hook in hooks] == made


def test_every_dependency_has_an_oldest_version():
    assert "onnxruntime==1.24.1" in list(oldest(PROJECT["dependencies"]))
    for requirements in PROJECT["optional-dependencies"].values():
        assert len(list(oldest(requirements))) == len(requirements)
    assert list(oldest(["torch>=2.6,<2.14", "mkdocstrings[python]>=1.0"])) == ["torch==2.6", "mkdocstrings==1.0"]


def test_a_dependency_without_a_bound_is_refused():
    with pytest.raises(ValueError, match="numpy: expected a lower bound"):
        list(oldest(["numpy"]))
