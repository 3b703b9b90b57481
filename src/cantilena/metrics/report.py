"""Measures one set of melodies against another: scores, music and novelty, as text and as JSON.

generated, reference --evaluate--> Report --text---------------------> the terminal
                                          --as_dict------------------> JSON
                                          --report_plot.report_plot--> SVG
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cantilena.metrics.features import features, music_table, wasserstein
from cantilena.metrics.novelty import NoveltyIndex, novelty_table
from cantilena.metrics.overlap import ATTRIBUTES, MIN_BARS, WINDOW_BARS
from cantilena.metrics.pieces import Pieces
from cantilena.metrics.rounding import DASH, number, score
from cantilena.metrics.scores import Estimate, Moments, Overlaps, overlaps, scores
from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON
from cantilena.music.tune_score import tune_score

__all__ = ["Report", "Side", "evaluate"]

_TUNE = "tune_score"

_MOMENTS = (  # in print; key of the moment; in print and key of its score
    ("mean overlap", "mean", "C", "C"),
    ("variance over pieces", "var_pieces", "Var", "var_pieces"),
    ("variance, all windows", "var_pooled", "Var", "var_pooled"),
)


@dataclass(frozen=True, eq=False)
class Side:
    """Pieces with notes and what is measured of them alone, and how many there are without."""

    pieces: Pieces
    overlaps: Overlaps
    features: dict[str, NDArray[np.float64]]
    silent: int = 0  # pieces without a note, beside the files that gave none

    @classmethod
    def of(cls, pieces: Pieces) -> Side:
        """Measure the overlaps and features of those of `pieces` that have a note; ValueError where none has."""
        sounding = pieces.sounding()
        if not len(sounding):
            raise ValueError(f"{pieces.name}: no piece has a note, so there is nothing to compare")
        melodies = zip(sounding.events, sounding.metres, strict=True)
        scored = np.array([tune_score(Melody(row, metre=metre)) for row, metre in melodies])
        found = {**features(sounding), _TUNE: scored}
        return cls(sounding, overlaps(sounding), found, len(pieces) - len(sounding))

    @property
    def failures(self) -> int:
        """Pieces without a note, and files that gave no piece."""
        return self.silent + self.pieces.failed

    @property
    def failed_share(self) -> float:
        """Failures among all that were to be measured, 0..1."""
        return self.failures / (len(self.pieces) + self.failures)

    def as_dict(self) -> dict[str, Any]:
        """Return name, counts, what was skipped, and the raw moments of the overlaps, ready for JSON."""
        return {
            "name": self.pieces.name,
            "pieces": len(self.pieces),
            "songs": self.songs,
            "skipped": self.pieces.skipped,
            "without_notes": self.silent,
            "failures": self.failures,
            "failed_share": self.failed_share,
            "metres": dict(Counter(str(metre) for metre in self.pieces.metres).most_common()),
            "without_overlap": self.short,
            "overlap": {attribute: _plain(found) for attribute, found in self.moments.items()},
        }

    @property
    def songs(self) -> int:
        """How many songs the pieces are of."""
        return int(np.unique(self.pieces.groups).size)

    @property
    def moments(self) -> dict[str, Moments]:
        """The moments of the overlaps; one piece has no variance over pieces, and one of under 6 bars none (NaN)."""
        if not self.overlaps.pitch:
            return dict.fromkeys(ATTRIBUTES, Moments(nan, nan, nan))
        found = self.overlaps.moments
        few = len(self.overlaps.pitch) == 1
        return {k: m._replace(var_pieces=nan) for k, m in found.items()} if few else found

    @property
    def short(self) -> int:
        """How many pieces have too few bars for two windows, so that no overlap is measured of them."""
        return len(self.pieces) - len(self.overlaps.pitch)


@dataclass(frozen=True, eq=False)
class Report:
    """What `evaluate` finds of both sides and between them."""

    generated: Side
    reference: Side
    scores: dict[str, dict[str, Estimate]]  # [attribute]["C", "var_pieces" or "var_pooled"]; NaN where there is none
    music: dict[str, dict[str, float]]  # [feature]["mean", "reference" or "distance"]
    novelty: dict[str, float] | None  # as `novelty_table`; None where it was not asked for
    scores_with_failures: dict[str, dict[str, Estimate]] | None = None  # each an empty piece; None where there is none

    def as_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON; the raw means and variances of both sides stand beside the scores."""
        found, whole = _plain_table(self.scores), self.scores_with_failures
        sides = {"reference": self.reference.as_dict(), "generated": self.generated.as_dict()}
        failed = None if whole is None else _plain_table(whole)
        more = {"scores_with_failures": failed, "music": _plain_rows(self.music), "novelty": self.novelty}
        return {**sides, "scores": found, **more}

    def text(self) -> str:
        """Return all figures as one table, within 80 columns."""
        head = [_heading(name, side) for name, side in (("GENERATED", self.generated), ("REFERENCE", self.reference))]
        rows = [_row(*row) if row else "" for row in self._rows()]
        return "\n".join([line for lines in head for line in lines] + rows) + "\n"

    def _rows(self) -> Iterator[tuple[str, ...]]:
        ours, theirs = (side.moments for side in (self.generated, self.reference))
        for attribute in ATTRIBUTES:
            yield ()
            yield (f"{attribute}, windows of {WINDOW_BARS} bars", "generated", "reference", "score, 95 % interval")
            for title, key, name, of in _MOMENTS:
                values = (getattr(side[attribute], key) for side in (ours, theirs))
                mine, other = (f"{v:.4f}" if isfinite(v) else DASH for v in values)
                value, low, high = (score(figure) for figure in self.scores[attribute][of])
                yield (f"  {title}", mine, other, f"{name:>3} {value:>4} [{low}, {high}]")
        if self.scores_with_failures:
            yield ()
            yield ("failures as empty pieces", "score", "", "95 % interval")
            for attribute, found in self.scores_with_failures.items():
                for title, key in (("C", "C"), ("Var over pieces", "var_pieces"), ("Var, all windows", "var_pooled")):
                    value, low, high = (score(figure) for figure in found[key])
                    yield (f"  {attribute}, {title}", value, "", f"[{low}, {high}]")
        yield ()
        yield ("music, mean of a piece", "generated", "reference", "Wasserstein distance")
        for name, row in self.music.items():
            title = name.replace("_", " ")
            yield (f"  {title}", number(row["mean"]), number(row["reference"]), number(row["distance"]))
        if self.novelty:
            yield ()
            yield ("copied from the reference", "generated")
            yield ("  longest run, median", f"{self.novelty['longest_median']:g} notes")
            yield ("  longest run, 95 %", f"{self.novelty['longest_95']:.0f} notes")
            yield ("  phrases found there", f"{self.novelty['share_found']:.1%}")
            yield ("  the same, transposed", f"{self.novelty['share_found_transposed']:.1%}")


def evaluate(generated: Pieces, reference: Pieces, index: NoveltyIndex | None = None) -> Report:
    """Measure `generated` against `reference`; with an index of known melodies, also find what was copied from them.

    Pieces without a note, and files that gave none, are failures: they are counted, and stand as empty pieces in scores
    of their own. Raises ValueError for pieces that leave nothing to compare: a reference of one piece, or of equal
    ones; a side without two notes.

    >>> pieces = Pieces.of(np.random.default_rng(0).integers(0, 90, (4, 128)))
    >>> evaluate(pieces, pieces).scores["pitch"]["C"].value
    1.0
    """
    ours, theirs = Side.of(generated), Side.of(reference)
    found = _scores(ours.overlaps, theirs.overlaps)
    music = music_table(ours.features, theirs.features)
    tunes = ours.features[_TUNE], theirs.features[_TUNE]
    music[_TUNE] = {
        "mean": float(tunes[0].mean()),
        "reference": float(tunes[1].mean()),
        "distance": wasserstein(*tunes),
    }
    copied = novelty_table(ours.pieces, index) if index else None
    failed = None
    if ours.failures:
        failed = _scores(overlaps(generated.with_failures()), theirs.overlaps)
    return Report(ours, theirs, found, music, copied, failed)


def _scores(ours: Overlaps, theirs: Overlaps) -> dict[str, dict[str, Estimate]]:
    """The scores, NaN for what so few pieces cannot say: one song has no interval, one piece no variance, none none."""
    if not (ours.pitch and theirs.pitch):
        row = dict.fromkeys(("C", "var_pieces", "var_pooled"), Estimate(nan, nan, nan))
        return dict.fromkeys(ATTRIBUTES, row)
    found = scores(ours, theirs)
    if np.unique(ours.groups).size > 1:
        return found
    alone = len(ours.pitch) == 1
    return {
        attribute: {name: Estimate(nan if alone and name != "C" else e.value, nan, nan) for name, e in row.items()}
        for attribute, row in found.items()
    }


def _plain_rows(rows: dict[str, dict[str, float]]) -> dict[str, dict[str, float | None]]:
    """Tables of figures, for JSON; None where there is none."""
    return {name: {key: v if isfinite(v) else None for key, v in row.items()} for name, row in rows.items()}


def _plain_table(found: dict[str, dict[str, Estimate]]) -> dict[str, dict[str, dict[str, float | None]]]:
    return {attribute: {name: _plain(e) for name, e in row.items()} for attribute, row in found.items()}


def _plain(figures: Estimate | Moments) -> dict[str, float | None]:
    """Figures by name, for JSON; None where there is none."""
    return {name: value if isfinite(value) else None for name, value in figures._asdict().items()}


def _heading(what: str, side: Side) -> Iterator[str]:
    pieces = side.pieces
    songs = side.songs
    of = f" of {songs:,} songs" if songs < len(pieces) else ""
    yield f"{what:9}  {pieces.name}: {len(pieces):,} piece{'' if len(pieces) == 1 else 's'}{of}"
    for reason, count in pieces.skipped.items():
        yield f"{'':11}left out: {count:,}, {reason}"
    if any(metre != COMMON for metre in pieces.metres):
        metres = Counter(str(metre) for metre in pieces.metres).most_common(5)
        yield f"{'':11}in " + ", ".join(f"{metre}: {count:,}" for metre, count in metres)
    if side.short:
        yield f"{'':11}under {MIN_BARS} bars, so without overlap: {side.short:,}"
    if side.failures:
        every = len(pieces) + side.failures
        yield f"{'':11}without a note to measure: {side.failures:,} of {every:,} ({side.failed_share:.1%})"


def _row(title: str, *cells: str) -> str:
    widths = (12, 12, 24)
    return f"{title:<28}" + "".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=False))
