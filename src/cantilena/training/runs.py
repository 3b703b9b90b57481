"""A recipe carried out: corpus -> run (checkpoints), and runs -> model folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cantilena.corpus.store import Corpus
from cantilena.corpus.tunes import Split
from cantilena.diffusion.schedule import NoiseSchedule
from cantilena.errors import ModelError, RecipeError
from cantilena.latent import LatentSpace
from cantilena.model import Model, find_model
from cantilena.model_about import MOST_WINDOW
from cantilena.training.calibration import calibrate
from cantilena.training.data import Phrases
from cantilena.training.decoder import DecoderConfig, DecoderTask
from cantilena.training.denoiser import DenoiserTask, DiffusionConfig
from cantilena.training.export import (
    Baseline,
    exchange_parts,
    export_baselines,
    export_model,
    halve_model,
    read_weights,
    vae_fingerprint,
)
from cantilena.training.latents import MAX_SILENT, PHRASES, Encoding, Latents, encode_corpus, max_silent
from cantilena.training.loop import (
    LoopConfig,
    Progress,
    Task,
    device_of,
    fit,
    load_checkpoint,
    load_weights,
    process_rank,
)
from cantilena.training.mdn import MDNTask
from cantilena.training.networks import Denoiser, MelodyVAE, VAEConfig
from cantilena.training.paper import PaperDenoiser
from cantilena.training.phrase_decoder import PhraseDecoder, PhraseDecoderConfig
from cantilena.training.recipes import (
    NETWORKS,
    DataConfig,
    Kind,
    LossConfig,
    Recipe,
    make_network,
    training_flops,
)
from cantilena.training.tune_denoiser import TuneDenoiser
from cantilena.training.tunes import Tunes
from cantilena.training.vae import VAETask

__all__ = [
    "diffusion_of",
    "export_baseline_runs",
    "export_calibrated",
    "export_parts",
    "export_run",
    "is_model",
    "load_latent_network",
    "load_vae",
    "model_folder",
    "on_cpu",
    "phrases_of",
    "provenance_of",
    "train_decoder",
    "train_denoiser",
    "train_mdn",
    "train_vae",
    "warm_start",
    "window_of",
]

SPLITS: tuple[Split, Split] = ("train", "validation")  # what training looks at
LEAST_WINDOW = 4  # phrases that a network of windows sees at once; MOST_WINDOW is a model's


# -- the VAE ---------------------------------------------------------------------------------------


def train_vae(
    recipe: Recipe, corpus: Corpus | Tunes, run: Path, *, init: Path | None = None, progress: Progress | None = None
) -> int:
    """Train a MelodyVAE in `run`; returns the step reached. `init` warm-starts from a run or a model folder."""
    loop, loss = recipe.table("loop", LoopConfig), recipe.table("loss", LossConfig)
    torch.manual_seed(loop.seed)  # initial weights only; every later draw has its own generator
    styles = len(corpus.styles) if isinstance(corpus, Tunes) else None
    network: MelodyVAE = make_network(recipe, 0, styles)  # type: ignore[assignment]
    if init is not None:
        warm_start(network, init, "vae")
    if loss.frozen:
        if init is None:
            raise RecipeError(f"{recipe.name}: a frozen encoder has to come from somewhere: give --init")
        for name, weight in network.named_parameters():
            weight.requires_grad = name.startswith("decoder.")
    train, validation = (phrases_of(corpus, split) for split in SPLITS)
    task = VAETask(
        network, train, validation, beta=loss.beta, beta_warmup=loss.beta_warmup, sigma=loss.sigma,
        device=device_of(loop),
    )  # fmt: skip
    meta = {"kind": "vae", "network": asdict(network.config), "recipe": recipe.tables, "corpus": corpus.fingerprint}
    return fit(task, loop, run, meta=meta, progress=progress)


def phrases_of(corpus: Corpus | Tunes, split: Split) -> Phrases:
    """The phrases of a split in their places; RecipeError where there are none."""
    phrases = Phrases.of_tunes(corpus, SPLITS.index(split)) if isinstance(corpus, Tunes) else Phrases.of(corpus, split)
    if not len(phrases.tokens):
        raise RecipeError(f"the corpus has no {split} phrases: it is too small to train on")
    return phrases


def train_decoder(
    recipe: Recipe, corpus: Corpus, run: Path, *, init: Path | None = None, progress: Progress | None = None
) -> int:
    """Train a PhraseDecoder in `run` for the model that the recipe names; returns the step reached.

    It begins as that model's decoder, or as that of `init`.
    """
    loop, latents = recipe.table("loop", LoopConfig), recipe.table("latents", DecoderConfig)
    on_cpu(recipe, loop)
    if not latents.model:
        raise RecipeError(f"{recipe.name}: say whose latents it decodes, with --set latents.model=FOLDER")
    if latents.denoiser or "tunes" in recipe.tables:
        raise RecipeError(f"{recipe.name}: a recipe for a decoder of tunes; --corpus names a corpus of windows")
    if not all(len(corpus.windows(split, max_silent=MAX_SILENT)) for split in ("train", "validation")):
        raise RecipeError(f"{recipe.name}: the corpus has no melody of 64 bars among its training or validation songs")
    model = Model.load(latents.model)
    if model.window != PHRASES:
        raise RecipeError(f"{recipe.name}: {model.name} sees {model.window} phrases; a decoder learns from {PHRASES}")
    torch.manual_seed(loop.seed)
    network: PhraseDecoder = make_network(recipe, 0)  # type: ignore[assignment]
    warm_start(network, model.folder if init is None else init, "decoder")
    meta = {
        "kind": "decoder",
        "network": asdict(network.config),
        "vae": model.about["vae"]["fingerprint"],
        "recipe": recipe.tables,
        "corpus": corpus.fingerprint,
        "flops_a_step": training_flops(recipe, network, 1),
    }
    return fit(DecoderTask(network, model, corpus, latents), loop, run, meta=meta, progress=progress)


def load_vae(source: Path) -> MelodyVAE:
    """The VAE of a run (averaged weights), of a model folder or of a shipped model."""
    if (model := model_folder(source)) is not None:
        source = model
        about = json.loads((source / "model.json").read_text())
        network = MelodyVAE(VAEConfig(**about["vae"]["config"]))
        network.decoder = PhraseDecoder(PhraseDecoderConfig(**about["decoder"]["config"]))
        network.load_state_dict(read_weights(source, "vae"))
    else:
        meta, folder = load_checkpoint(source)
        if meta.get("kind") != "vae":
            raise RecipeError(f"{source}: a run of a {meta.get('kind')}, where a VAE's is needed")
        network = MelodyVAE(VAEConfig(**meta["network"]))
        network.load_state_dict(load_weights(folder))
    return network.eval()


# -- networks of latents ---------------------------------------------------------------------------


def train_denoiser(
    recipe: Recipe,
    corpus: Corpus,
    run: Path,
    *,
    init: Path | None = None,
    progress: Progress | None = None,
    encoding: Encoding | None = None,
    executor: Executor | None = None,
) -> int:
    """Train a denoiser in `run`; the corpus is encoded first, once for each VAE, beside the corpus.

    `encoding` gets phrases done and in all; `executor` encodes them, such as a `Cluster`. Returns the step reached.
    """
    if recipe.network == "tune":
        raise RecipeError(f"{recipe.name}: network_type = tune learns from tunes.npz, which --corpus names")
    diffusion, posterior = recipe.table("diffusion", DiffusionConfig), recipe.table("data", DataConfig).posterior
    device = device_of(recipe.table("loop", LoopConfig))

    def make_task(network: nn.Module, space: LatentSpace, draws: list[Latents], validation: Latents | None) -> Task:
        return DenoiserTask(network, space, draws, validation, diffusion, posterior, device)

    schedule = NoiseSchedule.from_config({"name": diffusion.schedule, "T": diffusion.T})
    meta = {"diffusion": {"schedule": schedule.to_config(), "prediction": diffusion.prediction}}
    encode = partial(_latents, executor=executor, progress=encoding)
    return _train_on_latents(recipe, corpus, run, make_task, meta, init=init, progress=progress, encode=encode)


def train_mdn(
    recipe: Recipe,
    corpus: Corpus,
    run: Path,
    *,
    init: Path | None = None,
    progress: Progress | None = None,
    encoding: Encoding | None = None,
    executor: Executor | None = None,
) -> int:
    """Train a TransformerMDN in `run`, on the latents that denoisers learn from; as `train_denoiser`."""
    posterior = recipe.table("data", DataConfig).posterior
    loop = recipe.table("loop", LoopConfig)
    make_task = partial(MDNTask, posterior=posterior, compiled=loop.compile, device=device_of(loop))
    encode = partial(_latents, executor=executor, progress=encoding)
    return _train_on_latents(recipe, corpus, run, make_task, {}, init=init, progress=progress, encode=encode)


def _train_on_latents(
    recipe: Recipe,
    corpus: Corpus,
    run: Path,
    make_task: Callable[[nn.Module, LatentSpace, list[Latents], Latents | None], Task],
    meta: dict[str, Any],
    *,
    init: Path | None,
    progress: Progress | None,
    encode: Callable[..., Latents],
) -> int:
    loop, data = recipe.table("loop", LoopConfig), recipe.table("data", DataConfig)
    if not data.vae:
        raise RecipeError(f"{recipe.name}: say which VAE encodes the corpus, with --set data.vae=RUN or a model folder")
    vae = load_vae(Path(data.vae)).to(device_of(loop))
    size = window_of(recipe)
    draws = [encode(vae, corpus, "train", seed, data, size) for seed in range(1, data.draws + 1)]
    validation = None  # a small corpus may have no validation song of 64 bars
    if len(corpus.windows("validation", max_silent=max_silent(size), phrases=size)):
        validation = encode(vae, corpus, "validation", 0, replace(data, windows=0), size)
    space = _space(run, data, init, draws[0])
    torch.manual_seed(loop.seed)
    network = make_network(recipe, space.D)
    if init is not None:
        warm_start(network, init, recipe.kind)
    run.mkdir(parents=True, exist_ok=True)
    space.save(run / "latent.npz")
    about = {
        "kind": recipe.kind,
        "network_type": recipe.network,
        "network": asdict(network.config),  # type: ignore[call-overload]
        **meta,
        "latent": space.fingerprint,
        "vae": vae_fingerprint(vae),
        "recipe": recipe.tables,
        "corpus": corpus.fingerprint,
        "windows": [len(d.windows) for d in draws],
        "flops_a_step": training_flops(recipe, network, 1),
    }
    return fit(make_task(network, space, draws, validation), loop, run, meta=about, progress=progress)


def on_cpu(recipe: Recipe, loop: LoopConfig) -> None:
    """RecipeError where a decoder is to be trained on another device: the model that makes its latents runs here."""
    if loop.device != "cpu":
        raise RecipeError(f"{recipe.name}: loop.device = {loop.device}; a {recipe.kind} trains on the cpu")


def window_of(recipe: Recipe) -> int:
    """How many phrases a window has that the recipe's network learns from; RecipeError where that cannot be."""
    phrases = recipe.tables.get("network", {}).get("phrases", PHRASES)
    if type(phrases) is not int or not LEAST_WINDOW <= phrases <= MOST_WINDOW:
        raise RecipeError(f"network.phrases is a number from {LEAST_WINDOW} to {MOST_WINDOW}, not {phrases!r}")
    return phrases


def _space(run: Path, data: DataConfig, init: Path | None, latents: Latents) -> LatentSpace:
    """The run's own latent space; else the one asked for, else that of the weights it starts from, else a new fit."""
    if (run / "latent.npz").exists():  # one fit a run, also when it goes on with more draws
        return LatentSpace.load(run / "latent.npz")
    for source in (Path(data.latent) if data.latent else None, init):
        if source is not None:
            return LatentSpace.load((model_folder(source) or source) / "latent.npz")
    return fit_space(latents, data)


def load_latent_network(source: Path, kind: Kind) -> tuple[nn.Module, dict[str, Any]]:
    """The denoiser or mdn of a run, with averaged weights, and what its run.json says."""
    meta, folder = load_checkpoint(source)
    if meta.get("kind") != kind:
        raise RecipeError(f"{source}: a run of a {meta.get('kind')}, where one of a {kind} is needed")
    network_class, config = NETWORKS[kind][meta["network_type"]]
    network: nn.Module = network_class(config(**meta["network"]))
    network.load_state_dict(load_weights(folder))
    return network.eval(), meta


def export_run(
    run: Path,
    vae_source: Path,
    folder: Path,
    *,
    data: str,
    licence: str,
) -> None:
    """Write the model folder of a denoiser's run and its VAE. RecipeError where the runs do not belong together."""
    denoiser, meta = load_latent_network(run, "denoiser")
    if not isinstance(denoiser, Denoiser | PaperDenoiser):
        raise RecipeError(f"{run}: a run of tunes; say with --corpus which tunes it learned from")
    vae = vae_of(run, meta, vae_source)
    provenance = {"data": data, "licence": licence, **provenance_of(meta), "cantilena": version("cantilena")}
    export_model(
        folder,
        vae,
        denoiser,
        LatentSpace.load(run / "latent.npz"),
        diffusion=diffusion_of(meta),
        provenance=provenance,
        card=_card(folder.name, provenance),
    )
    halve_model(folder)


def vae_of(run: Path, meta: Mapping[str, Any], source: Path) -> MelodyVAE:
    """The VAE of a run or model folder `source`; RecipeError where the denoiser of `run` learned another's latents."""
    vae = load_vae(source)
    if (name := vae_fingerprint(vae)) != meta["vae"]:
        raise RecipeError(f"{run}: trained on latents of VAE {meta['vae']}, but {source} is {name}")
    return vae


def export_parts(
    source: Path,
    folder: Path,
    *,
    decoder: Path | None = None,
    reading: Mapping[str, Any] | None = None,
) -> None:
    """Write the model `source` (a folder, or a shipped model's name) to `folder` with parts of it exchanged.

    `decoder` is a run of `train_decoder`; `reading` is how composed latents are read (`writing.Manner`: "sigma",
    "temperature", "floor", and "leanings" of `calibrate`). RecipeError where neither is given, or where the run does
    not belong to the model.
    """
    source = find_model(source)
    if decoder is None and reading is None:
        raise RecipeError(
            f"{source}: is a model already; say what is exchanged (--decoder, --sigma, --temperature, --floor, "
            "--calibrate), or which baselines are written (--mdn, --paper)"
        )
    about = json.loads((source / "model.json").read_text())
    new = None
    if decoder is not None:
        meta, checkpoint = load_checkpoint(decoder)
        if meta.get("kind") != "decoder" or meta["vae"] != about["vae"]["fingerprint"]:
            raise RecipeError(f"{decoder}: not the run of a decoder for the VAE of {source}")
        network = PhraseDecoder(PhraseDecoderConfig(**meta["network"]))
        network.load_state_dict(load_weights(checkpoint))
        new = Baseline(network, {"training": provenance_of(meta)})
    exchange_parts(source, folder, new, reading)


def export_calibrated(source: Path, folder: Path, corpus: Path, told: Callable[[str], None] = lambda _: None) -> None:
    """Write the model `source` to `folder`, leaning to the intervals of a corpus: see `calibration.calibrate`."""
    model = Model.load(source)
    leanings = calibrate(model, Corpus.open(corpus), told=told)
    exchange_parts(model.folder, folder, reading={"leanings": leanings})


def export_baseline_runs(source: Path, folder: Path, *, mdn: Path | None = None, paper: Path | None = None) -> None:
    """Write runs to a folder of baselines for the model `source` (a folder, or a shipped model's name).

    `mdn` is a run of the autoregressive baseline, `paper` a denoiser's run with the paper's own choices. RecipeError
    where one is of another latent space than the model's.
    """
    denoiser = json.loads((find_model(source) / "model.json").read_text())["denoiser"]
    found = {}
    for key, run, kind in (("mdn", mdn, "mdn"), ("paper", paper, "denoiser")):
        if run is not None:
            network, meta = load_latent_network(run, kind)  # type: ignore[arg-type]
            if meta["latent"] != denoiser["latent"]:
                raise RecipeError(
                    f"{run}: trained in latent space {meta['latent']}, and {source} in {denoiser['latent']}"
                )
            found[key] = Baseline(network, {**diffusion_of(meta), "training": provenance_of(meta)})
    export_baselines(folder, found, denoiser["latent"], int(denoiser["config"]["D"]))


def diffusion_of(meta: Mapping[str, Any]) -> dict[str, Any]:
    """What a model folder says of a denoiser's schedule and prediction; nothing for an mdn."""
    if "diffusion" not in meta:
        return {}
    feeds_back = DiffusionConfig(**meta["recipe"].get("diffusion", {})).self_conditioning > 0
    return {**meta["diffusion"], **({} if feeds_back else {"self_conditioning": False})}


def provenance_of(meta: Mapping[str, Any]) -> dict[str, Any]:
    """What a model folder says of a run: corpus, steps, batch, hours and FLOPs."""
    found = {
        "corpus": meta["corpus"],
        "steps": meta["step"],
        "batch": meta["loop"]["batch"],
        "hours": round(meta["seconds"] / 3600, 2),
    }
    if "flops_a_step" in meta:
        found["flops"] = float(f"{meta['flops_a_step'] * meta['step']:.4g}")
    return found


def _card(name: str, provenance: Mapping[str, Any]) -> str:
    lines = "\n".join(f"- {key}: {value}" for key, value in provenance.items())
    return f"# {name}\n\nA Cantilena model: 64 bars of melody by latent diffusion.\n\n{lines}\n"


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
    phrases: int,
    *,
    executor: Executor | None = None,
    progress: Encoding | None = None,
) -> Latents:
    name = vae_fingerprint(vae)
    size = "" if phrases == PHRASES else f"-{phrases}"
    folder = corpus.directory / f"latents-{name}" / f"{split}-{seed}-{data.windows or 'all'}{size}"
    while not folder.exists() and process_rank() > 0:
        time.sleep(1)  # rank 0 encodes, the others wait for the folder, which appears in one step
    if folder.exists():
        return Latents.open(folder)
    torch.set_num_threads(1)
    return encode_corpus(
        vae, corpus, split, folder, seed=seed, phrases=phrases, limit=data.windows or None, precision=data.precision,
        meta={"vae": name}, executor=executor, progress=progress,
    )  # fmt: skip


def warm_start(network: nn.Module, source: Path, kind: Kind) -> tuple[str, ...]:
    """Take the weights of a model, by folder or name, of a folder of baselines, or of a run.

    Returns how the names of the parts begin that these did not have.
    """
    if kind == "mdn" and (source / "baselines.json").is_file():
        weights = read_weights(source, kind)
    elif kind != "mdn" and (model := model_folder(source)) is not None:
        weights = read_weights(model, kind)
    else:
        weights = load_weights(load_checkpoint(source)[1])
    weights, later = _renamed(weights)
    if isinstance(network, TuneDenoiser):
        later = _new_labels(network, weights)
    try:
        missing, unknown = network.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise RecipeError(f"--init {source}: its network has another shape than the recipe's") from error
    if unknown or not all(name.startswith(later) for name in missing):
        raise RecipeError(f"--init {source}: its network has other parts than the recipe's")
    return later


def _new_labels(network: TuneDenoiser, weights: dict[str, Tensor]) -> tuple[str, ...]:
    """The names of what a network of tunes is told beyond what the weights know; it begins by changing nothing."""
    told = {f"labels.{k}.": one for k, one in enumerate(network.labels)}
    told |= {f"places.{k}.": one for k, one in enumerate(network.places)}
    new = {name: one for name, one in told.items() if f"{name}weight" not in weights}
    for one in new.values():
        nn.init.zeros_(one.weight)  # type: ignore[arg-type]
    biases = (name for name, _ in network.named_parameters() if name.endswith(".rhythm_bias"))
    return (*new, *(name for name in biases if name not in weights))


def _renamed(weights: dict[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The weights of a VAE whose decoder did not hear what it wrote, by today's names; and the parts that came since.

    Those change nothing while they are untrained.
    """
    if "decoder_position" not in weights:
        return weights, ()
    old = {"decoder.": "blocks.", "decoder_position": "position", "decoder_norm.": "norm."}
    old |= {name: name for name in ("expand.", "unsqueeze.", "logits.")}
    found = {}
    for name, value in weights.items():
        begin = next((b for b in old if name.startswith(b)), None)
        found[name if begin is None else f"decoder.{old[begin]}{name.removeprefix(begin)}"] = value
    return found, ("decoder.writer.", "decoder.doubt.", "decoder.labels.")


def is_model(source: Path) -> bool:
    """Whether `source` is a model folder, or names a shipped model; a run is neither."""
    return model_folder(source) is not None


def model_folder(source: Path) -> Path | None:
    """The model folder that `source` is or names; None where it must be a run."""
    try:
        return find_model(source)
    except ModelError:
        return None
