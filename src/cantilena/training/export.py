"""Checkpoint <-> model folder: ONNX graphs, the latent space and `model.json`; and weights read back from them."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from cantilena.errors import ModelError
from cantilena.latent import LatentSpace
from cantilena.model import FORMAT
from cantilena.training.networks import LABEL_SIZES, Denoiser, MelodyVAE
from cantilena.training.paper import PaperDenoiser

__all__ = ["Baseline", "export_model", "read_weights", "vae_fingerprint"]

_OPSET = 17
_ENCODER = ("embed", "encoder", "squeeze", "posterior")  # beginnings of the encoder's parameter names


def vae_fingerprint(network: MelodyVAE) -> str:
    """16 hexadecimal digits that name a VAE by its *encoder*: what latents mean. A better decoder keeps the name."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if name.startswith(_ENCODER):
            digest.update(name.encode() + value.detach().float().numpy().tobytes())
    return digest.hexdigest()[:16]


class Baseline(NamedTuple):
    """A rival that a model folder carries for the paper's table; its large weights are kept in half precision."""

    network: nn.Module
    about: Mapping[str, Any]  # goes into model.json, beside the network's config


class _Encode(nn.Module):
    def __init__(self, vae: MelodyVAE):
        super().__init__()
        self.vae = vae

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_var = self.vae.encode(tokens)
        return mean, (0.5 * log_var).exp()


class _Decode(nn.Module):
    def __init__(self, vae: MelodyVAE):
        super().__init__()
        self.vae = vae

    def forward(self, z: Tensor) -> Tensor:
        return self.vae.decode(z)


class _Next(nn.Module):
    """Phrases so far and a place for the next one (B, t + 1, D) -> the mixture of that one alone."""

    def __init__(self, mdn: nn.Module):
        super().__init__()
        self.mdn = mdn.eval()

    def forward(self, x_0: Tensor) -> tuple[Tensor, ...]:
        return tuple(part[:, -1] for part in self.mdn(x_0))  # the network shifts right: the last input is never seen


def export_model(
    folder: Path,
    vae: MelodyVAE,
    denoiser: Denoiser | PaperDenoiser,
    space: LatentSpace,
    *,
    diffusion: Mapping[str, Any],
    provenance: Mapping[str, Any],
    card: str,
    baselines: Mapping[str, Baseline] | None = None,
) -> None:
    """Write a model folder in one step; an older one of this name is replaced only when the new one is complete.

    `diffusion` is the schedule's config under "schedule" and the "prediction"; `provenance` says where the weights
    come from; `card` is the README; `baselines` may hold an "mdn" and a "paper" denoiser. Raises
    ModelError when it cannot be written.
    """
    folder = folder.resolve()
    if (
        folder.exists()
        and not (folder / "model.json").is_file()
        and not (folder.is_dir() and not any(folder.iterdir()))
    ):
        raise ModelError(f"{folder}: holds something else than a model; choose another name")
    vae, denoiser = vae.eval(), denoiser.eval()
    D, phrases = denoiser.config.D, denoiser.config.phrases
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        _to_onnx(
            _Encode(vae), temporary / "encoder.onnx", {"tokens": torch.ones(2, 32, dtype=torch.long)}, ["mean", "std"]
        )
        _to_onnx(_Decode(vae), temporary / "decoder.onnx", {"z": torch.zeros(2, space.Z)}, ["logits"])
        inputs = {
            "x_t": torch.zeros(2, phrases, D),
            "log_snr": torch.zeros(2),
            "x0_prev": torch.zeros(2, phrases, D),
            "labels": torch.zeros(2, len(LABEL_SIZES), dtype=torch.long),
        }
        _to_onnx(denoiser, temporary / "denoiser.onnx", inputs, ["prediction"])
        for name, baseline in (baselines or {}).items():
            path = temporary / f"{name}.onnx"
            if name == "mdn":
                sequence = {"x_0": torch.zeros(2, 3, D)}
                _to_onnx(
                    _Next(baseline.network), path, sequence, ["log_pi", "mean", "log_std"], {"x_0": {1: "phrases"}}
                )
            else:
                _to_onnx(baseline.network.eval(), path, inputs, ["prediction"])
            _halve(path)
        space.save(temporary / "latent.npz")
        model = {
            "format": FORMAT,
            "name": folder.name,
            "vae": {"fingerprint": vae_fingerprint(vae), "config": asdict(vae.config)},
            "denoiser": {
                "network": "small" if isinstance(denoiser, Denoiser) else "paper",
                "config": asdict(denoiser.config),
                "latent": space.fingerprint,
                **diffusion,
            },
            **{
                name: {"config": asdict(baseline.network.config), **baseline.about}  # type: ignore[call-overload]
                for name, baseline in (baselines or {}).items()
            },
            "provenance": dict(provenance),
        }
        (temporary / "model.json").write_text(json.dumps(model, indent=1) + "\n")
        (temporary / "README.md").write_text(card)
        old = folder.with_name(f".{folder.name}.old.{os.getpid()}")
        if folder.exists():
            os.rename(folder, old)
        os.rename(temporary, folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise ModelError(f"{folder}: cannot write the model ({error.strerror or error})") from error


def _to_onnx(
    network: nn.Module,
    path: Path,
    inputs: dict[str, Tensor],
    outputs: list[str],
    more_axes: Mapping[str, Mapping[int, str]] | None = None,
) -> None:
    names = list(inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter is deprecated, but keeps every parameter's name
        torch.onnx.export(
            network.float(),
            tuple(inputs.values()),
            path,
            input_names=names,
            output_names=outputs,
            dynamic_axes={name: {0: "batch", **(more_axes or {}).get(name, {})} for name in names + outputs},
            opset_version=_OPSET,
            do_constant_folding=False,  # folding would rename the weights; the runtime folds when it loads
            dynamo=False,
        )


def _halve(path: Path) -> None:
    """Keep large weights as float16, each with a Cast to float32: half the bytes; the runtime casts on loading."""
    model = onnx.load(path)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and math.prod(tensor.dims) >= 1024:
            name = tensor.name
            half = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
            casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    onnx.save(model, path)


def read_weights(folder: Path, kind: Literal["vae", "denoiser", "mdn"]) -> dict[str, Tensor]:
    """A network's state dict, read back from a model folder's ONNX graphs (for warm starts)."""
    match kind:
        case "vae":
            graphs = [_initializers(folder / f"{name}.onnx") for name in ("encoder", "decoder")]
            return {key.removeprefix("vae."): value for graph in graphs for key, value in graph.items()}
        case "denoiser":
            return _initializers(folder / "denoiser.onnx")
        case "mdn":
            found = _initializers(folder / "mdn.onnx")
            return {key.removeprefix("mdn.").removesuffix(".half"): value.float() for key, value in found.items()}


def _initializers(path: Path) -> dict[str, Tensor]:
    try:
        graph = onnx.load(path).graph
    except Exception as error:  # protobuf raises a class of its own
        raise ModelError(f"{path}: not a readable ONNX graph ({error})") from error
    found = {i.name: torch.from_numpy(np.array(numpy_helper.to_array(i))) for i in graph.initializer}
    for node in graph.node:  # the exporter keeps equal tensors once and names the others by Identity
        if node.op_type == "Identity" and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return found
