"""`Composer`: the front door. A request in, a result out.

composer = cantilena.load()
melody = composer.compose(seed=7)
melody.save("tune.mid")
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Concatenate, ParamSpec, Unpack, cast

from cantilena.edits.length import stream
from cantilena.engine import Engine
from cantilena.fields import fields_of, meant
from cantilena.model import DEFAULT_MODEL, Model
from cantilena.music.melody import Melody
from cantilena.receipt import make_receipt
from cantilena.requests import Blend, Bridge, Compose, Extend, Infill, Morph, Pick, Request, Vary
from cantilena.result import Result
from cantilena.sampling import OnEstimate, OnStep, Sampling
from cantilena.verbs import perform
from cantilena.verbs.compose import compose_many
from cantilena.verbs.outcome import RESAMPLE, Outcome

__all__ = ["Composer", "load"]

P = ParamSpec("P")


def load(name: str | Path | None = None, *, threads: int = 1) -> Composer:
    """A composer with a shipped model, by name (open-64), one in a folder, or one of the hub (user/model@revision).

    ModelError (one line) where there is none.
    """
    return Composer(Model.load(DEFAULT_MODEL if name is None else name, threads=threads))


def _method(request: Callable[P, Request]) -> Callable[Concatenate[Composer, P], Result]:
    """A method whose keywords are the fields of a request, for type checkers, and for `help` in plain words."""

    kind = cast("type[Request]", request)
    names = [field.name for field in fields_of(kind)]

    def method(composer: Composer, /, *args: P.args, **fields: P.kwargs) -> Result:
        if unknown := [name for name in fields if name not in names]:
            raise TypeError(f"{method.__name__} takes no keyword {unknown[0]}{meant(unknown[0], names)}")
        return composer(request(*args, **fields))

    told = "\n".join(f"{field.name}: {field.help}" for field in fields_of(kind))
    method.__name__ = method.__qualname__ = kind.__name__.lower()
    method.__doc__ = f"{kind.__doc__}\n\n{told}"
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in inspect.signature(request).parameters.values()]
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    method.__signature__ = inspect.Signature([own, *plain])  # type: ignore[attr-defined]
    return method


class Composer:
    """Performs requests with a `Model`. Everything random comes from the seeds you give.

    `composer(Infill("song.mid", "17-24"))` and `composer.infill("song.mid", "17-24")` are the same: each verb is a
    method that takes the fields of its request (`cantilena.requests`; docs/reference.md lists them). Music is a MIDI
    file, by name or bytes, of which every event but the composed notes comes back as it was; a Melody; or a `Result`.

    Raises ValueError for a wrong argument, and MidiError (one line) for a song that a request cannot be done to.
    """

    def __init__(self, model: Model) -> None:
        self.model, self.engine = model, Engine(model)
        # what research asks of the engine
        self.sample, self.bound_sampler = self.engine.sample, self.engine.bound_sampler
        self.denoiser, self.encode, self.decode = self.engine.denoiser, self.engine.encode, self.engine.decode

    def __call__(
        self, request: Request, on_step: OnStep | None = None, on_estimate: OnEstimate | None = None
    ) -> Result:
        """Do what is asked; `on_step` is told the steps that are done, and how many there are, of each sample.

        `on_estimate` is shown each x0_hat as it emerges, written as the result will be: a Melody, and the step
        of the melody (from the first bar that the edit sees) on which it begins. What either raises ends the work.
        """
        return self._result(perform(replace(self.engine, on_step=on_step, on_estimate=on_estimate), request))

    compose = _method(Compose)
    pick = _method(Pick)
    infill = _method(Infill)
    extend = _method(Extend)
    bridge = _method(Bridge)
    vary = _method(Vary)
    morph = _method(Morph)
    blend = _method(Blend)

    def compose_many(
        self, seeds: Sequence[int], request: Compose | None = None, on_step: OnStep | None = None
    ) -> list[Result]:
        """One melody a seed, each as `compose` would alone, and faster: the network draws 64 at a time."""
        engine = replace(self.engine, on_step=on_step)
        return [self._result(one) for one in compose_many(engine, request or Compose(), seeds)]

    def stream(self, seed: int = 0, *, qpm: float = 120.0, **sampling: Unpack[Sampling]) -> Iterator[Melody]:
        """A melody without an end: a generator of its next bars, two or a few more at a time.

        The first come after one sample of 64 bars; then 32 bars are composed after each 32 that were taken. The same
        seed gives the same music. Keywords are those of `Engine.sample`. Raises ValueError for a wrong one.
        """
        sample = self.bound_sampler({"resample": RESAMPLE, **sampling})
        return stream(self.engine.told(sampling, seed), sample, seed, qpm)

    def _result(self, outcome: Outcome) -> Result:
        parts = tuple(self._result(part) for part in outcome.parts)
        receipt = make_receipt(self.model, outcome.request, outcome.melody, outcome.rows, outcome.draw)
        return Result(
            outcome.melody, outcome.midi, outcome.track, receipt, outcome.name, outcome.before, outcome.within, parts
        )
