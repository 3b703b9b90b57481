"""`OwnSampler`: a sampler of somebody's own, as a function or under the name by which an installed package brings it.

A package says in its pyproject.toml what it brings, and `--sampler heun` or `compose(sampler="heun")` takes that:

    [project.entry-points."cantilena.samplers"]
    heun = "my_package:heun"

What such a function gets and yields is a `diffusion.samplers.Sampler`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

__all__ = ["GROUP", "SHIPPED", "OwnSampler"]

GROUP = "cantilena.samplers"  # of entry points
SHIPPED = ("ddpm", "ddim", "dpm_solver_pp")  # `diffusion.samplers.SAMPLERS`: what is installed is not asked for them


class OwnSampler(Struct, frozen=True, forbid_unknown_fields=True):
    """A sampler that Cantilena does not bring: in JSON, and so in a receipt, only its name."""

    own: str  # as an entry point has it; of a function "module:name"
    function: Any = None  # that was given, if one was

    @classmethod
    def of(cls, given: Any) -> Any:
        """A function, or the name of an installed sampler, as an OwnSampler; anything else as it is."""
        if isinstance(given, str):
            return given if given in SHIPPED or not _installed(given) else cls(given)
        if isinstance(given, cls) or not callable(given):
            return given
        name = getattr(given, "__qualname__", type(given).__qualname__)
        return cls(f"{getattr(given, '__module__', None) or type(given).__module__}:{name}", given)

    def load(self) -> Callable[..., Any]:
        """The function; ValueError where only its name is here, and no package that is installed brings it."""
        if self.function is not None:
            return self.function  # type: ignore[no-any-return]
        for found in _installed(self.own):
            return found.load()  # type: ignore[no-any-return]
        raise ValueError(f"{self.own} is a sampler of somebody's own: only its name is here, not the function")

    def as_json(self) -> dict[str, str]:
        """Its name."""
        return {"own": self.own}


def _installed(name: str) -> Iterable[Any]:
    """The entry points of this name; reading what is installed takes a while, and so does the module for it."""
    from importlib.metadata import entry_points

    return entry_points(group=GROUP, name=name)
