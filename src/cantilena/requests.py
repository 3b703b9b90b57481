"""What one may ask of Cantilena, each verb once: a frozen struct with its fields, their ranges, defaults and help.

A request is the call in Python, the command, the JSON body and what a receipt holds; there is no fifth description.

    Compose(seed=7, bars=16) == decode('{"verb": "compose", "seed": 7, "bars": 16}')

None is what suits: `cantilena.verbs` says what that is, and every receipt what it was.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from cantilena.asked import AskedRules
from cantilena.fields import Described, about, values_of
from cantilena.sources import Music, Source
from cantilena.vocabulary import (
    MAX_BARS,
    AsksRules,
    Bars,
    Grid,
    MixingSteps,
    NewBars,
    Program,
    Rows,
    Seed,
    Song,
    Songs,
    Steps,
    Track,
    Tracks,
    Visits,
    VoiceName,
    read_bars,
    read_rows,
    read_songs,
)  # fmt: skip

__all__ = [
    "AnyRequest", "Blend", "Bridge", "Compose", "Extend", "Infill", "Morph", "Pick", "Request", "Sampled", "Vary",
]  # fmt: skip

MAX_MORPH = 64  # steps


class Request(Described, frozen=True, tag_field="verb"):
    """Something that is asked for. Raises ValueError (one line) for what cannot be."""

    @property
    def verb(self) -> str:
        """Its name: "compose"."""
        return str(type(self).__struct_config__.tag)

    @property
    def title(self) -> str:
        """For people: "compose, seed 7"."""
        return f"{self.verb}, seed {values_of(self)['seed']}"


class Sampled(Request, frozen=True, kw_only=True):
    """How music is drawn: what every verb takes that samples."""

    voice: VoiceName = None
    steps: Steps = 20
    temperature: Annotated[
        float | None,
        about(
            "A lower temperature (of ddpm) is calmer and repeats more, a higher one is wilder; by default 0.97, and "
            "0.985 where rules steer.", low=0, high=1.5, says="a temperature is between 0 and 1.5",
        ),
    ] = None  # fmt: skip
    resample: Visits = None
    guidance: Annotated[
        float,
        about("A guidance above 1 follows the voice more strictly.", low=0, high=10, says="a guidance is 0 to 10"),
    ] = 1.0
    sampler: Annotated[
        Literal["ddpm", "ddim", "dpm_solver_pp"],
        about("This sampler turns noise into music.", says="a sampler is one of ddpm, ddim, dpm_solver_pp"),
    ] = "ddpm"
    settle: Annotated[
        float | None,
        about(
            "In this last share of the levels ddpm adds no noise and decides on notes; by default 0.",
            low=0, high=1, says="a share of the levels is between 0 and 1",
        ),
    ] = None  # fmt: skip
    branches: Annotated[
        int | None,
        about(
            "Rules that steer choose among this many draws at each step; by default 8.",
            low=1, high=64, says="1 to 64 branches are drawn",
        ),
    ] = None  # fmt: skip


class Compose(Sampled, frozen=True, tag="compose"):
    """Compose a new melody."""

    seed: Seed = 0
    bars: Annotated[
        int,
        about("The melody has this many bars of 4/4.", low=2, high=MAX_BARS, says=f"a melody has 2 to {MAX_BARS} bars"),
    ] = 64
    qpm: Annotated[
        float | None,
        about(
            "The tempo in quarter notes a minute; by default 120, or the motif's.",
            low=10, high=400, says="a tempo is 10 to 400 quarter notes a minute",
        ),
    ] = None  # fmt: skip
    loop: Annotated[bool, about("The end leads back to the start; the number of bars is even.")] = False
    loop_resample: Annotated[
        int | None,
        about(
            "The sampler visits each level this often where a loop under 64 bars closes; by default as --resample "
            "says, or 4.", low=1, high=10, says="each level is visited 1 to 10 times",
        ),
    ] = None  # fmt: skip
    motif: Annotated[
        Music | None,
        about("The first two bars with notes in this file open the tune.", metavar="FILE.mid", read=Source.of),
    ] = None
    cadence: Annotated[bool, about("The tune ends on a long, stable note that fills the last bar.")] = False
    rules: AsksRules = None
    program: Program = None
    chord_track: Annotated[bool, about("A second track plays the chords that --chords asks for.")] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.motif is not None and (self.loop or self.rules is not None):
            raise ValueError(f"a tune of a motif takes no {'loop' if self.loop else 'rules'}: give one or the other")
        if self.loop and self.cadence:
            raise ValueError("a loop does not come to rest: give a loop or a cadence")
        if self.loop and self.bars % 2:
            raise ValueError(f"a loop is phrases of two bars, so its bars are an even number, not {self.bars}")
        if self.chord_track and (self.rules is None or AskedRules.of(self.rules).chords is None):
            raise ValueError("a chord track plays the chords that the rules ask for: give some")


class Pick(Compose, frozen=True, kw_only=True, tag="pick"):
    """Compose many melodies and keep the best, no two alike. `seed` is that of the first."""

    k: Annotated[
        int,
        about(
            "Draw many melodies (--of) and keep this many.", flag="--pick", low=1, high=1000, says="a number is picked"
        ),
    ]
    of: Annotated[
        int, about("The number of melodies to choose from.", low=1, high=1000, says="1 to 1000 melodies are drawn")
    ] = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k > self.of:
            raise ValueError(f"1 to {self.of} of {self.of} draws can be picked, not {self.k}")


class Infill(Sampled, frozen=True, tag="infill"):
    """Compose bars of a song's melody anew; every other note and event of the file stays as it is."""

    song: Song
    bars: Annotated[
        Bars, about("Compose these bars anew, counted from 1: 17-32,41-44.", metavar="BARS", read=read_bars)
    ]
    keep: Annotated[
        Music | None,
        about("The bars keep the notes of this file as they are.", metavar="NOTES.mid", read=Source.of),
    ] = None
    grid: Grid = None
    track: Track = None
    rules: AsksRules = None
    seed: Seed = 0


class Extend(Sampled, frozen=True, tag="extend"):
    """Go on with a song's melody, or lead up to it; every note and event of the file stays as it is."""

    song: Song
    bars: NewBars = 32
    before: Annotated[bool, about("The new bars come before the song instead of after its melody.")] = False
    track: Track = None
    rules: AsksRules = None
    seed: Seed = 0


class Bridge(Sampled, frozen=True, tag="bridge"):
    """Join two songs by new bars of the first one's melody; every note and event of both stays as it is."""

    a: Annotated[Music, about("This MIDI file is read and not changed.", metavar="A.mid", read=Source.of)]
    b: Annotated[Music, about("This MIDI file follows it and is not changed.", metavar="B.mid", read=Source.of)]
    bars: NewBars = 8
    track: Track = None
    track_b: Annotated[int | None, about("This track of B holds its melody.", low=0)] = None
    rules: AsksRules = None
    seed: Seed = 0


class Vary(Sampled, frozen=True, tag="vary"):
    """Vary a song's melody, a little or a lot; notes that stay, and every other event of the file, stay as they are."""

    song: Song
    strength: Annotated[
        float,
        about(
            "About this share of the notes changes: 0 is the song, 1 is a new melody.",
            low=0, high=1, says="a strength is between 0 (the song as it is) and 1 (new)",
        ),
    ] = 0.5  # fmt: skip
    bars: Annotated[
        Bars | None,
        about("These bars may change: 17-32,41-44; by default, all of the melody.", metavar="BARS", read=read_bars),
    ] = None
    grid: Grid = None
    track: Track = None
    seed: Seed = 0


class Morph(Request, frozen=True, tag="morph"):
    """Lead one melody into another, step by step."""

    a: Annotated[Music, about("The first melody comes from this file.", metavar="A.mid", read=Source.of)]
    b: Annotated[Music, about("The last melody comes from this file.", metavar="B.mid", read=Source.of)]
    steps: Annotated[
        int,
        about(
            "The number of melodies, A and B among them.",
            low=2, high=MAX_MORPH, says=f"a morph has 2 to {MAX_MORPH} steps, its ends among them",
        ),
    ] = 8  # fmt: skip
    step: Annotated[
        int,
        about(
            "Return only this melody, counted from 1; 0 returns all of them in a row.",
            low=0, high=MAX_MORPH, says="a step is counted from 1, and 0 is all",
        ),
    ] = 0  # fmt: skip
    tracks: Tracks = None
    seed: Seed = 0
    voice: VoiceName = "any"
    sampling_steps: MixingSteps = 20
    program: Program = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step > self.steps:
            raise ValueError(f"a morph of {self.steps} steps has no step {self.step}")


class Blend(Request, frozen=True, tag="blend"):
    """Make one melody of several, now more of one song and now of another."""

    songs: Annotated[
        Songs,
        about("The melodies of these files are mixed.", metavar="SONG.mid...", says="songs are files", read=read_songs),
    ]
    weights: Annotated[
        Rows,
        about(
            'The weight of each song, one row for each place from start to end: "1,0 0.5,0.5 0,1".',
            metavar="ROWS", read=read_rows,
        ),
    ]  # fmt: skip
    tracks: Tracks = None
    seed: Seed = 0
    voice: VoiceName = "any"
    sampling_steps: MixingSteps = 20
    program: Program = None


AnyRequest: TypeAlias = Compose | Pick | Infill | Extend | Bridge | Vary | Morph | Blend
