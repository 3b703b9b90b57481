"""How often estimated chords are right: `python benchmarks/chords.py FOLDER [NUMBER]`, a folder of lead sheets.

NUMBER (100) songs with chord symbols are played with their own chords, which are then estimated from the notes: struck
with the bass beneath (block), broken into beats from the bass up (broken), as bass alone under the tune (bass), and not
at all (alone). What is right has the root and the third of the chord that stands there.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from cantilena.errors import MidiError
from cantilena.music.bars import Bar, bar_lines
from cantilena.music.extract import extract
from cantilena.music.metre import COMMON
from cantilena.music.midi import Song, Track
from cantilena.notation.progression import progression
from cantilena.rules import NO_CHORD, Chords, chord_notes
from cantilena.rules.chords import lasting
from cantilena.sources import Source

WAYS = ("block", "broken", "bass", "alone")


def played(song: Song, melody: int, names: list[str], lines: list[Bar], way: str) -> Song:
    """The tune of a song over its chords, one bar after another."""
    notes: list[tuple[int, int, int]] = []
    for names_of_bar, bar in zip(names, lines, strict=True):
        for start, end, (bass, *voices) in chord_notes(Chords(names_of_bar), 1):
            begin, stop = (bar.begin + (bar.end - bar.begin) * at // 16 for at in (start, end))
            if way == "block":
                notes += [(begin, stop, pitch) for pitch in (bass, *voices)]
            elif way == "bass":
                notes.append((begin, stop, bass))
            elif way == "broken":
                count = max(1, round((stop - begin) / song.ticks_per_quarter))
                for k, at in enumerate(np.linspace(begin, stop, count, endpoint=False).astype(int).tolist()):
                    pitch = bass if k == 0 else voices[(k - 1) % len(voices)]
                    notes.append((at, at + (stop - begin) // count, pitch))
    start, end, pitch = np.array(notes, np.int64).reshape(-1, 3).T
    chords = Track("Chords", 0, False, start, end, pitch)
    return replace(song, tracks=(song.tracks[melody], chords) if notes else (song.tracks[melody],))


def kinds(names: str, bar: Bar) -> list[tuple[int, bool, bool] | None]:
    """Root, and whether a minor or a major third stands on it, in each sixteenth of a bar; None without a chord."""
    each: list[tuple[int, bool, bool] | None] = [None] * 16
    for chord, start, end in lasting(Chords(names).bars[0], COMMON):
        if chord != NO_CHORD:
            above = {(tone - chord.root) % 12 for tone in chord.tones}
            each[start:end] = [(chord.root, 3 in above, 4 in above)] * (end - start)
    return each


def main(folder: str, number: str = "100") -> None:
    """Print the shares of time, and of bars of one chord."""
    right: dict[str, list[tuple[float, float, float]]] = {way: [] for way in WAYS}
    songs = 0
    for path in sorted(Path(folder).rglob("*.*")):
        try:
            song = Source.of(path).song
            names, melody, lines = progression(song), extract(song).track, bar_lines(song)
        except MidiError:
            continue
        if not names:
            continue
        songs += 1
        for way in WAYS:
            heard = played(song, melody, names, lines, way)
            for asked, guessed, bar in zip(names, progression(heard, guess=True), lines, strict=True):
                pairs = [(a, g) for a, g in zip(kinds(asked, bar), kinds(guessed, bar), strict=True) if a and g]
                if pairs:
                    share = float(np.mean([a == g for a, g in pairs]))
                    root = float(np.mean([a[0] == g[0] for a, g in pairs]))
                    right[way].append((share, root, share if len(set(asked.split())) == 1 else np.nan))
        if songs == int(number):
            break
    print(f"{songs} songs, {len(right['block'])} bars: time that is right, with the right root; in bars of one chord")
    for way, found in right.items():
        table = np.array(found)
        print(f"{way:7} {table[:, 0].mean():.3f} {table[:, 1].mean():.3f} {np.nanmean(table[:, 2]):.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
