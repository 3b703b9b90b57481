"""Tunes of a model of tunes beside real ones: `python benchmarks/open_tunes.py TUNES.npz [MODEL] [NUMBER] [SVG BLIND]`.

First ten times NUMBER default tunes, as `compose` makes them (64 bars of 4/4, a style drawn). For each style and metre
that has ten unseen human tunes or more, NUMBER (24) fresh tunes of 16 phrases, and the unseen ones: means, and whether
each mean of ours lies within the quartiles of theirs (*). Of each tune what `tunes.py` shows, leaps beyond a fifth,
notes in one scale, and notes a quarter. Then how far the form that was asked is heard (share of pairs of phrases that
are alike where they should be, and only there), the longest runs that are shared with training tunes beside the 95th
percentile of human tunes, and the time of a tune.
SVG is a file for twelve tunes, one of each style and metre in turn; BLIND one for three of ours among three unseen
human ones, in an order that is printed.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from tunes import HEADS as tunes_heads
from tunes import figures as tunes_figures

from cantilena.composer import Composer, load
from cantilena.edits.tune_form import draw_form
from cantilena.labels import form_letters
from cantilena.model import DEFAULT_MODEL
from cantilena.music.melody import Melody
from cantilena.music.metre import Metre
from cantilena.music.scales import in_one_scale
from cantilena.provenance import KnownTunes
from cantilena.training.tunes import Tunes

SEED = 9000  # the first: nothing was chosen by looking at these
PHRASES, LEAST = 16, 10
HEADS = (*tunes_heads, "leaps", "scale", "notes")


def figures(melody: Melody) -> list[float]:
    """The figures of HEADS of one tune."""
    pitch = melody.notes.pitch
    if pitch.size < 4:
        return [np.nan] * len(HEADS)
    return [
        *tunes_figures(melody),
        (np.abs(np.diff(pitch)) > 7).mean(),
        float(in_one_scale(np.bincount(pitch % 12, minlength=12) / pitch.size)),
        pitch.size * melody.metre.quarter_steps / melody.events.size,
    ]


def kinds(tunes: Tunes) -> dict[tuple[str, Metre], list[Melody]]:
    """The unseen human tunes of each style and metre, where there are LEAST or more; the first 32 phrases of each."""
    found: dict[tuple[str, Metre], list[Melody]] = {}
    for split in (1, 2):
        for tune in tunes.split(split, role=0).tolist():
            metre = tunes.metre(tune)
            melody = Melody.from_phrases(tunes.phrases(tune)[:32], metre=metre)
            found.setdefault((tunes.style(tune), metre), []).append(melody)
    return {kind: some for kind, some in sorted(found.items(), key=lambda f: -len(f[1])) if len(some) >= LEAST}


def row(name: str, rows: list[list[float]], marks: list[bool] | None = None) -> None:
    """Print means, with a star where `marks` says so."""
    means = np.nanmean(np.array(rows), axis=0)
    stars = ["*" if m else " " for m in marks] if marks else [" "] * len(means)
    print(f"{name:26}" + "".join(f"{m:9.3f}{s}" for m, s in zip(means, stars, strict=True)), flush=True)


def main(
    tunes_file: str, name: str = DEFAULT_MODEL, number: str = "24", svg: str | None = None, blind: str | None = None
) -> None:  # fmt: skip
    tunes, composer = Tunes.open(Path(tunes_file)), load(name)
    known = KnownTunes.load(composer.model.folder, composer.model.about)
    print(f"{composer.model.name} {composer.model.fingerprint}\n{'':26}" + "".join(f"{head:>9} " for head in HEADS))
    defaults = [composer.compose(seed=seed).melody for seed in range(SEED, SEED + 10 * int(number))]
    row(f"default, {len(defaults)}", [figures(melody) for melody in defaults])
    every, heard, copied, seconds, shown, human = [], [], [], [], [], []
    for (style, metre), real in kinds(tunes).items():
        if metre not in composer.model.metres:
            continue
        theirs = [figures(melody) for melody in real]
        row(f"human {style} {metre}, {len(real)}", theirs)
        made = []
        for seed in range(SEED, SEED + int(number)):
            began = time.perf_counter()
            tune = tune_of(composer, seed, style, metre)
            seconds.append(time.perf_counter() - began)
            made.append(tune)
            asked = np.array(draw_form(composer.model.tunes.forms, style, PHRASES, seed).letters)
            got = form_letters(tune.phrases())
            one, other = np.triu_indices(PHRASES, 1)
            heard.append(float(((asked[one] == asked[other]) == (got[one] == got[other])).mean()))
        copied += [known.nearest(tune, 1).longest for tune in made[:8]]
        ours = [figures(tune) for tune in made]
        low, high = np.nanpercentile(np.array(theirs), [25, 75], axis=0)
        means = np.nanmean(np.array(ours), axis=0)
        row(f"  ours, {number}", ours, ((means >= low - 1e-9) & (means <= high + 1e-9)).tolist())
        every += ours
        human.append((f"human {style}, {metre}", real[len(shown) % len(real)]))
        shown.append((f"{style}, {metre}, seed {SEED}", made[0]))
        shown.append((f"{style}, {metre}, seed {SEED + 1}", made[1]))
    row("all of ours", every)
    limit = float(np.percentile(known.human, 95))
    whole = np.mean(np.array(heard) >= 0.999)
    print(f"form heard: {np.mean(heard):.3f} of all pairs of phrases, {whole:.3f} of all tunes in full")
    print(f"longest runs: median {np.median(copied):g}, at most {max(copied)} notes; human 95th percentile {limit:g}")
    print(f"a tune takes {np.median(seconds):.2f} s in the median, {max(seconds):.2f} s at most, on one core")
    if svg is not None:
        draw(svg, "Twelve tunes", "the first two seeds of each kind", shown[:12])
    if blind is not None:
        both = [*shown[1:7:2], *human[:3]]
        order = np.random.default_rng(SEED).permutation(len(both)).tolist()
        names = [f"{'ABCDEF'[k]}: {both[i][0]}" for k, i in enumerate(order)]
        draw(
            blind, "Three and three", "which are the model's?", [("ABCDEF"[k], both[i][1]) for k, i in enumerate(order)]
        )
        print("; ".join(names))


def draw(svg: str, title: str, note: str, tunes: list[tuple[str, Melody]]) -> None:
    """Draw tunes, 32 bars of each at most, one below the other."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
    from rolls import Roll, inks, picture

    some = [(name, tune.slice(1, min(32, tune.bars))) for name, tune in tunes]
    rolls = [Roll(name, tune, inks(tune, rest="kept")) for name, tune in some]
    Path(svg).write_text(picture(title, note, rolls, {}))


def tune_of(composer: Composer, seed: int, style: str, metre: Metre) -> Melody:
    """A default tune of 16 phrases."""
    bars = PHRASES * metre.phrase_bars
    return composer.compose(seed=seed, bars=bars, metre=str(metre), style=style).melody


if __name__ == "__main__":
    main(*sys.argv[1:])
