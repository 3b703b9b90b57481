"""Write a melody in a format: one table, from the ending of a file's name to what makes its bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cantilena.files import write_whole
from cantilena.music import midi
from cantilena.music.melody import Melody

__all__ = ["WRITERS", "Piece", "save", "write_piece"]


@dataclass(frozen=True, eq=False)
class Piece:
    """What is written: a melody, and what is known of it."""

    melody: Melody
    name: str = ""
    program: int = 0  # General MIDI, 0..127
    before: Melody | None = None  # before an edit, on the same bars
    file: bytes | None = None  # the MIDI file that it stands in, if it does


def save(melody: Melody, path: str | Path, *, program: int = 0, name: str = "") -> None:
    """Write a melody as `.mid`, `.svg` (piano roll), `.wav` or `.html` (both), by the name's ending, in one step.

    `program` is the General MIDI program 0..127 (for `.mid`), `name` the track's name or the picture's title (by
    default "Melody" and the file's name). ValueError for any other ending. A `Result` saves itself, with its receipt.
    """
    write_piece(Piece(melody, name, program), Path(path))


def write_piece(piece: Piece, path: Path) -> None:
    """Write in one step what the name's ending says; ValueError for any other ending."""
    ending = path.suffix.lower()
    if ending not in WRITERS:
        known = f"{', '.join(list(WRITERS)[:-1])} or {list(WRITERS)[-1]}"
        raise ValueError(f"{path.name}: melodies are saved as {known}, not {ending or 'no ending'!r}")
    write_whole(path, WRITERS[ending](piece, path.stem))


def _midi(piece: Piece, _: str) -> bytes:
    if piece.file is not None:
        return piece.file
    return midi.to_midi(piece.melody, program=piece.program, track_name=piece.name or "Melody")


def _svg(piece: Piece, stem: str) -> bytes:
    from cantilena.music import draw

    changed = None if piece.before is None else draw.changed_bars(piece.before, piece.melody)
    svg = draw.to_svg(piece.melody, title=piece.name or stem, highlight=changed, before=piece.before)
    return svg.encode()


def _html(piece: Piece, stem: str) -> bytes:
    from cantilena.music.page import to_page

    return to_page(piece.melody, _svg(piece, stem).decode(), piece.name or stem).encode()


def _wav(piece: Piece, _: str) -> Iterable[bytes]:
    from cantilena.music import render

    return render.wav_blocks(piece.melody)


# ending -> what makes the bytes of a piece, or blocks of them, of a file with that stem
WRITERS: Mapping[str, Callable[[Piece, str], bytes | Iterable[bytes]]] = {
    ".mid": _midi,
    ".midi": _midi,
    ".svg": _svg,
    ".html": _html,
    ".wav": _wav,
}
