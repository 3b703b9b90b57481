"""The paper's table, computed: every row's melodies, what the metrics say of them, and the numbers as one dict.

    Reproduction(...)   draws the real windows, says what it will cost, makes and measures each row
    results.json        what `run` returns; `table`, `figures` and `page` show it

Rows are independent, so they are made side by side by `workers` threads, each with single-threaded networks; nothing
in the results depends on how many there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cantilena.composer import Composer
from cantilena.corpus.store import WINDOW_PHRASES, Corpus
from cantilena.errors import CorpusError
from cantilena.evaluation.baselines import ROWS, Bench, Setting, is_invented
from cantilena.evaluation.measures import Measures
from cantilena.evaluation.novelty import NoveltyIndex
from cantilena.evaluation.pieces import Pieces, corpus_pieces, window_pieces
from cantilena.evaluation.scores import Moments, overlaps, scores
from cantilena.evaluation.spurious import Spurious
from cantilena.music.melody import Melody
from cantilena.sampling import Sampling, Voice

__all__ = ["PUBLISHED", "SWEEP", "Plan", "Reproduction"]

REFERENCE = 10_000  # training windows that stand for the truth
PUBLISHED: dict[str, dict[str, dict[str, dict[str, float]]]] = {  # Mittal et al. 2021, table 1 (its own VAE, Lakh)
    row: {
        setting: {kind: {"C": cells[i], "var": cells[i + 1]} for kind, i in (("pitch", first), ("duration", first + 2))}
        for setting, first in (("unconditional", 0), ("infilling", 4))
        if len(cells) > first
    }
    for row, cells in {
        "test": (1.00, 0.96, 1.00, 0.91, 1.00, 0.96, 1.00, 0.91),
        "diffusion": (0.99, 0.90, 0.96, 0.92, 0.97, 0.87, 0.97, 0.80),
        "autoregression": (0.93, 0.68, 0.93, 0.76),
        "interpolation": (0.85, 0.23, 0.91, 0.34, 0.94, 0.78, 0.96, 0.80),
        "prior": (0.84, 0.19, 0.90, 0.67, 0.89, 0.19, 0.94, 0.54),
    }.items()
}
SWEEP = [("ddpm", s) for s in (20, 100, 1000)] + [("ddim", s) for s in (10, 20, 50, 100)]
SWEEP += [("dpm_solver_pp", s) for s in (5, 10, 20, 50)]
Say: TypeAlias = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How much is made, and how."""

    n: int = 1000  # melodies a row and setting, and seed
    seeds: int = 1  # repetitions, with other noise and other test windows
    steps: int = 100  # of the diffusion row, ancestral
    temperature: float = 0.99
    settle: float = 0.3  # share of the noise levels, at the end, where notes are decided and no more drawn
    resample: int = 1  # visits of each level; each more lets later phrases and earlier ones agree
    infill_steps: int = 20  # the same when infilling, `steps` at most
    infill_resample: int = 6  # what is made has to agree with what is held (RePaint)
    paper_steps: int | None = None  # of the row with the paper's choices, which has 1000; as `steps` if not given
    workers: int = 1

    def __post_init__(self) -> None:
        if self.n < 10 or self.seeds < 1 or self.workers < 1:
            raise ValueError(
                f"n is 10 or more, seeds and workers 1 or more; not {self.n}, {self.seeds}, {self.workers}"
            )

    def sampling(self, setting: Setting) -> Sampling:
        """The keywords of the diffusion row."""
        if setting == "infilling":
            steps = min(self.steps, self.infill_steps)
            return {"steps": steps, "temperature": self.temperature, "resample": self.infill_resample}
        return {
            "steps": self.steps, "temperature": self.temperature, "settle": self.settle, "resample": self.resample
        }  # fmt: skip

    @property
    def paper_sampling(self) -> Sampling:
        """Plain ancestral sampling, without temperature or resampling."""
        return {"steps": self.paper_steps or self.steps, "temperature": 1.0}


@dataclass(frozen=True, eq=False)
class Reproduction:
    """The table of a model on a corpus. Raises CorpusError where the corpus has too few windows of 64 bars."""

    composer: Composer
    corpus: Corpus
    plan: Plan
    _made: dict[tuple[str, Setting], Pieces] = field(default_factory=dict, repr=False)

    # -- real music ----------------------------------------------------------------------------

    @cached_property
    def reference_windows(self) -> NDArray[np.int64]:
        """The listed truth: melody and first phrase of REFERENCE training windows (or half of them, if fewer)."""
        return self._train_windows[0]

    @cached_property
    def _train_windows(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        windows = self.corpus.windows("train")
        if len(windows) < 20 or not len(self.corpus.windows("test")):
            raise CorpusError(
                f"{self.corpus.directory}: {len(windows)} training windows of 64 bars without a silent phrase; "
                "a table needs 20, and one of a test song"
            )
        order = np.random.default_rng(0).permutation(len(windows))
        size = min(REFERENCE, len(windows) // 2)
        return windows[np.sort(order[:size])], windows[order[size:]]

    @cached_property
    def reference(self) -> Pieces:
        """The truth that every score compares with."""
        return window_pieces(self.corpus, self.reference_windows, "reference")

    @cached_property
    def moments(self) -> dict[str, Moments]:
        """Means and variances of the reference's overlaps."""
        return overlaps(self.reference).moments

    def bench(self, corpus: Corpus | None = None, n: int | None = None) -> Bench:
        """What makes the rows: from the test songs of the corpus, or of another one for `n` melodies to listen to."""
        plan, size = self.plan, n or self.plan.n * self.plan.seeds
        if corpus is None:
            train = window_pieces(self.corpus, self._train_windows[1][:size], "train")
            test = _tests(self.corpus, size)
        else:
            train, test = corpus_pieces(corpus, "train", size), _tests(corpus, size)
        spurious = Spurious(self.moments)
        return Bench(self.composer, train, test, range(size), plan.sampling, plan.paper_sampling, spurious)

    @property
    def rows(self) -> list[tuple[str, Setting]]:
        """Rows and settings that the model can make: without mdn.onnx or paper.onnx theirs are missing."""
        needs = {"autoregression": "mdn", "paper": "paper"}
        held = self.composer.model.baselines
        return [(row, s) for row, settings in ROWS.items() if needs.get(row) in (None, *held) for s in settings]

    # -- running -------------------------------------------------------------------------------

    def seconds(self) -> float:
        """A guess of what `run` takes, from a few timed calls of each network."""
        model, plan = self.composer.model, self.plan
        melodies = plan.n * plan.seeds
        x = np.zeros((16, WINDOW_PHRASES, model.space.D), np.float32)
        labels = np.zeros((16, 4), np.int64)
        denoise = _timed(lambda: model.denoise(x, np.zeros(16, np.float32), x, labels)) / 16
        decode = _timed(lambda: model.to_logits(x)) / 16
        encode = _timed(lambda: model.encode(np.ones((16, WINDOW_PHRASES, 32), np.int64))) / 16
        infilling = min(plan.steps, plan.infill_steps) * plan.infill_resample
        paper = 2 * (plan.paper_steps or plan.steps) if "paper" in model.baselines else 0
        passes = plan.steps * plan.resample + infilling + paper
        snaps = plan.settle * plan.steps * plan.resample
        measuring = 0.03  # a melody and row: overlaps, features, novelty, latent distances
        each = denoise * passes + decode * (11 + snaps) + encode * (16 + snaps)
        each += (measuring + encode * 10 / 32) * len(self.rows)
        return 40 + 1.3 * melodies * each / plan.workers

    def run(self, say: Say = lambda _: None) -> dict[str, Any]:
        """Make and measure everything; `say` gets a line for each row. See the module's text for the shape."""
        began = time.perf_counter()
        bench, plan = self.bench(), self.plan
        index = NoveltyIndex.build(self.corpus)
        measure = self._measures(plan.n * plan.seeds, index=index, parts=plan.seeds)
        say(f"reference: {len(self.reference):,} training windows, index of {len(index.phrases):,} phrases")
        found: dict[str, Any] = {
            "about": self.about(),
            "reference": {"overlap": {kind: m._asdict() for kind, m in self.moments.items()}},
            "rows": {},
            "published": PUBLISHED,
            "latent": {"floor": measure.latent_floor, "rows": {}},
            "music": {"reference": measure.music_means, "rows": {}},
            "novelty": {"rows": {}},
            "curves": {"overlap_along": {}},
        }

        def one(place: tuple[str, Setting]) -> tuple[tuple[str, Setting], Pieces, dict[str, Any], float]:
            start = time.perf_counter()
            pieces = bench.make(*place)
            return place, pieces, measure(pieces), time.perf_counter() - start

        with ThreadPoolExecutor(self.plan.workers) as threads:
            for (row, setting), pieces, figures, seconds in threads.map(one, self.rows):
                self._made[row, setting] = pieces
                found["rows"].setdefault(row, {})[setting] = figures["scores"]
                for part in ("latent", "music", "novelty"):
                    found[part]["rows"].setdefault(row, {})[setting] = figures[part]
                found["curves"]["overlap_along"].setdefault(row, {})[setting] = figures["along"]
                cells = figures["scores"]
                told = " ".join(f"{k} {v['C']['value']:.3f} / {v['var_pieces']['value']:.3f}" for k, v in cells.items())
                say(f"{row}, {setting}: {told} ({seconds:.0f} s)")
        found["about"]["seconds"] = round(time.perf_counter() - began, 1)
        return found

    def samples(self, n: int = 20, listen: Corpus | None = None) -> dict[str, dict[str, list[Melody]]]:
        """`n` melodies of each row, after `run`; rows with real notes in them are made of `listen` if it is given."""
        other = self.bench(listen, n) if listen else None
        found: dict[str, dict[str, list[Melody]]] = {}
        for row, setting in self.rows:
            if other is None or is_invented(row, setting):
                pieces = self._made[row, setting]
            else:
                pieces = other.make(row, setting)
            found.setdefault(row, {})[setting] = [Melody(events) for events in pieces.events[:n]]
        return found

    def _measures(self, n: int, **more: Any) -> Measures:
        return Measures(self.composer.model, self.reference, self.moments, n, **more)

    def about(self) -> dict[str, Any]:
        """What was used: model, corpus, plan, and what each network's training cost."""
        plan, model = self.plan, self.composer.model
        rivals = {part: model.about[part].get("training", {}) for part in model.baselines}
        return {
            "cantilena": version("cantilena"),
            "model": model.name,
            "fingerprint": model.fingerprint,
            "corpus": self.corpus.fingerprint,
            "n": plan.n * plan.seeds,
            "seeds": plan.seeds,
            "sampler": "ddpm",
            "steps": plan.steps,
            "temperature": plan.temperature,
            "settle": plan.settle,
            "resample": plan.resample,
            "infill_steps": min(plan.steps, plan.infill_steps),
            "infill_resample": plan.infill_resample,
            "paper_steps": plan.paper_steps or plan.steps,
            "reference": len(self.reference),
            "training": {"diffusion": model.about.get("provenance", {}), **rivals},
        }

    # -- sampler by steps ------------------------------------------------------------------------

    def sweep(self, n: int = 200, say: Say = lambda _: None) -> list[dict[str, Any]]:
        """Quality of `n` unconditional melodies by sampler and steps, one after the other for the sake of the clock."""
        measure, found = self._measures(n), []
        for sampler, steps in SWEEP:
            asked: Sampling = {"sampler": sampler, "steps": steps, "voice": Voice(rests=0)}
            if sampler == "ddpm":
                asked["temperature"] = self.plan.temperature
            began = time.perf_counter()
            tokens = self.composer.decode(self.composer.sample(range(n), **asked))
            seconds = (time.perf_counter() - began) / n
            pieces = Pieces([Melody.from_phrases(t).events for t in tokens], np.arange(n), sampler)
            table = scores(pieces, self.moments)
            found.append(
                {
                    "sampler": sampler,
                    "steps": steps,
                    "seconds": round(seconds, 4),
                    **{f"{kind}_C": table[kind]["C"].value for kind in table},
                    **{f"{kind}_var": table[kind]["var_pieces"].value for kind in table},
                    "frechet": measure.frechet(pieces),
                }
            )
            last = found[-1]
            say(
                f"{sampler} {steps}: {seconds:.3f} s a melody, pitch {last['pitch_C']:.3f} / {last['pitch_var']:.3f}, "
                f"duration {last['duration_C']:.3f} / {last['duration_var']:.3f}, Frechet {last['frechet']:.3f}"
            )
        return found


def _tests(corpus: Corpus, size: int) -> Pieces:
    """`size` test windows without a silent phrase, drawn by seed 0; again from the first where there are fewer."""
    windows = corpus.windows("test")
    order = np.random.default_rng(0).permutation(len(windows))
    return window_pieces(corpus, windows[np.resize(order, size)], "test")


def _timed(call: Callable[[], Any]) -> float:
    """Seconds of a call, the second time."""
    call()
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
