"""A song's chords as a progression: bar by bar, in the words of the rule `Chords`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cantilena.errors import MidiError
from cantilena.music.bars import Bar, bar_lines, stretches
from cantilena.music.extract import extract, regions
from cantilena.music.metre import Metre, Metres, grids
from cantilena.music.midi import Song
from cantilena.notation.chords import Placed, chords_of
from cantilena.notation.estimated_chords import estimate_chords
from cantilena.rules.chords import ESTIMATED, MOST_CHORDS, NO_CHORD, nearest_chord

__all__ = ["Whole", "bars_again", "in_bars", "progression", "whole"]


class Whole(NamedTuple):
    """A song's chords from the first one on, in the metre that most of it is in."""

    chords: str  # as the rule takes them
    metre: Metre
    bars: int


def progression(song: Song, *, guess: bool = False) -> list[str]:
    """The chords of each bar, "C G"; "N.C." where there are none. Empty for a song without symbols.

    With `guess` they are estimated from the notes. Raises MidiError as `chords_of`.
    """
    lines = bar_lines(song)
    if guess:
        return [" ".join(name or NO_CHORD.name for name in names) for names in estimate_chords(song, lines)]
    found = chords_of(song)
    return in_bars(found, lines) if found else []


def in_bars(placed: Sequence[Placed], bars: Sequence[Bar]) -> list[str]:
    """Chord symbols, in order, as those of each bar: on its beats, in as few equal parts as tell them apart.

    A symbol lasts until the next one. One that the rule does not know is the nearest that it does.

    >>> waltz, four = Bar(0, 3, "3/4"), Bar(3, 7, "4/4")
    >>> symbols = [Placed(1, 2 / 3, "D7"), Placed(2, 0.0, "G"), Placed(2, 0.5, "C"), Placed(2, 0.9, "F")]
    >>> in_bars(symbols, [waltz, four, four])
    ['N.C. D7', 'G C', 'F']
    """
    beats = [_beats(bar.metre) for bar in bars]
    at: dict[tuple[int, int], str] = {}
    for bar, share, name in placed:
        beat = int(share * beats[bar - 1] + 0.5)  # one that comes early is that of the beat it leads to
        at[(bar + 1, 0) if beat == beats[bar - 1] else (bar, beat)] = nearest_chord(name).name
    found, now = [], NO_CHORD.name
    for number, count in enumerate(beats, 1):
        names = []
        for beat in range(count):
            now = at.get((number, beat), now)
            names.append(now)
        found.append(" ".join(_fewest(names)))
    return found


def bars_again(progression: Sequence[str], bars: int) -> list[str]:
    """What is played on `bars` bars beyond a song: the chords of as many of its last bars, as often as it takes.

    >>> bars_again(["C", "F", "G"], 2), bars_again(["C", "G"], 5)
    (['F', 'G'], ['C', 'G', 'C', 'G', 'C'])
    """
    last = progression[-bars:]
    return [last[k % len(last)] for k in range(bars)]


def whole(song: Song, metres: Metres = None) -> Whole:
    """The chords of a whole song, its symbols or, where it has none, what its notes say ("estimated | C | ...").

    Of a song that changes metre it is the longest stretch in one; bars before the first chord are left out.
    Raises MidiError for a song without chords and without notes that could tell them.
    """
    names = progression(song)
    guessed = not names
    names = names or progression(song, guess=True)
    every = stretches(song, metres)
    if not every:
        raise MidiError(f"{song.name}: no bars in a metre that is known")
    stretch = max(every, key=lambda one: one.bars)
    names = names[stretch.first - 1 : stretch.first - 1 + stretch.bars]
    first = next((k for k, bar in enumerate(names) if set(bar.split()) != {NO_CHORD.name}), None)
    if first is None:
        raise MidiError(f"{song.name}: has no chords, and no notes that could tell them")
    text = f"| {' | '.join(names[first:])} |"
    return Whole(f"{ESTIMATED} {text}" if guessed else text, _metre(song, stretch.region, metres), len(names) - first)


def _metre(song: Song, region: int, metres: Metres) -> Metre:
    """The metre of a region, on the grid of its melody, or in sixteenths where it has none."""
    *_, numerator, denominator = regions(song, metres)[region]
    known = grids(numerator, denominator, metres)
    try:
        melody = extract(song, metres=metres).melody
    except MidiError:
        return known[0]
    return melody.metre if melody is not None and melody.metre in known else known[0]


def _beats(metre: str) -> int:
    """How many beats a bar has, at most as many as it can have chords."""
    try:
        parsed = Metre.parse(metre)
    except ValueError:
        return 1
    beats = parsed.bar_steps // parsed.beat_steps
    while beats > MOST_CHORDS:
        beats = beats // 2 if beats % 2 == 0 else 1
    return beats


def _fewest(names: Sequence[str]) -> list[str]:
    """The fewest names that the rule would spread over the beats as they are; the first ones have what is left over."""
    for count in range(1, len(names)):
        each, more = divmod(len(names), count)
        lengths = [each + (k < more) for k in range(count)]
        ends = [sum(lengths[: k + 1]) for k in range(count)]
        few = [names[end - length] for end, length in zip(ends, lengths, strict=True)]
        if [name for name, length in zip(few, lengths, strict=True) for _ in range(length)] == list(names):
            return few
    return list(names)
