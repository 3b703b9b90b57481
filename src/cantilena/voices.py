"""`Voice`: what a melody is asked to be, as the labels that the denoiser knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from cantilena.music.extract import Candidate

__all__ = ["VOICES", "Voice", "voice_of"]


class Voice(NamedTuple):
    """What a melody is asked to be, as labels (None = not said), and the General MIDI program that plays it."""

    role: int | None = None  # index into extract.ROLES
    family: int | None = None  # index into extract.FAMILIES
    purity: int | None = None  # 0: less than a tenth of the notes was dropped, 1: up to .4, 2: more
    rests: int | None = None  # 0: no 2-bar phrase is silent, 1: some are
    program: int = 0

    @classmethod
    def of(cls, track: Candidate) -> Voice:
        """That of a track of a song, as the extractor sees it."""
        from cantilena.music.extract import ROLES, UNKNOWN_FAMILY

        family = None if track.family == UNKNOWN_FAMILY else track.family
        return cls(role=ROLES.index(track.role), family=family, purity=0)


VOICES: dict[str, Voice] = {
    "lead": Voice(role=0, purity=0),
    "any": Voice(),
    "bass": Voice(role=1, family=4, purity=0, program=33),
    "keys": Voice(family=0, program=0),
    "organ": Voice(family=2, program=16),
    "guitar": Voice(family=3, program=25),
    "strings": Voice(family=6, program=48),
    "brass": Voice(family=7, program=61),
    "reed": Voice(family=8, program=65),
    "flute": Voice(family=9, program=73),
    "synth": Voice(family=10, program=80),
}


def voice_of(voice: Any) -> Voice:
    """A voice, or that of a name; ValueError where there is none."""
    if isinstance(voice, Voice):
        return voice
    if not isinstance(voice, str) or voice not in VOICES:
        raise ValueError(f"a voice is one of {', '.join(VOICES)}, not {voice!r}")
    return VOICES[voice]
