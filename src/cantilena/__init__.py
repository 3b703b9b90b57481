"""Cantilena composes melodies with latent diffusion (Mittal, Engel, Hawthorne, Simon, ISMIR 2021).

>>> import cantilena
>>> cantilena.Melody.from_notes([0, 4], [4, 16], [60, 67])
Melody(1 bar, 2 notes, C4-G4, 120 qpm)
"""

from __future__ import annotations

TYPE_CHECKING = False  # what type checkers read; `typing` itself takes longer to import than all of this
if TYPE_CHECKING:
    from typing import Any

    from cantilena.composer import Composer as Composer
    from cantilena.composer import load as load
    from cantilena.corpus.store import Corpus as Corpus
    from cantilena.errors import CantilenaError as CantilenaError
    from cantilena.errors import CorpusError as CorpusError
    from cantilena.errors import MidiError as MidiError
    from cantilena.errors import ModelError as ModelError
    from cantilena.errors import RecipeError as RecipeError
    from cantilena.model import Model as Model
    from cantilena.music.draw import show as show
    from cantilena.music.formats import save as save
    from cantilena.music.melody import Melody as Melody
    from cantilena.music.midi import read_song as read_song
    from cantilena.requests import Blend as Blend
    from cantilena.requests import Bridge as Bridge
    from cantilena.requests import Compose as Compose
    from cantilena.requests import Extend as Extend
    from cantilena.requests import Infill as Infill
    from cantilena.requests import Morph as Morph
    from cantilena.requests import Pick as Pick
    from cantilena.requests import Vary as Vary
    from cantilena.result import Result as Result
    from cantilena.voices import VOICES as VOICES
    from cantilena.voices import Voice as Voice

    __version__: str

_WHERE = {
    "Blend": "requests",
    "Bridge": "requests",
    "CantilenaError": "errors",
    "Compose": "requests",
    "Composer": "composer",
    "Corpus": "corpus.store",
    "CorpusError": "errors",
    "Extend": "requests",
    "Infill": "requests",
    "load": "composer",
    "Melody": "music.melody",
    "MidiError": "errors",
    "Model": "model",
    "ModelError": "errors",
    "Morph": "requests",
    "Pick": "requests",
    "read_song": "music.midi",
    "RecipeError": "errors",
    "Result": "result",
    "save": "music.formats",
    "show": "music.draw",
    "Vary": "requests",
    "Voice": "voices",
    "VOICES": "voices",
}

__all__ = [  # noqa: RUF022 - sorted as people read, not by case
    "Blend", "Bridge", "CantilenaError", "Compose", "Composer", "Corpus", "CorpusError", "Extend", "Infill",
    "load", "Melody", "MidiError", "Model", "ModelError", "Morph", "Pick", "read_song", "RecipeError", "Result",
    "save", "show", "Vary", "Voice", "VOICES",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "__version__":
        return import_module("importlib.metadata").version("cantilena")
    if name not in _WHERE:
        raise AttributeError(f"module 'cantilena' has no attribute {name!r}")
    return getattr(import_module(f"cantilena.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
