"""Keeps melodies on disk while they are made, so that a table that was stopped goes on where it was.

    DIR/ROW-SETTING.npz     events int8 (k, 1024)   the first k melodies of a row
                            recipe                  JSON: all that these melodies depend on, but for their number

A file is exchanged in one step, after each batch. `cantilena evaluate` reads it as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cantilena.corpus.store import WINDOW_PHRASES
from cantilena.errors import CantilenaError
from cantilena.files import write_whole
from cantilena.metrics.pieces import DAMAGED
from cantilena.music.metre import TOKENS

__all__ = ["RowCache"]


@dataclass(frozen=True)
class RowCache:
    """Keeps the melodies of one row in a file; it does not count melodies that depend on other things."""

    path: Path  # .npz
    depends_on: Mapping[str, Any]  # all that the melodies depend on, but for their number; what JSON can hold

    def read(self) -> NDArray[np.int8]:
        """Read the events (k, 1024) that are there; none of melodies that depend on other things.

        Raises CantilenaError where the file is damaged.
        """
        none = np.zeros((0, WINDOW_PHRASES * TOKENS), np.int8)
        if not self.path.exists():
            return none
        try:
            with np.load(self.path, allow_pickle=False) as held:
                events, depended = held["events"], json.loads(str(held["recipe"]))
            if events.dtype != np.int8 or events.ndim != 2 or events.shape[1] != none.shape[1]:
                raise ValueError(f"events are int8 (k, {none.shape[1]}), not {events.dtype} {events.shape}")
        except DAMAGED as error:
            said = " ".join(str(error).split())
            raise CantilenaError(f"{self.path}: no melodies kept there ({said}); remove it to begin anew") from error
        return events if depended == json.loads(json.dumps(self.depends_on)) else none

    def write(self, events: NDArray[np.int8]) -> None:
        """Keep melodies, events (k, 1024), in place of those that were there."""
        data = BytesIO()
        np.savez_compressed(data, events=events, recipe=np.array(json.dumps(self.depends_on)))
        write_whole(self.path, data.getvalue())
