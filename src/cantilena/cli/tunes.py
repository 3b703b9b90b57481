"""`cantilena compose`: new melodies, each written when it is made."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cantilena.cli.made import check_streamed, end, ending, failed, open_made, remark, remark_on, save, say, seeded
from cantilena.cli.options import given_to
from cantilena.cli.places import check_new, check_place, free_stem
from cantilena.cli.progress import Tell, progress
from cantilena.cli.shell import Output, Tunes
from cantilena.cli.streams import is_stream
from cantilena.music.texts import printable
from cantilena.requests import Compose, Pick
from cantilena.sources import Source
from cantilena.vocabulary import FORMATS

if TYPE_CHECKING:
    from cantilena.composer import Composer
    from cantilena.result import Result

__all__ = ["compose"]

_BATCH = 8  # melodies composed at once: more are hardly faster, and the first is written later
_BATCH_BARS = 64 * _BATCH
_ALL_FORMATS = "mid,svg,wav"


def compose(given: dict[str, Any]) -> None:
    """Compose what the options ask for, and write tune after tune."""
    streamed, named = is_stream(given.get("where")), _format_of(given.get("where"))
    formats = "mid" if streamed else named or _ALL_FORMATS
    output = given_to(Output, {"where": ".", "formats": formats, **given})
    place, shell = Path(output.where or "."), given_to(Tunes, given)
    if (streamed or named) and (shell.number > 1 or given.get("k", 1) > 1):
        raise ValueError(f"-o {place}: is for one tune; give a folder for more")
    if streamed:
        check_streamed(output)
    elif named:
        check_place(place, place.parent)
        place = place.with_name(place.name[: -len(ending(named)) - 1])
        check_new((_file(place, format) for format in output.formats), force=output.force)
    else:
        check_place(place, place)
    if shell.any:
        given["voice"] = "any"
    request: Compose = given_to(Pick if "k" in given else Compose, seeded(given))
    remark(request)
    if (song := given.get("chords_of")) is not None and not is_stream(song):
        remark_on(Source.of(song))  # the request holds its chords, and not the song
    from cantilena.composer import load

    composer = load(shell.model)
    several = (request.k if isinstance(request, Pick) else shell.number) > 1
    known = _known(composer) if shell.provenance else None
    short: list[int] = []
    with progress("composing") as tell:
        for result in _made(composer, request, shell.number, tell):
            seed = result.receipt.request.seed
            stem = place if named else place / (f"tune-{seed}" if several else "tune")
            if not (output.force or streamed or named):
                stem = free_stem(stem, map(ending, output.formats))
            save(result, output, partial(_file, stem))
            file = "-" if streamed else f"{stem}.{'|'.join(map(ending, output.formats))}"
            say(f"{file}  seed {seed}  {result.melody!r}", result, output)
            if known is not None:
                lines = map(printable, known.nearest(result.melody).text().splitlines())
                print("\n".join(lines), file=sys.stderr if streamed else sys.stdout)
            if output.open:
                open_made(_file(stem, "mid"), output)
            short += failed(result)
    end(short)


def _format_of(where: str | None) -> str | None:
    """The format that a name for one tune asks for by its ending, the longest of those it has; None for a folder."""
    if where is None or Path(where).is_dir() or Path(where).name.startswith("."):
        return None
    asked = [format for format in FORMATS if where.lower().endswith(f".{ending(format)}")]
    return max(asked, key=lambda format: len(ending(format)), default=None)


def _file(stem: Path, format: str) -> Path:
    return stem.with_name(f"{stem.name}.{ending(format)}")


def _known(composer: Composer) -> Any:
    """The tunes that a model learned from."""
    from cantilena.provenance import KnownTunes

    return KnownTunes.load(composer.model.folder, composer.model.about)


def _made(composer: Composer, request: Compose, number: int, tell: Tell | None) -> Iterator[Result]:
    """Compose, a batch at a time: one where each takes its own time, some where they are drawn together."""
    if isinstance(request, Pick):
        yield from composer(request, tell).parts
        return
    together = request.plain and request.rules is None and request.motif is None
    size = max(1, min(_BATCH, _BATCH_BARS // request.bars)) if together else 1
    seeds = range(request.seed, request.seed + number)
    for first in range(0, number, size):
        batch = seeds[first : first + size]

        def told(done: int, every: int, first: int = first, batch: range = batch) -> None:
            if tell:
                tell(first + len(batch) * done / every, number)

        yield from composer.compose_many(batch, request, told if tell else None)
