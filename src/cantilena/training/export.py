"""Checkpoint <-> model folder: ONNX graphs, the latent space and `model.json`; and weights read back from them."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from cantilena.errors import ModelError
from cantilena.files import new_folder
from cantilena.latent import LatentSpace
from cantilena.model import FORMAT
from cantilena.reproduction.baseline_networks import FORMAT as BASELINES_FORMAT
from cantilena.training.networks import LABEL_SIZES, Denoiser, MelodyVAE
from cantilena.training.paper import PaperDenoiser
from cantilena.training.phrase_decoder import PhraseDecoder
from cantilena.training.tune_denoiser import TuneDenoiser
from cantilena.writing import CONTEXT

__all__ = [
    "Baseline",
    "adapted_model",
    "exchange_parts",
    "export_baselines",
    "export_model",
    "halve_model",
    "read_weights",
    "vae_fingerprint",
]

_OPSET = 17
_KINDS = {Denoiser: "small", PaperDenoiser: "paper", TuneDenoiser: "tune"}
LITERAL = {"sigma": 0.0, "temperature": 0.0, "floor": 0.0}  # literally: until a decoder learns what a denoiser leaves
_ENCODER = ("embed", "encoder", "squeeze", "posterior")  # beginnings of the encoder's parameter names


def vae_fingerprint(network: MelodyVAE) -> str:
    """16 hexadecimal digits that name a VAE by its *encoder*: what latents mean. A better decoder keeps the name."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if name.startswith(_ENCODER):
            digest.update(name.encode() + value.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


class Baseline(NamedTuple):
    """A trained network for the paper's table; its large weights are kept in half precision."""

    network: nn.Module
    about: Mapping[str, Any]  # goes into JSON, beside the network's config


class _Encode(nn.Module):
    def __init__(self, vae: MelodyVAE):
        super().__init__()
        self.vae = vae

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_var = self.vae.encode(tokens)
        return mean, (0.5 * log_var).exp()


class _Plan(nn.Module):
    def __init__(self, decoder: PhraseDecoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, z: Tensor, sigma: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        features = self.decoder.plan(z, sigma, labels)
        return self.decoder.writer.plan(features), self.decoder.logits(features)


class _Start(nn.Module):
    def __init__(self, decoder: PhraseDecoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, before: Tensor, around: Tensor) -> Tensor:
        return self.decoder.writer.start(before, around)


class _Step(nn.Module):
    def __init__(self, decoder: PhraseDecoder):
        super().__init__()
        self.decoder = decoder

    def forward(
        self, plan: Tensor, plain: Tensor, token: Tensor, notes: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self.decoder.writer.step(plan, plain, token, notes, state)


class _Next(nn.Module):
    """Phrases so far and a place for the next one (B, t + 1, D) -> the mixture of that one alone."""

    def __init__(self, mdn: nn.Module):
        super().__init__()
        self.mdn = mdn.eval()

    def forward(self, x_0: Tensor) -> tuple[Tensor, ...]:
        return tuple(part[:, -1] for part in self.mdn(x_0))  # the network shifts right: the last input is never seen


class _Unconditioned(nn.Module):
    """A denoiser that never saw its own x0_hat: a graph without that input, for its weights there mean nothing."""

    def __init__(self, denoiser: nn.Module):
        super().__init__()
        self.denoiser = denoiser

    def forward(self, x_t: Tensor, log_snr: Tensor, labels: Tensor) -> Tensor:
        prediction: Tensor = self.denoiser(x_t, log_snr, torch.zeros_like(x_t), labels)
        return prediction


def export_model(
    folder: Path,
    vae: MelodyVAE,
    denoiser: Denoiser | PaperDenoiser | TuneDenoiser,
    space: LatentSpace,
    *,
    diffusion: Mapping[str, Any],
    provenance: Mapping[str, Any],
    card: str,
    labels: Mapping[str, list[str]] | None = None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Write a model folder in one step; an older one of this name is replaced only when the new one is complete.

    `diffusion` is the schedule's config under "schedule", the "prediction", and "self_conditioning": false where the
    denoiser never saw its own x0_hat, which is then no input of the graph. `provenance` says where the weights come
    from; `card` is the README; `labels` are the values of each label that a denoiser of tunes is told, and `more`
    goes into model.json as it is. Raises
    ModelError when it cannot be written.
    """
    with _replacing(folder) as new:
        _to_onnx(_Encode(vae.eval()), new / "encoder.onnx", {"tokens": torch.ones(2, 32, dtype=torch.long)},
                 ["mean", "std"])  # fmt: skip
        _decoder_to_onnx(vae.decoder, new)
        _denoiser_to_onnx(denoiser, new / "denoiser.onnx", diffusion)
        space.save(new / "latent.npz")
        model = {
            "format": FORMAT,
            "name": folder.resolve().name,
            "vae": {"fingerprint": vae_fingerprint(vae), "config": asdict(vae.config)},
            "decoder": {"config": asdict(vae.decoder.config), **LITERAL},
            "denoiser": {
                "network": _KINDS[type(denoiser)],
                "config": asdict(denoiser.config),
                "latent": space.fingerprint,
                **diffusion,
            },
            "provenance": dict(provenance),
        }
        if labels is not None:
            model["labels"] = dict(labels)
        model |= more or {}
        (new / "README.md").write_text(card)
        _write_model_json(new, model)


def exchange_parts(
    source: Path,
    folder: Path,
    decoder: Baseline | None = None,
    reading: Mapping[str, Any] | None = None,
) -> None:
    """Write the model folder `source` to `folder`, which may be the same, with some of its parts exchanged.

    `decoder` is a new PhraseDecoder of the same VAE, kept in half precision, `reading` says how it is to read composed
    latents. Everything else stays bit for bit. Raises ModelError when it cannot be written.
    """
    with _replacing(folder) as new:
        shutil.copytree(source, new, dirs_exist_ok=True)
        model = json.loads((source / "model.json").read_text())
        about = {"config": {}, **LITERAL, **model.get("decoder", {})}
        if decoder is not None:
            network: Any = decoder.network
            _decoder_to_onnx(network, new)
            halve_decoder(new)
            about |= {"config": asdict(network.config), **decoder.about}
        about |= reading or {}
        model |= {"format": FORMAT, "name": folder.resolve().name, "decoder": about}
        _write_model_json(new, model)


def adapted_model(
    source: Path, folder: Path, denoiser: TuneDenoiser, *, more: Mapping[str, Any], adapted: Mapping[str, Any]
) -> None:
    """Write the model folder `source` to `folder` with a denoiser that went on learning, in half precision.

    `more` goes into model.json as it is, `adapted` into its provenance. Raises ModelError when it cannot be written.
    """
    with _replacing(folder) as new:
        shutil.copytree(source, new, dirs_exist_ok=True)
        model = json.loads((source / "model.json").read_text())
        about = model["denoiser"]
        _denoiser_to_onnx(denoiser, new / "denoiser.onnx", about)
        halve(new / "denoiser.onnx")
        model |= {"name": folder.resolve().name, **more}
        model["provenance"] = {**model.get("provenance", {}), "adapted": dict(adapted)}
        with (new / "README.md").open("a", encoding="utf-8") as card:
            card.write(f"\nIt went on to learn from {len(adapted['files'])} files of its owner.\n")
        _write_model_json(new, model)


def export_baselines(folder: Path, baselines: Mapping[str, Baseline], latent: str, D: int) -> None:
    """Write an "mdn", a "paper" denoiser or both to a folder of baselines, in half precision, and baselines.json.

    They belong to the model whose latent space has the fingerprint `latent` and D dimensions; `about` of "paper" holds
    its "schedule" and "prediction". A baseline of the same latent space that is there and not given stays. Raises
    ModelError when the folder cannot be written, or holds something else.
    """
    with _replacing(folder, "baselines.json", "baselines") as new:
        about: dict[str, Any] = {"format": BASELINES_FORMAT, "latent": latent}
        if (folder / "baselines.json").is_file():
            before = json.loads((folder / "baselines.json").read_text(encoding="utf-8"))
            if before.get("latent") == latent:
                shutil.copytree(folder, new, dirs_exist_ok=True)
                about = before | about
        for name, baseline in baselines.items():
            path = new / f"{name}.onnx"
            if name == "mdn":
                outputs = ["log_pi", "mean", "log_std"]
                _to_onnx(_Next(baseline.network), path, {"x_0": torch.zeros(2, 3, D)}, outputs, {"x_0": {1: "phrases"}})
            else:
                _denoiser_to_onnx(baseline.network, path, baseline.about)
            halve(path)
            config: Any = baseline.network.config
            about[name] = {"config": asdict(config), **baseline.about}
        (new / "baselines.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _write_model_json(new: Path, model: dict[str, Any]) -> None:
    model["provenance"] = model.pop("provenance", {})  # last, as it is the longest
    (new / "model.json").write_text(json.dumps(model, indent=1) + "\n")


@contextmanager
def _replacing(folder: Path, mark: str = "model.json", what: str = "a model") -> Iterator[Path]:
    """Give an empty folder to fill. Complete, it takes the place of `folder`, if that is empty or holds `mark`."""
    folder = folder.resolve()
    if folder.exists() and not (folder / mark).is_file() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ModelError(f"{folder}: holds something else than {what}; choose another name")
    try:
        with new_folder(folder) as new:
            yield new
    except OSError as error:
        raise ModelError(f"{folder}: cannot be written ({error.strerror or error})") from error


def _decoder_to_onnx(decoder: PhraseDecoder, folder: Path) -> None:
    """The three graphs of a decoder: `writing.Decoder`."""
    decoder, c = decoder.eval(), decoder.config
    z = {
        "z": torch.zeros(2, c.latent),
        "sigma": torch.zeros(2),
        "labels": torch.zeros(2, len(c.labels), dtype=torch.long),
    }
    _to_onnx(_Plan(decoder), folder / "decoder.onnx", z, ["plan", "plain"])
    before = {"before": torch.zeros(2, CONTEXT, dtype=torch.long), "around": torch.zeros(2, 12)}
    _to_onnx(_Start(decoder), folder / "decoder_start.onnx", before, ["state"])
    step = {
        "plan": torch.zeros(2, decoder.writer.plan.out_features),
        "plain": torch.zeros(2, c.vocabulary),
        "token": torch.zeros(2, dtype=torch.long),
        "notes": torch.zeros(2, 2, dtype=torch.long),
        "state": torch.zeros(2, c.writer),
    }
    _to_onnx(_Step(decoder), folder / "decoder_step.onnx", step, ["logits", "next_state"])


def _denoiser_to_onnx(denoiser: nn.Module, path: Path, diffusion: Mapping[str, Any]) -> None:
    config: Any = denoiser.config
    inputs = {
        "x_t": torch.zeros(2, config.phrases, config.D),
        "log_snr": torch.zeros(2),
        "x0_prev": torch.zeros(2, config.phrases, config.D),
        "labels": torch.zeros(2, len(getattr(config, "labels", LABEL_SIZES)), dtype=torch.long),
    }
    if isinstance(denoiser, TuneDenoiser):
        inputs["places"] = torch.zeros(2, config.phrases, len(config.places), dtype=torch.long)
        inputs["mask"] = torch.ones(2, config.phrases, dtype=torch.bool)
    if not diffusion.get("self_conditioning", True):
        denoiser = _Unconditioned(denoiser)
        del inputs["x0_prev"]
    by_phrase = [name for name, tensor in inputs.items() if tensor.ndim > 1 and name != "labels"]
    free = {name: {1: "phrases"} for name in [*by_phrase, "prediction"]}  # as many as a tune has
    _to_onnx(denoiser.eval(), path, inputs, ["prediction"], free if isinstance(denoiser, TuneDenoiser) else None)


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


def halve_model(folder: Path) -> None:
    """Keep the large weights of a model folder in half precision, but for the encoder's: latents are named by those."""
    halve_decoder(folder)
    halve(folder / "denoiser.onnx")


def halve_decoder(folder: Path) -> None:
    """Keep the large weights of the decoder in a model folder in half precision."""
    for path in folder.glob("decoder*.onnx"):
        halve(path)


def halve(path: Path) -> None:
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


def read_weights(folder: Path, kind: Literal["vae", "decoder", "denoiser", "mdn"]) -> dict[str, Tensor]:
    """A network's state dict, read back from a model folder's ONNX graphs (for warm starts)."""
    match kind:
        case "vae":
            encoder = _initializers(folder / "encoder.onnx")
            decoder = {f"decoder.{key}": value for key, value in read_weights(folder, "decoder").items()}
            return {key.removeprefix("vae."): value for key, value in encoder.items()} | decoder
        case "decoder":
            parts = [_initializers(path) for path in sorted(folder.glob("decoder*.onnx"))]
            return {_plain(key, "decoder."): value.float() for part in parts for key, value in part.items()}
        case "denoiser":
            found = _initializers(folder / "denoiser.onnx")
            return {_plain(key, "denoiser."): value.float() for key, value in found.items()}
        case "mdn":
            found = _initializers(folder / "mdn.onnx")
            return {_plain(key, "mdn."): value.float() for key, value in found.items()}


def _plain(name: str, network: str) -> str:
    """A weight's name in its network, of one that may be kept in half precision."""
    return name.removeprefix(network).removesuffix(".half")


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
