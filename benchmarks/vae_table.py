"""How well the phrase VAE of a model rebuilds phrases of a corpus: `python benchmarks/vae_table.py CORPUS [MODEL]`.

Prints token accuracy and the share of exactly rebuilt phrases, from the posterior's mean and from a sampled z, the KL
in nats and each dimension's deviation: over the phrases of test songs weighted by occurrence, and over the distinct
ones that no training song has. Each is written literally, as if nothing were known of other phrases.
"""

from __future__ import annotations

import sys

import numpy as np

from cantilena.corpus.store import Corpus
from cantilena.model import RESEARCH_MODEL, Model


def main(corpus_dir: str, name: str = RESEARCH_MODEL) -> None:
    corpus, model = Corpus.open(corpus_dir), Model.load(name)
    tokens, counts = corpus.unique_phrases("test")
    known = {row.tobytes() for row in corpus.unique_phrases("train")[0]}
    new = np.array([row.tobytes() not in known for row in tokens])
    batches = [tokens[i : i + 512] for i in range(0, len(tokens), 512)]
    mean, std = (np.concatenate(a) for a in zip(*(model.encode(b) for b in batches), strict=True))
    z = mean + std * np.random.default_rng(0).standard_normal(mean.shape, np.float32)
    right = {}
    for source, latent in (("mean", mean), ("sampled", z)):
        right[source] = np.concatenate(
            [
                model.decode(latent[None, i : i + 512], alone=True)[0] == tokens[i : i + 512]
                for i in range(0, len(z), 512)
            ]
        )
    kl = 0.5 * (mean**2 + std**2 - 1 - 2 * np.log(std)).sum(1)
    kinds = f"{len(tokens):,} distinct test phrases ({counts.sum():,} in all, {new.sum():,} new)"
    print(f"{model.name} {model.fingerprint} on {kinds}")
    print(f"{'':34}{'by occurrence':>16}{'not in training':>18}")
    rows = {
        "token accuracy from the mean": right["mean"].mean(1),
        "exactly rebuilt from the mean": right["mean"].all(1),
        "token accuracy from a sampled z": right["sampled"].mean(1),
        "exactly rebuilt from a sampled z": right["sampled"].all(1),
        "KL, nats": kl,
    }
    for label, values in rows.items():
        print(f"{label:34}{np.average(values, weights=counts):16.4f}{values[new].mean():18.4f}")
    deviation = np.average(std, axis=0, weights=counts)
    print(f"dimensions kept: {model.space.D} of {model.space.Z}; posterior deviation of each, ascending:")
    print(np.array2string(np.sort(deviation), precision=2, max_line_width=100))


if __name__ == "__main__":
    main(*sys.argv[1:])
