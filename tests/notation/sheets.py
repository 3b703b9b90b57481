"""Notation for tests, written here: short MusicXML and ABC files, and what is heard of them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

from cantilena.music.midi import Song, read_song
from cantilena.notation.reading import to_midi

Heard = list[tuple[float, float, int]]  # start and length in quarters, MIDI pitch


def heard(data: bytes | str, *, name: str = "song", track: int = 0) -> Heard:
    """The notes of a track of a file of notation."""
    return notes_of(song_of(data, name=name), track)


def song_of(data: bytes | str, *, name: str = "song") -> Song:
    return read_song(to_midi(data.encode() if isinstance(data, str) else data, name), name=name)


def notes_of(song: Song, track: int = 0) -> Heard:
    t = song.tracks[track]
    return [
        (s / 480, (e - s) / 480, p) for s, e, p in zip(t.start.tolist(), t.end.tolist(), t.pitch.tolist(), strict=True)
    ]


def abc(body: str, *, head: str = "", metre: str = "4/4", key: str = "C", unit: str = "1/4") -> str:
    return f"X:1\nT:A tune\nM:{metre}\nL:{unit}\n{head}K:{key}\n{body}\n"


def note(letter: str, duration: int = 1, *, octave: int = 4, more: str = "") -> str:
    return f"<note><pitch><step>{letter}</step><octave>{octave}</octave></pitch><duration>{duration}</duration>{more}</note>"


def rest(duration: int) -> str:
    return f"<note><rest/><duration>{duration}</duration></note>"


def repeat(direction: str, *, times: int = 0) -> str:
    told = f' times="{times}"' if times else ""
    place = "left" if direction == "forward" else "right"
    return f'<barline location="{place}"><repeat direction="{direction}"{told}/></barline>'


def ending(number: str, kind: str, *, back: bool = False) -> str:
    back_ = '<repeat direction="backward"/>' if back else ""
    place = "left" if kind == "start" else "right"
    return f'<barline location="{place}"><ending number="{number}" type="{kind}"/>{back_}</barline>'


def score(*measures: str, beats: str = "4", unit: int = 4, first: str = "", parts: Sequence[Sequence[str]] = ()) -> str:
    """A score-partwise file; a quarter is one division. `parts` are more parts."""
    attributes = f"<attributes><divisions>1</divisions>{first}<time><beats>{beats}</beats><beat-type>{unit}</beat-type></time></attributes>"
    names, bodies = "", ""
    for k, part in enumerate((measures, *parts), 1):
        names += f'<score-part id="P{k}"><part-name>Part {k}</part-name></score-part>'
        bars = "".join(
            f'<measure number="{n}">{attributes if n == 1 else ""}{m}</measure>' for n, m in enumerate(part, 1)
        )
        bodies += f'<part id="P{k}">{bars}</part>'
    return f'<?xml version="1.0"?><score-partwise version="4.0"><part-list>{names}</part-list>{bodies}</score-partwise>'


def packed(members: dict[str, bytes]) -> bytes:
    """An .mxl archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()
