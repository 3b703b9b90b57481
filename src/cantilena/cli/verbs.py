"""Runs the verbs on the command line: makes a request from the options, performs it and saves the result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cantilena.cli.made import check_streamed, end, ending, failed, open_made, remark, save, say, seeded
from cantilena.cli.options import Verb, given_to
from cantilena.cli.places import check_new, check_output, check_place
from cantilena.cli.progress import progress
from cantilena.cli.shell import BlendPlan, Output, Shell, Steps, Tunes
from cantilena.cli.streams import is_stream
from cantilena.cli.tunes import compose
from cantilena.codec import sources_of
from cantilena.requests import Blend, Bridge, Extend, Infill, Morph, Pick, Request, Vary

if TYPE_CHECKING:
    from cantilena.result import Result

__all__ = ["VERBS"]


class _PlanFile(msgspec.Struct, forbid_unknown_fields=True):
    songs: list[str]
    weights: list[list[float]]


def _edit(kind: type[Request], shell: type[Shell] = Shell) -> Callable[[dict[str, Any]], None]:
    def run(given: dict[str, Any]) -> None:
        output, more = given_to(Output, given), given_to(shell, given)
        file, folder = Path(output.where or ""), None
        if isinstance(more, Steps) and more.separate is not None:
            folder = Path(more.separate)
            if folder.exists() and not folder.is_dir():
                raise ValueError(f"--separate {folder}: is a folder for the steps between two songs")
        if isinstance(more, BlendPlan) and more.plan is not None:
            given |= _planned(Path(more.plan), given)
        if streamed := is_stream(output.where):
            check_streamed(output)
        else:
            check_place(file, file.parent)
        request = given_to(kind, seeded(given))
        if not streamed:
            read = [source.path for source in sources_of(request) if source.path is not None]
            check_output(file, read, force=output.force)
            others = [file.with_suffix(f".{ending(format)}") for format in output.formats if format != "mid"]
            check_new(others, force=output.force)
        remark(request)
        from cantilena.composer import load

        with progress(request.verb) as tell:
            result = load(more.model)(request, tell)
        save(result, output, lambda format: file if format == "mid" else file.with_suffix(f".{ending(format)}"))
        if folder is not None:
            width = max(2, len(str(len(result.parts))))
            for k, part in enumerate(result.parts, 1):
                part.save(folder / f"morph-{k:0{width}}.mid")
        say(f"{file}  {_told(result)}  {result.melody!r}", result, output)
        if output.open:
            open_made(file, output)
        end(failed(result))

    return run


def _planned(path: Path, given: dict[str, Any]) -> dict[str, Any]:
    """Read songs, whose names are relative to the plan's folder, and weights."""
    if "songs" in given or "weights" in given:
        raise ValueError("--plan names the songs and their weights: give it alone")
    try:
        plan = msgspec.json.decode(path.read_bytes(), type=_PlanFile)
    except OSError as error:
        raise ValueError(f"{path.name}: cannot be read ({error.strerror or error})") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path.name}: a plan is {{"songs": [...], "weights": [...]}} in JSON ({error})') from error
    return {"songs": [str(path.parent / song) for song in plan.songs], "weights": plan.weights}


def _told(result: Result) -> str:
    """Say what was done, for the line that is printed."""
    match result.receipt.request:
        case Infill() as r:
            told = f"bars {r.bars} of track {result.track}"
        case Extend() as r:
            told = f"{r.bars} bars {'before' if r.before else 'after'} track {result.track}"
        case Bridge() as r:
            told = f"{r.bars} bars between, on track {result.track}"
        case Vary() as r:
            told = f"bars {r.bars} of track {result.track}  strength {r.strength:g}"
        case Morph() as r:
            told = f"{r.steps} steps of {result.bars // r.steps} bars" if not r.step else f"step {r.step} of {r.steps}"
        case Blend() as r:
            told = f"{len(r.tracks or ())} songs"
        case r:
            told = r.verb
    return f"{told}  seed {r.seed}"


def _verb(kind: type[Request], shell: type[Shell] = Shell, **more: Any) -> Verb:
    tag = str(kind.__struct_config__.tag)
    return Verb(tag, _edit(kind, shell), kind.__doc__ or "", (kind, Output, shell), needs=["where"], **more)


_COMPOSE = "Compose new melodies: tune.mid, tune.svg, tune.wav; several are named tune-SEED.*."
_EVERY = (
    Verb("compose", compose, _COMPOSE, (Pick, Output, Tunes), may_lack=["k"]),
    _verb(Infill),
    _verb(Extend),
    _verb(Bridge),
    _verb(Vary),
    _verb(Morph, Steps),
    _verb(Blend, BlendPlan, may_lack=["songs", "weights"]),
)
VERBS = {verb.name: verb for verb in _EVERY}
