"""`python -m cantilena`, and the command `cantilena`: Ctrl-C ends it at any moment with status 130 and no traceback."""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

_IMPORTING = "<frozen importlib._bootstrap>"


def main() -> NoReturn:
    """Run the command line. Until it is there, and when it is done, Ctrl-C ends the process as the system does."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from cantilena.cli import main as run

    sys.unraisablehook = _unraisable
    try:
        signal.signal(signal.SIGINT, _interrupt)
        run()
    except KeyboardInterrupt:  # between two lines of these
        raise SystemExit(130) from None
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, but end at once where something is imported: modules make other errors of it."""
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING:
            _end()
        frame = frame.f_back
    raise KeyboardInterrupt


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    """End where Ctrl-C came while Python was in a place that nothing can be raised from."""
    if found.exc_type is KeyboardInterrupt:
        _end()
    sys.__unraisablehook__(found)


def _end() -> NoReturn:
    if (files := sys.modules.get("cantilena.files")) is not None:
        getattr(files, "remove_unfinished", int)()  # it may be imported now
    os.write(2, b"cantilena: stopped\n")  # a print may have been interrupted
    os._exit(130)


if __name__ == "__main__":
    main()
