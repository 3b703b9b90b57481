"""What the fields of requests take, each described once; and how what may be given becomes what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from cantilena.asked import AskedRules, RulesGiven
from cantilena.fields import about
from cantilena.notation.endings import ENDINGS
from cantilena.own_sampler import SHIPPED, OwnSampler
from cantilena.sources import Music, Source
from cantilena.voices import VOICES, Voice, voice_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from cantilena.diffusion.samplers import Sampler as SamplerFunction

FORMATS = ("mid", "svg", "wav", "html", *ENDINGS)  # of what is made

if TYPE_CHECKING:  # what may be given
    Bars: TypeAlias = str | Sequence[tuple[int, int]]
    Count: TypeAlias = int
    Formats: TypeAlias = str | Sequence[str]
    Name: TypeAlias = str
    Numbers: TypeAlias = str | Sequence[int | None]
    Rows: TypeAlias = ArrayLike
    SamplerGiven: TypeAlias = str | SamplerFunction | OwnSampler
    Songs: TypeAlias = Sequence[Music]
else:  # what a request holds of it
    Bars = str
    Count = int | None  # None until the request is whole
    Formats = tuple[Literal[FORMATS], ...]
    Name = str | None
    Numbers = tuple[int | None, ...]
    Rows = tuple[tuple[float, ...], ...]
    SamplerGiven = Literal[SHIPPED] | OwnSampler
    Songs = tuple[Source, ...]


def bars(given: Any) -> str:
    """Bars in order as text, "17-24,41", from text or pairs of numbers; ValueError for anything else."""
    from cantilena.music.bars import parse_bars

    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parse_bars(given))


def metre(given: Any) -> str:
    """A metre as `Metre` writes it; ValueError for anything else."""
    from cantilena.music.metre import Metre

    return str(given if isinstance(given, Metre) else Metre.parse(str(given)))


def formats(given: Any) -> list[str]:
    """Formats, from a list or text: "mid,svg"."""
    return [part.strip() for part in given.split(",") if part.strip()] if isinstance(given, str) else list(given)


def numbers(given: Any) -> list[int | None]:
    """Track numbers, from a list or text: "2,0"."""
    try:
        return [int(part) for part in given.split(",")] if isinstance(given, str) else list(given)
    except ValueError:
        raise ValueError(f"tracks are numbers joined by commas, one a song: 2,0, not {given!r}") from None


def rows(given: Any) -> list[list[float]]:
    """Rows of weights, from an array or text: "1,0 0.5,0.5 0,1"."""
    try:
        parts = [row.split(",") for row in given.split()] if isinstance(given, str) else given
        return [[float(weight) for weight in row] for row in parts]
    except (TypeError, ValueError):
        raise ValueError("weights are rows of numbers, one a song, all of one length") from None


def songs(given: Any) -> tuple[Source, ...]:
    """The music of several songs."""
    return tuple(Source.of(one) for one in given)


def voice(given: Any) -> str | Voice:
    """A voice as it is told: by its name, if it has one."""
    return given if isinstance(given, str) and given in VOICES else voice_of(given)


MAX_BARS, MAX_MORPH = 1000, 64
_NAMES = ", ".join(VOICES)
_STEPS = "a sample takes at least 1 step and at most 1000"
_VISITS = "each level is visited 1 to 10 times"
_STRENGTH = "a strength is between 0 (the song as it is) and 1 (new)"
_MORPH = f"a morph has 2 to {MAX_MORPH} steps, its ends among them"

# -- of every verb --
_SEED = "The same seed gives the same music; the command line draws one if none is given."
Seed = Annotated[int, about(_SEED, 0, says="seeds are integers from 0 up")]
_VOICE = f"The voice to compose: {_NAMES}. By default a lead, or what suits the motif or the track."
VoiceName = Annotated[str | Voice | None, about(_VOICE, says=f"a voice is one of {_NAMES}", read=voice)]
_STYLE = "The style, one that the model knows (`cantilena inspect MODEL`); by default, none in particular."
StyleName = Annotated[str | None, about(_STYLE, metavar="STYLE")]
_RULES = 'rules are words, as in {"key": "D dorian"}, or rules'
AsksRules = Annotated[RulesGiven | None, about("The new bars keep these rules.", says=_RULES, read=AskedRules.of)]

# -- of sampling --
Steps = Annotated[int, about("The sampler takes this many steps.", 1, 1000, says=_STEPS)]
_TEMPERATURE = "Lower is calmer and repeats more, higher is wilder (of ddpm); by default .97, or .985 if rules steer."
Temperature = Annotated[float | None, about(_TEMPERATURE, 0, 1.5, says="a temperature is between 0 and 1.5")]
_RESAMPLE = (
    "The sampler visits each noise level this often: more mends seams and costs time. By default 4 beside music that "
    "is there, 2 for more than 64 bars, else 1."
)
Visits = Annotated[int | None, about(_RESAMPLE, 1, 10, says=_VISITS)]
_GUIDANCE = "A guidance above 1 follows the voice more strictly; by default 3 for a song, else 1."
Guidance = Annotated[float | None, about(_GUIDANCE, 0, 10)]
_SAMPLERS = "a sampler is one of ddpm, ddim, dpm_solver_pp, or one that an installed package brings"
_SAMPLER = (
    "This sampler turns noise into music: ddpm, ddim, dpm_solver_pp, or one that an installed package brings; in "
    "Python a function, too."
)
Sampler = Annotated[SamplerGiven, about(_SAMPLER, says=_SAMPLERS, metavar="SAMPLER", read=OwnSampler.of)]
_SETTLE = "In this last share of the levels ddpm adds no noise and decides on notes; by default 0."
Settle = Annotated[float | None, about(_SETTLE, 0, 1)]
_BRANCHES = "Rules that steer choose among this many draws at each step; by default 8."
Branches = Annotated[int | None, about(_BRANCHES, 1, 64)]

# -- of new melodies --
_LENGTH = f"a melody has 2 to {MAX_BARS} bars"
_BARS = "The melody has this many bars; by default 64, or as many as --chords-of has."
Length = Annotated[Count, about(_BARS, 2, MAX_BARS, says=_LENGTH)]
_METRE = (
    'The metre, one that the model knows: 3/4, 6/8, "4/4 triplets"; by default that of --chords-of, or 4/4; a motif '
    "brings its own."
)
MetreName = Annotated[Name, about(_METRE, metavar="METRE", read=metre)]
Tempo = Annotated[float | None, about("The quarter notes a minute; by default 120, or the motif's tempo.", 10, 400)]
_PLAIN = "One unconditional draw, as the paper has it, and no song made of several."
Plain = Annotated[bool, about(_PLAIN)]
Loop = Annotated[bool, about("The end leads back to the start; the number of bars is even.")]
_LOOP = "The sampler visits each level this often where a loop under 64 bars closes; by default as --resample, or 4."
LoopVisits = Annotated[int | None, about(_LOOP, 1, 10, says=_VISITS)]
_MOTIF = "The first two bars with notes in this file open the tune."
Motif = Annotated[Music | None, about(_MOTIF, metavar="FILE.mid", read=Source.of)]
Cadence = Annotated[bool, about("The tune ends on a long, stable note that fills the last bar.")]
_PROGRAM = "This General MIDI program plays the new track; by default, the voice's."
Program = Annotated[int | None, about(_PROGRAM, 0, 127, says="a General MIDI program is 0..127")]
ChordTrack = Annotated[bool, about("A second track plays the chords that --chords asks for.")]
Kept = Annotated[int, about("Draw many melodies (--of) and keep this many.", 1, 1000, flag="--pick")]
Drawn = Annotated[int, about("The number of melodies to choose from.", 1, 1000)]

# -- of edits --
_SONG = "This song (MIDI, MusicXML, ABC; a tune of a book is book.abc#3) is not changed; the result is a MIDI file."
Song = Annotated[Music, about(_SONG, metavar="SONG", read=Source.of)]
SongA = Annotated[Music, about("The first song is read and not changed.", metavar="A", read=Source.of)]
SongB = Annotated[Music, about("The second song is read and not changed.", metavar="B", read=Source.of)]
_TRACK = "This track holds the melody, by its number in `cantilena inspect`; by default, the one that it picks."
Track = Annotated[int | None, about(_TRACK, 0)]
TrackB = Annotated[int | None, about("This track of B holds its melody.", 0)]
BarsAnew = Annotated[Bars, about("Compose these bars anew, counted from 1: 17-32,41-44.", metavar="BARS", read=bars)]
_SOME = "These bars may change: 17-32,41-44; by default, all of the melody."
SomeBars = Annotated[Bars | None, about(_SOME, metavar="BARS", read=bars)]
NewBars = Annotated[int, about("The number of new bars.", 1, MAX_BARS, says=f"1 to {MAX_BARS} new bars are composed")]
Before = Annotated[bool, about("The new bars come before the song instead of after its melody.")]
_KEEP = "The bars keep the notes of this file as they are."
Keep = Annotated[Music | None, about(_KEEP, metavar="NOTES.mid", read=Source.of)]
_GRID = "Phrases of two bars begin on odd or even bars; by default, on the first bar you give."
Grid = Annotated[Literal["odd", "even"] | None, about(_GRID, says="phrases begin on odd or even bars")]
_SHARE = "About this share of the notes changes: 0 is the song, 1 is a new melody."
Strength = Annotated[float, about(_SHARE, 0, 1, says=_STRENGTH)]

_CHORDS = (
    'New notes on strong beats are tones of these chords, "| Dm7 | G7 | C |": by default the symbols of the song; '
    "none lets go of them, and estimate guesses some from the notes."
)
SongChords = Annotated[str | None, about(_CHORDS, metavar="CHORDS")]

# -- of melodies between melodies --
MorphSteps = Annotated[int, about("The number of melodies, A and B among them.", 2, MAX_MORPH, says=_MORPH)]
Step = Annotated[int, about("Return only this melody, counted from 1; 0 returns all of them in a row.", 0, MAX_MORPH)]
Mixed = Annotated[Songs, about("The melodies of these files are mixed.", metavar="SONG", read=songs)]
_WEIGHTS = 'The weight of each song, one row for each place from start to end: "1,0 0.5,0.5 0,1".'
Weights = Annotated[Rows, about(_WEIGHTS, metavar="ROWS", read=rows)]
_TRACKS = "These tracks hold the melodies, one number a song: 2,0."
Tracks = Annotated[Numbers | None, about(_TRACKS, says="tracks are one number a song", read=numbers)]
