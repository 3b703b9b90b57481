"""Describes every verb of Cantilena once, as a frozen struct with fields and defaults.

`vocabulary` holds the type, range and help of each field. A request is the call in Python, the command, the JSON body
and what a receipt holds; there is no fifth description.

    Compose(seed=7, bars=16) == decode('{"verb": "compose", "seed": 7, "bars": 16}')

None lets Cantilena choose: `cantilena.verbs` says how, and every receipt holds what it chose.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec.structs import force_setattr

from cantilena import vocabulary as takes
from cantilena.asked import NONE, AskedRules
from cantilena.fields import Described, values_of
from cantilena.sources import Source

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
    bars: takes.Length = None  # type: ignore[assignment]  # settled when the request is made
    metre: takes.MetreName = None  # type: ignore[assignment]
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
        self._settle()
        if self.motif is not None and (self.loop or self.rules is not None):
            raise ValueError(f"a tune of a motif takes no {'loop' if self.loop else 'rules'}: give one or the other")
        if self.loop and self.cadence:
            raise ValueError("a loop does not come to rest: give a loop or a cadence")
        if self.chord_track and (self.rules is None or AskedRules.of(self.rules).chords is None):
            raise ValueError("a chord track plays the chords that the rules ask for: give some")

    def _settle(self) -> None:
        """Metre and length, and chords that are a song's: as words, so that the song is not needed again."""
        rules = None if self.rules is None else AskedRules.of(self.rules)
        metre, bars = "4/4", 64
        if rules is not None and rules.chords_of is not None:
            song = Source.of(rules.chords_of)
            if song.content is None:
                return  # it is known by its hash, until `with_sources` finds it
            from cantilena.notation.progression import whole

            found = whole(song.song)
            metre, bars, rules = str(found.metre), found.bars, rules.told_chords(found.chords)
        elif rules is not None and rules.chords == NONE:
            rules = rules.told_chords(None)
        for name, value in (("metre", self.metre or metre), ("bars", bars if self.bars is None else self.bars)):
            force_setattr(self, name, value)
        force_setattr(self, "rules", rules)


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
    chords: takes.SongChords = None
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
