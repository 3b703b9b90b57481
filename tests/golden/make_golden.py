"""Writes metrics.json: melodies and points made here, and the figures that `cantilena.metrics` must find.

Plain Python, slow and from notes (the package works on tokens, all melodies at once), so that no mistake is made twice.

    python tests/golden/make_golden.py
"""

import json
import math
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import NormalDist, fmean, median, pstdev, pvariance

GOLDEN = Path(__file__).with_name("metrics.json")
Piece = dict  # {"bars": int, "notes": [[start, end, pitch], ...]}, in sixteenths


# -- inputs: only Random.random is used, which is the same for ever -----------------------------------------------


def pick(random, options):
    return options[int(random.random() * len(options))]


def melody(seed: int, bars: int, scale: list[int], lengths: list[int], rest: float) -> Piece:
    """A walk through a scale; each phrase of 2 bars may be an earlier one, at its pitch or a third higher."""
    random, degree, phrases, notes = Random(seed), len(scale) // 2, [], []
    for phrase in range(-(-bars // 2)):
        kind = random.random()
        if phrases and kind < 0.4:
            shift = 3 if kind < 0.1 else 0
            made = [[s, e, p + shift] for s, e, p in pick(random, phrases)]
        else:
            made, step = [], 0
            while step < 32:
                length = pick(random, lengths)
                degree = min(max(degree + pick(random, [-3, -2, -1, -1, 0, 1, 1, 2, 3]), 0), len(scale) - 1)
                if random.random() > rest:
                    made.append([step, step + length, scale[degree]])
                step += length
        phrases.append(made)
        notes += [[s + 32 * phrase, e + 32 * phrase, p] for s, e, p in made]
    cut = [[n[0], min(n[1], after[0]), n[2]] for n, after in zip(notes, [*notes[1:], [16 * bars]], strict=True)]
    return {"bars": bars, "notes": [[s, min(e, 16 * bars), p] for s, e, p in cut if s < 16 * bars]}


def without(piece: Piece, first: int, last: int) -> Piece:
    """No note starts in bars first to last - 1."""
    return {"bars": piece["bars"], "notes": [n for n in piece["notes"] if not first <= n[0] // 16 < last]}


def inputs() -> dict:
    major, chromatic = [48 + o + p for o in (0, 12, 24) for p in (0, 2, 4, 5, 7, 9, 11)], list(range(40, 95))
    generated = [melody(seed, 64, major, [2, 4, 4, 8], 0.1) for seed in range(4)]
    generated += [melody(4, 32, chromatic, [1, 2, 3, 12], 0.3), melody(5, 9, major, [2, 6], 0.2)]
    generated += [without(melody(6, 64, major, [4, 16], 0.1), 20, 31), {"bars": 6, "notes": []}]
    generated += [{"bars": 8, "notes": [[5, 100, 21]]}, {"bars": 8, "notes": [[0, 1, 108], [127, 128, 21]]}]
    reference = [melody(seed, 64, major, [2, 2, 4, 6], 0.15) for seed in range(100, 105)]
    reference += [melody(105, 40, chromatic, [2, 4], 0.0), melody(106, 7, major, [3, 5], 0.2)]
    reference += [without(melody(107, 48, major, [2, 8], 0.1), 8, 20), {"bars": 8, "notes": [[0, 2, 40], [70, 90, 80]]}]
    random = Random(7)
    points = {"a": [[normal(random), normal(random)] for _ in range(12)]}
    points["b"] = [[1.5 * normal(random) + 0.5, round(normal(random) - 1, 3)] for _ in range(15)]
    return {"generated": generated, "reference": reference, "points": points}


def normal(random: Random) -> float:
    return round(sum(random.random() for _ in range(12)) - 6, 3)


# -- overlap and scores -------------------------------------------------------------------------------------------


def piece_overlaps(piece: Piece) -> dict[str, list[float]]:
    windows = []
    for bar in range(0, piece["bars"] - 3, 2):
        inside = [n for n in piece["notes"] if bar <= n[0] // 16 < bar + 4]
        summed = [[n[2] for n in inside], [n[1] - n[0] for n in inside]]
        windows.append([NormalDist(fmean(v), pstdev(v) + 1e-6) if v else NormalDist(1, 1e-6) for v in summed])
    pairs = list(pairwise(windows))
    sounds = bool(piece["notes"])  # a piece without a note is like nothing
    return {kind: [sounds * a[i].overlap(b[i]) for a, b in pairs] for i, kind in enumerate(("pitch", "duration"))}


def moments(rows: list[list[float]]) -> list[float]:
    pooled = [v for row in rows for v in row]
    return [fmean(pooled), pvariance([fmean(row) for row in rows]), pvariance(pooled)]


# -- features -----------------------------------------------------------------------------------------------------


def piece_features(piece: Piece) -> dict:
    notes, steps = piece["notes"], 16 * piece["bars"]
    state = [None] * steps
    for start, end, pitch in notes:
        for step in range(start, end):
            state[step] = (pitch, step == start)
    pitches = [p for _, _, p in notes]
    classes = Counter(p % 12 for p in pitches)
    shares = [n / len(pitches) for n in classes.values()]
    scales = [
        {(key + p) % 12 for p in mode} for key in range(12) for mode in ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))
    ]
    bars = [[any(n[0] == 16 * bar + i for n in notes) for i in range(16)] for bar in range(piece["bars"])]
    hamming = [sum(x != y for x, y in zip(a, b, strict=True)) / 16 for a, b in pairwise(bars)]
    count = piece["bars"] // 2
    alike = [
        [fmean(state[32 * i + s] == state[32 * j + s] for s in range(32)) for j in range(count)] for i in range(count)
    ]
    keys, moved, exact, transposed = [], [], 0, 0
    for phrase in range(count):
        begin = 32 * phrase
        held = [min(e - begin, 32) for s, e, _ in notes if s < begin < e]
        inside = [(s - begin, min(e - begin, 32), p) for s, e, p in notes if begin <= s < begin + 32]
        if held or inside:
            key = (held, inside)
            move = (held, [(s, e, p - inside[0][2]) for s, e, p in inside])
            exact += key in keys
            transposed += move in moved
            keys.append(key)
            moved.append(move)
    return {
        "pitch_range": max(pitches) - min(pitches) if notes else 0,
        "notes_a_bar": len(notes) / piece["bars"],
        "rests": state.count(None) / steps,
        "pitch_class_entropy": -sum(s * math.log2(s) for s in shares),
        "scale_consistency": max(sum(p % 12 in scale for p in pitches) for scale in scales) / max(len(pitches), 1),
        "groove_consistency": 1 - fmean(hamming),
        "self_similarity": [fmean(alike[i][i + k] for i in range(count - k)) for k in range(1, count)],
        "intervals": [min(abs(b - a), 24) for a, b in pairwise(pitches)],
        "repeated_phrases": exact / max(len(keys), 1),
        "transposed_phrases": transposed / max(len(keys), 1),
    }


def wasserstein(a: list[float], b: list[float]) -> float:
    """Earth moved by hand: heaps of len(b) and len(a) units."""
    left, right = [[v, len(b)] for v in sorted(a)], [[v, len(a)] for v in sorted(b)]
    work, i, j = [], 0, 0
    while i < len(left):
        units = min(left[i][1], right[j][1])
        work.append(units * abs(left[i][0] - right[j][0]))
        left[i][1] -= units
        right[j][1] -= units
        i += left[i][1] == 0
        j += right[j][1] == 0
    return math.fsum(work) / (len(a) * len(b))


def music(ours: list[dict], theirs: list[dict]) -> dict:
    table = {}
    for name in ours[0]:
        if name == "self_similarity":
            distances = []
            for lag in range(max(len(f[name]) for f in theirs)):
                columns = [[f[name][lag] for f in side if len(f[name]) > lag] for side in (ours, theirs)]
                distances.append(wasserstein(*columns))
            columns, distance = [[v for f in side for v in f[name]] for side in (ours, theirs)], fmean(distances)
        else:
            pooled = name == "intervals"
            columns = [[v for f in side for v in (f[name] if pooled else [f[name]])] for side in (ours, theirs)]
            distance = wasserstein(*columns)
        table[name] = {"mean": fmean(columns[0]), "reference": fmean(columns[1]), "distance": distance}
    return table


# -- latents ------------------------------------------------------------------------------------------------------


def covariance(points: list[list[float]]) -> list[Fraction]:
    """xx, xy, yy; exactly."""
    x, y = ([Fraction(p[i]) for p in points] for i in (0, 1))
    mx, my, n = sum(x) / len(x), sum(y) / len(y), len(points) - 1
    pairs = ((x, mx, x, mx), (x, mx, y, my), (y, my, y, my))
    return [sum((a - ma) * (b - mb) for a, b in zip(p, q, strict=True)) / n for p, ma, q, mb in pairs]


def frechet(a: list[list[float]], b: list[list[float]]) -> float:
    """Two dimensions: trace sqrt(M) = sqrt(trace M + 2 sqrt(det M))."""
    (p, q, r), (s, t, u) = covariance(a), covariance(b)
    overlap = math.sqrt(p * s + 2 * q * t + r * u + 2 * Fraction(math.sqrt((p * r - q * q) * (s * u - t * t))))
    gap = sum((fmean(x[i] for x in a) - fmean(x[i] for x in b)) ** 2 for i in (0, 1))
    return gap + float(p + r + s + u) - 2 * overlap


def mmd(a: list[list[float]], b: list[list[float]], kernel: str) -> float:
    width = median(math.dist(x, y) for i, x in enumerate(b) for y in b[:i])

    def alike(x, y):
        if kernel == "rbf":
            return math.exp(-(math.dist(x, y) ** 2) / (2 * width**2))
        return ((x[0] * y[0] + x[1] * y[1]) / 2 + 1) ** 3

    within = [fmean(alike(x, y) for i, x in enumerate(s) for j, y in enumerate(s) if i != j) for s in (a, b)]
    return sum(within) - 2 * fmean(alike(x, y) for x in a for y in b)


def share_inside(points: list[list[float]], centres: list[list[float]], k: int) -> float:
    reach = [sorted(math.dist(c, d) for j, d in enumerate(centres) if i != j)[k - 1] for i, c in enumerate(centres)]
    return fmean(any(math.dist(p, c) <= r for c, r in zip(centres, reach, strict=True)) for p in points)


# -- all of it ----------------------------------------------------------------------------------------------------


def make() -> dict:
    given = inputs()
    a, b = given["points"]["a"], given["points"]["b"]
    overlaps = {side: [piece_overlaps(piece) for piece in given[side]] for side in ("generated", "reference")}
    summed = {
        side: {kind: moments([o[kind] for o in rows]) for kind in ("pitch", "duration")}
        for side, rows in overlaps.items()
    }
    scores = {
        kind: [max(0, 1 - abs(x - gt) / gt) for x, gt in zip(summed["generated"][kind], values, strict=True)]
        for kind, values in summed["reference"].items()
    }
    found = {side: [piece_features(piece) for piece in given[side]] for side in ("generated", "reference")}
    latent = {
        "frechet": frechet(a, b),
        "mmd_rbf": mmd(a, b, "rbf"),
        "mmd_polynomial": mmd(a, b, "polynomial"),
        "precision": share_inside(a, b, 3),
        "recall": share_inside(b, a, 3),
    }
    figures = {"overlaps": overlaps["generated"], "moments": summed, "scores": scores, "features": found["generated"]}
    return {"inputs": given, "figures": {**figures, "music": music(*found.values()), "latent": latent}}


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(make(), separators=(",", ":")) + "\n", "utf-8")
