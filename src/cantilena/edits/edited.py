"""`Edited`: what an edit of a song returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cantilena.music.melody import Melody
from cantilena.music.midi import write_whole
from cantilena.receipt import Receipt, write_receipt

__all__ = ["Edited"]


@dataclass(frozen=True, eq=False)
class Edited:
    """A song after an edit."""

    midi: bytes  # the file
    track: int  # index of the edited one
    before: Melody  # its melody, of the whole stretch in 4/4 around the edited bars
    after: Melody
    receipt: Receipt | None = None  # None where the song was not read from a file

    def save(self, path: str | Path) -> None:
        """Write the file, with the receipt among its first texts, replacing what is there in one step."""
        path = Path(path)
        write_whole(path, self.midi if self.receipt is None else write_receipt(self.midi, self.receipt, path.name))
