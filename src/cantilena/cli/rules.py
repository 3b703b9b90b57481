"""What the verbs that take rules have in common: their options, and how a receipt is shown."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

if TYPE_CHECKING:
    from cantilena.receipt import Receipt

__all__ = ["AsJson", "Asked", "show", "takes_rules"]

Asked: TypeAlias = dict[str, Any] | None  # rules in words, as `Composer` takes them
AsJson = Annotated[bool, typer.Option("--json", help="Print the receipt as JSON.")]

_OPTIONS: dict[str, tuple[Any, typer.models.OptionInfo]] = {
    "key": (str, typer.Option("--key", metavar="KEY", help='"D dorian", "Bb major": all notes in this scale.')),
    "range": (str, typer.Option("--range", metavar="LOW-HIGH", help="C4-A5: no note outside.")),
    "density": (str, typer.Option("--density", metavar="N..M", help="4..6: notes that begin in a bar.")),
    "rhythm": (
        str,
        typer.Option("--rhythm", metavar="RHYTHM", help="syncopated, straight, or the rhythm of a MIDI file."),
    ),
    "contour": (
        str,
        typer.Option("--contour", metavar="SHAPE", help='rise, fall, arch, valley, or "C4 E4 G4": its way.'),
    ),
    "chords": (
        str,
        typer.Option("--chords", metavar="CHORDS", help='"| Dm7 | G7 | C |": chord tones on strong beats.'),
    ),
    "form": (str, typer.Option("--form", metavar="FORM", help="AABA, ABAB': what comes again.")),
    "form_of": (
        Path,
        typer.Option("--form-of", metavar="SONG.mid", help="What comes again is what does in this song."),
    ),
    "weights": (
        str,
        typer.Option("--weights", metavar="RULE=W,...", help="form=3,density=1: what matters more; each 1."),
    ),
}


def takes_rules(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the options of all rules in place of its parameter `rules`, which gets what they ask (`Asked`)."""
    signature = inspect.signature(command, eval_str=True)
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option])
        for name, (kind, option) in _OPTIONS.items()
    ]
    own = [p.replace(kind=p.KEYWORD_ONLY) for p in signature.parameters.values()]
    at = [p.name for p in own].index("rules")

    @wraps(command)
    def taking(**given: Any) -> None:
        command(rules=_asked(**{name: given.pop(name) for name in _OPTIONS}), **given)

    parameters = [*own[:at], *options, *own[at + 1 :]]
    taking.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    taking.__annotations__ = {p.name: p.annotation for p in parameters}
    return taking


def _asked(*, form_of: Path | None, weights: str | None, **words: str | None) -> Asked:
    """Rules in words; None where there are none. ValueError for weights that fit no rule."""
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
