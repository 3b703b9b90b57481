"""What rules do to a melody, and what they cost.

`python benchmarks/steering.py CORPUS [MODEL] [N] [INFILLS] [RULES ...]`.

N (32) melodies composed from nothing, and INFILLS (N) infills of bars 25-40 of test songs, by rules one at a time and
three together, beside unguided ones with the same seeds. When infilling, the song says what is asked: its key, its
range and the middle half of its densities. Of each: notes in key and in range, bars within the asked density, notes on
strong beats that are chord tones (all in percent), the mean distance from the asked form, the overlap of adjacent
windows (of infills, bars 21-44) and by how much it is not that of the same seeds unguided, with its standard error.
Then what such overlaps are in real test windows, and in DRAWS unguided melodies, that keep the rule by chance. Before
all, the time of five edits. RULES are sets like `key+density`; without them all of SETS.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from typing import cast

import numpy as np
from numpy.typing import NDArray

from cantilena.composer import Composer, load
from cantilena.corpus.store import Corpus
from cantilena.metrics.pieces import Pieces
from cantilena.metrics.scores import overlaps
from cantilena.model import RESEARCH_MODEL
from cantilena.music.melody import Melody, pitch_name
from cantilena.music.metre import COMMON
from cantilena.rules import Chords, Density, Form, Key, Range, estimate_key, parse_rule
from cantilena.rules.rule import MusicRule, onsets

DRAWS = 512  # unguided melodies among which those are looked for that keep a rule by chance
FIRST, LAST, AROUND = 25, 40, 4  # bars that are infilled, and those on either side whose overlap is measured
ASKED = {"key": "D dorian", "range": "C4-A5", "density": "4..6", "chords": "| Dm7 | G7 | C | Am7 |", "form": "AABA"}
SETS: tuple[tuple[str, ...], ...] = (
    ("key",), ("range",), ("density",), ("chords",), ("form",),
    ("key", "range", "density"), ("key", "chords", "density"), ("key", "range", "form"),
)  # fmt: skip
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
HEAD = ("key, %", "range, %", "density, %", "chords, %", "form", "pitch", "duration", "pitch -", "duration -", "CPU s")


def hits(name: str, rule: MusicRule, melody: Melody) -> tuple[float, float]:
    """How many notes or bars keep a rule, and of how many; of a form the distance, and 1."""
    pitch = melody.notes.pitch
    if isinstance(rule, Key):
        return float(np.isin(pitch % 12, list(rule.scale)).sum()), float(pitch.size)
    if isinstance(rule, Range):
        return float(((rule.low <= pitch) & (pitch <= rule.high)).sum()), float(pitch.size)
    if isinstance(rule, Form):
        return rule.distance(melody) / 100, 1.0
    if isinstance(rule, Chords):
        said = [tuple(map(int, text.split()[0].split("/"))) for text in rule.measure(melody)]
        return float(sum(r for r, _ in said)), float(sum(n for _, n in said))
    return float(rule.met(melody).sum()), float(melody.bars)


def measured(melodies: Sequence[Melody], rules: Sequence[Mapping[str, MusicRule]], names: Sequence[str]) -> list[str]:
    """A column for each rule of ASKED, empty for those not in `names`."""
    cells = []
    for name in ASKED:
        found = [hits(name, r[name], m) for m, r in zip(melodies, rules, strict=True)]
        hit, of = np.sum(found, axis=0)
        cells.append(f"{100 * hit / of:.{3 if name == 'form' else 1}f}" if name in names else "")
    return cells


def overlap(melodies: Sequence[Melody]) -> NDArray[np.float64]:
    """Mean overlap of each melody's adjacent windows, of pitch and of duration: (n, 2)."""
    found = overlaps(Pieces.of([m.events for m in melodies]))
    return np.array([[p.mean(), d.mean()] for p, d in zip(found.pitch, found.duration, strict=True)])


def row(label: str, cells: Sequence[str]) -> str:
    return f"{label:26}" + "".join(f"{cell:>15}" if "±" in cell else f"{cell:>11}" for cell in cells)


def heading(label: str) -> str:
    return f"\n{label:26}" + "".join(f"{h:>{15 if h[-1] == '-' else 11}}" for h in HEAD)


def compared(
    edit: Callable[[int, dict[str, str]], Melody],
    words: Sequence[dict[str, str]],
    sets: Sequence[Sequence[str]],
    judged: Callable[[Melody], Melody] = lambda m: m,
    heard: Callable[[Melody], Melody] = lambda m: m,
) -> None:
    """Print a row for every set of rules."""
    rules = [{name: parse_rule(name, text) for name, text in asked.items()} for asked in words]
    began = time.process_time()
    plain = [edit(seed, {}) for seed in range(len(words))]
    seconds = (time.process_time() - began) / len(words)
    was = overlap([heard(m) for m in plain])
    cells = [*measured([judged(m) for m in plain], rules, list(ASKED)), *(f"{v:.3f}" for v in was.mean(0))]
    print(row("unguided", [*cells, f"{'':15}", f"{'':15}", f"{seconds:.2f}"]), flush=True)
    for names in sets:
        began = time.process_time()
        found = [edit(seed, {name: asked[name] for name in names}) for seed, asked in enumerate(words)]
        seconds = (time.process_time() - began) / len(words)
        now = overlap([heard(m) for m in found])
        error = (now - was).std(0, ddof=1) / len(words) ** 0.5
        cells = [*measured([judged(m) for m in found], rules, names), *(f"{v:.3f}" for v in now.mean(0))]
        cells += [f"{d:+.3f} ±{e:.3f}" for d, e in zip((now - was).mean(0), error, strict=True)]
        print(row(" + ".join(names), [*cells, f"{seconds:.2f}"]), flush=True)


def of_song(melody: Melody) -> dict[str, str]:
    """What a song asks of its new bars."""
    outside = np.delete(melody.events.reshape(-1, COMMON.bar_steps), np.arange(FIRST - 1, LAST), axis=0)
    held = Melody.from_tokens(outside.reshape(-1))
    key, pitch = estimate_key(held), held.notes.pitch
    low, high = (round(v) for v in np.percentile(onsets(held).sum(axis=1), (25, 75)).tolist())
    minor = key.asked.endswith("minor")
    degrees = ((0, "m"), (8, ""), (5, "m"), (7, "m")) if minor else ((0, ""), (9, "m"), (5, ""), (7, ""))
    chords = " | ".join(NAMES[(key.tonic + degree) % 12] + kind for degree, kind in degrees)
    return {
        "key": key.asked,
        "range": f"{pitch_name(int(pitch.min()))}-{pitch_name(int(pitch.max()))}",
        "density": f"{low}..{min(COMMON.bar_steps, max(high, low + 2))}",
        "chords": f"| {chords} |",
        "form": "AABA",
    }


def control(real: Sequence[Melody], plain: Sequence[Melody]) -> None:
    """Overlaps where a rule is kept and nothing was guided: of real melodies, and of composed ones, `plain`."""
    density = cast(Density, parse_rule("density", ASKED["density"]))
    of_all, of_plain = overlap(real), overlap(plain)
    dense, dense_plain = (np.array([density.met(m).mean() >= 0.9 for m in some]) for some in (real, plain))
    bars = np.arange(64) % 16 + 16 * np.repeat([0, 0, 1, 0], 16)
    laid = [Melody.from_tokens(m.events.reshape(-1, COMMON.bar_steps)[bars].reshape(-1)) for m in plain]
    form = cast(Form, parse_rule("form", ASKED["form"]))
    formed = np.argsort([form.distance(m) for m in real])[: max(1, len(real) // 100)]
    print(
        f"\n{'overlaps without guidance':58}{'melodies':>10}{'pitch':>11}{'duration':>11}{'density, %':>12}{'form':>8}"
    )
    kept = "  of which 90 % of the bars have 4..6 notes"
    rows = (
        ("real test windows", real, of_all),
        (kept, list(compress(real, dense)), of_all[dense]),
        ("  the 1 in 100 that are nearest to AABA", [real[i] for i in formed], of_all[formed]),
        ("composed", plain, of_plain),
        (kept, list(compress(plain, dense_plain)), of_plain[dense_plain]),
        ("  their bars 1-16, 1-16, 17-32, 1-16", laid, overlap(laid)),
    )
    for label, some, found in rows:
        if some:
            figures = 100 * np.mean([density.met(m).mean() for m in some]), np.mean([form.distance(m) for m in some])
            cells = "".join(f"{v:11.3f}" for v in found.mean(0))
            print(f"{label:58}{len(some):10,}{cells}{figures[0]:12.1f}{figures[1]:8.3f}")


def speed(composer: Composer, song: Melody) -> None:
    """CPU seconds of one edit, the best of three; the model is loaded and warm."""
    three = {name: of_song(song)[name] for name in ("key", "range", "density")}
    edits: dict[str, Callable[[], object]] = {
        "infill of 16 bars of 64": lambda: composer.infill(song, [(FIRST, LAST)]),
        "  resample 1": lambda: composer.infill(song, [(FIRST, LAST)], resample=1),
        "  by three rules": lambda: composer.infill(song, [(FIRST, LAST)], rules=three),
        "64 bars by three rules": lambda: composer.compose(0, rules=three),
        "256 bars": lambda: composer.compose(0, bars=256),
    }
    print("\nCPU s of one edit, one thread, the best of three")
    for label, edit in edits.items():
        seconds = []
        for _ in range(3):
            began = time.process_time()
            edit()
            seconds.append(time.process_time() - began)
        print(f"{label:26}{min(seconds):8.2f}", flush=True)


def main(corpus_dir: str, name: str = RESEARCH_MODEL, number: str = "32", infills: str = "", *rules: str) -> None:
    sets = [tuple(names.split("+")) for names in rules] or SETS
    corpus, composer = Corpus.open(corpus_dir), load(name)
    rows = corpus.windows("test")
    rows = rows[np.random.default_rng(0).permutation(len(rows))].tolist()
    real = [Melody.from_phrases(corpus.phrases(m)[p : p + 32]) for m, p in rows[:3000]]
    print(f"{composer.model.name} {composer.model.fingerprint}, test songs of {corpus_dir}")
    speed(composer, real[0])
    print(heading(f"{number} of 64 bars"))
    compared(lambda seed, rules: composer.compose(seed, rules=rules or None), [ASKED] * int(number), sets)
    draws = [composer.compose_many(range(first, first + 64)) for first in range(0, DRAWS, 64)]
    control(real, [m for some in draws for m in some])
    songs = real[: int(infills or number)]
    print(heading(f"{len(songs)} infills"))
    compared(
        lambda seed, rules: composer.infill(songs[seed], [(FIRST, LAST)], seed=seed, rules=rules or None),
        [of_song(song) for song in songs],
        sets,
        lambda m: m.slice(FIRST, LAST),
        lambda m: m.slice(FIRST - AROUND, LAST + AROUND),
    )
    real_heard = overlap([m.slice(FIRST - AROUND, LAST + AROUND) for m in songs]).mean(0)
    print(row("the songs themselves", ["", "", "", "", "", *(f"{v:.3f}" for v in real_heard)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
