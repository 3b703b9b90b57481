"""Recipes for tunes carried out: tunes -> runs of a VAE and a denoiser, and those -> a model folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import asdict, replace
from importlib.metadata import version
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cantilena.errors import RecipeError
from cantilena.labels import PhraseForm
from cantilena.latent import LatentSpace
from cantilena.music.melody import is_silent
from cantilena.music.metre import Metre
from cantilena.provenance import FILE as PROVENANCE
from cantilena.provenance import KnownTunes
from cantilena.training.data import Phrases
from cantilena.training.decoder import DecoderConfig
from cantilena.training.denoiser import DiffusionConfig
from cantilena.training.export import export_model, halve_model, read_weights, vae_fingerprint
from cantilena.training.loop import LoopConfig, Progress, device_of, fit
from cantilena.training.networks import MelodyVAE
from cantilena.training.recipes import Recipe, TunesConfig, make_network, training_flops
from cantilena.training.runs import (
    diffusion_of,
    load_latent_network,
    load_vae,
    model_folder,
    phrases_of,
    provenance_of,
    train_vae,
    vae_of,
    warm_start,
)
from cantilena.training.sequences import PHRASES, encoded_tunes
from cantilena.training.tune_decoder import TuneDecoderTask
from cantilena.training.tune_denoiser import TuneDenoiser, TuneDenoiserConfig, TuneTask
from cantilena.training.tunes import (
    DENSITIES,
    METRES,
    PITCH_CLASSES,
    REGISTERS,
    ROLES,
    Tunes,
    notes_a_quarter,
    sings,
)
from cantilena.training.vae import measure_vae

EXACT = 0.8  # share of exactly rebuilt phrases from which a rare metre is known
MODES = (0, 9, 2, 7)  # degrees of a major scale, in semitones, on which real tunes rest

__all__ = ["export_run", "labels_told", "train_decoder", "train_denoiser", "train_vae"]


def train_denoiser(
    recipe: Recipe,
    tunes: Tunes,
    run: Path,
    *,
    init: Path | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> int:
    """Train a TuneDenoiser in `run`; returns the step reached.

    The tunes are encoded first, once a run, by an `executor` such as a `Cluster`, or here.
    """
    if recipe.network != "tune":
        raise RecipeError(f"{recipe.name}: a denoiser of tunes has network_type = tune, not {recipe.network}")
    loop, data = recipe.table("loop", LoopConfig), recipe.table("tunes", TunesConfig)
    if not data.vae:
        raise RecipeError(f"{recipe.name}: say which VAE encodes the tunes, with --set tunes.vae=RUN or a model folder")
    device, diffusion = device_of(loop), recipe.table("diffusion", DiffusionConfig)
    torch.set_num_threads(loop.threads)
    vae = load_vae(Path(data.vae)).to(device)
    told = _made_of(vae, tunes, data)
    begun = init and (model_folder(init) or init)
    space, train, validation = encoded_tunes(
        vae, tunes, run, told, precision=data.precision, init=begun, executor=executor
    )
    torch.manual_seed(loop.seed)
    network: Any = make_network(recipe, space.D, len(tunes.styles))
    added: tuple[str, ...] = ()
    if init is not None:
        added = warm_start(network, init, "denoiser")
    task = TuneTask(network, space, train, validation, diffusion, steps=loop.steps, final=data.final, device=device)
    about = {
        "kind": "denoiser",
        "network_type": recipe.network,
        "network": asdict(network.config),
        "diffusion": {"schedule": task.diffusion.schedule.to_config(), "prediction": diffusion.prediction},
        "latent": space.fingerprint,
        "vae": told["vae"],
        "recipe": recipe.tables,
        "corpus": tunes.fingerprint,
        "styles": list(tunes.styles),
        "flops_a_step": training_flops(recipe, network, 1),
    }
    return fit(task, loop, run, meta=about, progress=progress, added=added)


def train_decoder(
    recipe: Recipe, tunes: Tunes, run: Path, *, init: Path | None = None, progress: Progress | None = None
) -> int:
    """Train the decoder of a model of tunes in `run` on what a denoiser makes of latents; returns the step reached.

    It begins as the decoder of the model, or VAE, that the recipe names, or as that of `init`. The denoiser is that of
    the run that the recipe names, else the model's own.
    """
    loop, data = recipe.table("loop", LoopConfig), recipe.table("tunes", TunesConfig)
    torch.set_num_threads(loop.threads)
    latents, device = recipe.table("latents", DecoderConfig), device_of(loop)
    vae, denoiser, meta = decoder_parts(recipe, tunes, init)
    flops, vae = training_flops(recipe, vae.decoder, 1), vae.to(device)  # counted on the CPU
    source = Path(latents.denoiser or latents.model)
    space, *sequences = encoded_tunes(
        vae, tunes, run, _made_of(vae, tunes, data), precision=data.precision, init=model_folder(source) or source
    )
    phrases = phrases_of(tunes, "train"), phrases_of(tunes, "validation")
    schedule, kind = meta["diffusion"]["schedule"], meta["diffusion"]["prediction"]
    diffusion = DiffusionConfig(schedule["name"], schedule["T"], kind)
    task = TuneDecoderTask(vae, denoiser, space, (sequences[0], sequences[1]), phrases, diffusion, latents, device)
    about = {
        "kind": "decoder",
        "network_type": recipe.network,
        "network": asdict(vae.decoder.config),
        "vae": meta["vae"],
        "recipe": recipe.tables,
        "corpus": tunes.fingerprint,
        "flops_a_step": flops,
    }
    return fit(task, loop, run, meta=about, progress=progress)


def decoder_parts(
    recipe: Recipe, tunes: Tunes, init: Path | None = None
) -> tuple[MelodyVAE, TuneDenoiser, dict[str, Any]]:
    """The VAE whose decoder is to be trained, the denoiser that makes its latents, and what is said of that one.

    RecipeError where the recipe names none, or where they do not belong together.
    """
    latents = recipe.table("latents", DecoderConfig)
    if not latents.model:
        raise RecipeError(f"{recipe.name}: say whose latents it decodes, with --set latents.model=FOLDER")
    vae = load_vae(Path(latents.model))
    wanted: Any = make_network(recipe, 0, len(tunes.styles))
    if wanted.config != vae.decoder.config:
        raise RecipeError(f"{recipe.name}: the decoder of {latents.model} has another shape than the recipe's")
    if init is not None:
        warm_start(vae.decoder, init, "decoder")
    source = Path(latents.denoiser or latents.model)
    denoiser, meta = denoiser_of_tunes(source)
    if meta["vae"] != (name := vae_fingerprint(vae)):
        raise RecipeError(f"{source}: its denoiser learned from VAE {meta['vae']}, and {latents.model} is {name}")
    return vae, denoiser, meta


def denoiser_of_tunes(source: Path) -> tuple[TuneDenoiser, dict[str, Any]]:
    """The denoiser of a run or a model folder, and its "vae" and "diffusion"; RecipeError where it is not of tunes."""
    if (folder := model_folder(source)) is None:
        network, meta = load_latent_network(source, "denoiser")
    else:
        about = json.loads((folder / "model.json").read_text())
        told = about["denoiser"]
        if told.get("network") != "tune":
            raise RecipeError(f"{source}: not a model of tunes")
        network = TuneDenoiser(TuneDenoiserConfig.of(told["config"]))
        network.load_state_dict(read_weights(folder, "denoiser"))
        diffusion = {name: told[name] for name in ("schedule", "prediction")}
        meta = {"vae": about["vae"]["fingerprint"], "diffusion": diffusion}
    if not isinstance(network, TuneDenoiser):
        raise RecipeError(f"{source}: not the run of a denoiser of tunes")
    return network.eval(), meta


def _made_of(vae: MelodyVAE, tunes: Tunes, data: TunesConfig) -> dict[str, Any]:
    """What encoded tunes are made from, as `encoded_tunes` is told it."""
    return {"vae": vae_fingerprint(vae), "tunes": tunes.fingerprint, "shares": data.shares, "shifts": data.shifts,
            "parts": data.parts, "labels": list(labels_told(tunes.styles))}  # fmt: skip


def labels_told(styles: Iterable[str]) -> dict[str, list[str]]:
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
        "scale": [f"{name} major" for name in PITCH_CLASSES],
        "tonic": list(PITCH_CLASSES),
    }


def _ranges(edges: tuple[float, ...], unit: str) -> list[str]:
    between = [f"{a} to {b}" for a, b in pairwise(edges)]
    return [f"under {edges[0]} {unit}", *between, f"{edges[-1]} and more"]


def known_metres(tunes: Tunes, vae: MelodyVAE, least: int = 24, heard: int = 5) -> list[str]:
    """The metres in which so many tunes of the training split are, or more, the most frequent first.

    Of the rarer ones those with as many as `heard` of whose phrases the VAE rebuilds EXACT.
    """
    count = Counter(tunes.metre(tune) for tune in tunes.split(0, role=0).tolist())
    return [
        str(metre) for metre, n in count.most_common()
        if n >= least or (n >= heard and rebuilt(vae, tunes, metre) >= EXACT)
    ]  # fmt: skip


def rebuilt(vae: MelodyVAE, tunes: Tunes, metre: Metre) -> float:
    """The share of the training phrases with notes in a metre that come back exactly from the mean of their latents."""
    of = [k for k, one in enumerate(tunes.metres) if Metre(*one) == metre]
    phrases = Phrases.of_tunes(replace(tunes, table=tunes.table[np.isin(tunes.table["metre"], of)]), 0)
    sounding = np.flatnonzero(~is_silent(phrases.tokens.numpy()))[:2000]
    exact: float = measure_vae(vae.eval(), phrases, torch.from_numpy(sounding))["exact_mean"]
    return exact


def real_styles(tunes: Tunes, least: int = 24) -> dict[str, dict[str, int]]:
    """How many training tunes of each style are in each metre, where there are so many or more."""
    found: dict[str, Counter[str]] = {}
    for tune in tunes.split(0, role=0).tolist():
        found.setdefault(tunes.style(tune), Counter())[str(tunes.metre(tune))] += 1
    many = {style: {metre: n for metre, n in c.most_common() if n >= least} for style, c in sorted(found.items())}
    return {style: count for style, count in many.items() if count}


def real_forms(tunes: Tunes, most: int = 120, seed: int = 0) -> dict[str, list[str]]:
    """The forms of training tunes of 4 to 32 phrases by style, each as `PhraseForm.text`; at most so many of a style.

    Of tunes that are never silent for a phrase: a singer's rests would come again as the silence of a letter.
    """
    found: dict[str, list[str]] = {}
    random = np.random.default_rng(seed)
    for tune in random.permutation(tunes.split(0, role=0)).tolist():
        style = found.setdefault(tunes.style(tune), [])
        phrases = tunes.phrases(tune)
        if len(phrases) <= PHRASES and len(style) < most and not is_silent(phrases).any():
            style.append(PhraseForm.of(phrases).text)
    return {style: sorted(forms, key=len) for style, forms in sorted(found.items()) if forms}


def real_homes(tunes: Tunes) -> dict[str, list[list[int]]]:
    """Where the training tunes of each style are at home: scale, tonic (pitch classes) and how many, most first.

    Major, minor, dorian and mixolydian count: what seems to be in another mode mostly ends off its tonic.
    """
    found: dict[str, Counter[tuple[int, int]]] = {}
    for tune in tunes.split(0, role=0).tolist():
        scale, tonic = tunes.home(tune)
        if scale < len(PITCH_CLASSES) and (tonic - scale) % 12 in MODES:
            found.setdefault(tunes.style(tune), Counter())[scale, tonic] += 1
    return {style: [[*home, n] for home, n in count.most_common()] for style, count in sorted(found.items())}


def real_densities(tunes: Tunes, least: int = 24, quantiles: int = 15) -> dict[str, dict[str, list[float]]]:
    """Notes a quarter of the training tunes of each style and metre that has so many or more: quantiles, ascending."""
    found: dict[str, dict[str, list[float]]] = {}
    for tune in tunes.split(0, role=0).tolist():
        notes = notes_a_quarter(tunes.phrases(tune), tunes.quarters(tune))
        found.setdefault(tunes.style(tune), {}).setdefault(str(tunes.metre(tune)), []).append(notes)
    at = (np.arange(quantiles) + 0.5) / quantiles
    many = {
        style: {metre: np.quantile(some, at).round(3).tolist() for metre, some in of.items() if len(some) >= least}
        for style, of in sorted(found.items())
    }
    return {style: of for style, of in many.items() if of}


def known_tunes(tunes: Tunes, parts: int = 1600, unseen: int = 150) -> KnownTunes:
    """The tunes of the training split and so many top parts that sing, named; unseen ones are of the two others."""
    tops = (t for t in tunes.split(0, role=1).tolist() if sings(tunes.phrases(t)))
    some = [*tunes.split(0, role=0).tolist(), *islice(tops, parts)]
    others = np.random.default_rng(0).permutation(np.concatenate([tunes.split(s, role=0) for s in (1, 2)]))
    files = [int(tunes.table["file"][t]) for t in some]
    return KnownTunes.of(
        [tunes.melody(t) for t in some],
        [tunes.titles[f] or Path(tunes.files[f]).stem for f in files],
        [tunes.files[f] for f in files],
        [tunes.melody(t) for t in others[:unseen].tolist()],
    )


def card_of(name: str, provenance: Mapping[str, Any], tunes: Tunes) -> str:
    """A model folder's README: what the model is, what it learned from, and the credit that is due."""
    lines = "\n".join(f"- {key}: {value}" for key, value in provenance.items())
    of = "\n".join(
        f"| {s['collection']} | {s['source']} | {s['licence']} | {s['files']:,} | {s['credit']} |"
        for s in tunes.sources.get("of", ())
    )
    table = f"| collection | source | licence | files | credit |\n|---|---|---|--:|---|\n{of}\n" if of else ""
    return f"# {name}\n\nA Cantilena model: tunes in every metre by latent diffusion.\n\n{lines}\n\n{table}"


def export_run(
    run: Path, decoder: Path, folder: Path, *, tunes: Tunes, data: str, licence: str
) -> None:  # fmt: skip
    """Write the model folder of a run of tunes, with the VAE, or the decoder trained further, of another.

    Weights but the encoder's are kept in half precision. Of the `tunes` that it learned from the model knows the
    metres, the forms and the sources. RecipeError where runs do not belong together, or the tunes are others.
    """
    denoiser, meta = load_latent_network(run, "denoiser")
    if not isinstance(denoiser, TuneDenoiser):
        raise RecipeError(f"{run}: not the run of a denoiser of tunes")
    vae = vae_of(run, meta, decoder)
    if tunes.fingerprint != meta["corpus"]:
        raise RecipeError(f"{run}: trained on the tunes {meta['corpus']}, these are {tunes.fingerprint}")
    provenance = {"data": data, "licence": licence, **provenance_of(meta), "cantilena": version("cantilena")}
    export_model(
        folder,
        vae,
        denoiser,
        LatentSpace.load(run / "latent.npz"),
        diffusion=diffusion_of(meta),
        provenance=provenance,
        card=card_of(folder.name, provenance, tunes),
        labels=labels_told(meta["styles"]),
        more={
            "metres": known_metres(tunes, vae),
            "forms": real_forms(tunes),
            "homes": real_homes(tunes),
            "densities": real_densities(tunes),
            "styles": real_styles(tunes),
            "sources": dict(tunes.sources),
        },
    )
    halve_model(folder)
    if tunes.files:
        known_tunes(tunes).save(folder / PROVENANCE)
