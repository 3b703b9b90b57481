"""The chords that an edit follows: those that are asked for, or else those of the song that it is done to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cantilena.asked import ESTIMATE, NONE, AskedRules, RulesGiven
from cantilena.music.locks import Locks
from cantilena.music.melody import REST, Melody, to_token
from cantilena.notation.progression import bars_again, progression, whole
from cantilena.rules import ESTIMATED, NO_CHORD, Chords, HardRule, Rules
from cantilena.sources import Source
from cantilena.verbs.site import Site

__all__ = ["following"]


def following(given: RulesGiven | None, song: Source, site: Site, *, beyond: bool = False) -> AskedRules | None:
    """The rules with chords for the bars that the site composes: all that is asked, in words that need no song.

    Chords that are asked for stay, and "none" is none. Without any they are the song's symbols, and of "estimate" what
    its notes say; `beyond` the song, those of its last bars come again. They never stand in the way: a bar in which
    they leave no note beside the other rules, or contradict a note to keep, has none. ValueError for "estimate" of a
    Melody, MidiError where a song's events cannot be followed.
    """
    asked = AskedRules() if given is None else AskedRules.of(given)
    if asked.chords_of is not None:
        return asked.told_chords(whole(Source.of(asked.chords_of).song).chords)
    if asked.chords not in (None, ESTIMATE):
        return None if given is None else asked
    guess = asked.chords == ESTIMATE
    if song.melody is not None:
        if guess:
            raise ValueError("chords: those of a Melody are not estimated; give some, or a file")
        return None if given is None else asked
    names = progression(song.song, guess=guess)
    if not names:
        return None if given is None else asked
    bar = site.metre.bar_steps
    new = np.flatnonzero((~site.locks.locked).reshape(-1, bar).any(axis=1))
    if beyond:
        begins = 0 if site.locks.locked[0] else len(names)  # new bars before a song have no numbers in it
        inside = [number for number in (new + site.first).tolist() if number + begins <= len(names)]
        chords = [names[number - 1] for number in inside]
        chords += bars_again(names, new.size - len(inside)) if new.size > len(inside) else []
    else:
        chords = [names[number - 1] for number in (new + site.first).tolist()]
    chords = _fitting(chords, asked.told_chords(NONE).rules(), site.locks, new)
    if all(set(one.split()) == {NO_CHORD.name} for one in chords):
        return asked.told_chords(NONE)
    text = f"| {' | '.join(chords)} |"
    return asked.told_chords(str(Chords(f"{ESTIMATED} {text}" if guess else text)))


def _fitting(chords: Sequence[str], others: Rules | None, locks: Locks, bars: NDArray[np.int64]) -> list[str]:
    """The chords of some bars, and no chord in those where they and what is held, or asked besides, contradict."""
    metre = locks.metre
    rule = Chords(f"| {' | '.join(chords)} |")
    allowed = rule.allowed(len(chords) * metre.bar_steps, metre)
    hard = [one for one in others.rules if isinstance(one, HardRule)] if others is not None else []
    both = np.logical_and.reduce([allowed, *(one.allowed(len(allowed), metre) for one in hard)])
    fits = both[:, 2:].any(axis=1)
    judged = np.zeros((locks.locked.size // metre.bar_steps, metre.bar_steps), np.bool_)
    judged[bars] = True
    held = np.where(judged.reshape(-1) & locks.locked, locks.tokens, REST)[judged.reshape(-1)]
    for start, end, pitch in zip(*(a.tolist() for a in Melody.from_tokens(held, metre=metre).notes), strict=True):
        fits[start:end] &= allowed[start:end, to_token(pitch)]
    whole = fits.reshape(len(chords), -1).all(axis=1)
    return [name if fine else NO_CHORD.name for name, fine in zip(chords, whole.tolist(), strict=True)]
