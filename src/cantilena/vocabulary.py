"""The fields that several requests share, each described once; and how what may be given becomes what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from cantilena.asked import AskedRules, RulesGiven
from cantilena.fields import about
from cantilena.sources import Music, Source
from cantilena.voices import VOICES, Voice, voice_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "MAX_BARS",
    "AsksRules",
    "Bars",
    "Formats",
    "Grid",
    "MixingSteps",
    "NewBars",
    "Program",
    "Rows",
    "Seed",
    "Song",
    "Songs",
    "Steps",
    "Track",
    "Tracks",
    "Visits",
    "VoiceName",
    "read_bars",
    "read_formats",
    "read_rows",
    "read_songs",
]  # fmt: skip

MAX_BARS = 1000  # that are composed at once

if TYPE_CHECKING:  # what may be given
    Bars: TypeAlias = str | Sequence[tuple[int, int]]
    Formats: TypeAlias = str | Sequence[str]
    Numbers: TypeAlias = str | Sequence[int | None]
    Rows: TypeAlias = ArrayLike
    Songs: TypeAlias = Sequence[Music]
else:  # what a request holds of it
    Bars = str
    Formats = tuple[Literal["mid", "svg", "wav"], ...]
    Numbers = tuple[int | None, ...]
    Rows = tuple[tuple[float, ...], ...]
    Songs = tuple[Source, ...]


def read_bars(given: Any) -> str:
    """Bars in order as text, "17-24,41", from text or pairs of numbers; ValueError for anything else."""
    from cantilena.music.bars import parse_bars

    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parse_bars(given))


def read_formats(given: Any) -> list[str]:
    """Formats, from a list or text: "mid,svg"."""
    return [part.strip() for part in given.split(",") if part.strip()] if isinstance(given, str) else list(given)


def read_numbers(given: Any) -> list[int | None]:
    """Track numbers, from a list or text: "2,0"."""
    if not isinstance(given, str):
        return list(given)
    try:
        return [int(part) for part in given.split(",")]
    except ValueError:
        raise ValueError(f"tracks are numbers joined by commas, one a song: 2,0, not {given!r}") from None


def read_rows(given: Any) -> list[list[float]]:
    """Rows of weights, from an array or text: "1,0 0.5,0.5 0,1"."""
    rows = [row.split(",") for row in given.split()] if isinstance(given, str) else given
    try:
        return [[float(weight) for weight in row] for row in rows]
    except (TypeError, ValueError):
        raise ValueError("weights are rows of numbers, one a song, all of one length") from None


def read_songs(given: Any) -> tuple[Source, ...]:
    """The music of several songs."""
    return tuple(Source.of(one) for one in given)


def _read_voice(given: Any) -> str | Voice:
    return given if isinstance(given, str) and given in VOICES else voice_of(given)


_VOICES = ", ".join(VOICES)
_SEED = "The same seed gives the same music; the command line draws a seed if you give none."
_TRACK = "This track holds the melody, by its number in `cantilena inspect`; by default, the one that it picks."
_GRID = "Phrases of two bars begin on odd or even bars; by default, on the first bar you give."
_VOICE = (
    f"The voice to compose: {_VOICES}. By default a new melody is a lead, a tune suits its motif, and an edit "
    "suits its track."
)
_PROGRAM = "This General MIDI program plays the new track; by default, the voice's."
_TRACKS = "These tracks hold the melodies, one number a song: 2,0."
_STEPS = "a sample takes at least 1 step and at most 1000"
_VISITS = "each level is visited 1 to 10 times"

Seed = Annotated[int, about(_SEED, low=0, says="seeds are integers from 0 up")]
Song = Annotated[Music, about("This MIDI file is read and not changed.", metavar="SONG.mid", read=Source.of)]
Track = Annotated[int | None, about(_TRACK, low=0, says="a track is a number from 0 up")]
Tracks = Annotated[Numbers | None, about(_TRACKS, says="tracks are one number a song", read=read_numbers)]
NewBars = Annotated[
    int, about("The number of new bars.", low=1, high=MAX_BARS, says=f"1 to {MAX_BARS} new bars are composed")
]
Grid = Annotated[Literal["odd", "even"] | None, about(_GRID, says="phrases begin on odd or even bars")]
AsksRules = Annotated[RulesGiven | None, about("What the new bars shall keep to.", read=AskedRules.of)]
VoiceName = Annotated[str | Voice | None, about(_VOICE, says=f"a voice is one of {_VOICES}", read=_read_voice)]
Program = Annotated[int | None, about(_PROGRAM, low=0, high=127, says="a General MIDI program is 0..127")]
Steps = Annotated[int, about("The sampler takes this many steps.", low=1, high=1000, says=_STEPS)]
MixingSteps = Annotated[int, about("The sampler takes this many steps, each way.", low=1, high=1000, says=_STEPS)]
Visits = Annotated[
    int | None,
    about(
        "The sampler visits each noise level this often: more visits mend seams and cost time. By default 4 beside "
        "music that is there, 2 for more than 64 bars, else 1.", low=1, high=10, says=_VISITS,
    ),
]  # fmt: skip
