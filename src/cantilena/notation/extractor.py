"""What a corpus is built of that reads notation, too: `corpus.build` is handed it from above."""

from __future__ import annotations

from cantilena.corpus.parts import extract_file
from cantilena.music.extract import Candidate
from cantilena.music.metre import Metres
from cantilena.notation.reading import to_midi

__all__ = ["extract_song"]


def extract_song(data: bytes, metres: Metres = None) -> list[Candidate]:
    """As `extract_file`, of MIDI, MusicXML (plain or .mxl) or ABC; of an ABC book, of its first tune."""
    return extract_file(to_midi(data, "file"), metres)
