"""Which track of a song is its melody: `python benchmarks/melody_track.py ARCHIVE.tar.xz [SONGS] [SKIP]`.

Of the songs of an archive those of three melodies or more of which exactly one is named as the melody: SONGS (120) of
them, after SKIP (0) such. In how many that track is chosen with all names hidden: by the longest lead, as roles have
it, and as `extract` does.
"""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace

from cantilena.errors import CantilenaError
from cantilena.music.extract import Candidate, candidates, extract, is_named
from cantilena.music.metre import FOUR_FOUR
from cantilena.music.midi import Song, read_song


def songs(archive: str) -> Iterator[Song]:
    with tarfile.open(archive, "r|*") as files:
        for member in files:
            if member.name.endswith(".mid") and (file := files.extractfile(member)) is not None:
                try:
                    yield read_song(file.read(), name=member.name)
                except CantilenaError:
                    continue


def longest_lead(found: list[Candidate]) -> int:
    """The track by roles alone."""
    order = {"lead": 0, "other": 1, "bass": 2}
    melodies = [(c, c.melody) for c in found if c.melody is not None]
    return min(melodies, key=lambda one: (order[one[0].role], -one[1].bars, one[0].dropped))[0].track


def main(archive: str, number: str = "120", skip: str = "0") -> None:
    seen = by_role = by_score = 0
    for song in songs(archive):
        named = [k for k, track in enumerate(song.tracks) if is_named(track.name) and not track.is_drum]
        if len(named) != 1:
            continue
        hidden = replace(song, tracks=tuple(replace(track, name="") for track in song.tracks))
        try:
            found = candidates(hidden, FOUR_FOUR)
        except CantilenaError:
            continue
        melodies = {c.track for c in found if c.melody is not None}
        if named[0] not in melodies or len(melodies) < 3:
            continue
        seen += 1
        if seen <= int(skip):
            continue
        by_role += longest_lead(found) == named[0]
        by_score += extract(hidden, metres=FOUR_FOUR).track == named[0]
        if seen == int(skip) + int(number):
            break
    judged = seen - int(skip)
    print(f"{judged} songs: by role {by_role / judged:.2f}, by the tune score {by_score / judged:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
