"""Variations and morphs of melodies never trained on: `python benchmarks/variation.py CORPUS [MODEL] [NUMBER] [SVG]`.

NUMBER (40) validation melodies of 64 bars. Two ways to vary them at 11 strengths: `vary` (noise put on and taken away),
and DDIM inversion (the noise it leads to turned by strength * 90 degrees towards another, and back): how many notes
stay (F1 of onset and pitch), whether every melody keeps less at each strength, and what the music is like; the picture
goes to SVG (docs/vary.svg). Then `vary` of bars 17-32 alone, morphs of neighbours with noises mixed (`morph`) and with
latents mixed, and the time of one variation.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cantilena.composer import Composer, load
from cantilena.corpus.store import Corpus
from cantilena.diffusion.path import ddim_invert
from cantilena.edits.morph import NOISE, morph, on_sphere
from cantilena.edits.vary import changed_steps, noise_level, vary
from cantilena.metrics.features import intervals, notes_a_bar, repeated_phrases, rests, scale_consistency
from cantilena.metrics.panel import Panel, circle, group, path, sheet, words
from cantilena.model import RESEARCH_MODEL
from cantilena.music.locks import Locks, lock_melody
from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON
from cantilena.reproduction.figures import COLOURS
from cantilena.sampling import Voice

STRENGTHS = [k / 10 for k in range(11)]
STEPS = 20
VOICE = Voice(purity=0)
Latents = NDArray[np.float32]


def kept(one: Melody, other: Melody) -> float:
    """F1 of the notes, by onset and pitch."""
    a, b = (set(zip(m.notes.start.tolist(), m.notes.pitch.tolist(), strict=True)) for m in (one, other))
    return 2 * len(a & b) / max(1, len(a) + len(b))


def invert(composer: Composer, x_0: Latents, *, to: float) -> Latents:
    denoise = composer.denoiser(np.tile(VOICE.labels, (len(x_0), 1)))
    *_, x_t = ddim_invert(denoise, x_0, composer.model.schedule, steps=STEPS, to=to)
    return x_t


def varied(composer: Composer, melody: Melody, strength: float, seed: int, bars: tuple[int, int]) -> Melody:
    locks = lock_melody(melody, (bars,))
    stays, tokens = vary(composer.model, locks, composer.bound_sampler({"voice": VOICE}), strength=strength, seed=seed)
    return Melody.from_tokens(stays.paste(tokens), melody.qpm)


def turned(composer: Composer, melody: Melody, seed: int) -> list[Melody]:
    """The other way, at every strength; only what differs from the way up and down alone is taken over."""
    schedule, draw = composer.model.schedule, composer.bound_sampler({"voice": VOICE, "sampler": "ddim"})
    level = noise_level(schedule, NOISE)
    x_0 = composer.encode(melody)[None]
    alpha_bar = float(schedule.alpha_bar_at(level))
    eps = (invert(composer, x_0, to=level) - alpha_bar**0.5 * x_0) / (1 - alpha_bar) ** 0.5
    other = np.random.default_rng(seed).standard_normal(x_0.shape).astype(np.float32)
    found: list[Melody] = []
    for angle in (strength * np.pi / 2 for strength in STRENGTHS):
        x_t = schedule.q_sample(x_0, level, np.cos(angle) * eps + np.sin(angle) * other).astype(np.float32)
        found.append(Melody.from_phrases(composer.decode(draw(seed, x_t=x_t, start=level)[0])))
    return [
        Melody.from_tokens(Locks.around(melody.notes, changed_steps(found[0], now)).paste(now.events)) for now in found
    ]


def latents_mixed(composer: Composer, a: Melody, b: Melody, steps: int) -> list[Melody]:
    """A morph without the way to noise: each phrase's latents on the sphere."""
    x_0 = [composer.encode(m)[None] for m in (a, b)]
    was = [Melody.from_phrases(composer.decode(x[0])) for x in x_0]
    found = []
    for u in (k / (steps - 1) for k in range(1, steps - 1)):
        mixed = on_sphere(x_0, np.tile([1 - u, u], (x_0[0].shape[1], 1)))
        now, near = Melody.from_phrases(composer.decode(mixed[0])), int(u > 0.5)
        stays = Locks.around((a, b)[near].notes, changed_steps(was[near], now))
        found.append(Melody.from_tokens(stays.paste(now.events)))
    return [a, *found, b]


def music(melodies: Sequence[Melody]) -> str:
    events = np.stack([m.events for m in melodies])
    features = (scale_consistency, intervals, repeated_phrases, notes_a_bar, rests)
    return "".join(f"{feature(events).mean():10.3f}" for feature in features)


def in_key(melodies: Sequence[Melody]) -> float:
    return float(scale_consistency(np.stack([m.events for m in melodies])).mean())


def picture(rows: dict[str, list[tuple[float, float]]], real: float) -> str:
    """Notes kept over strength, and how well the result keeps to a key over the notes kept: rows of both."""
    colours = {"noise (vary)": COLOURS["diffusion"], "inversion": COLOURS["autoregression"]}
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    left, right = Panel(62, 100, 390, 280, (0, 1), (0, 1)), Panel(552, 100, 390, 280, (0, 1), (0.9, 0.98))
    parts = [left.frame("Notes that stay, over strength", ticks, ticks)]
    parts.append(right.frame("Notes in one scale, over notes that stay", ticks, [0.9, 0.92, 0.94, 0.96, 0.98]))
    parts.append(path(f"M{left.x(0)} {left.y(1)}L{left.x(1)} {left.y(0)}", "axis", 1, "4 3"))
    parts.append(path(f"M{right.x(0)} {right.y(real)}L{right.x(1)} {right.y(real)}", "axis", 1, "4 3"))
    for k, (name, row) in enumerate(rows.items()):
        marks = [circle(72 + 150 * k, 70, 4, name), words(82 + 150 * k, 74, name, None, 12.5, weight=600)]
        for panel, points in ((left, list(zip(STRENGTHS, [y for y, _ in row], strict=True))), (right, row)):
            places = [(panel.x(x), panel.y(y)) for x, y in points]
            marks.append(path("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places), None, 2))
            marks += [circle(x, y, 3.6, f"{name}: {b:.3f}") for (x, y), (_, b) in zip(places, points, strict=True)]
        parts.append(group("way", colours[name], marks))
    note = "Means over validation melodies. Dashed: as many notes as were asked for; real music."
    return sheet(1000, 420, "How near a variation stays to its song", note, parts)


def main(corpus_dir: str, name: str = RESEARCH_MODEL, number: str = "40", svg: str = "docs/vary.svg") -> None:
    corpus, composer = Corpus.open(corpus_dir), load(name)
    rows = corpus.windows("validation")
    rows = rows[np.random.default_rng(0).choice(len(rows), int(number), replace=False)]
    melodies = [Melody.from_phrases(corpus.phrases(m)[p : p + 32]) for m, p in rows.tolist()]
    print(f"{composer.model.name} {composer.model.fingerprint}: {number} validation melodies of {corpus_dir}")
    head = ("kept", "in a scale", "|interval|", "repeats", "notes/bar", "rests")
    print(f"{'':26}" + "".join(f"{h:>12}" for h in head))
    print(f"{'the melodies themselves':26}{1:10.3f}{music(melodies)}")
    drawn: dict[str, list[tuple[float, float]]] = {}
    began = time.process_time()
    by_noise = [[varied(composer, m, s, seed, (1, 64)) for s in STRENGTHS] for seed, m in enumerate(melodies)]
    seconds = (time.process_time() - began) / len(melodies) / (len(STRENGTHS) - 1)
    began = time.process_time()
    by_inversion = [turned(composer, m, seed) for seed, m in enumerate(melodies)]
    both = {"noise (vary)": by_noise, "inversion": by_inversion}
    for label, found in both.items():
        share = np.array([[kept(m, v) for v in versions] for m, versions in zip(melodies, found, strict=True)])
        columns = [list(column) for column in zip(*found, strict=True)]
        for s, strength in enumerate(STRENGTHS):
            print(f"{label:18}{strength:8.1f}{share[:, s].mean():10.3f}{music(columns[s])}")
        falls = np.diff(share, axis=1) <= 0
        print(f"{'':18}falls at every strength: {falls.all(1).mean():.0%} of melodies, {falls.mean():.1%} of the steps")
        drawn[label] = [(float(k), in_key(c)) for k, c in zip(share.mean(0), columns, strict=True)]
    print("bars 17-32 alone: kept of them")
    inside = slice(16 * COMMON.bar_steps, 32 * COMMON.bar_steps)
    for strength in (0.25, 0.5, 0.75, 1.0):
        new = [varied(composer, m, strength, seed, (17, 32)) for seed, m in enumerate(melodies)]
        cut = [[Melody.from_tokens(m.events[inside]) for m in some] for some in (melodies, new)]
        print(f"{'':18}{strength:8.2f}{np.mean([kept(a, b) for a, b in zip(*cut, strict=True)]):10.3f}")
    print("morphs of 8 steps: kept from step to step (mean; at each), and the music of the 6 between")
    draw = composer.bound_sampler({"voice": VOICE, "sampler": "ddim"})
    pairs = list(pairwise(melodies))[:16]
    morphs = {
        "noises mixed (morph)": [
            morph(composer.model, a, b, draw, partial(invert, composer), steps=8) for a, b in pairs
        ],
        "latents mixed": [latents_mixed(composer, a, b, 8) for a, b in pairs],
    }
    print(f"{'the melodies themselves':26}{'':10}{music(melodies[:17])}")
    for label, some in morphs.items():
        near = np.array([[kept(a, b) for a, b in pairwise(steps)] for steps in some])
        print(f"{label:26}{near.mean():10.3f}{music([m for steps in some for m in steps[1:-1]])}")
        print(f"{'':26}" + "".join(f"{v:10.3f}" for v in near.mean(0)))
    print(f"one variation of 64 bars: {seconds:.2f} CPU s")
    Path(svg).write_text(picture(drawn, in_key(melodies)), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
