"""What is in the way of a training, found before it begins: `--dry-run`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cantilena.corpus.store import Corpus
from cantilena.errors import CantilenaError, RecipeError
from cantilena.latent import LatentSpace
from cantilena.model import find_model
from cantilena.training.decoder import DecoderConfig
from cantilena.training.latents import PHRASES, max_silent
from cantilena.training.log import check_tensorboard
from cantilena.training.loop import LoopConfig, check_shares, choose_device, find_checkpoint
from cantilena.training.recipes import DataConfig, Recipe, TunesConfig, make_network
from cantilena.training.runs import load_vae, model_folder, on_cpu, phrases_of, warm_start, window_of
from cantilena.training.tune_runs import decoder_parts
from cantilena.training.tunes import Tunes

__all__ = ["obstacles"]


def obstacles(recipe: Recipe, corpus: Corpus | Tunes, run: Path, init: Path | None = None) -> list[str]:
    """One line for each thing that keeps this training from beginning; none where nothing does."""
    return list(dict.fromkeys(_each(recipe, corpus, run, init)))


def _each(recipe: Recipe, corpus: Corpus | Tunes, run: Path, init: Path | None) -> Iterator[str]:
    loop = recipe.table("loop", LoopConfig)
    yield from _said(_loop, recipe, loop, isinstance(corpus, Tunes))
    yield from _said(_data, recipe, corpus)
    if run.exists() and not run.is_dir():
        yield f"{run}: is a file, and a folder is needed"
        return
    space: list[LatentSpace] = []
    if recipe.kind in ("denoiser", "mdn"):
        yield from _said(lambda: space.extend(_space(recipe, run, init)))
    yield from _said(_network, recipe, corpus, run, init, space[0].D if space else None)


def _said(check: Callable[..., None], *given: Any) -> Iterator[str]:
    """What a check raises, as a line."""
    try:
        check(*given)
    except CantilenaError as error:
        yield str(error)


def _loop(recipe: Recipe, loop: LoopConfig, tunes: bool) -> None:
    check_shares(loop, int(os.environ.get("WORLD_SIZE", 1)))
    choose_device(loop.device)
    if recipe.kind == "decoder" and not tunes:
        on_cpu(recipe, loop)
    if loop.tensorboard:
        check_tensorboard()


def _data(recipe: Recipe, corpus: Corpus | Tunes) -> None:
    """The corpus is of the kind that the recipe learns from, and holds examples."""
    tunes = isinstance(corpus, Tunes)
    if recipe.kind == "vae" or (recipe.kind == "decoder" and tunes):
        for split in ("train", "validation"):
            phrases_of(corpus, split)
    elif (recipe.network == "tune") != tunes:
        wanted = "tunes.npz" if recipe.network == "tune" else "a corpus of `cantilena corpus build`"
        raise RecipeError(f"{recipe.name}: {recipe.kind} + {recipe.network} learns from {wanted}; --corpus is another")
    elif isinstance(corpus, Corpus):
        size = PHRASES if recipe.kind == "decoder" else window_of(recipe)
        if not len(corpus.windows("train", max_silent=max_silent(size), phrases=size)):
            raise RecipeError(f"{corpus.directory}: no melody of {2 * size} bars in its train songs")


def _space(recipe: Recipe, run: Path, init: Path | None) -> list[LatentSpace]:
    """The latent space that the network would be made for, where it is there already; it fits the VAE."""
    tune = recipe.network == "tune"
    data: Any = recipe.table("tunes", TunesConfig) if tune else recipe.table("data", DataConfig)
    if not data.vae:
        table = "tunes" if tune else "data"
        raise RecipeError(f"{recipe.name}: no VAE; --set {table}.vae=RUN or a model folder names it")
    vae = load_vae(Path(data.vae))
    for source in (run, Path(data.latent) if getattr(data, "latent", "") else None, init):
        folder = source and (model_folder(source) or source)
        if folder and (folder / "latent.npz").exists():
            space = LatentSpace.load(folder / "latent.npz")
            if vae.config.latent != space.Z:
                other = f"and the VAE {data.vae} has {vae.config.latent}"
                raise RecipeError(f"{folder}/latent.npz: a space of {space.Z} dimensions, {other}")
            return [space]
    return []


def _network(recipe: Recipe, corpus: Corpus | Tunes, run: Path, init: Path | None, D: int | None) -> None:
    """The network is that of the run's checkpoint, and takes the weights of `init`."""
    if recipe.kind == "decoder" and isinstance(corpus, Tunes):
        decoder_parts(recipe, corpus, init)
        init = None
    elif recipe.kind == "decoder":
        model = recipe.table("latents", DecoderConfig).model
        if not model:
            raise RecipeError(f"{recipe.name}: no model; --set latents.model=FOLDER names whose latents it decodes")
        init = init or find_model(model)
    network = make_network(recipe, D or 42, len(corpus.styles) if isinstance(corpus, Tunes) else None)
    found = find_checkpoint(run)
    if found is not None:
        config: Any = network.config
        ours, there = asdict(config), found[0].get("network", {})
        if D is None:
            ours.pop("D", None)
        other = [name for name in ours if name in there and _plain(there[name]) != _plain(ours[name])]
        if other or found[0].get("kind") != recipe.kind:
            told = ", ".join(f"{name} {there[name]}, not {ours[name]}" for name in other) or found[0].get("kind")
            raise RecipeError(f"{run}: belongs to another network ({told})")
    elif init is not None:
        if D is None and recipe.kind in ("denoiser", "mdn"):
            raise RecipeError(f"--init {init}: has no latent.npz beside its weights; --set data.latent names one")
        warm_start(network, init, recipe.kind)


def _plain(value: Any) -> Any:
    """As JSON has it."""
    return list(value) if isinstance(value, tuple) else value
