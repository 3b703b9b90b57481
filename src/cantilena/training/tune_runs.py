"""Recipes for tunes carried out: tunes -> runs of a VAE and a denoiser, and those -> a model folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from cantilena.errors import RecipeError
from cantilena.latent import LatentSpace
from cantilena.training.denoiser import DiffusionConfig
from cantilena.training.export import export_model, halve, vae_fingerprint
from cantilena.training.loop import LoopConfig, Progress, choose_device, fit, process_rank
from cantilena.training.recipes import Recipe, TunesConfig, make_network, training_flops
from cantilena.training.runs import (
    diffusion_of,
    load_latent_network,
    load_vae,
    provenance_of,
    train_vae,
    vae_of,
    warm_start,
)
from cantilena.training.sequences import encoded_tunes
from cantilena.training.tune_denoiser import TuneDenoiser, TuneTask
from cantilena.training.tunes import DENSITIES, METRES, REGISTERS, ROLES, Tunes

__all__ = ["export_run", "labels_told", "train_denoiser", "train_vae"]


def train_denoiser(
    recipe: Recipe, tunes: Tunes, run: Path, *, init: Path | None = None, progress: Progress | None = None
) -> int:
    """Train a TuneDenoiser in `run`; the tunes are encoded first, once a run. Returns the step reached."""
    if recipe.network != "tune":
        raise RecipeError(f"{recipe.name}: a denoiser of tunes has network_type = tune, not {recipe.network}")
    loop, data = recipe.table("loop", LoopConfig), recipe.table("tunes", TunesConfig)
    if not data.vae:
        raise RecipeError(f"{recipe.name}: say which VAE encodes the tunes, with --set tunes.vae=RUN or a model folder")
    device, diffusion = choose_device(loop.device, process_rank()), recipe.table("diffusion", DiffusionConfig)
    torch.set_num_threads(loop.threads)
    vae = load_vae(Path(data.vae)).to(device)
    told = {"vae": vae_fingerprint(vae), "tunes": tunes.fingerprint, "shares": data.shares, "shifts": data.shifts,
            "parts": data.parts}  # fmt: skip
    space, train, validation = encoded_tunes(vae, tunes, run, told, precision=data.precision, init=init)
    torch.manual_seed(loop.seed)
    network: Any = make_network(recipe, space.D, len(tunes.styles))
    if init is not None:
        warm_start(network, init, "denoiser")
    task = TuneTask(network, space, train, validation, diffusion, steps=loop.steps, final=data.final, device=device)
    about = {
        "kind": "denoiser",
        "network_type": recipe.network,
        "network": asdict(network.config),
        "diffusion": {"schedule": task.schedule.to_config(), "prediction": diffusion.prediction},
        "latent": space.fingerprint,
        "vae": told["vae"],
        "recipe": recipe.tables,
        "corpus": tunes.fingerprint,
        "styles": list(tunes.styles),
        "flops_a_step": training_flops(recipe, network, 1),
    }
    return fit(task, loop, run, meta=about, progress=progress)


def labels_told(styles: Mapping[str, Any] | list[str]) -> dict[str, list[str]]:
    """What a model of tunes may be told of a melody: the values of each label, in the order of its networks.

    >>> labels_told(["irish"])["density"]
    ['under 0.75 notes a quarter', '0.75 to 1.1', '1.1 to 1.6', '1.6 and more']
    """
    return {
        "role": list(ROLES),
        "style": list(styles),
        "metre": list(METRES),
        "register": _ranges(REGISTERS, "median MIDI pitch"),
        "density": _ranges(DENSITIES, "notes a quarter"),
    }


def _ranges(edges: tuple[float, ...], unit: str) -> list[str]:
    between = [f"{a} to {b}" for a, b in pairwise(edges)]
    return [f"under {edges[0]} {unit}", *between, f"{edges[-1]} and more"]


def export_run(run: Path, decoder: Path, folder: Path, *, provenance: Mapping[str, Any], card: str) -> None:
    """Write the model folder of a run of tunes, with the VAE, or the decoder trained further, of another.

    Weights but the encoder's are kept in half precision. `provenance` is added to what the runs say of themselves.
    RecipeError where runs do not belong together.
    """
    denoiser, meta = load_latent_network(run, "denoiser")
    if not isinstance(denoiser, TuneDenoiser):
        raise RecipeError(f"{run}: not the run of a denoiser of tunes")
    vae = vae_of(run, meta, decoder)
    export_model(
        folder,
        vae,
        denoiser,
        LatentSpace.load(run / "latent.npz"),
        diffusion=diffusion_of(meta),
        provenance={**provenance, **provenance_of(meta), "cantilena": version("cantilena")},
        card=card,
        labels=labels_told(meta["styles"]),
    )
    for path in [*folder.glob("decoder*.onnx"), folder / "denoiser.onnx"]:
        halve(path)
