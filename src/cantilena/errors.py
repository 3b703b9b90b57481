"""Every error Cantilena raises on purpose.

    CantilenaError            the world was wrong: one clear line, exit code 1
    ├── MidiError             a file that is not MIDI, or holds no melody
    ├── ModelError            a model folder that is missing, broken or of another format
    ├── CorpusError           a corpus that cannot be built or read
    └── RecipeError           a training recipe or run that cannot be followed

A wrong argument is a plain ``ValueError``. Messages say what was expected, what arrived and what to do.
"""

__all__ = ["CantilenaError", "CorpusError", "MidiError", "ModelError", "RecipeError"]


class CantilenaError(Exception):
    """Something outside the program is not as it should be; the message is one readable line."""


class MidiError(CantilenaError):
    """A file is not readable MIDI, or holds no melody."""


class ModelError(CantilenaError):
    """A model folder is missing, incomplete or of an unknown format."""


class CorpusError(CantilenaError):
    """A corpus cannot be built or read."""


class RecipeError(CantilenaError):
    """A training recipe or run directory cannot be followed."""
