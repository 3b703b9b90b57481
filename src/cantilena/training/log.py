"""`Log`: the figures of a run, as JSON lines and for TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cantilena.errors import RecipeError

__all__ = ["Log", "check_tensorboard"]


class Log:
    """metrics.jsonl, one object a line; lines written after the checkpoint that we resume from are cut.

    With `tensorboard` the folder tensorboard of the run has the same figures. RecipeError where that is not installed.
    """

    def __init__(self, run: Path, step: int, *, tensorboard: bool = False) -> None:
        self.path = run / "metrics.jsonl"
        if self.path.exists():
            lines = [line for line in self.path.read_text().splitlines() if line.endswith("}")]
            self.path.write_text("".join(line + "\n" for line in lines if json.loads(line)["step"] <= step))
        self._board = _board(run / "tensorboard", step) if tensorboard else None

    def write(self, row: Mapping[str, Any]) -> None:
        """A line: "step", and figures by name; those of a mapping in it are "mapping/name" for TensorBoard."""
        rounded = {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in row.items()}
        with self.path.open("a") as file:
            file.write(json.dumps(rounded) + "\n")
        if self._board is not None:
            for name, figure in _flat(rounded):
                self._board.add_scalar(name, figure, row["step"])
            self._board.flush()


def _flat(row: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{under}{name}/")
        elif name != "step":
            yield under + name, float(value)


def check_tensorboard() -> Any:
    """What writes for TensorBoard; RecipeError where that is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise RecipeError("--tensorboard needs TensorBoard: pip install 'cantilena[tensorboard]'") from error
    return SummaryWriter


def _board(folder: Path, step: int) -> Any:
    """A writer of this folder; figures after `step` of an earlier run are hidden."""
    return check_tensorboard()(str(folder), purge_step=step + 1)
