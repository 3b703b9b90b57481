"""Holds what only the command line takes, as structs like the requests: output and model."""

from __future__ import annotations

from typing import Annotated

from cantilena.fields import Described, about
from cantilena.vocabulary import FORMATS, Formats, formats

__all__ = ["BlendPlan", "Output", "Shell", "Steps", "Tunes"]

_FORMATS = f"{', '.join(FORMATS)} joined by commas"


class Output(Described, frozen=True, kw_only=True):
    """Says where a result goes. It is no part of a request, so no path of yours gets into a file."""

    where: Annotated[
        str | None, about("Write the result to this place: OUT.mid, or of new tunes a folder.", flag="--output -o")
    ] = None
    formats: Annotated[
        Formats,
        about(
            "Write these formats: mid, svg (a roll), wav, html (picture and sound), musicxml, mxl (packed), abc, score "
            "(typeset, svg), pdf (typeset, pages of A4), joined by commas.",
            flag="--format", says=f"--format is {_FORMATS}", read=formats,
        ),
    ] = ("mid",)  # fmt: skip
    force: Annotated[bool, about("Let the output replace files that are there.")] = False
    open: Annotated[bool, about("Open the result as a double click does: a picture first, if one is written.")] = False
    json: Annotated[bool, about("Print the receipt as JSON.")] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.formats:
            raise ValueError(f"--format is {_FORMATS}, not nothing")
        if {"score", "pdf"} & set(self.formats):
            from cantilena.notation.engraving import check_typesetter

            for format in self.formats:
                check_typesetter(format)


class Shell(Described, frozen=True, kw_only=True):
    """Says which model performs the request."""

    model: Annotated[
        str | None,
        about("Compose with this model: the name of a shipped one, or a folder; by default open-64.", metavar="MODEL"),
    ] = None


class Tunes(Shell, frozen=True, kw_only=True):
    """Says how many melodies `compose` makes, and whether it asks for a voice."""

    number: Annotated[int, about("Compose this many melodies, with seeds from --seed up.", 1, 10_000, flag="-n")] = 1
    any: Annotated[bool, about("Compose in any voice, as --voice any does.")] = False
    provenance: Annotated[bool, about("Also show which training tunes each melody is nearest to.")] = False


class Steps(Shell, frozen=True, kw_only=True):
    """Says where `morph` writes its steps."""

    separate: Annotated[
        str | None,
        about("Also write each step as a file to this folder: morph-01.mid and so on.", metavar="DIR"),
    ] = None


class BlendPlan(Shell, frozen=True, kw_only=True):
    """Says which file `blend` reads songs and weights from."""

    plan: Annotated[
        str | None,
        about('Read songs and weights from this file: {"songs": ["a.mid", "b.mid"], "weights": [[1, 0], [0, 1]]}.',
              metavar="PLAN.json"),
    ] = None  # fmt: skip
