"""What is read of files now, and was not while only 4/4 was: `python benchmarks/metres.py ARCHIVE [N]`.

Of the first N (1,000) files of an archive that can be read: how many have bars in other metres or melodies on a grid
of triplets, and how many give a melody only because of these.
"""

from __future__ import annotations

import sys
from collections import Counter
from itertools import islice

from cantilena.corpus.sources import Sources
from cantilena.errors import MidiError
from cantilena.music.extract import candidates
from cantilena.music.metre import FOUR_FOUR
from cantilena.music.midi import read_song


def main(archive: str, number: str = "1000") -> None:
    files: Counter[str] = Counter()
    melodies: Counter[str] = Counter()
    for file in islice(Sources([archive]), int(number)):
        try:
            song = read_song(file.data, name="file")
            found = candidates(song)
            before = [c for c in candidates(song, FOUR_FOUR) if c.melody is not None]
        except MidiError:
            files["cannot be read"] += 1
            continue
        now = [c.melody.metre for c in found if c.melody is not None]
        melodies.update(str(metre) for metre in now)
        files["with a melody"] += bool(now)
        files["with one in 4/4 sixteenths"] += bool(before)
        files["with one only in another metre or in triplets"] += bool(now) and not before
        files["with one in another metre"] += any(m.bar_quarters != 4 for m in now)
        files["with one in triplets"] += any(m.quarter_steps == 3 for m in now)
    for counts in (files, melodies):
        for what, count in counts.most_common():
            print(f"{count:6,} {what}")
        print()


if __name__ == "__main__":
    main(*sys.argv[1:])
