"""A model of tunes that goes on to learn from somebody's own: 5 to 200 files, some minutes, and what came of it.

The denoiser changes by matrices of low rank, for as long as the error on tunes that are held out falls. The latent
space, the decoder and what they know of music stay.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cantilena.composer import Composer
from cantilena.errors import CantilenaError, RecipeError
from cantilena.model import Model
from cantilena.music.melody import Melody
from cantilena.music.tune_score import tune_features
from cantilena.provenance import FILE as PROVENANCE
from cantilena.provenance import KnownTunes
from cantilena.sources import Source
from cantilena.training import low_rank
from cantilena.training.denoiser import DiffusionConfig
from cantilena.training.export import adapted_model, read_weights
from cantilena.training.runs import load_vae
from cantilena.training.sequences import Sequences, encode_tunes
from cantilena.training.tune_denoiser import TuneDenoiser, TuneDenoiserConfig, TuneTask
from cantilena.training.tune_runs import real_densities, real_forms, real_homes
from cantilena.training.tunes import FIELDS, Tunes

__all__ = ["FEWEST", "MOST", "Adaptation", "OwnTunes", "adapt_model", "own_tunes"]

FEWEST, MOST = 5, 200  # files
FEWEST_PHRASES = 60  # 120 bars in 4/4
OWN = "own"  # the style that forms and keys of own tunes have
RANK, RATE, BATCH, AVERAGE = 8, 5e-4, 32, 0.97  # the last is the decay of the averaged changes
_STYLE = 1  # the label that says nothing of own tunes, and so comes to mean their style
EVERY, PATIENCE = 20, 8  # steps between looks at the held-out tunes, and how many looks without gain end it
DRAWN = 16  # tunes composed before and after
Progress = Callable[[float, str], None]  # seconds spent, and a line


@dataclass(frozen=True, eq=False)
class OwnTunes:
    """Somebody's own melodies, and the files that gave none."""

    melodies: tuple[Melody, ...]
    titles: tuple[str, ...]
    names: tuple[str, ...]  # of their files, or of tunes in a book
    hashes: tuple[str, ...]  # SHA-256 of these
    left_out: tuple[str, ...]  # a line each: which file, and why

    def tunes(self, styles: Sequence[str]) -> Tunes:
        """As training sees them, every fourth held out; their style comes after these: a network is told none."""
        metres = tuple(
            dict.fromkeys((m.metre.numerator, m.metre.denominator, m.metre.quarter_steps) for m in self.melodies)
        )
        table = np.zeros(len(self.melodies), [(name, np.int64) for name in FIELDS])
        phrases = [m.phrases() for m in self.melodies]
        for row, melody, some in zip(table, self.melodies, phrases, strict=True):
            metre = melody.metre
            row["style"], row["metre"] = (
                len(styles),
                metres.index((metre.numerator, metre.denominator, metre.quarter_steps)),
            )
            row["bar"], row["per"], row["n"] = metre.bar_steps, metre.phrase_bars, len(some)
        table["at"] = np.cumsum(table["n"]) - table["n"]
        table["split"] = (np.arange(len(table)) % 4 == 3).astype(np.int64)
        return Tunes(np.concatenate(phrases).astype(np.int8), table, (*styles, OWN), (OWN,), metres)


@dataclass(frozen=True)
class Adaptation:
    """What an adaptation did: figures before and after."""

    tunes: int
    phrases: int
    held_out: int
    steps: int
    seconds: float
    error: tuple[float, float]  # of denoising held-out tunes
    unlike: tuple[float, float]  # how far composed tunes are from one's own, in standard deviations
    copied: tuple[int, int]  # notes of the longest run that a composed tune shares with one's own
    human: int  # and that one's held-out tunes share with the others

    def text(self) -> str:
        """For people."""
        return "\n".join([
            f"{self.tunes} tunes, {self.phrases} phrases, {self.held_out} tunes held out; "
            f"{self.steps} steps, {self.seconds:.0f} s",
            f"error on the tunes held out    {self.error[0]:.4f} -> {self.error[1]:.4f}",
            f"{DRAWN} composed tunes, how unlike   {self.unlike[0]:.2f} -> {self.unlike[1]:.2f} deviations of yours",
            f"longest run shared with yours  {self.copied[0]} -> {self.copied[1]} notes "
            f"(your own tunes share {self.human} with each other)",
        ])  # fmt: skip


def own_tunes(folder: Path, model: Model) -> OwnTunes:
    """The melodies of all files of a folder, and of all tunes of its ABC books, in metres that the model knows.

    RecipeError (one line) where they are too few, or too many.
    """
    if not folder.is_dir():
        raise RecipeError(f"{folder}: a folder of your own MIDI, MusicXML or ABC files is needed")
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    left_out: list[str] = []
    sources: list[Source] = []
    for path in files[: MOST + 1]:
        try:
            sources += Source.of(path).songs()
        except CantilenaError as error:
            left_out.append(str(error))
    if (count := max(len(files), len(sources))) > MOST:
        raise RecipeError(
            f"{folder}: {count} tunes are a corpus; adapt takes {FEWEST} to {MOST} (see docs/training.md)"
        )
    found: dict[str, tuple[Source, Melody]] = {}
    for source in sources:
        try:
            melody, _ = source.tune(metres=model.metres)
        except (CantilenaError, ValueError) as error:
            left_out.append(str(error))
            continue
        if source.sha256 in {other.sha256 for other, _ in found.values()}:
            left_out.append(f"{source.name}: the same file again")
        elif len(melody.phrases()) < 4 or melody.notes.pitch.size < 12:
            short = f"{melody.bars} bars, {melody.notes.pitch.size} notes: too short to be a tune"
            left_out.append(f"{source.name}: {short}")
        else:
            assert source.path is not None
            found[str(source.path.relative_to(folder).with_name(source.name))] = (source, melody)
    names, melodies = tuple(found), tuple(melody for _, melody in found.values())
    phrases = sum(len(m.phrases()) for m in melodies)
    if len(melodies) < FEWEST or phrases < FEWEST_PHRASES:
        why = f"; left out: {'; '.join(left_out[:3])}" if left_out else ""
        raise RecipeError(
            f"{folder}: {len(melodies)} tunes of {phrases} phrases are too few to learn from: "
            f"{FEWEST} tunes and {FEWEST_PHRASES} phrases (two bars of 4/4 each) are needed{why}"
        )
    kept = [source for source, _ in found.values()]
    titles = tuple(source.title or Path(source.name).stem for source in kept)
    return OwnTunes(melodies, titles, names, tuple(source.sha256 for source in kept), tuple(left_out))


def adapt_model(
    model: Model, own: OwnTunes, folder: Path, *, minutes: float = 8.0, seed: int = 0, threads: int = 1,
    told: Progress | None = None,
) -> Adaptation:  # fmt: skip
    """Write a model folder that has learned from `own` tunes, too, and say what that changed.

    It stops when the error on the tunes held out does not fall any more, or after so many minutes. RecipeError for a
    model that is not one of tunes, and where nothing was gained: then nothing is written.
    """
    if not model.places_phrases:
        raise RecipeError(f"{model.name}: is no model of tunes; adapt one, such as open-64")
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    began = time.monotonic()
    tunes = own.tunes(model.labels.styles)
    network = TuneDenoiser(TuneDenoiserConfig.of(model.about["denoiser"]["config"]))
    network.load_state_dict(read_weights(model.folder, "denoiser"))
    train, held_out = (_sequences(model, tunes, split) for split in (0, 1))
    task = TuneTask(network, model.space, train, held_out, _diffusion(model), steps=1, final=0.0)
    steps, error = _learn(task, network, began + 60 * minutes, seed, told or (lambda seconds, line: None))
    if not steps:
        raise RecipeError(f"{model.name}: learned nothing that holds for the tunes held out; more tunes are needed")
    low_rank.merge(network)
    known = _write(model, own, tunes, network, folder, steps)
    real = np.array([tune_features(melody) for melody in own.melodies])
    composed = [_composed(m, own) for m in (model, Model.load(folder))]
    before, after = (_distance(some, real) for some in composed)
    copied, copied_after = (max(known.nearest(m, 1).longest for m in some) for some in composed)
    heard = [m for m, row in zip(own.melodies, tunes.table, strict=True) if row["split"] == 0]
    unheard = [m for m, row in zip(own.melodies, tunes.table, strict=True) if row["split"] == 1]
    human = KnownTunes.of(heard, [""] * len(heard), [""] * len(heard), unheard).human
    return Adaptation(
        tunes=len(own.melodies), phrases=len(tunes.tokens), held_out=len(unheard), steps=steps,
        seconds=time.monotonic() - began, error=error, unlike=(before, after), copied=(copied, copied_after),
        human=int(human.max()),
    )  # fmt: skip


def _learn(
    task: TuneTask, network: TuneDenoiser, until: float, seed: int, told: Progress
) -> tuple[int, tuple[float, float]]:
    """Change the network for as long as it pays; the steps of the best, 0 where nothing was gained, and the errors."""
    changes = low_rank.adapt(network, RANK)
    style: Any = network.labels[_STYLE].weight
    style.requires_grad_()
    rates = [{"params": changes, "lr": RATE}, {"params": [style], "lr": 4 * RATE}]
    optimiser = torch.optim.AdamW(rates, weight_decay=0.0)
    changes.append(style)
    average = [change.detach().clone() for change in changes]
    best, kept, step, best_step = task.error(network), [a.clone() for a in average], 0, 0
    first, began = best, time.monotonic()
    while time.monotonic() < until and step - best_step < PATIENCE * EVERY:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        loss, _ = task.loss(network, BATCH, step, generator)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(changes, 1.0)
        optimiser.step()
        step += 1
        for mean, change in zip(average, changes, strict=True):
            mean.lerp_(change.detach(), 1 - AVERAGE)
        if step % EVERY == 0:
            with _as(changes, average):
                error = task.error(network)
            told(
                time.monotonic() - began, f"step {step}: error on the tunes held out {error:.4f}, at first {first:.4f}"
            )
            if error < best:
                best, best_step, kept = error, step, [a.clone() for a in average]
    for change, value in zip(changes, kept, strict=True):
        change.data.copy_(value)
    return best_step, (first, best)


def _write(
    model: Model, own: OwnTunes, tunes: Tunes, network: TuneDenoiser, folder: Path, steps: int
) -> KnownTunes:  # fmt: skip
    """Write the model's folder with this denoiser, what is known of own tunes, and what they share; the index."""
    more: dict[str, Any] = {
        "forms": {OWN: real_forms(tunes)[OWN]},
        "styles": {},
        "densities": real_densities(tunes, least=1),
    }
    if homes := real_homes(tunes):
        more["homes"] = homes
    history = {"from": model.name, "fingerprint": model.fingerprint, "files": list(own.hashes), "steps": steps}
    known = KnownTunes.of(own.melodies, own.titles, [f"{OWN}/{n}" for n in own.names])
    adapted_model(model.folder, folder, network, more=more, adapted=history)
    indexed = (model.folder / PROVENANCE).is_file()
    (KnownTunes.load(model.folder, model.about).joined(known) if indexed else known).save(folder / PROVENANCE)
    return known


@contextmanager
def _as(changes: list[torch.nn.Parameter], values: list[torch.Tensor]) -> Iterator[None]:
    """The network with other values of its changes, for a while."""
    own = [change.detach().clone() for change in changes]
    for change, value in zip(changes, values, strict=True):
        change.data.copy_(value)
    yield
    for change, value in zip(changes, own, strict=True):
        change.data.copy_(value)


def _sequences(model: Model, tunes: Tunes, split: int) -> Sequences:
    """The tunes of a split in the model's latent space; those to learn from in every transposition."""
    shifts = range(-5, 7) if split == 0 else (0,)
    vae = load_vae(model.folder)
    made, _ = encode_tunes(vae, tunes, split, shifts=list(shifts), weights={OWN: 1.0}, precision="fp32")
    return replace(made, codes=torch.from_numpy(model.space.normalize(made.codes.numpy())))


def _diffusion(model: Model) -> DiffusionConfig:
    schedule = model.about["denoiser"]["schedule"]
    return DiffusionConfig(schedule=schedule["name"], T=schedule["T"], prediction=model.prediction)


def _composed(model: Model, own: OwnTunes) -> list[Melody]:
    """Tunes of a model, as many as DRAWN, in the metres of one's own and as long."""
    composer = Composer(model)
    found = []
    for seed in range(DRAWN):
        like = own.melodies[seed % len(own.melodies)]
        bars = min(max(like.bars, 8), 32)
        found.append(composer.compose(seed=seed, bars=bars, metre=str(like.metre)).melody)
    return found


def _distance(some: Sequence[Melody], real: NDArray[np.float64]) -> float:
    """How far the mean features of melodies lie from those of real ones, in standard deviations: the mean of all."""
    found = np.array([f for f in map(tune_features, some) if f is not None])
    spread = np.maximum(real.std(axis=0), 0.1 * np.abs(real.mean(axis=0)) + 1e-3)
    return float((np.abs(found.mean(axis=0) - real.mean(axis=0)) / spread).mean())
