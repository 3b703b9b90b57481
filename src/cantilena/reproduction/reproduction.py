"""Computes the paper's table: makes the melodies of every row, measures them, and returns the figures as one dict.

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
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple, TypeAlias

from cantilena.composer import Composer
from cantilena.corpus.store import Corpus
from cantilena.metrics.novelty import NoveltyIndex
from cantilena.metrics.pieces import Pieces, corpus_pieces
from cantilena.music.melody import Melody
from cantilena.reproduction.baseline_networks import BaselineNetworks
from cantilena.reproduction.baselines import ROWS, Bench, Setting, is_invented
from cantilena.reproduction.cost import BEGINNING, costs
from cantilena.reproduction.decoding import NETWORKS, TUNED
from cantilena.reproduction.measures import Measures
from cantilena.reproduction.reference import Reference, test_windows
from cantilena.reproduction.results import PUBLISHED, assemble
from cantilena.reproduction.row_cache import RowCache
from cantilena.reproduction.sampling_config import SamplingConfig
from cantilena.reproduction.spurious import Spurious

__all__ = ["Reproduction", "Say"]

Place: TypeAlias = tuple[str, Setting]  # a row and a setting of it
Say: TypeAlias = Callable[[str], None]
_PARTS = {"autoregression": "mdn", "paper": "paper"}  # of the folder of baselines
OnMade: TypeAlias = Callable[[str, Setting, int], None]  # row, setting, and how many of its melodies are made


class _Made(NamedTuple):
    place: Place
    pieces: Pieces
    figures: dict[str, Any]
    seconds: float


@dataclass(frozen=True, eq=False)
class Reproduction:
    """Makes the table of a model on a corpus. Raises CorpusError where the corpus has too few windows of 64 bars."""

    composer: Composer
    corpus: Corpus
    config: SamplingConfig
    networks: BaselineNetworks | None = None  # without them the rows autoregression and paper are left out
    _made: dict[Place, Pieces] = field(default_factory=dict, repr=False)

    @cached_property
    def reference(self) -> Reference:
        """The real music that every score compares with."""
        return Reference(self.corpus)

    def bench(
        self, corpus: Corpus | None = None, n: int | None = None, stopping: Callable[[], bool] = lambda: False
    ) -> Bench:
        """Return what makes the rows, from test songs of the corpus or, for `n` melodies to hear, of another one."""
        config, size = self.config, n or self.config.n * self.config.seeds
        train = self.reference.train(size) if corpus is None else corpus_pieces(corpus, "train", size)
        test = test_windows(self.corpus if corpus is None else corpus, size)
        spurious = Spurious(self.reference.moments)
        return Bench(
            self.composer, train, test, range(size), config.plain, spurious, config.tuned, self.networks, stopping,
        )  # fmt: skip

    def places(self, rows: Sequence[str] | None = None) -> list[Place]:
        """List the rows, or these ones, with the settings of each; without mdn.onnx or paper.onnx theirs are not there.

        Raises ValueError for a row that does not exist, and for one that was asked for and cannot be made.
        """
        held = self.networks.parts if self.networks else ()
        can = [row for row in ROWS if _PARTS.get(row.removesuffix(TUNED)) in (None, *held)]
        for row in rows or ():
            if row not in ROWS:
                raise ValueError(f"a row is one of {', '.join(ROWS)}, not {row!r}")
            if row not in can:
                where = self.networks.folder if self.networks else "no folder of baselines given, or it"
                missing = _PARTS[row.removesuffix(TUNED)]
                raise ValueError(f"the row {row} cannot be made: {where} holds no {missing}.onnx; see --baselines")
        return [(row, s) for row in can if not rows or row in rows for s in ROWS[row] if self._is_chosen(row, s)]

    def _is_chosen(self, row: str, setting: Setting) -> bool:
        """Whether it is known how a row is decoded."""
        tuned = self.config.tuned
        return not row.endswith(TUNED) or (tuned is not None and tuned.of(row.removesuffix(TUNED), setting) is not None)

    # -- running -------------------------------------------------------------------------------

    def seconds(self, places: Sequence[Place]) -> float:
        """Estimate the seconds that `run` takes, from a few timed calls of each network."""
        melodies = self.config.n * self.config.seeds
        each = sorted(melodies * self._costs[place] for place in places)
        return max((BEGINNING + sum(each)) / self.config.workers, each[-1])

    @cached_property
    def _costs(self) -> dict[Place, float]:
        return costs(self.composer.model, self.config, self.networks)

    def run(
        self, say: Say = lambda _: None, *, rows: Sequence[str] | None = None, keep: Path | None = None,
        on_made: OnMade = lambda *_: None,
    ) -> dict[str, Any]:  # fmt: skip
        """Make and measure all rows, or these; `say` gets a line for each. See `results` for the shape.

        `keep` is a folder for the melodies, from which a run goes on that was stopped. `on_made` is told how far each
        row is. ValueError as of `places`, CantilenaError where a file in `keep` is damaged.
        """
        began, config, stop = time.perf_counter(), self.config, Event()
        places, bench = self.places(rows), self.bench(stopping=stop.is_set)

        def prepare() -> Measures:
            index = NoveltyIndex.build(self.corpus)
            say(f"reference: {len(self.reference.pieces):,} training windows, index of {len(index.phrases):,} phrases")
            size, magenta = config.n * config.seeds, self.reference.magenta
            return self.measures(size, index=index, parts=config.seeds, magenta=magenta)

        def one(place: Place) -> _Made:
            start = time.perf_counter()
            cache = None if keep is None else RowCache(keep / "{}-{}.npz".format(*place), self._depends_on(*place))
            pieces = bench.make(*place, cache, partial(on_made, *place))
            return _Made(place, pieces, measure.result()(pieces), time.perf_counter() - start)

        found: dict[Place, dict[str, Any]] = {}
        with ThreadPoolExecutor(config.workers) as threads:
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
            "reference": {
                "overlap": {kind: m._asdict() for kind, m in self.reference.moments.items()},
                "overlap_magenta": {kind: m._asdict() for kind, m in self.reference.magenta.items()},
            },
            "published": PUBLISHED,
            **assemble({place: found[place] for place in places}, measure.result()),
        }

    def _depends_on(self, row: str, setting: Setting) -> dict[str, Any]:
        """Name all that the melodies of a row depend on, but for their number."""
        model, config, networks = self.composer.model, self.config, self.networks
        depends: dict[str, Any] = {"row": row, "setting": setting, "corpus": self.corpus.fingerprint}
        depends["reading"] = "literal"
        depends |= {"model": model.fingerprint, "cantilena": version("cantilena")}
        network = row.removesuffix(TUNED)
        if network in NETWORKS:
            how = config.tuned.of(network, setting) if config.tuned and row != network else config.plain(network)
            depends |= asdict(how) if how else {}
        if network in _PARTS and networks:
            depends["network"] = networks.fingerprint(_PARTS[network])
        if row == "spurious":
            depends |= {kind: list(m) for kind, m in self.reference.moments.items()}
        return depends

    def samples(self, n: int = 20, listen: Corpus | None = None) -> dict[str, dict[str, list[Melody]]]:
        """Return `n` melodies of each row that `run` made; those with real notes are made from `listen`, if given."""
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
        """Return all metrics against the reference, for rows of `n` melodies."""
        return Measures(self.composer.model, self.reference.pieces, self.reference.moments, n, **more)

    def about(self) -> dict[str, Any]:
        """Say what was used: model, corpus, sampling, and what the training of each network cost."""
        config, model = self.config, self.composer.model
        baselines = self.networks.training if self.networks else {}
        return {
            "cantilena": version("cantilena"),
            "model": model.name,
            "fingerprint": model.fingerprint,
            "corpus": self.corpus.fingerprint,
            "n": config.n * config.seeds,
            "seeds": config.seeds,
            "means": "over pieces",
            "sampler": "ddpm",
            "steps": config.steps,
            "paper_steps": config.paper_steps or config.steps,
            "reference": len(self.reference.pieces),
            **({"tuned": config.tuned.text()} if config.tuned else {}),
            "training": {"diffusion": model.about.get("provenance", {}), **baselines},
        }
