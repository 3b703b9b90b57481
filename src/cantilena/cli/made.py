"""What every verb does with its result: saves it, says what it is, opens it, and ends with the right status."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cantilena.cli.shell import Output
from cantilena.cli.streams import check_stream, is_stream, write_stream
from cantilena.codec import sources_of
from cantilena.music.texts import printable
from cantilena.notation.endings import ENDINGS
from cantilena.requests import Request

if TYPE_CHECKING:
    from cantilena.result import Result
    from cantilena.sources import Source

__all__ = ["check_streamed", "end", "ending", "failed", "open_made", "remark", "remark_on", "save", "say", "seeded"]


def seeded(given: dict[str, Any]) -> dict[str, Any]:
    """Add a seed by chance where none was given."""
    import secrets

    return {"seed": secrets.randbelow(2**31), **given}


def remark(request: Request) -> None:
    """Print what the readers of the request's songs would say about them, a line each."""
    remark_on(*sources_of(request))


def remark_on(*sources: Source) -> None:
    """Print what the readers of songs would say about them, a line each."""
    for source in sources:
        for line in source.remarks:
            print(f"cantilena: {printable(line)}", file=sys.stderr)


def check_streamed(output: Output) -> None:
    """Raise ValueError where a result cannot go to standard output as it is asked for."""
    if output.formats != ("mid",) or output.open:
        asked = "nothing is opened" if output.open else f"not {','.join(output.formats)}"
        raise ValueError(f"-o -: only the MIDI file goes to standard output, {asked}; give a name")
    check_stream()


def ending(format: str) -> str:
    """Return the ending of a format's files, without its dot."""
    return ENDINGS.get(format, format).removeprefix(".")


def save(result: Result, output: Output, place: Callable[[str], Path]) -> None:
    """Write a result in each of its formats to the file that `place` names, or to standard output."""
    if is_stream(output.where):
        write_stream(result.file)
        return
    for format in output.formats:
        result.save(place(format))


def say(line: str, result: Result, output: Output) -> None:
    """Print what was made, or its receipt as JSON: on standard error where the file itself is on standard output."""
    out = sys.stderr if is_stream(output.where) else sys.stdout
    if output.json:
        print(result.receipt.to_json(), file=out, flush=True)
        return
    print(line, file=out, flush=True)
    if result.receipt.rows:
        print(result.receipt.table(), file=out, flush=True)


def open_made(file: Path, output: Output) -> None:
    """Open what was written: what shows most of it."""
    from cantilena.cli.system import open_file

    best = next(
        format for format in ("html", "svg", "pdf", "score", "mid", *output.formats) if format in output.formats
    )
    open_file(file.with_suffix(f".{ending(best)}"))


def failed(result: Result) -> list[int]:
    """The seed of a result in which a rule is kept in fewer than half of its bars; else nothing."""
    from cantilena.verbs.outcome import HALF, least_kept

    return [result.receipt.request.seed] if least_kept(result.receipt.rows) < HALF else []


def end(failed: list[int]) -> None:
    """Exit with 3, and say it in one line, where rules failed with these seeds."""
    if failed:
        seeds = ", ".join(map(str, failed[:5]))
        print(f"cantilena: a rule is kept in fewer than half of its bars (seed {seeds}): ask for less", file=sys.stderr)
        raise SystemExit(3)
