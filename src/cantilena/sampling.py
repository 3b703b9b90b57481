"""What one may ask of a sample, as keywords of the engine; a request's defaults are settled to these."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias, TypedDict

from cantilena.diffusion.guidance import Cost, branching
from cantilena.diffusion.samplers import SAMPLERS, Clamp, Sampler, Step, checked, ddpm
from cantilena.labels import Known
from cantilena.music.melody import Melody
from cantilena.music.metre import Metre
from cantilena.own_sampler import OwnSampler
from cantilena.voices import VOICES, Voice, voice_of

__all__ = [
    "BRANCHES",
    "MAX_RESAMPLE",
    "STEPS",
    "TEMPERATURE",
    "VOICES",
    "OnEstimate",
    "OnStep",
    "Sampling",
    "Voice",
    "chosen",
    "sampler_of",
    "voice_of",
]

STEPS = 20
TEMPERATURE = 0.97  # docs/findings.md: what it does to leaps, keys and repetitions
STEERED = 0.985  # the temperature when rules steer: the best of several draws is calmer than one
MAX_RESAMPLE = 10
BRANCHES = 8
OnStep: TypeAlias = Callable[[int, int], None]  # steps done, and in all
OnEstimate: TypeAlias = Callable[[Melody, int], None]  # what is heard, and the step that it begins on


class Sampling(TypedDict, total=False):
    """How a melody is drawn: the keywords that every composing method takes. All have defaults."""

    voice: str | Voice  # a key of VOICES or a Voice; "lead"
    metre: Metre  # 4/4
    style: str  # one that the model knows; none is said
    known: Known  # where it is at home, how dense and high it is, for a model that is told; none of it is said
    sampler: str | Sampler | OwnSampler  # "ddpm" (default), "ddim", "dpm_solver_pp", or one of your own
    steps: int  # 20
    temperature: float  # of ddpm: noise of each step, 0..1.5; lower is calmer; TEMPERATURE, with rules STEERED
    settle: float  # of ddpm: share of the levels, at the end, where no noise is added and notes are decided, 0..1; 0
    resample: int  # visits of each level, 1..10: phrases agree better, with held ones too, for as many times the time
    guidance: float  # above 1 follows the voice more strictly (Ho & Salimans 2022); 1
    branches: int  # draws at each step when rules steer; BRANCHES
    on_step: OnStep  # called with steps done, and in all


def chosen(**options: Any) -> dict[str, Any]:
    """The options that were chosen, as keywords: None is what was left to the default."""
    return {name: value for name, value in options.items() if value is not None}


def sampler_of(
    sampling: Sampling, cost: Cost | None = None, clamp: Clamp | None = None
) -> Callable[..., Iterator[Step]]:
    """The sampler that is asked for, with its settings bound; steered by `cost`, where there is one.

    Raises ValueError for a setting that is not one.
    """
    name, steps, resample = (
        OwnSampler.of(sampling.get("sampler", "ddpm")), sampling.get("steps", STEPS), sampling.get("resample", 1)
    )  # fmt: skip
    if not 1 <= resample <= MAX_RESAMPLE:
        raise ValueError(f"each level is visited 1 to {MAX_RESAMPLE} times, not {resample}")
    own = name if isinstance(name, OwnSampler) else None
    if own is None and name not in SAMPLERS:
        raise ValueError(f"a sampler is one of {', '.join(SAMPLERS)}, not {name!r}")
    if name == "ddpm":
        if cost:
            ancestral = partial(branching, cost=cost, branches=sampling.get("branches", BRANCHES))
        else:
            ancestral = partial(ddpm, settle=sampling.get("settle", 0.0), clamp=clamp)
        temperature = sampling.get("temperature", STEERED if cost else TEMPERATURE)
        return partial(ancestral, steps=steps, resample=resample, temperature=temperature)
    if cost or "temperature" in sampling or "settle" in sampling:
        what = "rules are" if cost else "a temperature is" if "temperature" in sampling else "settling is"
        why = f"{name} draws no noise" if own is None else f"{own.own} is not told of it"
        raise ValueError(f"{what} for the sampler ddpm: {why}")
    sampler = SAMPLERS[name] if own is None else checked(own.load(), own.own)
    return partial(sampler, steps=steps, resample=resample)
