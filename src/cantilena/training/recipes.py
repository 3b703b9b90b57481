"""Recipe TOML -> what to train: reading a recipe, overriding it, checking it, and saying what it would cost.

A recipe has the tables [network] and [loop] and, by kind, [loss] (vae), [latents] (decoder), [diffusion] and [data]
(denoiser) or [data] (mdn); each is a dataclass, and a key that none of them knows is refused.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cantilena.corpus.store import Corpus
from cantilena.errors import RecipeError
from cantilena.training.data import SHIFTS
from cantilena.training.decoder import DecoderConfig
from cantilena.training.denoiser import DiffusionConfig
from cantilena.training.latents import MAX_SILENT
from cantilena.training.layers import parameter_count
from cantilena.training.loop import LoopConfig, find_checkpoint
from cantilena.training.networks import (
    Denoiser,
    DenoiserConfig,
    MDNConfig,
    MelodyVAE,
    TransformerMDN,
    VAEConfig,
)
from cantilena.training.paper import PaperDenoiser, PaperDenoiserConfig, PaperMDN, PaperMDNConfig
from cantilena.training.phrase_decoder import LABEL_SIZES, PhraseDecoder, PhraseDecoderConfig
from cantilena.training.tune_denoiser import TuneDenoiser, TuneDenoiserConfig
from cantilena.training.tunes import Tunes, label_sizes
from cantilena.writing import CONTEXT

__all__ = [
    "NETWORKS",
    "DataConfig",
    "LossConfig",
    "Recipe",
    "TunesConfig",
    "describe",
    "forward_flops",
    "make_network",
    "read_recipe",
    "training_flops",
]

Kind = Literal["vae", "decoder", "denoiser", "mdn"]
_C = TypeVar("_C")
NETWORKS: dict[Kind, dict[str, tuple[Any, Any]]] = {  # kind -> network_type -> network and its config
    "vae": {"melody_vae": (MelodyVAE, VAEConfig)},
    "decoder": {"phrase_decoder": (PhraseDecoder, PhraseDecoderConfig)},
    "denoiser": {
        "small": (Denoiser, DenoiserConfig),
        "paper": (PaperDenoiser, PaperDenoiserConfig),
        "tune": (TuneDenoiser, TuneDenoiserConfig),
    },
    "mdn": {"small": (TransformerMDN, MDNConfig), "paper": (PaperMDN, PaperMDNConfig)},
}


@dataclass(frozen=True)
class LossConfig:
    """The VAE's loss."""

    beta: float  # weight of the KL
    beta_warmup: int = 1000  # steps over which it rises from 0
    sigma: float = 0.0  # largest deviation of the noise on latents, which the decoder is told
    frozen: bool = False  # the encoder stays as it is, so that latents keep their meaning: the decoder alone learns


@dataclass(frozen=True)
class DataConfig:
    """Which latents a denoiser or mdn learns from."""

    vae: str = ""  # run or model folder of the VAE
    latent: str = ""  # run or model folder whose latent space is taken; fitted to the training phrases if not said
    draws: int = 1  # transposition draws of the corpus
    windows: int = 0  # about so many windows a draw; 0 = all
    scaling: Literal["standard", "min_max"] = "standard"
    posterior: Literal["draw", "mean"] = "draw"  # a phrase's latent: drawn from its posterior at each step, or its mean
    precision: str = "fp32"  # of the encoder, once; "bf16" is faster on some processors


@dataclass(frozen=True)
class TunesConfig:
    """Which tunes a denoiser of tunes learns from."""

    vae: str = ""  # run or model folder of the VAE
    shares: dict[str, float] = field(default_factory=dict)  # of collections among tunes, by name; equal if not said
    shifts: list[int] = field(default_factory=lambda: list(SHIFTS))  # semitones of transposition, each kept
    parts: int = 1600  # top parts that sing; half as many other parts
    final: float = 0.4  # last share of the steps, on tunes alone
    precision: str = "bf16"  # of the encoder, once


@dataclass(frozen=True)
class Recipe:
    """A recipe, checked: raw tables by name."""

    name: str
    kind: Kind
    network: str  # the kind's key in NETWORKS
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
    if kind not in NETWORKS or network not in NETWORKS[kind]:
        possible = "; ".join(f"{k} + {' or '.join(types)}" for k, types in NETWORKS.items())
        raise RecipeError(f"{path.name}: kind and network_type must be {possible}")
    if odd := [key for key, table in raw.items() if not isinstance(table, dict)]:
        raise RecipeError(f"{path.name}: {odd[0]} stands outside a table")
    more = {"vae": {"loss"}, "decoder": {"latents", "tunes"}, "denoiser": {"diffusion", "data"}, "mdn": {"data"}}
    known = {"network", "loop"} | ({"diffusion", "tunes"} if network == "tune" else more[kind])
    if unknown := sorted(set(raw) - known):
        raise RecipeError(f"{path.name}: unknown table {', '.join(unknown)} (known: {', '.join(sorted(known))})")
    return Recipe(path.stem, kind, network, raw)


def make_network(recipe: Recipe, D: int, styles: int | None = None) -> nn.Module:
    """The network that a recipe asks for; one of latents is made for D dimensions, one of tunes for their styles."""
    network, config = NETWORKS[recipe.kind][recipe.network]
    given: dict[str, Any] = {} if recipe.kind in ("vae", "decoder") else {"D": D}
    if styles is not None:
        sizes = label_sizes(styles)
        given["labels"] = sizes if recipe.kind == "denoiser" else sizes[:3]
    made: nn.Module = network(recipe.table("network", config, **given))
    return made


def training_flops(recipe: Recipe, network: nn.Module, steps: int) -> float:
    """Floating-point operations of `steps` steps: a backward pass counts as two forward passes (Kaplan et al. 2020).

    A denoiser that feeds back its own x0_hat in a share of the steps makes one more forward pass in those.
    """
    passes = 3.0
    if recipe.kind == "denoiser":
        passes += recipe.table("diffusion", DiffusionConfig).self_conditioning
    return passes * forward_flops(recipe.kind, network) * recipe.table("loop", LoopConfig).batch * steps


def forward_flops(kind: Kind, network: nn.Module) -> int:
    """Floating-point operations of one forward pass of one example: a phrase (VAE) or a window of 32 (the others)."""
    config: Any = network.config
    told_of = getattr(config, "labels", LABEL_SIZES)
    phrase, labels, before = (torch.zeros(1, n, dtype=torch.long) for n in (32, len(told_of), CONTEXT))
    told = (labels, before, torch.zeros(1, 12))
    inputs: dict[Kind, Callable[[], tuple[Tensor, ...]]] = {
        "vae": lambda: (phrase, *told, *torch.zeros(2, 1, config.latent), torch.zeros(1)),
        "decoder": lambda: (torch.zeros(1, config.latent), torch.zeros(1), *told, phrase),
        "denoiser": lambda: (
            torch.zeros(1, config.phrases, config.D),
            torch.zeros(1),
            torch.zeros(1, config.phrases, config.D),
            torch.zeros(1, len(told_of), dtype=torch.long),
            *(
                (
                    torch.zeros(1, config.phrases, len(config.places), dtype=torch.long),
                    torch.ones(1, config.phrases, dtype=torch.bool),
                )
                if isinstance(network, TuneDenoiser)
                else ()
            ),
        ),
        "mdn": lambda: (torch.zeros(1, config.phrases, config.D),),
    }
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(*inputs[kind]())
    return int(counter.get_total_flops())


def describe(recipe: Recipe, corpus: Corpus | Tunes, run: Path) -> str:
    """What training would do, in a few lines (`--dry-run`)."""
    styles = len(corpus.styles) if isinstance(corpus, Tunes) else None
    loop, network = recipe.table("loop", LoopConfig), make_network(recipe, 42, styles)
    if isinstance(corpus, Tunes):
        examples = f"{len(corpus.split(0, role=0)):,} tunes among {len(corpus.split(0)):,} melodies"
    elif recipe.kind == "vae":
        count, detail = len(corpus.unique_phrases("train")[0]), f"beta {recipe.table('loss', LossConfig).beta}"
        examples = f"{count:,} distinct phrases, {detail}"
    elif recipe.kind == "decoder":
        latents = recipe.table("latents", DecoderConfig)
        count = len(corpus.windows("train", max_silent=MAX_SILENT))
        examples = f"{count:,} windows, noised and sampled back by {latents.model or 'no model'}"
    elif recipe.kind == "denoiser":
        data, diffusion = recipe.table("data", DataConfig), recipe.table("diffusion", DiffusionConfig)
        count = len(corpus.windows("train", max_silent=MAX_SILENT))
        examples = f"{count:,} windows in {data.draws} draws, predicts {diffusion.prediction}, {diffusion.schedule}"
    else:
        examples = f"{len(corpus.windows('train')):,} windows in {recipe.table('data', DataConfig).draws} draws"
    done = f"resumes from {latest[1]}" if (latest := find_checkpoint(run)) else "starts anew"
    return (
        f"{recipe.name}: {recipe.network} with {parameter_count(network):,} parameters"
        f"{'' if recipe.kind in ('vae', 'decoder') else ' at D = 42'}\n"
        f"data:  {examples}\n"
        f"loop:  {loop.steps:,} steps of {loop.batch}, lr {loop.lr:g}, {loop.precision}, {loop.threads} thread(s), "
        f"{training_flops(recipe, network, loop.steps):.3g} FLOPs\n"
        f"run:   {run} {done}"
    )


def _fits(value: Any, hint: Any) -> bool:
    """Whether a TOML value is what a field of a config wants; whole numbers are numbers, too."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) in (dict, list, tuple):
        return isinstance(value, dict if get_origin(hint) is dict else list | tuple)
    kinds = get_args(hint) or (hint,)
    return type(value) in kinds or (float in kinds and type(value) is int)
