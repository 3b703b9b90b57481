"""Cantilena composes melodies with latent diffusion (Mittal, Engel, Hawthorne, Simon, ISMIR 2021).

>>> import cantilena
>>> cantilena.Melody.from_notes([0, 4], [4, 16], [60, 67])
Melody(1 bar, 2 notes, C4-G4, 120 qpm)
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cantilena.composer import Composer as Composer
    from cantilena.composer import load as load
    from cantilena.corpus.store import Corpus as Corpus
    from cantilena.edits.edited import Edited as Edited
    from cantilena.errors import CantilenaError as CantilenaError
    from cantilena.errors import CorpusError as CorpusError
    from cantilena.errors import MidiError as MidiError
    from cantilena.errors import ModelError as ModelError
    from cantilena.errors import RecipeError as RecipeError
    from cantilena.model import Model as Model
    from cantilena.music.melody import Melody as Melody
    from cantilena.music.midi import read_song as read_song
    from cantilena.sampling import VOICES as VOICES
    from cantilena.sampling import Voice as Voice

_WHERE = {
    "CantilenaError": "errors",
    "Composer": "composer",
    "Corpus": "corpus.store",
    "CorpusError": "errors",
    "Edited": "edits.edited",
    "Melody": "music.melody",
    "MidiError": "errors",
    "Model": "model",
    "ModelError": "errors",
    "RecipeError": "errors",
    "VOICES": "sampling",
    "Voice": "sampling",
    "load": "composer",
    "read_song": "music.midi",
}

__all__ = [  # noqa: RUF022 - sorted as people read, not by case
    "CantilenaError", "Composer", "Corpus", "CorpusError", "Edited", "Melody", "MidiError", "Model", "ModelError",
    "RecipeError", "VOICES", "Voice", "load", "read_song",
]  # fmt: skip
__version__ = _version("cantilena")


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'cantilena' has no attribute {name!r}")
    return getattr(import_module(f"cantilena.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
