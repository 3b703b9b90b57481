"""Random edits of melodies never trained on: `python benchmarks/edits.py CORPUS [MODEL] [EDITS] [SEAMS]`.

With `metres` for CORPUS, edits of songs made here, in every metre that the model knows and with changes of metre.

EDITS (1,000) random infills of whole songs (a second part, tempo changes, a pickup, loose timing, texts): in how many
every note and event outside the bars came back identical. Then SEAMS (200) infills of bars 25-40 of 64, of real music
(what was there), with a hard cut (64 bars composed without looking at the song) and with `resample` 1 and 4: what the
notes at the two joints look like. Last, the time of one such infill.
"""

from __future__ import annotations

import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cantilena.composer import Composer, load
from cantilena.corpus.store import Corpus
from cantilena.model import RESEARCH_MODEL
from cantilena.music.bars import bar_lines, stretches
from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON, Metre
from cantilena.music.midi import read_song
from cantilena.music.splice import TickNote, find_part
from cantilena.sampling import Voice

FIRST, LAST = 25, 40


def song(parts: Sequence[Melody], random: np.random.Generator, loosest: int = 50) -> bytes:
    """A file with melodies, one after another, played loosely on channel 3 among everything else that files hold.

    A single one comes after a pickup; of several each begins on a bar line, in a metre of its own. `loosest` is how
    many ticks a note may come early or late.
    """
    loose = int(random.integers(0, loosest))
    shift = int(random.integers(0, 33)) if len(parts) == 1 else 0
    at, signatures = 0, []
    pitch: list[int] = []
    begins: list[int] = []
    ends: list[int] = []
    for melody in parts:
        metre, step = melody.metre, 480 // melody.metre.quarter_steps
        signatures.append((at, b"\xff\x58\x04" + bytes([metre.numerator, metre.denominator.bit_length() - 1, 24, 8])))
        starts, stops, pitches = ((a + k * shift).tolist() for a, k in zip(melody.notes, (1, 1, 0), strict=True))
        pitch += pitches
        early = len(begins)
        begins += [max(at, at + s * step + int(random.integers(-loose, loose + 1))) for s in starts]
        ends += [
            max(b + 20, at + e * step - int(random.integers(0, loose + 1)))
            for b, e in zip(begins[early:], stops, strict=True)
        ]
        at += melody.events.size * step
    ends = [min(e, n) if n > b else e for b, e, n in zip(begins, ends, [*begins[1:], 1 << 40], strict=True)]
    lead = [(0, b"\xff\x03\x04Lead"), (0, b"\xc3\x0b"), (0, b"\xf0\x03\x41\x10\xf7")]
    lead += [(b, bytes([0x93, p, int(random.integers(40, 120))])) for b, p in zip(begins, pitch, strict=True)]
    lead += [(e, bytes([0x83, p, 0])) for e, p in zip(ends, pitch, strict=True)]
    lead += [(int(t), b"\xb3\x0b\x50") for t in random.integers(0, max(ends), 20)]
    tempo = [
        (int(t), b"\xff\x51\x03" + bytes([7, int(random.integers(256)), 0])) for t in random.integers(0, max(ends), 4)
    ]
    beats = range(max(ends) // 480)
    bass = [(480 * (t + i), bytes([k | 1, 40 + t % 5, 70])) for t in beats for i, k in enumerate((0x90, 0x80))]
    chunks = [_chunk(e) for e in ([*signatures, *tempo], bass, lead)]
    return b"MThd\x00\x00\x00\x06\x00\x01\x00\x03\x01\xe0" + b"".join(chunks)


def tune(metre: Metre, random: np.random.Generator) -> Melody:
    """A walk of 8 to 24 bars on the grid of a metre."""
    steps = int(random.integers(8, 25)) * metre.bar_steps
    edges = np.cumsum(random.choice([1, 2, 3, 4], steps))
    edges = np.append(0, edges[edges < steps])
    pitch = 64 + np.cumsum(random.integers(-3, 4, edges.size)) % 17
    return Melody.from_notes(edges, np.append(edges[1:], steps), pitch, metre=metre)


def _chunk(events: list[tuple[int, bytes]]) -> bytes:
    body, now = b"", 0
    # at one tick note-offs come first
    for tick, message in sorted(events, key=lambda e: (e[0], e[1][0] & 0xF0 != 0x80)):
        delta, now = tick - now, tick
        body += bytes([delta >> 14 & 0x7F | 0x80, delta >> 7 & 0x7F | 0x80, delta & 0x7F]) + message
    body += b"\x00\xff\x2f\x00"
    return b"MTrk" + len(body).to_bytes(4, "big") + body


def held(composer: Composer, data: bytes, seed: int, random: np.random.Generator) -> str:
    """One random edit of a song, in one stretch of it; why it failed, or ""."""
    read = read_song(data)
    every = stretches(read)
    stretch = every[int(random.integers(len(every)))] if len(every) > 1 else every[0]
    first = stretch.first - 1 + random.integers(1, stretch.bars + 1, int(random.integers(1, 4)))
    last = stretch.first + stretch.bars - 1
    spans = [(int(f), min(int(f + random.integers(0, 24)), last)) for f in first]
    lines = [bar.begin for bar in bar_lines(read)]
    grid = (None, "odd", "even")[seed % 3]
    edited = composer.infill(data, spans, grid=grid, seed=seed, steps=2, resample=1)
    after = read_song(edited.midi)
    if len(after.tracks) < len(read.tracks):  # no note is left in it
        within = {b for f, last in spans for b in range(f, last + 1)}
        lost = {bisect_right(lines, n + 60) for n in read.tracks[edited.track].start.tolist()} - within
        return f"lost every note, in bars {sorted(lost)} too" if lost else ""
    was, now = find_part(read, edited.track), find_part(after, edited.track)
    if any(a != b for i, (a, b) in enumerate(zip(was.chunks, now.chunks, strict=True)) if i != was.chunk):
        return "another track changed"
    free = {b for f, last in spans for b in range(f, last + 1)}

    def outside(notes: list[TickNote]) -> set[TickNote]:
        return {n for n in notes if bisect_right(lines, n.start + 60) not in free}

    old, new = ([TickNote(n.start, n.end or 0, n.pitch, n.velocity) for n in p.notes] for p in (was, now))
    if lost := outside(old) - outside(new):
        return f"lost {lost}"
    kept = outside(old)
    if any(k.start < n.end and n.start < k.end for n in set(new) - kept for k in kept):
        return "a new note rings into a held one"
    events = [
        [e[:2] for e in p.events if e.message[0] & 0xE0 != 0x80 and e.message[:2] != b"\xff\x2f"] for p in (was, now)
    ]
    return "" if events[0] == events[1] else "another event changed"


def seams(before: Melody, after: Melody) -> list[list[float]]:
    """At each joint: |interval| across it, steps of silence across it, whether a note sounds over the bar line, and
    pitch and notes of the two bars on either side."""
    found = []
    start, end, pitch = after.notes
    for step in ((FIRST - 1) * COMMON.bar_steps, LAST * COMMON.bar_steps):
        k = int(np.searchsorted(start, step))
        if not 0 < k < start.size:
            continue
        sides = [(start >= step - 32) & (start < step), (start >= step) & (start < step + 32)]
        if not all(s.any() for s in sides):
            continue
        found.append([
            abs(pitch[k] - pitch[k - 1]), start[k] - end[k - 1], float(end[k - 1] > step),
            *(pitch[s].mean() for s in sides), *(s.sum() for s in sides),
        ])  # fmt: skip
    return found


def row(label: str, found: list[list[float]]) -> str:
    table = np.array(found, float)
    interval, gap, over, p, q, m, n = table.T
    figures = (
        interval.mean(), 100 * (interval > 12).mean(), gap.mean(), 100 * (gap >= 8).mean(), 100 * over.mean(),
        np.corrcoef(p, q)[0, 1], np.corrcoef(m, n)[0, 1],
    )  # fmt: skip
    return f"{label:24}" + "".join(f"{f:12.2f}" for f in figures) + f"{len(table):8}"


def across_metres(composer: Composer, edits: int) -> None:
    """Edits of songs in each metre that the model knows, every third of which changes its metre once or twice."""
    failed: dict[str, list[str]] = {}
    for seed in range(edits):
        random = np.random.default_rng(seed)
        count = int(random.integers(2, 4)) if seed % 3 == 2 else 1
        metres = [composer.model.metres[int(k)] for k in random.permutation(len(composer.model.metres))[:count]]
        data = song([tune(metre, random) for metre in metres], random, loosest=20)
        kind = str(metres[0]) if count == 1 else "a change of metre"
        failed.setdefault(kind, []).append(held(composer, data, seed, random))
    for kind, found in sorted(failed.items(), key=lambda item: -len(item[1])):
        print(f"  {kind:18} {found.count('')} of {len(found)}", *sorted({f for f in found if f}), sep="\n    ")
    held_ = sum(found.count("") for found in failed.values())
    print(f"edits over metres with everything outside the bars identical: {held_} of {edits}")


def main(corpus_dir: str, name: str = RESEARCH_MODEL, edits: str = "1000", number: str = "200") -> None:
    if corpus_dir == "metres":
        across_metres(load(name), int(edits))
        return
    corpus, composer = Corpus.open(corpus_dir), load(name)
    rows = corpus.windows("test")
    rows = rows[np.random.default_rng(0).choice(len(rows), max(int(edits), int(number)))]
    melodies = [Melody.from_phrases(corpus.phrases(m)[p : p + 32]) for m, p in rows.tolist()]
    print(f"{composer.model.name} {composer.model.fingerprint}, test songs of {corpus_dir}")
    random = np.random.default_rng(1)
    failed = []
    for seed in range(int(edits)):
        part = melodies[seed].slice(1, int(random.integers(16, 65)))
        if len(set(part.notes.pitch.tolist())) >= 5 and part.notes.start.size >= 2 * part.bars:
            draw = np.random.default_rng(seed)
            failed.append(held(composer, song([part], draw), seed, draw))
    print(f"edits with everything outside the bars identical: {failed.count('')} of {len(failed)}")
    for reason in filter(None, failed):
        print(f"  {reason}")
    head = ("interval", "> 12, %", "silence", ">= 8, %", "tied, %", "pitch r", "notes r", "joints")
    print(f"{'':24}" + "".join(f"{h:>12}" for h in head[:-1]) + f"{head[-1]:>8}")
    some, voice = melodies[: int(number)], Voice(purity=0)
    print(row("the song itself", [s for m in some for s in seams(m, m)]))
    edited: dict[str, Callable[[Melody, int], Melody]] = {
        "hard cut": lambda m, seed: _cut(m, composer.compose(seed, voice=voice)),
        "infill, resample 1": lambda m, seed: composer.infill(m, [(FIRST, LAST)], seed=seed, resample=1, voice=voice),
        "infill, resample 4": lambda m, seed: composer.infill(m, [(FIRST, LAST)], seed=seed, resample=4, voice=voice),
        "  grid across the joint": lambda m, seed: composer.infill(
            m, [(FIRST, LAST)], seed=seed, resample=4, voice=voice, grid="even"
        ),
    }
    for label, edit in edited.items():
        began = time.process_time()
        found = [s for seed, m in enumerate(some) for s in seams(m, edit(m, seed))]
        seconds = (time.process_time() - began) / len(some)
        print(row(label, found) + f"   {seconds:.2f} CPU s an edit")


def _cut(melody: Melody, other: Melody) -> Melody:
    inside: NDArray[np.bool_] = np.arange(melody.events.size) // COMMON.bar_steps + 1 >= FIRST
    inside &= np.arange(melody.events.size) // COMMON.bar_steps + 1 <= LAST
    return Melody.from_tokens(np.where(inside, other.events, melody.events))


if __name__ == "__main__":
    main(*sys.argv[1:])
