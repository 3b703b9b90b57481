"""Recipe TOML -> trained checkpoint: reading a recipe, overriding it, and running it.

A recipe has the tables [network], [loop] and, by kind, [loss] (vae) or [diffusion] and [data] (denoiser); each is a
dataclass, and a key that none of them knows is refused.
"""

from __future__ import annotations

import dataclasses
import json
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
import torch
from torch import nn

from cantilena.corpus.store import Corpus
from cantilena.corpus.tunes import Split
from cantilena.errors import ModelError, RecipeError
from cantilena.latent import LatentSpace
from cantilena.model import find_model
from cantilena.training.data import Phrases
from cantilena.training.denoiser import DenoiserTask, DiffusionConfig
from cantilena.training.export import export_model, read_weights, vae_fingerprint
from cantilena.training.latents import MAX_SILENT, Latents, encode_corpus
from cantilena.training.loop import (
    LoopConfig,
    Progress,
    find_checkpoint,
    fit,
    load_checkpoint,
    load_weights,
    process_rank,
)
from cantilena.training.networks import (
    Denoiser,
    DenoiserConfig,
    MelodyVAE,
    PaperDenoiser,
    PaperDenoiserConfig,
    VAEConfig,
    parameter_count,
)
from cantilena.training.vae import VAETask

__all__ = [
    "DataConfig",
    "LossConfig",
    "Recipe",
    "describe",
    "export_run",
    "load_vae",
    "read_recipe",
    "train_denoiser",
    "train_vae",
]

Kind = Literal["vae", "denoiser"]
_C = TypeVar("_C")


@dataclass(frozen=True)
class LossConfig:
    """The VAE's loss."""

    beta: float  # weight of the KL
    beta_warmup: int = 1000  # steps over which it rises from 0
    freeze_encoder: bool = False  # train the decoder alone: latents, and so denoisers, stay what they are


@dataclass(frozen=True)
class DataConfig:
    """Which latents a denoiser learns from."""

    vae: str = ""  # run or model folder of the VAE
    draws: int = 1  # transposition draws of the corpus
    windows: int = 0  # about so many windows a draw; 0 = all
    scaling: Literal["standard", "min_max"] = "standard"
    precision: str = "fp32"  # of the encoder, once; "bf16" is faster on some processors


@dataclass(frozen=True)
class Recipe:
    """A recipe, checked: raw tables by name."""

    name: str
    kind: Kind
    network: str  # "melody_vae", "small" or "paper"
    tables: Mapping[str, Mapping[str, Any]]

    def table(self, name: str, config: type[_C], **given: Any) -> _C:
        """One table as its dataclass; RecipeError for unknown keys or wrong types."""
        values = {**self.tables.get(name, {}), **given}
        known = {f.name: f for f in dataclasses.fields(config)}  # type: ignore[arg-type]
        if unknown := sorted(set(values) - set(known)):
            raise RecipeError(f"{self.name}: [{name}] has no {', '.join(unknown)} (it has {', '.join(known)})")
        hints = get_type_hints(config)
        for key, value in values.items():
            if not _fits(value, hints[key]):
                raise RecipeError(f"{self.name}: {name}.{key} is {known[key].type}, not {value!r}")
        try:
            return config(**values)
        except (TypeError, ValueError) as error:
            raise RecipeError(f"{self.name}: [{name}] {error}") from error


def read_recipe(path: Path, settings: list[str] | None = None) -> Recipe:
    """Read a recipe and apply settings such as "loop.steps=500". RecipeError in one line where either is wrong."""
    try:
        raw = tomllib.loads(path.read_text())
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not TOML ({error})") from error
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        parts = key.split(".")
        if not equals or len(parts) != 2:
            raise RecipeError(f"--set {setting}: expected table.key=value, such as loop.steps=500")
        try:
            parsed = tomllib.loads(f"v = {value}")["v"]
        except tomllib.TOMLDecodeError:
            parsed = value  # a bare word or path
        table = raw.setdefault(parts[0], {})
        if not isinstance(table, dict):
            raise RecipeError(f"--set {setting}: {parts[0]} is no table")
        table[parts[1]] = parsed
    kind, network = raw.pop("kind", None), raw.pop("network_type", None)
    if (kind, network) not in (("vae", "melody_vae"), ("denoiser", "small"), ("denoiser", "paper")):
        raise RecipeError(f"{path.name}: kind and network_type must be vae + melody_vae, or denoiser + small or paper")
    if odd := [key for key, table in raw.items() if not isinstance(table, dict)]:
        raise RecipeError(f"{path.name}: {odd[0]} stands outside a table")
    known = {"network", "loop", "loss"} if kind == "vae" else {"network", "loop", "diffusion", "data"}
    if unknown := sorted(set(raw) - known):
        raise RecipeError(f"{path.name}: unknown table {', '.join(unknown)} (known: {', '.join(sorted(known))})")
    return Recipe(path.stem, kind, network, raw)


def describe(recipe: Recipe, corpus: Corpus, run: Path) -> str:
    """What training would do, in a few lines (`--dry-run`)."""
    loop = recipe.table("loop", LoopConfig)
    if recipe.kind == "vae":
        network: nn.Module = MelodyVAE(recipe.table("network", VAEConfig))
        examples = (
            f"{len(corpus.unique_phrases('train')[0]):,} distinct phrases, beta {recipe.table('loss', LossConfig).beta}"
        )
    else:
        network = make_denoiser(recipe, 42)
        data, diffusion = recipe.table("data", DataConfig), recipe.table("diffusion", DiffusionConfig)
        count = len(corpus.windows("train", max_silent=MAX_SILENT))
        examples = f"{count:,} windows in {data.draws} draws, predicts {diffusion.prediction}, {diffusion.schedule}"
    done = f"resumes from {latest[1]}" if (latest := find_checkpoint(run)) else "starts anew"
    return (
        f"{recipe.name}: {recipe.network} with {parameter_count(network):,} parameters"
        f"{' at D = 42' if recipe.kind == 'denoiser' else ''}\n"
        f"data:  {examples}\n"
        f"loop:  {loop.steps:,} steps of {loop.batch}, lr {loop.lr:g}, {loop.precision}, {loop.threads} thread(s)\n"
        f"run:   {run} {done}"
    )


def _fits(value: Any, hint: Any) -> bool:
    """Whether a TOML value is what a field of a config wants; whole numbers are numbers, too."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    kinds = get_args(hint) or (hint,)
    return type(value) in kinds or (float in kinds and type(value) is int)


# -- the VAE ---------------------------------------------------------------------------------------


def train_vae(
    recipe: Recipe, corpus: Corpus, run: Path, *, init: Path | None = None, progress: Progress | None = None
) -> int:
    """Train a MelodyVAE in `run`; returns the step reached. `init` warm-starts from a run or a model folder."""
    loop, loss = recipe.table("loop", LoopConfig), recipe.table("loss", LossConfig)
    torch.manual_seed(loop.seed)  # initial weights only; every later draw has its own generator
    network = MelodyVAE(recipe.table("network", VAEConfig))
    if init is not None:
        _warm_start(network, init, 0)
    if loss.freeze_encoder:
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name.startswith(("expand", "unsqueeze", "decoder", "logits")))
    train, validation = (distinct_phrases(corpus, split) for split in ("train", "validation"))
    task = VAETask(network, train, validation, beta=loss.beta, beta_warmup=loss.beta_warmup)
    meta = {"kind": "vae", "network": asdict(network.config), "recipe": recipe.tables, "corpus": corpus.fingerprint}
    return fit(task, loop, run, meta=meta, progress=progress)


def distinct_phrases(corpus: Corpus, split: Split) -> Phrases:
    """The distinct phrases of a split, with how often each occurs."""
    tokens, counts = corpus.unique_phrases(split)
    if not len(tokens):
        raise RecipeError(f"the corpus has no {split} phrases: it is too small to train on")
    return Phrases(tokens, counts)


def load_vae(source: Path) -> MelodyVAE:
    """The VAE of a run (averaged weights), of a model folder or of a shipped model."""
    if (model := _model_folder(source)) is not None:
        source = model
        about = json.loads((source / "model.json").read_text())
        network = MelodyVAE(VAEConfig(**about["vae"]["config"]))
        network.load_state_dict(read_weights(source)[0])
    else:
        meta, folder = load_checkpoint(source)
        if meta.get("kind") != "vae":
            raise RecipeError(f"{source}: a run of a {meta.get('kind')}, where a VAE's is needed")
        network = MelodyVAE(VAEConfig(**meta["network"]))
        network.load_state_dict(load_weights(folder))
    return network.eval()


# -- the denoiser ----------------------------------------------------------------------------------


def train_denoiser(
    recipe: Recipe,
    corpus: Corpus,
    run: Path,
    *,
    init: Path | None = None,
    progress: Progress | None = None,
    encoding: Callable[[int, int], None] | None = None,
) -> int:
    """Train a denoiser in `run`; the corpus is encoded first, once for each VAE, beside the corpus.

    `encoding` gets phrases done and in all. Returns the step reached.
    """
    loop, data = recipe.table("loop", LoopConfig), recipe.table("data", DataConfig)
    diffusion = recipe.table("diffusion", DiffusionConfig)
    if not data.vae:
        raise RecipeError(f"{recipe.name}: say which VAE encodes the corpus, with --set data.vae=RUN or a model folder")
    vae = load_vae(Path(data.vae))
    draws = [_latents(vae, corpus, "train", seed, data, encoding) for seed in range(1, data.draws + 1)]
    validation = None  # a small corpus may have no validation song of 64 bars
    if len(corpus.windows("validation", max_silent=MAX_SILENT)):
        validation = _latents(vae, corpus, "validation", 0, replace(data, windows=0), encoding)
    fitted = run / "latent.npz"  # one fit a run, also when it goes on with more draws
    space = LatentSpace.load(fitted) if fitted.exists() else fit_space(draws[0], data)
    torch.manual_seed(loop.seed)
    network = make_denoiser(recipe, space.D)
    if init is not None:
        _warm_start(network, init, 1)
    run.mkdir(parents=True, exist_ok=True)
    space.save(fitted)
    task = DenoiserTask(network, space, draws, validation, diffusion)
    meta = {
        "kind": "denoiser",
        "network_type": recipe.network,
        "network": asdict(network.config),
        "diffusion": {"schedule": task.schedule.to_config(), "prediction": diffusion.prediction},
        "latent": space.fingerprint,
        "vae": vae_fingerprint(vae),
        "recipe": recipe.tables,
        "corpus": corpus.fingerprint,
        "windows": [len(d.windows) for d in draws],
    }
    return fit(task, loop, run, meta=meta, progress=progress)


def load_denoiser(source: Path) -> tuple[Denoiser | PaperDenoiser, dict[str, Any]]:
    """The denoiser of a run, with averaged weights, and what its run.json says."""
    meta, folder = load_checkpoint(source)
    if meta.get("kind") != "denoiser":
        raise RecipeError(f"{source}: a run of a {meta.get('kind')}, where a denoiser's is needed")
    network: Denoiser | PaperDenoiser
    if meta["network_type"] == "paper":
        network = PaperDenoiser(PaperDenoiserConfig(**meta["network"]))
    else:
        network = Denoiser(DenoiserConfig(**meta["network"]))
    network.load_state_dict(load_weights(folder))
    return network.eval(), meta


def export_run(run: Path, vae_source: Path, folder: Path, *, data: str, licence: str) -> None:
    """Write the model folder of a denoiser's run and its VAE; RecipeError where the two do not belong together."""
    denoiser, meta = load_denoiser(run)
    vae = load_vae(vae_source)
    if (name := vae_fingerprint(vae)) != meta["vae"]:
        raise RecipeError(f"{run}: trained on latents of VAE {meta['vae']}, but {vae_source} is {name}")
    provenance = {
        "data": data,
        "licence": licence,
        "corpus": meta["corpus"],
        "steps": meta["step"],
        "batch": meta["loop"]["batch"],
        "hours": round(meta["seconds"] / 3600, 2),
        "cantilena": version("cantilena"),
    }
    space = LatentSpace.load(run / "latent.npz")
    export_model(
        folder,
        vae,
        denoiser,
        space,
        diffusion=meta["diffusion"],
        provenance=provenance,
        card=_card(folder.name, provenance),
    )


def _card(name: str, provenance: Mapping[str, Any]) -> str:
    lines = "\n".join(f"- {key}: {value}" for key, value in provenance.items())
    return f"# {name}\n\nA Cantilena model: 64 bars of melody by latent diffusion.\n\n{lines}\n"


def make_denoiser(recipe: Recipe, D: int) -> Denoiser | PaperDenoiser:
    """The network that a recipe asks for, over D dimensions."""
    if recipe.network == "paper":
        return PaperDenoiser(recipe.table("network", PaperDenoiserConfig, D=D))
    return Denoiser(recipe.table("network", DenoiserConfig, D=D))


def fit_space(latents: Latents, data: DataConfig, most: int = 200_000) -> LatentSpace:
    """The latent space of training phrases, each counted as often as it occurs in training windows."""
    rows = (
        latents.rows
        if len(latents.rows) <= most
        else np.random.default_rng(0).choice(latents.rows, most, replace=False)
    )
    codes = latents.codes[np.sort(rows)].astype(np.float64)
    return (LatentSpace.fit if data.scaling == "standard" else LatentSpace.fit_min_max)(codes[:, 0], codes[:, 1])


def _latents(
    vae: MelodyVAE,
    corpus: Corpus,
    split: Split,
    seed: int,
    data: DataConfig,
    progress: Callable[[int, int], None] | None,
) -> Latents:
    name = vae_fingerprint(vae)
    folder = corpus.directory / f"latents-{name}" / f"{split}-{seed}-{data.windows or 'all'}"
    while not folder.exists() and process_rank() > 0:
        time.sleep(1)  # rank 0 encodes, the others wait for the folder, which appears in one step
    if folder.exists():
        return Latents.open(folder)
    torch.set_num_threads(1)
    return encode_corpus(
        vae, corpus, split, folder, seed=seed, limit=data.windows or None, precision=data.precision,
        meta={"vae": name}, progress=progress,
    )  # fmt: skip


def _warm_start(network: nn.Module, source: Path, which: int) -> None:
    """Weights from a model, by folder or name (0 = VAE, 1 = denoiser), or from a run."""
    if (model := _model_folder(source)) is not None:
        weights = read_weights(model)[which]
    else:
        weights = load_weights(load_checkpoint(source)[1])
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise RecipeError(f"--init {source}: its network has another shape than the recipe's") from error


def _model_folder(source: Path) -> Path | None:
    """The model folder that `source` is or names; None where it must be a run."""
    try:
        return find_model(source)
    except ModelError:
        return None
