"""What is run while faults happen: six commands on small inputs, and what has to be the same whenever one is run."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from cantilena.corpus.build import build
from cantilena.training.recipes import read_recipe
from cantilena.training.runs import train_denoiser, train_vae
from toys import make_networks, write_model, write_songs

RECIPES = Path(__file__).parents[2] / "recipes"
NETWORK = ["network.width=16", "network.layers=1", "network.heads=2", "network.hidden=16", "loop.precision=fp32"]
VAE = [*NETWORK, "network.slot=4", "network.latent=8", "network.writer=16", "loop.batch=32", "loop.warmup=10"]
DENOISER = [*NETWORK, "loop.batch=4", "loop.warmup=10", "data.precision=fp32"]
OFTEN = "loop.checkpoint_minutes=0.005"
MARK = "CANTILENA_FAULTS"  # in the environment of every process that a command starts
_CLOCKS = re.compile(rb'seconds[": ]+[\d.e+-]+')
_TEXTS = (".json", ".jsonl", ".html", ".md")


@dataclass(frozen=True)
class Inputs:
    """What the commands read: songs, a corpus of them, runs that were trained on it, and a model."""

    folder: Path

    @property
    def songs(self) -> Path:
        """160 MIDI files."""
        return self.folder / "songs"

    @property
    def corpus(self) -> Path:
        """Their corpus, without encoded latents."""
        return self.folder / "corpus"

    @property
    def vae(self) -> Path:
        """A run of a VAE."""
        return self.folder / "vae"

    @property
    def denoiser(self) -> Path:
        """A run of a denoiser of its latents."""
        return self.folder / "denoiser"

    @property
    def model(self) -> Path:
        """A model of other, untrained networks, which writes more notes than those."""
        return self.folder / "model"

    def make(self) -> None:
        """Make all of it."""
        self.folder.mkdir()
        write_songs(self.songs, 160)
        corpus = build([self.songs], self.corpus, workers=1)
        train_vae(read_recipe(RECIPES / "vae.toml", [*VAE, "loop.steps=10"]), corpus, self.vae)
        recipe = [*DENOISER, "loop.steps=2", "data.draws=1", f"data.vae={self.vae}"]
        train_denoiser(read_recipe(RECIPES / "small.toml", recipe), corpus, self.denoiser)
        for latents in self.corpus.glob("latents-*"):
            shutil.rmtree(latents)
        write_model(self.model, make_networks())

    def words(self, command: str, place: Path) -> list[str]:
        """The command line of a command that writes to `place`."""
        match command:
            case "corpus build":
                words = ["corpus", "build", self.songs, "-o", place / "corpus", "--workers", 2]
            case "encoding":
                words = ["train", "denoiser", RECIPES / "small.toml", "--corpus", place / "corpus"]
                words += ["--run", place / "run", *_set(*DENOISER, "loop.steps=1", "data.draws=6"), *_set(f"data.vae={self.vae}")]  # fmt: skip
            case "training":
                words = ["train", "vae", RECIPES / "vae.toml", "--corpus", self.corpus, "--run", place / "run"]
                words += _set(*VAE, "loop.steps=40", OFTEN)
            case "export":
                words = ["export", self.denoiser, "--vae", self.vae, "-o", place / "model"]
            case "reproduce":
                words = ["reproduce", "--corpus", self.corpus, "--model", self.model, "-o", place / "results"]
                words += ["-n", 10, "--steps", 1, "--workers", 2]
            case "compose":
                words = ["compose", "-n", 64, "--bars", 4, "--seed", 1, "--force", "-o", place / "tunes"]
                words += ["--model", self.model]
            case _:
                raise ValueError(command)
        return [*map(str, words)]

    def prepare(self, command: str, place: Path) -> None:
        """Put into `place` what the command needs there: the corpus beside which its latents are kept."""
        if command == "encoding":
            shutil.copytree(self.corpus, place / "corpus")


COMMANDS = ("corpus build", "encoding", "training", "export", "reproduce", "compose")


def _set(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


# -- running one -----------------------------------------------------------------------------------

_number = count(1)


@dataclass
class Running:
    """A command that was started, and all processes of it."""

    process: subprocess.Popen[str]
    mark: str

    def end(self, seconds: float = 1200) -> tuple[int, str]:
        """Wait until it ends by itself: its exit status, and what it said on standard error."""
        said = self.process.communicate(timeout=seconds)[1]
        return self.process.returncode, said

    def kill_after(self, seconds: float) -> bool:
        """Kill -9 after some seconds, the first process alone; False where it has ended by then."""
        try:
            self.process.communicate(timeout=seconds)
            return False
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.stdout = self.process.stderr = None  # which its children may hold open
            self.process.wait()
            return True

    def orphans(self, seconds: float = 10) -> list[int]:
        """Processes of it that still live after some seconds; they are killed then."""
        began = time.monotonic()
        while (found := list(processes(self.mark))) and time.monotonic() - began < seconds:
            time.sleep(0.05)
        for number in found:
            os.kill(number, 9)
        return found


def start(
    words: Sequence[str], env: Mapping[str, str] | None = None, code: str | None = None, **more: object
) -> Running:
    """Run `cantilena` with these words, or Python code with them."""
    mark = f"{os.getpid()}-{next(_number)}"
    program = ["-m", "cantilena"] if code is None else ["-c", code]
    process = subprocess.Popen(
        [sys.executable, *program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {}), MARK: mark}, **more,  # type: ignore[call-overload]
    )  # fmt: skip
    return Running(process, mark)


def processes(mark: str) -> Iterator[int]:
    """Those that a command started, and that live."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}\0".encode() in (entry / "environ").read_bytes():
                yield int(entry.name)
        except OSError:
            continue


def is_plain(said: str) -> bool:
    """Whether standard error ends with one line of ours, or of a library's, and holds no traceback."""
    lines = [line for line in said.splitlines() if line.startswith("cantilena: ") or "error" in line.lower()]
    return "Traceback" not in said and "a bug" not in said and len(lines) == 1


# -- what it wrote ---------------------------------------------------------------------------------


def digest(place: Path, inputs: Inputs) -> dict[str, str]:
    """Every file by its name in `place`, with a hash of it that neither clocks nor the places of inputs change.

    Of the checkpoints of a run the last one counts: others stand where time has them.
    """
    found = {}
    last = {run.parent: run for run in sorted(place.rglob("step-*")) if run.is_dir()}
    for path in sorted(place.rglob("*")):
        step = next((parent for parent in path.parents if parent.name.startswith("step-")), None)
        if path.is_dir() or (step and step != last[step.parent]) or path.name == "metrics.jsonl":
            continue
        data = path.read_bytes()
        if path.suffix in _TEXTS:
            data = _CLOCKS.sub(b"", data.replace(str(inputs.folder).encode(), b"")).replace(str(place).encode(), b"")
        found[str(path.relative_to(place))] = hashlib.sha256(data).hexdigest()[:16]
    return found


def differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """In words: files that are left over, missing, or other than wanted; nothing where all is the same."""
    told = {
        "left behind": sorted(set(found) - set(wanted)),
        "missing": sorted(set(wanted) - set(found)),
        "other": sorted(name for name in set(found) & set(wanted) if found[name] != wanted[name]),
    }
    return "; ".join(f"{what}: {', '.join(names[:3])}" for what, names in told.items() if names)


def torn(place: Path, wanted: Mapping[str, str], inputs: Inputs) -> str:
    """In words: files of the final names, melodies and results that are there and not whole.

    Beside the work of a build and what begins with a dot nothing unfinished may be seen. A file that is of the final
    hash is whole; others must at least end as their kind does.
    """
    found = digest(place, inputs)
    ends = {".svg": b"</svg>", ".html": b"</html>", ".json": b"}"}
    bad = [
        name
        for name, hashed in found.items()
        if not any(part.startswith(".") for part in Path(name).parts)
        and wanted.get(name) != hashed
        and not (place / name).read_bytes().rstrip().endswith(ends.get(Path(name).suffix, b""))
    ]
    return f"torn: {', '.join(bad[:3])}" if bad else ""
