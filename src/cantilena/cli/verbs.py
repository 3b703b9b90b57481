"""Runs the verbs on the command line: makes a request from the options, performs it and saves the result."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from cantilena.cli.command import command, given_to
from cantilena.cli.places import check_new, check_output, check_place, free_stem
from cantilena.cli.shell import BlendPlan, Output, Shell, Steps, Tunes
from cantilena.codec import sources_of
from cantilena.music.texts import printable
from cantilena.requests import Blend, Bridge, Compose, Extend, Infill, Morph, Pick, Request, Vary

if TYPE_CHECKING:
    from cantilena.composer import Composer
    from cantilena.provenance import KnownTunes
    from cantilena.result import Result

__all__ = ["COMMANDS"]

_BATCH_BARS = 64 * 64  # composed at once
_ALL_FORMATS = "mid,svg,wav"


class _PlanFile(msgspec.Struct, forbid_unknown_fields=True):
    songs: list[str]
    weights: list[list[float]]


def _compose(given: dict[str, Any]) -> None:
    output = given_to(Output, {"where": ".", "formats": _ALL_FORMATS, **given})
    folder, shell = Path(output.where or "."), given_to(Tunes, given)
    check_place(folder, folder)
    if shell.any:
        given["voice"] = "any"
    request: Compose = given_to(Pick if "k" in given else Compose, _seeded(given))
    _remark(request)
    composer = _load(shell)
    known = _known(composer) if shell.provenance else None
    results, several = _tunes(composer, request, shell.number)
    failed: list[int] = []
    for result in results:
        seed = result.receipt.request.seed
        stem = folder / (f"tune-{seed}" if several else "tune")
        if not output.force:
            stem = free_stem(stem, map(_ending, output.formats))
        for suffix in output.formats:
            result.save(stem.with_suffix(f".{_ending(suffix)}"))
        _say(f"{stem}.{'|'.join(map(_ending, output.formats))}  seed {seed}  {result.melody!r}", result, output)
        if known is not None:
            print("\n".join(map(printable, known.nearest(result.melody).text().splitlines())))
        if output.open:
            _open(stem.with_suffix(".mid"), output)
        failed += _failed(result)
    _end(failed)


def _known(composer: Composer) -> KnownTunes:
    """The tunes that a model learned from."""
    from cantilena.provenance import KnownTunes

    return KnownTunes.load(composer.model.folder, composer.model.about)


def _tunes(composer: Composer, request: Compose, number: int) -> tuple[Iterator[Result], bool]:
    """Compose a batch at a time; also say whether there is more than one melody."""
    if isinstance(request, Pick):
        return iter(composer(request).parts), request.k > 1
    size, seeds = max(1, min(64, _BATCH_BARS // request.bars)), range(request.seed, request.seed + number)
    batches = (composer.compose_many(seeds[i : i + size], request) for i in range(0, number, size))
    return chain.from_iterable(batches), number > 1


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
        check_place(file, file.parent)
        request = given_to(kind, _seeded(given))
        read = [source.path for source in sources_of(request) if source.path is not None]
        check_output(file, read, force=output.force)
        others = [file.with_suffix(f".{_ending(suffix)}") for suffix in output.formats if suffix != "mid"]
        check_new(others, force=output.force)
        _remark(request)
        result = _load(more)(request)
        for suffix in output.formats:
            result.save(file if suffix == "mid" else file.with_suffix(f".{_ending(suffix)}"))
        if folder is not None:
            width = max(2, len(str(len(result.parts))))
            for k, part in enumerate(result.parts, 1):
                part.save(folder / f"morph-{k:0{width}}.mid")
        _say(f"{file}  {_told(result)}  {result.melody!r}", result, output)
        if output.open:
            _open(file, output)
        _end(_failed(result))

    return run


def _remark(request: Request) -> None:
    """Print what the readers of the request's songs would say about them, a line each."""
    for source in sources_of(request):
        for remark in source.remarks:
            print(f"cantilena: {printable(remark)}", file=sys.stderr)


def _ending(format: str) -> str:
    """Return the ending of a format's files, without its dot."""
    from cantilena.notation.writing import ENDINGS

    return ENDINGS.get(format, format).removeprefix(".")


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


def _load(shell: Shell) -> Composer:
    from cantilena.composer import load

    return load(shell.model)


def _seeded(given: dict[str, Any]) -> dict[str, Any]:
    """Add a seed by chance where none was given."""
    return {"seed": secrets.randbelow(2**31), **given}


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
            told = f"track {result.track}  strength {r.strength:g}"
        case Morph() as r:
            told = f"{r.steps} steps of {result.bars // r.steps} bars" if not r.step else f"step {r.step} of {r.steps}"
        case Blend() as r:
            told = f"{len(r.tracks or ())} songs"
        case r:
            told = r.verb
    return f"{told}  seed {r.seed}"


def _say(line: str, result: Result, output: Output) -> None:
    if output.json:
        print(result.receipt.to_json())
        return
    print(line)
    if result.receipt.rows:
        print(result.receipt.table())


def _open(file: Path, output: Output) -> None:
    """Open what was written: what shows most of it."""
    from cantilena.cli.system import open_file

    best = next(ending for ending in ("html", "svg", "mid", *output.formats) if ending in output.formats)
    open_file(file.with_suffix(f".{_ending(best)}"))


def _failed(result: Result) -> list[int]:
    """The seed of a result in which a rule is kept in fewer than half of its bars; else nothing."""
    from cantilena.verbs.outcome import HALF, least_kept

    return [result.receipt.request.seed] if least_kept(result.receipt.rows) < HALF else []


def _end(failed: list[int]) -> None:
    """Exit with 3, and say it in one line, where rules failed with these seeds."""
    if failed:
        seeds = ", ".join(map(str, failed[:5]))
        print(f"cantilena: a rule is kept in fewer than half of its bars (seed {seeds}): ask for less", file=sys.stderr)
        raise typer.Exit(3)


def _verb(kind: type[Request], shell: type[Shell] = Shell, **more: Any) -> Callable[..., None]:
    tag = str(kind.__struct_config__.tag)
    return command(_edit(kind, shell), tag, kind.__doc__ or "", [kind, Output, shell], needs=["where"], **more)


COMMANDS = {
    "compose": command(
        _compose, "compose", "Compose new melodies: tune.mid, tune.svg, tune.wav; several are named tune-SEED.*.",
        [Pick, Output, Tunes], may_lack=["k"],
    ),
    "infill": _verb(Infill),
    "extend": _verb(Extend),
    "bridge": _verb(Bridge),
    "vary": _verb(Vary),
    "morph": _verb(Morph, Steps),
    "blend": _verb(Blend, BlendPlan, may_lack=["songs", "weights"]),
}  # fmt: skip
