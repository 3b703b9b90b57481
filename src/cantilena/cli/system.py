"""Hands files to the system: to what opens them, and to what plays sound."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["open_file", "play_sound"]

_OPENERS = (["open"],) if sys.platform == "darwin" else (["xdg-open"], ["wslview"])
_PLAYERS = (
    ["pw-play"], ["paplay"], ["aplay", "-q"], ["afplay"],
    ["ffplay", "-nodisp", "-autoexit", "-loglevel", "error"], ["mpv", "--really-quiet"],
)  # fmt: skip


def open_file(path: Path) -> None:
    """Open a file as a double click does, and do not wait. ValueError where nothing here opens files."""
    if hasattr(os, "startfile"):
        os.startfile(path)
        return
    opener = _found(_OPENERS, f"nothing here opens files ({', '.join(name for name, *_ in _OPENERS)}): open {path}")
    quiet = subprocess.DEVNULL
    subprocess.Popen([*opener, str(path)], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)


def play_sound(path: Path) -> None:
    """Play a WAV file and wait for its end. ValueError where no player is there or none can play it."""
    if sys.platform == "win32":
        import winsound

        winsound.PlaySound(str(path), winsound.SND_FILENAME)
        return
    names = ", ".join(name for name, *_ in _PLAYERS)
    player = _found(_PLAYERS, f"no player of sound is here ({names}): write a .wav with --output")
    done = subprocess.run([*player, str(path)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())[:160]
        raise ValueError(f"{player[0]} plays no sound here ({said or done.returncode}): write a .wav with --output")


def _found(commands: tuple[list[str], ...], missing: str) -> list[str]:
    """Return the first command that is installed; ValueError, which says what is `missing`, where none is."""
    for name, *options in commands:
        if where := shutil.which(name):
            return [where, *options]
    raise ValueError(missing)
