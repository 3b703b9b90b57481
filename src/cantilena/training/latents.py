"""The corpus as latents: every phrase encoded once, in a transposition of its melody, and kept on disk.

A folder of one split and one draw of transpositions:

    codes.npy     float16 (n, 2, Z)   posterior mean and deviation of each distinct (phrase, transposition)
    rows.npy      int32 (m,)          row of codes for each phrase of each melody, melodies joined
    windows.npy   int64 (w, 6)        begin in rows, melody, then the labels role, family, purity, has rests
    latents.json                      corpus, VAE, split and seed that it was made from
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cantilena.corpus.store import WINDOW_PHRASES as PHRASES
from cantilena.corpus.store import Corpus
from cantilena.corpus.tunes import Split
from cantilena.corpus.worker_pool import WorkerPool
from cantilena.errors import CorpusError
from cantilena.files import new_folder
from cantilena.latent import LatentSpace
from cantilena.music.melody import is_silent
from cantilena.training.data import SHIFTS, shifted
from cantilena.training.networks import MelodyVAE

__all__ = ["PHRASES", "Encoding", "Latents", "Windows", "encode_corpus", "encode_phrases", "max_silent"]

Encoding: TypeAlias = Callable[[int, int], None]  # phrases done, and in all
_PART = 8192  # phrases that are encoded at once
MAX_SILENT = 8  # silent phrases in a training example of 32


def max_silent(phrases: int) -> int:
    """How many of the phrases of a training example may be silent: a quarter."""
    return MAX_SILENT * phrases // PHRASES


@dataclass(frozen=True, eq=False)
class Latents:
    """A folder of encoded melodies, memory-mapped."""

    codes: NDArray[np.float16]  # (n, 2, Z)
    rows: NDArray[np.int32]  # (m,)
    windows: NDArray[np.int64]  # (w, 6)
    meta: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> Latents:
        """Read what `encode_corpus` wrote; CorpusError where it is not complete."""
        try:
            meta = json.loads((folder / "latents.json").read_text())
            codes, rows, windows = (np.load(folder / f"{n}.npy", mmap_mode="c") for n in ("codes", "rows", "windows"))
        except (OSError, ValueError) as error:
            raise CorpusError(f"{folder}: no encoded corpus there ({error}); remove it and train again") from error
        return cls(codes, rows, windows, meta)

    @property
    def phrases(self) -> int:
        """How many phrases a window has."""
        return int(self.meta.get("window", PHRASES))

    @property
    def labels(self) -> NDArray[np.int64]:
        """Role, family, purity and has-rests of every window: (w, 4)."""
        return np.asarray(self.windows[:, 2:])


class Windows:
    """The windows of `Latents` in a latent space, on one device: what a network of windows learns from.

    On the CPU the codes stay on disk, mapped; a GPU holds them all.
    """

    def __init__(
        self,
        latents: Latents,
        space: LatentSpace,
        posterior: Literal["draw", "mean"] = "draw",
        device: torch.device | str = "cpu",
    ):
        self.posterior, self.D = posterior, space.D
        self._codes, self._rows, self._begin, self.labels = (
            torch.from_numpy(array).to(device)
            for array in (latents.codes, latents.rows, latents.windows[:, 0], latents.labels)
        )
        self._kept = torch.from_numpy(np.flatnonzero(space.kept)).to(device)
        self._mean, self._scale = (torch.tensor(a[space.kept], device=device) for a in (space.mean, space.scale))
        self._place = torch.arange(latents.phrases, device=device)

    def __len__(self) -> int:
        return len(self._begin)

    def x_0(self, window: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """What is learnt of windows (B,): normalised draws from the posterior, or its means, (B, P, D).

        The means, too, where no `generator` draws.
        """
        codes = self._codes[self._rows[self._begin[window, None] + self._place].long()]  # (B, P, 2, Z)
        codes = codes.index_select(-1, self._kept).float()
        z = codes[:, :, 0]
        if generator is not None and self.posterior == "draw":
            z = z + codes[:, :, 1] * torch.randn(z.shape, generator=generator, device=z.device)
        return (z - self._mean) / self._scale


def encode_phrases(
    network: MelodyVAE,
    tokens: NDArray[np.integer],
    precision: str = "fp32",
    *,
    executor: Executor | None = None,
    progress: Encoding | None = None,
) -> NDArray[np.float16]:
    """Posterior mean and deviation of phrases (n, 32), as (n, 2, Z) float16.

    An `executor`, such as a `Cluster`, encodes parts of them each on one thread; without one they are encoded here.
    `progress` gets phrases done and in all. CorpusError where the workers cannot encode.
    """
    codes = np.empty((len(tokens), 2, network.config.latent), np.float16)
    starts, done = range(0, len(tokens), _PART), 0
    for at, part in _encoded(network, tokens, precision, executor, starts):
        codes[at : at + _PART] = part
        done += len(part)
        if progress:
            progress(done, len(tokens))
    return codes


def _encoded(
    network: MelodyVAE, tokens: NDArray[np.integer], precision: str, executor: Executor | None, starts: Sequence[int]
) -> Iterator[tuple[int, NDArray[np.float16]]]:
    """The phrases in parts that begin at `starts`, as they are done: where each begins, and its codes."""
    if executor is None:
        for at in starts:
            yield at, _encode(network, tokens[at : at + _PART], precision)
        return
    work = partial(_encode_elsewhere, deepcopy(network).to("cpu"), precision)
    parts = ([(at, tokens[at : at + _PART])] for at in starts)
    with WorkerPool(work, executor=executor, workers=getattr(executor, "workers", None)) as pool:
        try:
            for ((at, _),), codes in pool.run(parts):
                if codes is None:
                    raise CorpusError("what encodes phrases was killed, twice")
                yield at, codes
        except ImportError as error:
            raise CorpusError(f"a worker cannot encode: pip install 'cantilena[train]' there ({error})") from error


def _encode_elsewhere(
    network: MelodyVAE, precision: str, parts: Sequence[tuple[int, NDArray[np.integer]]]
) -> NDArray[np.float16]:
    torch.set_num_threads(1)
    ((_, tokens),) = parts
    return _encode(network, tokens, precision)


@torch.no_grad()
def _encode(network: MelodyVAE, tokens: NDArray[np.integer], precision: str) -> NDArray[np.float16]:
    codes = np.empty((len(tokens), 2, network.config.latent), np.float16)
    device = next(network.parameters()).device
    size = 512 if device.type == "cpu" else 16384
    for begin in range(0, len(tokens), size):
        batch = torch.from_numpy(np.asarray(tokens[begin : begin + size], np.int64)).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            mean, log_var = network.encode(batch)
        codes[begin : begin + size] = torch.stack([mean, (0.5 * log_var).exp()], 1).cpu().numpy()
    return codes


def encode_corpus(
    network: MelodyVAE,
    corpus: Corpus,
    split: Split,
    folder: Path,
    *,
    seed: int,
    phrases: int = PHRASES,
    limit: int | None = None,
    precision: str = "fp32",
    meta: dict[str, Any] | None = None,
    executor: Executor | None = None,
    progress: Encoding | None = None,
) -> Latents:
    """Encode the melodies of `split` that hold a window of so many `phrases`, each in one random transposition.

    `seed` draws the transpositions (seed 0 draws none); `limit` keeps about that many windows, melody by melody in
    random order. The folder appears in one step. `executor` and `progress` are those of `encode_phrases`.
    """
    windows = corpus.windows(split, max_silent=max_silent(phrases), phrases=phrases)
    if not len(windows):
        raise CorpusError(
            f"{corpus.directory}: no melody of {2 * phrases} bars in its {split} songs "
            f"({len(corpus.indices(split))} melodies); a corpus of about 300 songs or more has some"
        )
    random = np.random.default_rng([seed, 7])
    windows = windows[np.argsort(windows[:, 0], kind="stable")]
    melodies, first_row, count = np.unique(windows[:, 0], return_index=True, return_counts=True)
    order = random.permutation(len(melodies))
    shifts = random.integers(SHIFTS[0], SHIFTS[-1] + 1, len(melodies)) * (seed > 0)
    kept = np.sort(order[: np.searchsorted(np.cumsum(count[order]), limit or len(windows)) + 1])

    tokens, out, begin = [], [], 0
    for k in kept.tolist():
        melody = int(melodies[k])
        found = corpus.phrases(melody)
        silent = np.append(0, np.cumsum(is_silent(found)))
        first = windows[first_row[k] : first_row[k] + count[k], 1]
        row = corpus.table[melody]
        labels = np.tile([row["role"], row["family"], corpus.purity(melody), 0], (len(first), 1)).astype(np.int64)
        labels[:, 3] = silent[first + phrases] > silent[first]
        out.append(np.column_stack([first + begin, np.full(len(first), melody), labels]))
        tokens.append(shifted(found, np.full(len(found), shifts[k])))
        begin += len(found)
    flat = np.concatenate(tokens)
    distinct, rows = np.unique(flat.view("V32").ravel(), return_inverse=True)
    distinct_tokens = distinct.view(np.int8).reshape(-1, 32)
    codes = encode_phrases(network, distinct_tokens, precision, executor=executor, progress=progress)

    about = {
        "corpus": corpus.fingerprint,
        "split": split,
        "seed": seed,
        "limit": limit,
        "window": phrases,
        "phrases": len(codes),
        **(meta or {}),
    }
    try:
        with new_folder(folder) as new:
            for name, array in (("codes", codes), ("rows", rows.astype(np.int32)), ("windows", np.concatenate(out))):
                np.save(new / f"{name}.npy", array)
            (new / "latents.json").write_text(json.dumps(about, indent=1))
    except OSError as error:
        raise CorpusError(f"{folder}: cannot keep the encoded corpus ({error.strerror or error})") from error
    return Latents.open(folder)
