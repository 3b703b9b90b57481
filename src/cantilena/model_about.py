"""What model.json of a model folder has to say, by kind and range: a stranger may have written it.

Keys that are not named here are passed over: `provenance`, and notes of training beside it, are for people, and what
a reader must know of has raised `format`. They count all the same: a model's fingerprint is over all that is said.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from cantilena.errors import ModelError
from cantilena.labels import PLACE_NULLS, PLACES, PLACES_ONCE

__all__ = ["MOST_WINDOW", "check_about", "read_about"]

MOST_WINDOW = 128  # phrases that a denoiser sees at once
_MOST_BYTES = 1 << 20  # of model.json; ours have up to 60 KB
_MOST_LEANING = 30  # added to a logit; ours are below 2

_Share = Annotated[float, Meta(ge=0, le=1)]
_Leaning = Annotated[float, Meta(ge=-_MOST_LEANING, le=_MOST_LEANING)]
_Word = Annotated[str, Meta(pattern=r"^[\w-]{1,64}\Z")]  # a fingerprint
_Density = Annotated[float, Meta(ge=0, le=100)]  # notes a quarter
_Count = Annotated[int, Meta(ge=0, le=1 << 53)]
_Names = Annotated[list[str], Meta(min_length=1, max_length=1000)]


class _Vae(Struct):
    fingerprint: _Word


class _Leanings(Struct):
    intervals: list[list[_Leaning]]
    foreign: _Leaning


class _Decoder(Struct):
    sigma: _Share
    temperature: Annotated[float, Meta(ge=0, le=10)]
    floor: _Share
    leanings: dict[str, _Leanings] = {}


class _Config(Struct, frozen=True):
    phrases: Annotated[int, Meta(ge=1, le=MOST_WINDOW)] = PLACES
    places: Annotated[list[int], Meta(min_length=PLACES_ONCE, max_length=len(PLACE_NULLS))] = []


class _Denoiser(Struct):
    network: _Word
    latent: _Word
    prediction: Literal["eps", "x0", "v"]
    schedule: dict[str, str | int | float]
    config: _Config = _Config()


class _Labels(Struct):
    role: _Names
    style: _Names
    metre: _Names
    register: _Names
    density: _Names


class _About(Struct):
    vae: _Vae
    decoder: _Decoder
    denoiser: _Denoiser
    provenance: dict[str, Any]
    name: Annotated[str, Meta(max_length=255)] = ""
    labels: _Labels | None = None
    metres: _Names | msgspec.UnsetType = msgspec.UNSET
    forms: dict[str, list[str]] = {}
    homes: dict[str, list[tuple[int, int, _Count]]] = {}
    styles: dict[str, dict[str, _Count]] = {}
    densities: dict[str, dict[str, list[_Density]]] = {}


def read_about(path: Path) -> Any:
    """The JSON of model.json; ModelError (one line) where it is too large, nested too deeply or no JSON."""
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            raise ModelError(f"{path}: cannot be understood (not a file of up to {_MOST_BYTES:,} bytes)")
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        said = "nested too deeply" if isinstance(error, RecursionError) else f"no JSON: {error}"
        raise ModelError(f"{path}: cannot be understood ({said})") from error


def check_about(about: Any) -> None:
    """ValueError, one line that says where, for what model.json cannot say."""
    if not msgspec.convert(about, _About).name.isprintable():  # its ValidationError is a ValueError
        raise ValueError("its name has signs that nobody can read")
