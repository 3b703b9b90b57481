"""What only the command line takes, as structs like the requests: where a result goes, and by which model."""

from __future__ import annotations

from typing import Annotated

from cantilena.fields import Described, about
from cantilena.vocabulary import Formats, read_formats

__all__ = ["Output", "Plan", "Shell", "Steps", "Tunes"]


class Output(Described, frozen=True, kw_only=True):
    """Where a result goes. It is no part of a request, so no path of yours gets into a file."""

    where: Annotated[
        str | None, about("The result is written there: OUT.mid, or a folder of new tunes.", flag="--output -o")
    ] = None
    formats: Annotated[
        Formats,
        about(
            "The files are of these kinds: mid, svg, wav, joined by commas.",
            flag="--format", says="--format is mid, svg, wav joined by commas", read=read_formats,
        ),
    ] = ("mid",)  # fmt: skip
    force: Annotated[bool, about("What is read may be replaced.")] = False
    json: Annotated[bool, about("The receipt is printed as JSON.")] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.formats:
            raise ValueError("--format is mid, svg, wav joined by commas, not nothing")


class Shell(Described, frozen=True, kw_only=True):
    """What only the command line takes."""

    model: Annotated[
        str | None,
        about("This model composes: a shipped one's name, or a folder; pop-64 without one.", metavar="MODEL"),
    ] = None


class Tunes(Shell, frozen=True, kw_only=True):
    """... for new melodies."""

    number: Annotated[
        int, about("So many melodies are composed, with seeds from --seed up.", flag="-n", low=1, high=10_000,
                   says="1 to 10000 melodies are composed"),
    ] = 1  # fmt: skip
    any: Annotated[bool, about("Nothing is asked of the voice, as with --voice any.")] = False


class Steps(Shell, frozen=True, kw_only=True):
    """... for a morph."""

    separate: Annotated[
        str | None,
        about("Each step is also written as a file of its own there: morph-01.mid and so on.", metavar="DIR"),
    ] = None


class Plan(Shell, frozen=True, kw_only=True):
    """... for a blend."""

    plan: Annotated[
        str | None,
        about('Songs and weights stand in this file: {"songs": ["a.mid", "b.mid"], "weights": [[1, 0], [0, 1]]}.',
              metavar="PLAN.json"),
    ] = None  # fmt: skip
