"""Describes every verb of Cantilena once, as a frozen struct with fields and defaults.

`vocabulary` holds the type, range and help of each field. A request is the call in Python, the command, the JSON body
and what a receipt holds; there is no fifth description.

    Compose(seed=7, bars=16) == decode('{"verb": "compose", "seed": 7, "bars": 16}')

None lets Cantilena choose: `cantilena.verbs` says how, and every receipt holds what it chose.
"""

from __future__ import annotations

from typing import TypeAlias

from cantilena import vocabulary as takes
from cantilena.asked import AskedRules
from cantilena.fields import Described, values_of

__all__ = [
    "AnyRequest", "Blend", "Bridge", "Compose", "Extend", "Infill", "Morph", "Pick", "Request", "Sampled", "Vary",
]  # fmt: skip


class Request(Described, frozen=True, tag_field="verb"):
    """Asks for one piece of work. Raises ValueError (one line) for fields that do not fit."""

    @property
    def verb(self) -> str:
        """The name of the verb: "compose"."""
        return str(type(self).__struct_config__.tag)

    @property
    def title(self) -> str:
        """The request in a few words: "compose, seed 7"."""
        return f"{self.verb}, seed {values_of(self)['seed']}"


class Sampled(Request, frozen=True, kw_only=True):
    """Says how music is sampled. Every verb that samples takes these fields."""

    voice: takes.VoiceName = None
    style: takes.StyleName = None
    steps: takes.Steps = 20
    temperature: takes.Temperature = None
    resample: takes.Visits = None
    guidance: takes.Guidance = None
    sampler: takes.Sampler = "ddpm"
    settle: takes.Settle = None
    branches: takes.Branches = None


class Compose(Sampled, frozen=True, tag="compose"):
    """Compose a new melody."""

    seed: takes.Seed = 0
    bars: takes.Length = 64
    metre: takes.MetreName = "4/4"
    qpm: takes.Tempo = None
    plain: takes.Plain = False
    loop: takes.Loop = False
    loop_resample: takes.LoopVisits = None
    motif: takes.Motif = None
    cadence: takes.Cadence = False
    rules: takes.AsksRules = None
    program: takes.Program = None
    chord_track: takes.ChordTrack = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.motif is not None and (self.loop or self.rules is not None):
            raise ValueError(f"a tune of a motif takes no {'loop' if self.loop else 'rules'}: give one or the other")
        if self.loop and self.cadence:
            raise ValueError("a loop does not come to rest: give a loop or a cadence")
        if self.chord_track and (self.rules is None or AskedRules.of(self.rules).chords is None):
            raise ValueError("a chord track plays the chords that the rules ask for: give some")


class Pick(Compose, frozen=True, kw_only=True, tag="pick"):
    """Compose many melodies and keep the best, no two alike. The first one has the seed `seed`."""

    k: takes.Kept
    of: takes.Drawn = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k > self.of:
            raise ValueError(f"1 to {self.of} of {self.of} draws can be picked, not {self.k}")


class Infill(Sampled, frozen=True, tag="infill"):
    """Compose bars of a song's melody anew; every other note and event of the file stays as it is."""

    song: takes.Song
    bars: takes.BarsAnew
    keep: takes.Keep = None
    grid: takes.Grid = None
    track: takes.Track = None
    rules: takes.AsksRules = None
    seed: takes.Seed = 0


class Extend(Sampled, frozen=True, tag="extend"):
    """Go on with a song's melody, or lead up to it; every note and event of the file stays as it is."""

    song: takes.Song
    bars: takes.NewBars = 32
    before: takes.Before = False
    track: takes.Track = None
    rules: takes.AsksRules = None
    seed: takes.Seed = 0


class Bridge(Sampled, frozen=True, tag="bridge"):
    """Join two songs by new bars of the first one's melody; every note and event of both stays as it is."""

    a: takes.SongA
    b: takes.SongB
    bars: takes.NewBars = 8
    track: takes.Track = None
    track_b: takes.TrackB = None
    rules: takes.AsksRules = None
    seed: takes.Seed = 0


class Vary(Sampled, frozen=True, tag="vary"):
    """Vary a song's melody, a little or a lot; notes that stay, and every other event of the file, stay as they are."""

    song: takes.Song
    strength: takes.Strength = 0.5
    bars: takes.SomeBars = None
    grid: takes.Grid = None
    track: takes.Track = None
    seed: takes.Seed = 0


class Morph(Request, frozen=True, tag="morph"):
    """Lead one melody into another, step by step."""

    a: takes.SongA
    b: takes.SongB
    steps: takes.MorphSteps = 8
    step: takes.Step = 0
    tracks: takes.Tracks = None
    seed: takes.Seed = 0
    voice: takes.VoiceName = "any"
    sampling_steps: takes.Steps = 20
    program: takes.Program = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step > self.steps:
            raise ValueError(f"a morph of {self.steps} steps has no step {self.step}")


class Blend(Request, frozen=True, tag="blend"):
    """Make one melody of several, now more of one song and now of another."""

    songs: takes.Mixed
    weights: takes.Weights
    tracks: takes.Tracks = None
    seed: takes.Seed = 0
    voice: takes.VoiceName = "any"
    sampling_steps: takes.Steps = 20
    program: takes.Program = None


AnyRequest: TypeAlias = Compose | Pick | Infill | Extend | Bridge | Vary | Morph | Blend
