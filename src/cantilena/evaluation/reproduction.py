"""The paper's table, computed: every row's melodies, what the metrics say of them, and the numbers as one dict.

    Reproduction(...)   draws the real windows, says what it will cost, makes and measures each row
    results.json        what `run` returns; `table`, `figures` and `page` show it

Rows are independent, so they are made side by side by `workers` threads, each with single-threaded networks; nothing
in the results depends on how many there are. Where a folder is given, melodies are kept in it while they are made
(`cache`), and a run that was stopped goes on with them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cantilena.composer import Composer
from cantilena.corpus.store import WINDOW_PHRASES, Corpus
from cantilena.errors import CorpusError
from cantilena.evaluation.baselines import ROWS, Bench, Setting, is_invented
from cantilena.evaluation.cache import RowCache
from cantilena.evaluation.measures import Measures
from cantilena.evaluation.novelty import NoveltyIndex
from cantilena.evaluation.pieces import Pieces, corpus_pieces, window_pieces
from cantilena.evaluation.plan import Plan
from cantilena.evaluation.results import assemble
from cantilena.evaluation.scores import Moments, overlaps
from cantilena.evaluation.spurious import Spurious
from cantilena.music.melody import Melody

__all__ = ["PUBLISHED", "Reproduction"]

REFERENCE = 10_000  # training windows that stand for the truth
_MEASURING = 0.016  # seconds a melody: overlaps, features, novelty, latent distances
_BEGINNING = 30.0  # seconds: the reference measured, the index built
_CHANGED = 0.4  # share of the phrases whose notes a snap changes, so that they are encoded again
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
Place: TypeAlias = tuple[str, Setting]  # a row and a setting of it
Say: TypeAlias = Callable[[str], None]
OnMade: TypeAlias = Callable[[str, Setting, int], None]  # row, setting, and how many of its melodies are made


class _Made(NamedTuple):
    place: Place
    pieces: Pieces
    figures: dict[str, Any]
    seconds: float


@dataclass(frozen=True, eq=False)
class Reproduction:
    """The table of a model on a corpus. Raises CorpusError where the corpus has too few windows of 64 bars."""

    composer: Composer
    corpus: Corpus
    plan: Plan
    _made: dict[Place, Pieces] = field(default_factory=dict, repr=False)

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

    def bench(
        self, corpus: Corpus | None = None, n: int | None = None, stopping: Callable[[], bool] = lambda: False
    ) -> Bench:
        """What makes the rows: from the test songs of the corpus, or of another one for `n` melodies to listen to."""
        plan, size = self.plan, n or self.plan.n * self.plan.seeds
        if corpus is None:
            train = window_pieces(self.corpus, self._train_windows[1][:size], "train")
            test = _tests(self.corpus, size)
        else:
            train, test = corpus_pieces(corpus, "train", size), _tests(corpus, size)
        spurious = Spurious(self.moments)
        return Bench(self.composer, train, test, range(size), plan.sampling, plan.paper_sampling, spurious, stopping)

    def places(self, rows: Sequence[str] | None = None) -> list[Place]:
        """Rows, or of these ones, and settings that the model can make: without mdn.onnx or paper.onnx theirs are not.

        ValueError for rows that there are not, or that were asked for and cannot be made.
        """
        needs = {"autoregression": "mdn", "paper": "paper"}
        held = self.composer.model.baselines
        can = [row for row in ROWS if needs.get(row) in (None, *held)]
        for row in rows or ():
            if row not in ROWS:
                raise ValueError(f"a row is one of {', '.join(ROWS)}, not {row!r}")
            if row not in can:
                raise ValueError(f"the row {row} cannot be made: {self.composer.model.folder} has no {needs[row]}.onnx")
        return [(row, setting) for row in can if not rows or row in rows for setting in ROWS[row]]

    # -- running -------------------------------------------------------------------------------

    def seconds(self, places: Sequence[Place]) -> float:
        """A guess of what `run` takes, from a few timed calls of each network."""
        melodies = self.plan.n * self.plan.seeds
        each = sorted(melodies * self._costs[place] for place in places)
        return max((_BEGINNING + sum(each)) / self.plan.workers, each[-1])

    @cached_property
    def _costs(self) -> dict[Place, float]:
        """Seconds that a melody of each row takes, alone on a core."""
        model, plan = self.composer.model, self.plan
        x, labels = np.zeros((16, WINDOW_PHRASES, model.space.D), np.float32), np.zeros((16, 4), np.int64)
        denoise = _timed(lambda: model.denoise(x, np.zeros(16, np.float32), x, labels)) / 16
        decode = _timed(lambda: model.to_logits(x)) / 16
        encode = _timed(lambda: model.encode(np.ones((16, WINDOW_PHRASES, 32), np.int64))) / 16
        costs = {}
        for row, setting in self.places():
            cost = _MEASURING + decode + encode
            if row in ("diffusion", "paper"):
                how = plan.sampling(setting) if row == "diffusion" else plan.paper_sampling
                visits = how["steps"] * how.get("resample", 1)
                cost += visits * (denoise + how.get("settle", 0.0) * (decode + _CHANGED * encode))
            elif row == "autoregression":
                following = _timed(lambda: model.next_phrase(x[:, : WINDOW_PHRASES // 2])) / 16
                cost += WINDOW_PHRASES * following
            costs[row, setting] = cost
        return costs

    def run(
        self, say: Say = lambda _: None, *, rows: Sequence[str] | None = None, keep: Path | None = None,
        on_made: OnMade = lambda *_: None,
    ) -> dict[str, Any]:  # fmt: skip
        """Make and measure all rows, or these; `say` gets a line for each. See `results` for the shape.

        `keep` is a folder for the melodies, from which a run goes on that was stopped. `on_made` is told how far each
        row is. ValueError as of `places`, CantilenaError where a file in `keep` is damaged.
        """
        began, plan, stop = time.perf_counter(), self.plan, Event()
        places, bench = self.places(rows), self.bench(stopping=stop.is_set)

        def prepare() -> Measures:
            index = NoveltyIndex.build(self.corpus)
            say(f"reference: {len(self.reference):,} training windows, index of {len(index.phrases):,} phrases")
            return self.measures(plan.n * plan.seeds, index=index, parts=plan.seeds)

        def one(place: Place) -> _Made:
            start = time.perf_counter()
            cache = None if keep is None else RowCache(keep / "{}-{}.npz".format(*place), self._recipe(*place))
            pieces = bench.make(*place, cache, partial(on_made, *place))
            return _Made(place, pieces, measure.result()(pieces), time.perf_counter() - start)

        found: dict[Place, dict[str, Any]] = {}
        with ThreadPoolExecutor(plan.workers) as threads:
            measure = threads.submit(prepare)  # first: also one worker alone has it before it measures
            longest_first = sorted(places, key=self._costs.__getitem__, reverse=True)
            try:
                for done in as_completed([threads.submit(one, place) for place in longest_first]):
                    (row, setting), pieces, figures, seconds = done.result()
                    self._made[row, setting], found[row, setting] = pieces, figures
                    cells = figures["scores"].items()
                    told = " ".join(f"{k} {v['C']['value']:.3f} / {v['var_pieces']['value']:.3f}" for k, v in cells)
                    say(f"{row}, {setting}: {told} ({seconds:.0f} s)")
            except BaseException:  # Ctrl-C, a full disk: what is being made ends at its next step
                stop.set()
                threads.shutdown(wait=False, cancel_futures=True)
                raise
        return {
            "about": {**self.about(), "seconds": round(time.perf_counter() - began, 1)},
            "reference": {"overlap": {kind: m._asdict() for kind, m in self.moments.items()}},
            "published": PUBLISHED,
            **assemble({place: found[place] for place in places}, measure.result()),
        }

    def _recipe(self, row: str, setting: Setting) -> dict[str, Any]:
        """All that the melodies of a row depend on, but for their number."""
        model, plan = self.composer.model, self.plan
        recipe: dict[str, Any] = {"row": row, "setting": setting, "corpus": self.corpus.fingerprint}
        recipe |= {"model": model.fingerprint, "cantilena": version("cantilena")}
        match row:
            case "diffusion":
                recipe |= plan.sampling(setting)
            case "paper":
                recipe |= {"network": model.baseline_fingerprint("paper"), **plan.paper_sampling}
            case "autoregression":
                recipe |= {"network": model.baseline_fingerprint("mdn")}
            case "spurious":
                recipe |= {kind: list(m) for kind, m in self.moments.items()}
        return recipe

    def samples(self, n: int = 20, listen: Corpus | None = None) -> dict[str, dict[str, list[Melody]]]:
        """`n` melodies of each row that `run` made; rows with real notes in them of `listen`, if it is given."""
        other = self.bench(listen, n) if listen else None
        found: dict[str, dict[str, list[Melody]]] = {}
        for row, setting in (place for place in self.places() if place in self._made):
            if other is None or is_invented(row, setting):
                pieces = self._made[row, setting]
            else:
                pieces = other.make(row, setting)
            found.setdefault(row, {})[setting] = [Melody(events) for events in pieces.events[:n]]
        return found

    def measures(self, n: int, **more: Any) -> Measures:
        """All metrics against the reference, for rows of `n` melodies."""
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
