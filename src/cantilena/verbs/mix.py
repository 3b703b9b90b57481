"""`morph` and `blend`: melodies between melodies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from cantilena.diffusion.path import ddim_invert
from cantilena.diffusion.windows import windowed
from cantilena.edits import morph as morphing
from cantilena.edits.bound_sampler import BoundSampler
from cantilena.engine import Engine
from cantilena.model import Model
from cantilena.music.melody import Melody
from cantilena.music.metre import Metre, names_of
from cantilena.music.midi import to_midi
from cantilena.requests import Blend, Morph
from cantilena.sources import Music, Source
from cantilena.verbs.gate import EDITS, Drawn, first_fit, unfit
from cantilena.verbs.outcome import Outcome
from cantilena.voices import Voice, voice_of

__all__ = ["blend", "morph"]

Mix = TypeVar("Mix", Morph, Blend)


def morph(engine: Engine, request: Morph) -> Outcome:
    """The melodies from a to b, which are the first and the last, in a row, with each as a part; or one of them alone.

    All are as long as the shorter of the two.
    """
    (one, other), request = _read(engine, request, [request.a, request.b])
    metre = one.metre
    ways, steps = _ways(engine, request, metre), request.steps

    def draw(seed: int) -> list[Melody]:
        return morphing.morph(_told(engine, request, metre, seed), one, other, *ways, steps=steps, seed=seed)

    found, number = _fit(draw, request.seed, [one, other])
    parts = [_outcome(replace(request, step=k), melody, f"Morph {k}", number) for k, melody in enumerate(found, 1)]
    if request.step:
        return parts[request.step - 1]
    name = f"Cantilena, morph of {request.steps} steps, seed {request.seed}"
    return _outcome(request, morphing.in_a_row(found), name, number, parts)


def blend(engine: Engine, request: Blend) -> Outcome:
    """One melody of several, as long as the shortest: where one song weighs all, its own notes stand."""
    melodies, request = _read(engine, request, request.songs)
    metre = melodies[0].metre
    ways, weights = _ways(engine, request, metre), request.weights

    def draw(seed: int) -> list[Melody]:
        return [morphing.blend(_told(engine, request, metre, seed), melodies, weights, *ways, seed=seed)]

    (melody,), number = _fit(draw, request.seed, melodies)
    return _outcome(request, melody, f"Cantilena, blend of {len(melodies)}, seed {request.seed}", number)


def _fit(draw: Callable[[int], list[Melody]], seed: int, songs: Sequence[Melody]) -> Drawn[list[Melody]]:
    """The first draw of melodies that are all music, where the songs that they are made of are."""
    judged = not any(unfit(song) for song in songs)
    return first_fit(draw, lambda found: sum(map(unfit, found)) if judged else 0.0, seed, tries=EDITS)


def _read(engine: Engine, request: Mix, songs: Sequence[Music]) -> tuple[list[Melody], Mix]:
    """The songs' melodies, and the request with the tracks that they are on."""
    if not songs:
        raise ValueError("songs are one or more")
    tracks = [None] * len(songs) if request.tracks is None else list(request.tracks)
    if len(tracks) != len(songs):
        raise ValueError(f"tracks are one number a song, {len(songs)}, not {len(tracks)}")
    found = [Source.of(song).tune(track, engine.model.metres) for song, track in zip(songs, tracks, strict=True)]  # type: ignore[arg-type]
    metres = {melody.metre for melody, _ in found}
    if not all(metre.alike(found[0][0].metre) for metre in metres):
        raise ValueError(f"melodies between melodies are in one metre, not in {names_of(tuple(sorted(metres)))}")
    program = voice_of(request.voice).program if request.program is None else request.program
    return [melody for melody, _ in found], replace(request, tracks=[track for _, track in found], program=program)


def _told(engine: Engine, request: Morph | Blend, metre: Metre, seed: int) -> Model:
    """The model as it writes in the voice of the request, with the chance of a seed."""
    return engine.told({"voice": voice_of(request.voice), "metre": metre}, seed)


def _ways(engine: Engine, request: Morph | Blend, metre: Metre) -> tuple[BoundSampler, morphing.Invert]:
    """Down from noise and up to it, both without chance."""
    voice: str | Voice = voice_of(request.voice)
    steps, model = request.sampling_steps, engine.model
    denoise = windowed(engine.denoiser(engine.labels({"voice": voice, "metre": metre})[None]))

    def invert(x_0: NDArray[np.float32], *, to: float) -> NDArray[np.float32]:
        *_, x_t = ddim_invert(denoise, x_0, model.schedule, steps=steps, to=to)
        return x_t

    return engine.bound_sampler({"voice": voice, "sampler": "ddim", "steps": steps, "metre": metre}), invert


def _outcome(
    request: Morph | Blend, melody: Melody, name: str, draw: int, parts: Sequence[Outcome] = ()
) -> Outcome:  # fmt: skip
    midi = to_midi(melody, program=request.program or 0, track_name=name)
    return Outcome(request, melody, midi, name, parts=tuple(parts), draw=draw)
