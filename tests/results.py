"""A `results.json` as `cantilena reproduce` writes it, with invented figures: for the tests of table, figures and page."""

from typing import Any

import numpy as np

SETTINGS = ("unconditional", "infilling")
PUBLISHED = {  # row: pitch C, Var, duration C, Var; unconditional, then infilling
    "test": ((1.0, 0.96, 1.0, 0.91), (1.0, 0.96, 1.0, 0.91)),
    "diffusion": ((0.99, 0.90, 0.96, 0.92), (0.97, 0.87, 0.97, 0.80)),
    "autoregression": ((0.93, 0.68, 0.93, 0.76), None),
    "interpolation": ((0.85, 0.23, 0.91, 0.34), (0.94, 0.78, 0.96, 0.80)),
    "prior": ((0.84, 0.19, 0.90, 0.67), (0.89, 0.19, 0.94, 0.54)),
}
QUALITY = {"train": 0.99, "test": 0.98, "diffusion": 0.95, "autoregression": 0.85, "paper": 0.9, "diffusion-tuned": 0.97,
           "autoregression-tuned": 0.9, "paper-tuned": 0.93, "interpolation": 0.6, "prior": 0.5, "reconstruction": 0.97, "spurious": 0.99, "shuffled": 0.8}  # fmt: skip
FEATURES = ("pitch_range", "notes_a_bar", "rests", "pitch_class_entropy", "scale_consistency", "groove_consistency",
            "self_similarity", "step_leap", "repeated_phrases")  # fmt: skip
ONLY_UNCONDITIONAL = (
    "train",
    "autoregression",
    "autoregression-tuned",
    "paper",
    "paper-tuned",
    "reconstruction",
    "spurious",
    "shuffled",
)


def invented_results(seed: int = 0) -> dict[str, Any]:
    """All rows; every figure is plain Python, as JSON would give it back."""
    random = np.random.default_rng(seed)

    def scores(quality: float) -> dict[str, Any]:
        cells = {}
        for name, spread in (("C", 0.15), ("var_pieces", 1.0), ("var_pooled", 0.6)):
            value = float(np.clip(1 - (1 - quality) * spread - random.uniform(0, 0.05), 0, 1))
            cells[name] = {"value": value, "low": max(0.0, value - 0.02), "high": min(1.0, value + 0.015)}
        return cells

    def curve(quality: float, setting: str) -> list[float]:
        held = np.r_[np.zeros(8), np.ones(14), np.zeros(8)] if setting == "infilling" else np.ones(30)
        return (0.8 - 0.3 * (1 - quality) * held + random.normal(0, 0.006, 30)).tolist()

    def latent(quality: float) -> dict[str, float]:
        bad = 1 - quality + 0.01
        return {"frechet": 20 * bad, "mmd_rbf": 0.1 * bad, "mmd_polynomial": 0.4 * bad, "precision": 1 - bad / 2,
                "recall": 1 - bad}  # fmt: skip

    def music(quality: float) -> dict[str, dict[str, float]]:
        return {name: {"mean": 3 + random.uniform(), "distance": 1.001 - quality} for name in FEATURES}

    def novelty(quality: float) -> dict[str, float]:
        return {"longest_median": 9 * quality, "longest_95": 24 * quality, "share_found": 0.1 * quality}

    settings = {row: SETTINGS[:1] if row in ONLY_UNCONDITIONAL else SETTINGS for row in QUALITY}
    makers = {"latent": latent, "music": music, "novelty": novelty}
    made = {
        part: {row: {setting: maker(q) for setting in settings[row]} for row, q in QUALITY.items()}
        for part, maker in makers.items()
    }
    rows = {
        row: {setting: {"pitch": scores(QUALITY[row]), "duration": scores(QUALITY[row])} for setting in settings[row]}
        for row in QUALITY
    }
    attributes = ("pitch", "duration")
    return {
        "about": {"cantilena": "0.1.0", "model": "pop-64", "fingerprint": "0123abcd", "corpus": "open", "n": 1000,
                  "steps": 20, "seeds": [0], "seconds": 512.3, "sampler": "ddpm", "temperature": 0.95},
        "reference": {"overlap": {a: {"mean": 0.77, "var_pieces": 0.0123, "var_pooled": 0.034} for a in attributes}},
        "rows": rows,
        "published": {
            row: {
                setting: {"pitch": {"C": f[0], "var": f[1]}, "duration": {"C": f[2], "var": f[3]}}
                for setting, f in zip(SETTINGS, figures, strict=True)
                if f
            }
            for row, figures in PUBLISHED.items()
        },
        "latent": {"floor": latent(1.0), "rows": made["latent"]},
        "music": {"reference": dict.fromkeys(FEATURES, 3.5), "rows": made["music"]},
        "novelty": {"rows": made["novelty"]},
        "curves": {"overlap_along": {
            row: {setting: {a: curve(QUALITY[row], setting) for a in attributes} for setting in settings[row]}
            for row in QUALITY
        }},
    }  # fmt: skip
