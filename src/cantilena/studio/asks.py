"""What the page asks beside requests."""

from __future__ import annotations

from msgspec import Struct

from cantilena.sources import Source
from cantilena.studio.songs import Note

__all__ = ["Change"]


class Change(Struct, frozen=True, forbid_unknown_fields=True):
    """Notes of a track that go, as they stand in the file, and notes that come."""

    song: Source
    track: int
    gone: list[Note] = []
    new: list[Note] = []
