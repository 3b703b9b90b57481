"""What only the command line takes, as structs like the requests: where a result goes, and by which model."""

from __future__ import annotations

from typing import Annotated

from cantilena.fields import Described, about
from cantilena.vocabulary import Formats, formats

__all__ = ["Output", "Plan", "Shell", "Steps", "Tunes"]


class Output(Described, frozen=True, kw_only=True):
    """Where a result goes. It is no part of a request, so no path of yours gets into a file."""

    where: Annotated[
        str | None, about("Write the result there: OUT.mid, or a folder for new tunes.", flag="--output -o")
    ] = None
    formats: Annotated[
        Formats,
        about(
            "Write these formats: mid, svg, wav, joined by commas.",
            flag="--format", says="--format is mid, svg, wav joined by commas", read=formats,
        ),
    ] = ("mid",)  # fmt: skip
    force: Annotated[bool, about("Let the output replace a file that is read.")] = False
    json: Annotated[bool, about("Print the receipt as JSON.")] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.formats:
            raise ValueError("--format is mid, svg, wav joined by commas, not nothing")


class Shell(Described, frozen=True, kw_only=True):
    """What only the command line takes."""

    model: Annotated[
        str | None,
        about("Compose with this model, a shipped one's name or a folder; by default pop-64.", metavar="MODEL"),
    ] = None


class Tunes(Shell, frozen=True, kw_only=True):
    """... for new melodies."""

    number: Annotated[int, about("Compose this many melodies, with seeds from --seed up.", 1, 10_000, flag="-n")] = 1
    any: Annotated[bool, about("Ask nothing of the voice, as --voice any does.")] = False


class Steps(Shell, frozen=True, kw_only=True):
    """... for a morph."""

    separate: Annotated[
        str | None,
        about("Write each step as a file of its own there, too: morph-01.mid and so on.", metavar="DIR"),
    ] = None


class Plan(Shell, frozen=True, kw_only=True):
    """... for a blend."""

    plan: Annotated[
        str | None,
        about('Read songs and weights from this file: {"songs": ["a.mid", "b.mid"], "weights": [[1, 0], [0, 1]]}.',
              metavar="PLAN.json"),
    ] = None  # fmt: skip
