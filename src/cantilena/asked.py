"""`AskedRules`: what is asked of the bars that are composed, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from msgspec import field
from msgspec.structs import replace

from cantilena.fields import Described, about
from cantilena.sources import Music, Source

if TYPE_CHECKING:
    from cantilena.rules import MusicRule, Rule, Rules

__all__ = ["ESTIMATE", "NONE", "AskedRules", "RulesGiven", "asked_rules"]

NONE, ESTIMATE = "none", "estimate"  # of chords: what stands in the song is let go of, or guessed
_OF_A_SONG = ("rhythm", "form")
_WITH_SONGS = (*_OF_A_SONG, "chords")


def _weights(given: Any) -> dict[str, float]:
    """Weights by rule, or as words: "form=3,density=1"."""
    if not isinstance(given, str):
        return {name: weight.item() if hasattr(weight, "item") else weight for name, weight in dict(given).items()}
    found = {}
    for part in given.split(","):
        name, _, weight = (piece.strip() for piece in part.partition("="))
        try:
            found[name] = float(weight)
        except ValueError:
            raise ValueError(f"weights: {part!r} is not a rule = a number; for example form=3,density=1") from None
    return found


class AskedRules(Described, frozen=True, kw_only=True):
    """What the rules ask of the bars that are composed. `key`, `range` and `chords` hold exactly; the others steer."""

    key: Annotated[str | None, about('All notes lie in this scale: "D dorian", "Bb major".', metavar="KEY")] = None
    range: Annotated[str | None, about("No note lies outside: C4-A5.", metavar="LOW-HIGH")] = None
    density: Annotated[str | None, about("This many notes begin in each bar: 4..6.", metavar="N..M")] = None
    rhythm: Annotated[
        str | None,
        about("The rhythm is syncopated or straight, or a MIDI file's.", metavar="RHYTHM"),
    ] = None
    rhythm_of: Annotated[Music | None, about("The rhythm is this song's.", metavar="SONG.mid", read=Source.of)] = None
    contour: Annotated[
        str | None, about('The melody moves like this: rise, fall, arch, valley, or "C4 E4 G4".', metavar="SHAPE")
    ] = None
    chords: Annotated[
        str | None,
        about(
            'Chord tones stand on strong beats: "| Dm7 | G7 | C |". Edits follow the symbols of the song: none lets go '
            "of them, and estimate guesses some from the notes. New bars beyond a song have its last bars' again.",
            metavar="CHORDS",
        ),
    ] = None
    chords_of: Annotated[
        Music | None,
        about(
            "The chords are this song's, from its first one on; of a song without symbols, estimated from its notes. A "
            "new melody has its metre and as many bars.",
            metavar="SONG",
            read=Source.of,
        ),
    ] = None
    form: Annotated[
        str | None, about("The form says which parts come again: AABA, ABAB' (a prime: varied).", metavar="FORM")
    ] = None
    form_of: Annotated[
        Music | None, about("The same bars come again as in this song.", metavar="SONG.mid", read=Source.of)
    ] = None
    weights: Annotated[
        dict[str, float],
        about(
            "Some rules matter more than others, which weigh 1: form=3,density=2.", metavar="RULE=W,...", read=_weights
        ),
    ] = field(default_factory=dict)
    own: Annotated[
        dict[str, Any], about("Functions of your own, from a melody to the cost of each bar (Python only).", flag="-")
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in _WITH_SONGS:
            if getattr(self, name) is not None and getattr(self, f"{name}_of") is not None:
                raise ValueError(f"{name} and {name}_of: give one")
        super().__post_init__()
        if self.chords_of is not None and Source.of(self.chords_of).melody is not None:
            raise ValueError("chords_of: a Melody has no chords; give a file")
        asked = [*self.words, *self.own, *([] if self.chords_of is None else ["chords"])]
        for name in self.weights:
            if name not in asked:
                raise ValueError(
                    f"weights: {name!r} is not a rule that is asked for ({', '.join(asked) or 'none is asked for'})"
                )

    @classmethod
    def of(cls, given: RulesGiven) -> AskedRules:
        """From words, {"key": "D dorian", "density": ["4..6", 2]} where 2 is a weight, or from rules.

        A rhythm or a form that is written like a file's name is that of the file. Raises ValueError for anything else.
        """
        if isinstance(given, AskedRules):
            return given
        if isinstance(given, Mapping):
            return _of_words(given)
        return _of_rules(given)

    @property
    def words(self) -> dict[str, str | Source]:
        """What is asked by each rule that has a name, in their fixed order: a text, or a song."""
        found: dict[str, str | Source] = {}
        for name in ("key", "range", "density", "rhythm", "contour", "chords", "form"):
            asked = getattr(self, name)
            if asked is None and name in _OF_A_SONG:
                asked = getattr(self, f"{name}_of")
            if asked is not None and (name, asked) != ("chords", NONE):
                found[name] = asked
        return found

    def told_chords(self, chords: str | None) -> AskedRules:
        """The same with these chords, or NONE."""
        none = chords in (None, NONE)
        weights = {name: weight for name, weight in self.weights.items() if not (none and name == "chords")}
        return replace(self, chords=chords, chords_of=None, weights=weights)

    def rules(self) -> Rules | None:
        """The rules themselves; None where nothing is asked.

        Raises ValueError for words that no rule understands and for rules that cannot be kept together, MidiError for
        a song without a melody.
        """
        from cantilena.rules import Rules

        if self.chords == ESTIMATE:
            raise ValueError("chords: only those of a song are estimated")
        if self.chords_of is not None:
            from cantilena.notation.progression import whole

            return self.told_chords(whole(Source.of(self.chords_of).song).chords).rules()
        rules: list[Rule] = [_rule(name, asked) for name, asked in self.words.items()]
        for name, own in self.own.items():
            if not callable(own):
                raise ValueError(f"{name} is a rule of somebody's own: only its name is here, not the function")
            rules.append(own)
        names = [*self.words, *self.own]
        return Rules(rules, [self.weights.get(name, 1.0) for name in names], names) if rules else None


def asked_rules(given: RulesGiven | None) -> Rules | None:
    """The rules that are asked for; None where there are none. Errors as of `AskedRules.rules`."""
    return None if given is None else AskedRules.of(given).rules()


def _rule(name: str, asked: str | Source) -> MusicRule:
    from cantilena.rules import Form, Rhythm, parse_rule

    if isinstance(asked, str):
        return parse_rule(name, asked)
    kind = Rhythm if name == "rhythm" else Form
    return kind.of(asked.tune()[0], asked.name)


def _of_words(given: Mapping[str, Any]) -> AskedRules:
    from cantilena.rules import RULES

    asked: dict[str, Any] = {"weights": dict(_weights(given.get("weights", {})))}
    for name, value in given.items():
        if name in ("weights", "own") or name.endswith("_of"):
            asked.setdefault(name, value)
            continue
        if name not in RULES:
            raise ValueError(f"a rule is one of {', '.join(RULES)}, not {name!r}")
        if isinstance(value, list | tuple) and len(value) == 2:
            value, asked["weights"][name] = value
        if not (value is None or isinstance(value, str)):
            raise ValueError(f"{name}: a rule is asked for in words, or in words and a weight, not {value!r}")
        of_a_file = value is not None and name in _OF_A_SONG and Path(value).suffix
        asked[f"{name}_of" if of_a_file else name] = value
    return AskedRules(**asked)


def _of_rules(given: Rules | Sequence[Rule]) -> AskedRules:
    """Rules that words can say become words; of others the function is kept."""
    from cantilena.rules import RULES, MusicRule, Rules

    rules = given if isinstance(given, Rules) else Rules(list(given))
    words: dict[str, str] = {}
    own: dict[str, Rule] = {}
    weights = {}
    for rule, weight, name in zip(rules.rules, rules.weights, rules.names, strict=True):
        in_words = isinstance(rule, MusicRule) and name == rule.name in RULES and getattr(rule, "song", None) is None
        if in_words and name not in words:
            words[name] = str(rule)
        else:
            while name in words or name in own:
                name += "'"
            own[name] = rule
        weights[name] = weight
    return AskedRules(**words, own=own, weights={name: weight for name, weight in weights.items() if weight != 1})


if TYPE_CHECKING:  # what may be given; what a request holds of it is an AskedRules
    RulesGiven: TypeAlias = AskedRules | Mapping[str, Any] | Rules | Sequence[Rule]
else:
    RulesGiven = AskedRules
