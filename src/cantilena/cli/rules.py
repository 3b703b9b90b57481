"""What the verbs that take rules have in common: their options, and how a receipt is shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cantilena.receipt import Receipt

__all__ = [
    "AsJson", "ChordsRule", "ContourRule", "DensityRule", "FormOf", "FormRule", "KeyRule", "RangeRule", "RhythmRule",
    "Weights", "asked", "show",
]  # fmt: skip

KeyRule = Annotated[
    str | None, typer.Option("--key", metavar="KEY", help='"D dorian", "Bb major": all notes in this scale.')
]
RangeRule = Annotated[str | None, typer.Option("--range", metavar="LOW-HIGH", help="C4-A5: no note outside.")]
DensityRule = Annotated[str | None, typer.Option("--density", metavar="N..M", help="4..6: notes that begin in a bar.")]
RhythmRule = Annotated[
    str | None, typer.Option("--rhythm", metavar="RHYTHM", help="syncopated, straight, or the rhythm of a MIDI file.")
]
ContourRule = Annotated[
    str | None, typer.Option("--contour", metavar="SHAPE", help='rise, fall, arch, valley, or "C4 E4 G4": its way.')
]
ChordsRule = Annotated[
    str | None, typer.Option("--chords", metavar="CHORDS", help='"| Dm7 | G7 | C |": chord tones on strong beats.')
]
FormRule = Annotated[str | None, typer.Option("--form", metavar="FORM", help="AABA, ABAB': what comes again.")]
FormOf = Annotated[
    Path | None, typer.Option("--form-of", metavar="SONG.mid", help="What comes again is what does in this song.")
]
Weights = Annotated[
    str | None, typer.Option("--weights", metavar="RULE=W,...", help="form=3,density=1: what matters more; each 1.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the receipt as JSON.")]


def asked(
    *, form_of: Path | None = None, weights: str | None = None, **words: str | None
) -> dict[str, Any] | None:  # fmt: skip
    """Rules in words, as `Composer` takes them; None where there are none. ValueError for weights that fit no rule."""
    if form_of is not None:
        if words.get("form") is not None:
            raise ValueError("--form and --form-of: give one")
        words["form"] = str(form_of)
    given: dict[str, Any] = {name: text for name, text in words.items() if text is not None}
    for part in weights.split(",") if weights else []:
        name, _, weight = (piece.strip() for piece in part.partition("="))
        try:
            given[name] = [given[name], float(weight)]
        except (KeyError, ValueError):
            known = ", ".join(given) or "none is asked for"
            raise ValueError(f"--weights: {part!r} is not a rule that is asked for ({known}) = a number") from None
    return given or None


def show(receipt: Receipt | None, *, as_json: bool) -> None:
    """Print a receipt's JSON, or, where rules were asked for, its table."""
    if receipt is not None and as_json:
        print(receipt.to_json())
    elif receipt is not None and receipt.rows:
        print(receipt.table())
