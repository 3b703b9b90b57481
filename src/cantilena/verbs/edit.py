"""`infill`, `extend`, `bridge` and `vary`: new bars in a song, of which everything else comes back as it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from cantilena.asked import asked_rules
from cantilena.edits import extend as extending
from cantilena.edits import vary as varying
from cantilena.edits.recompose import recompose
from cantilena.edits.steer import check_held
from cantilena.engine import Engine
from cantilena.music.bars import Bars, parse_bars
from cantilena.music.insert import free_bars, insert_after, insert_before, insert_between
from cantilena.music.locks import Locks, lock_melody
from cantilena.music.midi import read_song
from cantilena.music.passage import read_passage
from cantilena.requests import Bridge, Extend, Infill, Vary
from cantilena.rules import Rules
from cantilena.sampling import Sampling
from cantilena.sources import Source
from cantilena.verbs.following import following
from cantilena.verbs.gate import EDITS, broken, first_fit, hardly_there, thinned, unlike
from cantilena.verbs.known import known_of
from cantilena.verbs.outcome import RESAMPLE, TUNE_GUIDANCE, Outcome, drawn_by, settled
from cantilena.verbs.site import Site

__all__ = ["bridge", "extend", "infill", "vary"]

Edit = TypeVar("Edit", Infill, Extend, Bridge)


def infill(engine: Engine, request: Infill) -> Outcome:
    """The bars that are asked for composed anew, around the notes to keep. Rules see them as one melody."""
    spans = parse_bars(request.bars)
    song, keep = Source.of(request.song), None if request.keep is None else Source.of(request.keep)
    if song.melody is not None:
        if request.track is not None or (keep is not None and keep.melody is None):
            raise ValueError("of a Melody no track is chosen, and the notes to keep are a Melody")
        locks = lock_melody(song.melody, spans, None if keep is None else keep.melody)
        site = Site.alone(locks, song.melody)
    elif keep is not None and keep.melody is not None:
        raise ValueError("of a MIDI file the notes to keep are a MIDI file")
    else:
        kept = None if keep is None else keep.song
        site = Site.within(read_passage(song.song, spans, track=request.track, keep=kept, metres=engine.model.metres))
    request = replace(request, rules=following(request.rules, song, site))
    rules = asked_rules(request.rules)
    if rules is not None:
        check_held(rules, site.locks, site.first)
    grid = _grid(spans, request.grid)
    request = _settled(engine, request, rules, site, grid=grid)
    drawn, lead = _sampling(request, site), _lead(site, spans, grid)
    sample = engine.bound_sampler(drawn)

    def draw(seed: int) -> NDArray[np.int8]:
        return recompose(engine.told(drawn, seed), site.locks, sample, seed=seed, lead=lead, rules=rules)

    return _fitting(draw, replace(request, bars=spans), site, rules)


def extend(engine: Engine, request: Extend) -> Outcome:
    """New bars after a melody, or before it. However many they are, they have no seam; rules see them alone."""
    song = Source.of(request.song)
    if song.melody is not None:
        _no_track(request.track)
        melody = song.melody
        locks = free_bars(request.bars, before=melody) if request.before else free_bars(request.bars, after=melody)
        site = Site.alone(locks, melody)
    else:
        room = insert_before if request.before else insert_after
        site = Site.within(room(song.song, request.bars, track=request.track, metres=engine.model.metres))
    request = replace(request, rules=following(request.rules, song, site, beyond=True))
    rules = asked_rules(request.rules)
    request = _settled(engine, request, rules, site)
    drawn = _sampling(request, site)
    sample = engine.bound_sampler(drawn)

    def draw(seed: int) -> NDArray[np.int8]:
        return extending.extend(engine.told(drawn, seed), site.locks, sample, seed=seed, rules=rules)

    return _fitting(draw, request, site, rules)


def bridge(engine: Engine, request: Bridge) -> Outcome:
    """Song a, new bars of its melody that lead to song b, then b: the tracks of b, and its tempo, stand behind a's."""
    rules, a, b = asked_rules(request.rules), Source.of(request.a), Source.of(request.b)
    track_b = None
    if a.melody is not None and b.melody is not None:
        _no_track(request.track if request.track_b is None else request.track_b)
        site = Site.alone(free_bars(request.bars, after=a.melody, before=b.melody), a.melody)
    elif a.melody is not None or b.melody is not None:
        raise ValueError("a bridge leads from one MIDI file to another, or from one Melody to another")
    else:
        tracks, metres = {"track": request.track, "track_b": request.track_b}, engine.model.metres
        room = insert_between(a.song, b.song, request.bars, **tracks, metres=metres)
        site, track_b = Site.within(room), b.tune(request.track_b, metres)[1]
    request = _settled(engine, request, rules, site, track_b=track_b)
    drawn = _sampling(request, site)
    sample = engine.bound_sampler(drawn)

    def draw(seed: int) -> NDArray[np.int8]:
        return extending.bridge(engine.told(drawn, seed), site.locks, sample, seed=seed, rules=rules)

    return _fitting(draw, request, site, rules)


def vary(engine: Engine, request: Vary) -> Outcome:
    """A variation: about 1 - strength of the notes stay, and where the song repeats, so does the variation.

    Where the metre changes between the bars, each stretch is varied by itself; the outcome's melody is the longest.
    """
    song = Source.of(request.song)
    spans = None if request.bars is None else parse_bars(request.bars)
    if song.melody is not None:
        _no_track(request.track)
        spans = spans or ((1, song.melody.bars),)
        return _varied(engine, request, song, Site.alone(lock_melody(song.melody, spans), song.melody), spans)
    metres = engine.model.metres
    spans = spans or varying.melody_bars(song.song, request.track, metres)
    now, track, done = song.song, request.track, list[Outcome]()
    for part in varying.by_stretch(now, spans, metres):
        site = Site.within(read_passage(now, part, track=track, metres=metres))
        done.append(_varied(engine, request, song, site, part))
        now, track = read_song(done[-1].midi, name=song.name), site.track
    if len(done) == 1:
        return done[0]
    longest = max(done, key=lambda one: one.melody.bars)
    asked = replace(longest.request, bars=spans, grid=request.grid, chords=request.chords)  # each stretch has its own
    return dataclasses.replace(longest, request=asked, midi=done[-1].midi)


def _varied(engine: Engine, request: Vary, song: Source, site: Site, spans: Bars) -> Outcome:
    """A variation of bars in one metre."""
    grid = _grid(spans, request.grid)
    followed = following(None if request.chords is None else {"chords": request.chords}, song, site)
    rules = asked_rules(followed)
    request = settled(request, voice=site.voice, resample=1, track=site.track, grid=grid)
    request = replace(request, chords=None if followed is None else followed.chords)
    drawn, lead, strength = _sampling(request, site), _lead(site, spans, grid), request.strength
    sample, before = engine.bound_sampler(drawn), site.bars(site.before)

    def draw(seed: int) -> tuple[Locks, NDArray[np.int8]]:
        model = engine.told(drawn, seed)
        return varying.vary(model, site.locks, sample, strength=strength, seed=seed, lead=lead, rules=rules)

    def fault(found: tuple[Locks, NDArray[np.int8]]) -> float:
        locks, tokens = found
        return thinned(site.bars(site.melody(tokens, locks)), before)

    (locks, tokens), number = first_fit(draw, fault, request.seed, tries=EDITS)
    return site.outcome(replace(request, bars=spans), tokens, rules, locks=locks, draw=number)


def _fitting(
    draw: Callable[[int], NDArray[np.int8]], request: Infill | Extend | Bridge, site: Site, rules: Rules | None
) -> Outcome:  # fmt: skip
    """The outcome of the first draw of new tokens (steps,) that goes on as the song does, and keeps the rules."""
    near = site.near

    def fault(tokens: NDArray[np.int8]) -> float:
        new = site.bars(site.melody(tokens))
        return unlike(new, near, rules) + broken(rules, new)

    def nothing(tokens: NDArray[np.int8]) -> bool:
        return hardly_there(site.bars(site.melody(tokens)), near, rules)

    tokens, number = first_fit(draw, fault, request.seed, tries=EDITS, nothing=nothing)
    return site.outcome(request, tokens, rules, draw=number)


def _settled(engine: Engine, request: Edit, rules: Rules | None, site: Site, **more: Any) -> Edit:
    """The request with what suits an edit there wherever it says nothing."""
    if engine.model.places_phrases:
        more["guidance"] = TUNE_GUIDANCE
    return settled(request, rules, voice=site.voice, resample=RESAMPLE, track=site.track, **more)


def _sampling(request: Infill | Extend | Bridge | Vary, site: Site) -> Sampling:
    """How a settled request wants its samples drawn: in its voice and metre, like the song around them."""
    drawn = drawn_by(request)
    drawn["metre"] = site.metre
    rules = None if isinstance(request, Vary) else asked_rules(request.rules)
    drawn["known"] = known_of(rules, site.metre, song=site.before if isinstance(request, Vary) else site.near)
    return drawn


def _no_track(track: int | None) -> None:
    if track is not None:
        raise ValueError("of a Melody no track is chosen")


def _grid(spans: Bars, asked: Literal["odd", "even"] | None) -> Literal["odd", "even"]:
    """The bars on which phrases begin, so that one begins on the first bar given, unless it is asked otherwise."""
    return asked or ("odd" if spans[0][0] % 2 else "even")


def _lead(site: Site, spans: Bars, grid: Literal["odd", "even"]) -> int:
    """How many bars before the site's first phrases begin, so that one begins on the first of `spans`, or before it."""
    begins = spans[0][0] - ((spans[0][0] % 2 == 1) != (grid == "odd"))
    return (site.first - begins) % site.metre.phrase_bars
