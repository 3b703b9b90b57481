"""Tunes as sequences of latents: what a denoiser of tunes learns from, resident on its device.

A sequence is a whole tune of 4 to PHRASES phrases, with a mask over the places that it does not fill; of a longer one
a window, which knows whether it holds the opening and the ending.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from cantilena.files import new_file
from cantilena.labels import FAR, PLACE_NULLS, PLACES, rest_classes, rhythm_letters
from cantilena.latent import LatentSpace
from cantilena.music.metre import TOKENS
from cantilena.training.data import shifted
from cantilena.training.latents import encode_phrases
from cantilena.training.networks import MelodyVAE
from cantilena.training.tunes import PITCH_CLASSES, Tunes, density_of, form_letters, register_of, sings

__all__ = [
    "FAR",
    "PHRASES",
    "PLACE_SIZES",
    "Batch",
    "Sequences",
    "drop_labels",
    "drop_places",
    "encode_tunes",
    "encoded_tunes",
    "relabelled",
]

PHRASES = PLACES  # of a sequence
PLACE_SIZES = PLACE_NULLS  # values of what is told of each phrase; one index more is "not said"
_ALONE = (0.3, 0.3, 0.4, 0.4, 0.4)  # how often each of those is left unsaid


class Batch(NamedTuple):
    """Sequences, and what is known of them."""

    x_0: Tensor  # (B, P, D)
    mask: Tensor  # (B, P) bool: the places that are filled
    labels: Tensor  # (B, 7) role, style, metre, register, density, scale, tonic
    places: Tensor  # (B, P, 5) phrases from the opening, to the ending, form letter, how it rests, rhythm


@dataclass(frozen=True, eq=False)
class Sequences:
    """Encoded tunes, each in some transpositions; tensors on one device."""

    codes: Tensor  # (n, D) normalised latents of distinct phrases
    tokens: Tensor  # (n, 32) int8: those phrases
    rows: Tensor  # (m,) int64: which of them each phrase is, tunes joined
    letters: Tensor  # (m,) int64: form letter within its tune
    rests: Tensor  # (m,) int64: how it rests, of `labels.rest_classes`
    rhythms: Tensor  # (m,) int64: letter of its rhythm within its tune
    begin: Tensor  # (s,) int64: where a tune's phrases begin in rows
    length: Tensor  # (s,) int64: how many they are
    steps: Tensor  # (s,) int64: how many of the 32 tokens of a phrase are played in its metre
    labels: Tensor  # (s, 7) int64
    chances: Tensor  # (k, s) float64, cumulative: how likely each is, in the stages of a training

    def to(self, device: torch.device | str) -> Sequences:
        """The same on a device."""
        return Sequences(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    def draw(self, batch: int, generator: torch.Generator, stage: int = 0) -> Batch:
        """`batch` sequences, by the mixture of a stage."""
        return self.take(*self.choose(batch, generator, stage))

    def choose(self, batch: int, generator: torch.Generator, stage: int = 0) -> tuple[Tensor, Tensor]:
        """Which sequences (B,), and their first phrases (B,): of long tunes .3 openings, .3 endings, else anywhere."""
        device = self.codes.device
        u, where, kind = torch.rand(3, batch, generator=generator, device=device, dtype=torch.float64)
        pick = torch.searchsorted(self.chances[stage], u).clamp(max=len(self.begin) - 1)
        spare = (self.length[pick] - PHRASES).clamp(min=0)
        inside = (where * (spare + 1)).long()
        return pick, torch.where(kind < 0.3, 0, torch.where(kind < 0.6, spare, inside))

    def take(self, pick: Tensor, first: Tensor) -> Batch:
        """The sequences `pick` (B,), from their phrases `first` (B,) on."""
        at, mask = self._places(pick, first)
        flat, length = self.begin[pick, None] + at, self.length[pick]
        opening, ending = at.clamp(max=FAR), (length[:, None] - 1 - at).clamp(max=FAR)
        letters, rhythms = relabelled(self.letters[flat]), relabelled(self.rhythms[flat])
        places = torch.stack([opening, ending, letters, self.rests[flat], rhythms], dim=-1)
        x_0 = self.codes[self.rows[flat]] * mask[..., None]
        return Batch(x_0, mask, self.labels[pick], places * mask[..., None])

    def phrases(self, pick: Tensor, first: Tensor) -> Tensor:
        """The tokens (B, P, 32) of what `take` takes; those of the last phrase where there is none."""
        at, _ = self._places(pick, first)
        return self.tokens[self.rows[self.begin[pick, None] + at]].long()

    def _places(self, pick: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        """Which phrases of their tunes stand in the places (B, P), and which of those are filled."""
        at = first[:, None] + torch.arange(PHRASES, device=self.codes.device)
        last = self.length[pick, None] - 1
        return torch.minimum(at, last), at <= last


def encoded_tunes(
    network: MelodyVAE,
    tunes: Tunes,
    run: Path,
    told: Mapping[str, Any],
    *,
    precision: str,
    init: Path | None = None,
    executor: Executor | None = None,
) -> tuple[LatentSpace, Sequences, Sequences]:
    """The latent space of a run, and its training and validation sequences in it; kept in the run for the next time.

    `told` says what they are made from: "shares", "shifts" and "parts" of `encode_tunes`, and names of VAE and tunes.
    The space is the run's own, else that of the run or model folder `init`, else fitted to the training phrases.
    `executor` is that of `encode_phrases`.
    """
    kept, space_file = run / "sequences.safetensors", run / "latent.npz"
    key = json.dumps(told, sort_keys=True)
    if kept.exists() and space_file.exists():
        with safe_open(kept, "pt") as file:
            there = {name.partition(".")[2] for name in file.keys()}  # noqa: SIM118 (not a dict)
            if (file.metadata() or {}).get("told") == key and there == set(Sequences.__dataclass_fields__):
                parts = [
                    Sequences(*(file.get_tensor(f"{split}.{name}") for name in Sequences.__dataclass_fields__))
                    for split in ("train", "validation")
                ]
                return LatentSpace.load(space_file), parts[0], parts[1]
    shares = dict(told["shares"]) or dict.fromkeys(tunes.collections, 1.0)
    encode = partial(encode_tunes, network, tunes, weights=shares, precision=precision, executor=executor)
    made, deviation = encode(0, shifts=told["shifts"], parts=told["parts"])
    other, _ = encode(1, shifts=(0,), parts=told["parts"] // 16)
    source = space_file if space_file.exists() else init and init / "latent.npz"
    space = LatentSpace.load(source) if source else LatentSpace.fit(made.codes.numpy(), deviation)
    found = [replace(s, codes=torch.from_numpy(space.normalize(s.codes.numpy()))) for s in (made, other)]
    run.mkdir(parents=True, exist_ok=True)
    space.save(space_file)
    tensors = {
        f"{split}.{name}": getattr(part, name).contiguous()
        for split, part in zip(("train", "validation"), found, strict=True)
        for name in Sequences.__dataclass_fields__
    }
    with new_file(kept) as new:
        save_file(tensors, new, {"told": key})
    return space, found[0], found[1]


def relabelled(letters: Tensor) -> Tensor:
    """Letters (B, P) numbered anew in order of appearance, in each row.

    >>> relabelled(torch.tensor([[5, 2, 5, 9]])).tolist()
    [[0, 1, 0, 2]]
    """
    same = letters[:, :, None] == letters[:, None]  # (B, P, P)
    first = same.int().argmax(-1)  # where each letter first stands
    new = first == torch.arange(letters.shape[1], device=letters.device)
    return torch.gather(new.long().cumsum(-1) - 1, 1, first)


def transposed(home: Sequence[int], shift: int) -> list[int]:
    """Pitch classes that so many semitones move; "not said" stays.

    >>> transposed([11, 12], 2)
    [1, 12]
    """
    return [k if k == len(PITCH_CLASSES) else (k + shift) % 12 for k in home]


def drop_labels(labels: Tensor, sizes: Sequence[int], generator: torch.Generator) -> Tensor:
    """Replace labels (B, n) by their nulls `sizes`: all with p = .1, else each alone with p = .15."""
    every = torch.rand(len(labels), 1, generator=generator, device=labels.device) < 0.1
    alone = torch.rand(labels.shape, generator=generator, device=labels.device) < 0.15
    return torch.where(every | alone, torch.tensor(sizes, device=labels.device), labels)


def drop_places(places: Tensor, generator: torch.Generator) -> Tensor:
    """Replace kinds of labels of phrases (B, P, 5) by their nulls: all with p = .1, else each with p of `_ALONE`."""
    device = places.device
    every = torch.rand(len(places), 1, generator=generator, device=device) < 0.1
    u = torch.rand(len(places), len(_ALONE), generator=generator, device=device)
    alone = u < torch.tensor(_ALONE, device=device)
    return torch.where((every | alone)[:, None], torch.tensor(PLACE_SIZES, device=device), places)


def encode_tunes(
    network: MelodyVAE,
    tunes: Tunes,
    split: int,
    *,
    shifts: Sequence[int],
    weights: Mapping[str, float],
    parts: int = 0,
    seed: int = 0,
    precision: str = "bf16",
    mixture: Sequence[Sequence[float]] = ((0.7, 0.2, 0.1), (1.0, 0.0, 0.0)),
    executor: Executor | None = None,
) -> tuple[Sequences, NDArray[np.float32]]:
    """Encode the melodies of a split; the sequences with latents as they are (n, Z), and their deviations (n, Z).

    Tunes in every transposition of `shifts`; at most `parts` top parts that sing, in three of them, and half as many
    other parts in two. `weights` are the shares of collections among tunes; `mixture` the shares of tunes, top parts
    and others in each stage of a training.
    """
    random = np.random.default_rng([seed, 11])
    singing = (t for t in random.permutation(tunes.split(split, role=1)).tolist() if sings(tunes.phrases(t)))
    tops = list(islice(singing, parts))
    others = np.concatenate([tunes.split(split, role=r) for r in (2, 3)])
    others = random.permutation(others)[: parts // 2].tolist()
    groups = (tunes.split(split, role=0).tolist(), tops, others)
    tokens, letters, rests, rhythms, begin, length, steps, labels, share = [], [], [], [], [], [], [], [], []
    at, collection = 0, tunes.table["col"]
    for kind, (members, most) in enumerate(zip(groups, (len(shifts), 3, 2), strict=True)):
        count = np.bincount(collection[members], minlength=len(tunes.collections)) if members else np.zeros(1)
        for tune in members:
            phrases = tunes.phrases(tune)
            form, home = form_letters(phrases), tunes.home(tune)
            pauses, rhythm = rest_classes(phrases, tunes.steps(tune)), rhythm_letters(phrases)
            weight = 1.0
            if kind == 0:
                c = int(collection[tune])
                weight = weights.get(tunes.collections[c], 0.0) / float(count[c])
            by = random.permutation(np.asarray(shifts))[:most]
            for shift, moved in zip(by.tolist(), shifted(np.stack([phrases] * len(by)), by), strict=True):
                role, style, metre = tunes.known(tune)
                density = density_of(moved, tunes.quarters(tune))
                labels.append((role, style, metre, register_of(moved), density, *transposed(home, shift)))
                tokens.append(moved)
                letters.append(form)
                rests.append(pauses)
                rhythms.append(rhythm)
                begin.append(at)
                length.append(len(moved))
                steps.append(tunes.steps(tune))
                share.append((kind, weight))
                at += len(moved)
    flat = np.concatenate(tokens)
    distinct, rows = np.unique(flat.view("V32").ravel(), return_inverse=True)
    known = distinct.view(np.int8).reshape(-1, TOKENS)
    codes = encode_phrases(network, known, precision, executor=executor).astype(np.float32)
    which, weight_of = np.array(share).T
    chances = []
    for stage in mixture:
        chance = np.zeros(len(which))
        for kind, part in enumerate(stage):
            of = np.where(which == kind, weight_of, 0.0)
            chance += part * of / max(of.sum(), 1e-12)
        chances.append(np.cumsum(chance) / chance.sum())
    made = Sequences(
        torch.from_numpy(codes[:, 0].copy()),
        torch.from_numpy(known.copy()),
        torch.from_numpy(rows.reshape(-1).astype(np.int64)),
        torch.from_numpy(np.concatenate(letters)),
        torch.from_numpy(np.concatenate(rests)),
        torch.from_numpy(np.concatenate(rhythms)),
        torch.tensor(begin),
        torch.tensor(length),
        torch.tensor(steps),
        torch.tensor(labels),
        torch.from_numpy(np.array(chances)),
    )
    return made, codes[:, 1]
