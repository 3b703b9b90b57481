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

from cantilena.composer import Composer
from cantilena.corpus.store import Corpus
from cantilena.evaluation.baselines import ROWS, Bench, Setting, is_invented
from cantilena.evaluation.cache import RowCache
from cantilena.evaluation.cost import BEGINNING, costs
from cantilena.evaluation.measures import Measures
from cantilena.evaluation.novelty import NoveltyIndex
from cantilena.evaluation.pieces import Pieces, corpus_pieces
from cantilena.evaluation.plan import Plan
from cantilena.evaluation.results import PUBLISHED, assemble
from cantilena.evaluation.spurious import Spurious
from cantilena.evaluation.truth import Truth, test_windows
from cantilena.music.melody import Melody

__all__ = ["Reproduction", "Say"]

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

    @cached_property
    def truth(self) -> Truth:
        """The real music, and the reference among it."""
        return Truth(self.corpus)

    def bench(
        self, corpus: Corpus | None = None, n: int | None = None, stopping: Callable[[], bool] = lambda: False
    ) -> Bench:
        """What makes the rows: from the test songs of the corpus, or of another one for `n` melodies to listen to."""
        plan, size = self.plan, n or self.plan.n * self.plan.seeds
        train = self.truth.train(size) if corpus is None else corpus_pieces(corpus, "train", size)
        test = test_windows(self.corpus if corpus is None else corpus, size)
        spurious = Spurious(self.truth.moments)
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
        return max((BEGINNING + sum(each)) / self.plan.workers, each[-1])

    @cached_property
    def _costs(self) -> dict[Place, float]:
        return costs(self.composer.model, self.plan)

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
            say(f"reference: {len(self.truth.reference):,} training windows, index of {len(index.phrases):,} phrases")
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
            "reference": {"overlap": {kind: m._asdict() for kind, m in self.truth.moments.items()}},
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
                recipe |= {kind: list(m) for kind, m in self.truth.moments.items()}
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
        return Measures(self.composer.model, self.truth.reference, self.truth.moments, n, **more)

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
            "reference": len(self.truth.reference),
            "training": {"diffusion": model.about.get("provenance", {}), **rivals},
        }
