"""Whether notation comes back as it was written: `python benchmarks/round_trip.py ARCHIVE [N]`.

N (1,000) songs of an archive or folder, spread over all of it: the melody of each, with the key and the chords of its
file, is written as MusicXML and as ABC and read again. Printed is how many come back with the same notes, metre, key
and chords, and of the first of the others what differs.
"""

from __future__ import annotations

import sys
from collections import Counter

from cantilena.corpus.sources import Sources
from cantilena.errors import MidiError
from cantilena.music.extract import extract
from cantilena.music.melody import Melody
from cantilena.music.midi import Song, read_song
from cantilena.notation.chords import Placed, chords_of
from cantilena.notation.reading import to_midi
from cantilena.notation.to_abc import to_abc
from cantilena.notation.to_musicxml import to_musicxml
from cantilena.notation.writing import chords_in, signed_key

WRITERS = {"MusicXML": to_musicxml, "ABC": to_abc}
PARTS = ("notes", "metre", "key", "chords")
TICKS = 480  # a quarter, of what is read


def main(archive: str, number: str = "1000") -> None:
    wanted = int(number)
    files = sorted((found.name, found.data) for found in Sources([archive]) if not found.reason)
    same = {name: Counter[str]() for name in WRITERS}
    tried, chords, keys, metres = 0, 0, 0, Counter[str]()
    for name, data in files[:: max(1, len(files) // (2 * wanted))]:
        try:
            song = read_song(data, name="file")
            found = extract(song)
        except MidiError:
            continue
        assert found.melody is not None
        key, placed = signed_key(song) or "C major", list(chords_in(song, found.melody, found.track))
        at = {(one.bar, one.share): one for one in placed if 1 <= one.bar <= found.melody.bars}
        placed = list(at.values())  # of two symbols at one moment the last
        tried, chords, keys = tried + 1, chords + bool(placed), keys + (key != "C major")
        metres[str(found.melody.metre)] += 1
        for kind, writer in WRITERS.items():
            back = read_song(to_midi(writer(found.melody, title="A tune", key=key, chords=placed), "file"))
            kept = compared(back, found.melody, key, placed)
            same[kind].update(part for part in PARTS if kept[part])
            same[kind]["all"] += all(kept.values())
            if not all(kept.values()):
                print(f"{name} as {kind}: other {', '.join(part for part in PARTS if not kept[part])}")
        if tried == wanted:
            break
    told = ", ".join(f"{count:,} in {metre}" for metre, count in metres.most_common())
    print(f"{tried:,} tunes: {told}; {chords:,} with chords, {keys:,} in another key than C major")
    for kind, counts in same.items():
        print(f"{kind:10}" + "  ".join(f"{part} {counts[part]:,}" for part in (*PARTS, "all")))


def compared(song: Song, melody: Melody, key: str, placed: list[Placed]) -> dict[str, bool]:
    """Which parts of a melody are the same in a song that was read."""
    (track,), (start, end, pitch) = song.tracks, melody.notes
    step = TICKS / melody.metre.quarter_steps
    notes = [(track.start / step).round(6), (track.end / step).round(6), track.pitch]
    signature = (melody.metre.numerator, melody.metre.denominator)
    return {
        "notes": all(
            (a == b).all() if len(a) == len(b) else False for a, b in zip(notes, (start, end, pitch), strict=True)
        ),
        "metre": [tuple(s[1:]) for s in song.time_signatures] == [signature],
        "key": (signed_key(song) or "C major") == key,
        "chords": [(c.bar, round(c.share, 6), c.name) for c in chords_of(song)]
        == [(c.bar, round(c.share, 6), c.name) for c in placed],
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
