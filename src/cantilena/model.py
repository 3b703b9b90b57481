"""`Model`: a model folder on disk -> encode, decode and denoise callables (onnxruntime, no torch)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cantilena import hub
from cantilena.diffusion.schedule import NoiseSchedule, Prediction
from cantilena.errors import ModelError
from cantilena.labels import PLACES, LabelKind, PhraseForm, TuneLabels, VoiceLabels, kind_of_labels, no_places
from cantilena.latent import LatentSpace
from cantilena.model_about import check_about, read_about
from cantilena.model_checks import check_arrays, check_network
from cantilena.music.metre import COMMON, FOUR_FOUR, Metre, names_of
from cantilena.signatures import Signature, decoder_signatures, denoiser_signature, encoder_signature
from cantilena.writing import SIZES, Bounds, Manner, write

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before the import: a composer's machine reports to nobody
import onnxruntime

__all__ = [
    "DEFAULT_MODEL",
    "FORMAT",
    "LABEL_NULLS",
    "RESEARCH_MODEL",
    "Model",
    "find_model",
    "known_models",
    "open_network",
]

FORMAT = 2  # 1 had a decoder that did not hear what it wrote
DEFAULT_MODEL = "open-64"  # anyone may use it
RESEARCH_MODEL = "pop-64"  # that of the paper's table; in a checkout of the source, not in the package
PARTS = ("encoder", "decoder", "decoder_start", "decoder_step", "denoiser")  # .onnx
LABEL_NULLS = VoiceLabels().nulls


def find_model(name: str | Path) -> Path:
    """The folder of a known model by its name, or any folder with a model in it. ModelError where there is none.

    A name, as text, is never a folder of where one happens to work: that one is called ./NAME. A Path is a folder.
    A name like user/model@revision that is no folder is a model of the hub (`hub.fetch`).
    """
    known = known_models()
    folders = (known.get(str(name)), Path(name))
    for folder in folders if isinstance(name, str) else reversed(folders):
        if folder is not None and (folder / "model.json").is_file():
            return folder
    named = hub.NAME.fullmatch(name) if isinstance(name, str) and not Path(name).exists() else None
    if named and (named["revision"] or not Path(name).parent.exists()):
        return hub.fetch(str(name))
    names = ", ".join(known) or "missing"
    if name == RESEARCH_MODEL:
        where = f"it is for research only and no part of the package: put it into {_own_models()}"
        raise ModelError(f"{name}: no model there; {where}, or give its folder")
    raise ModelError(f"{name}: no model there (a known model is {names}, or give a folder with model.json)")


def known_models() -> dict[str, Path]:
    """The folders of models that have a name: in the package, in a checkout of its source, and one's own.

    One's own are in the folder CANTILENA_MODELS, or in ~/.local/share/cantilena/models. Of equal names the first
    counts.
    """
    package = Path(str(files("cantilena")))
    checkout = [package.parents[1] / "research"] if (package.parents[1] / "pyproject.toml").is_file() else []
    found: dict[str, Path] = {}
    for place in (package / "models", *checkout, _own_models()):
        for model in sorted(place.glob("*/model.json")):
            found.setdefault(model.parent.name, model.parent)
    return found


def _own_models() -> Path:
    given = os.environ.get("CANTILENA_MODELS")
    return Path(given) if given else Path.home() / ".local" / "share" / "cantilena" / "models"


@dataclass(frozen=True)
class Repertoire:
    """What a model knows of the tunes that it learned from: forms, homes and styles only of a model of tunes."""

    metres: tuple[Metre, ...]
    forms: dict[str, list[PhraseForm]]  # of real tunes by style
    homes: dict[str, list[tuple[int, int, int]]]  # by style: scale, tonic, and how many real tunes are at home there
    styles: dict[str, dict[str, int]]  # how many real tunes of each style are in each metre, where they are many
    densities: dict[str, dict[str, list[float]]]  # by style and metre: quantiles of notes a quarter of real tunes

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> Repertoire:
        """From a model.json that `check_about` has passed; ValueError for a form or a metre that is none."""
        forms = {style: [PhraseForm.parse(form) for form in some] for style, some in about.get("forms", {}).items()}
        homes = {
            style: [(scale % 12, tonic % 12, n) for scale, tonic, n in some]
            for style, some in about.get("homes", {}).items()
        }
        metres = tuple(Metre.parse(metre) for metre in about["metres"]) if "metres" in about else FOUR_FOUR
        return cls(metres, forms, homes, about.get("styles", {}), about.get("densities", {}))


@dataclass(frozen=True, eq=False)
class Model:
    """The networks of a model folder, with their latent space and noise schedule.

    Made by `Model.load`. Calls are thread-safe, deterministic, and give an example the same numbers in any batch.
    """

    folder: Path
    about: dict[str, Any]  # model.json
    space: LatentSpace
    schedule: NoiseSchedule
    prediction: Prediction
    manner: Manner  # of writing composed latents
    leanings: Mapping[int, Mapping[str, Any]]  # role, or none -> "intervals" and "foreign" of `Manner`
    labels: LabelKind
    tunes: Repertoire
    threads: int
    _sessions: dict[str, onnxruntime.InferenceSession] = field(repr=False)
    _signatures: Mapping[str, Signature] = field(repr=False)

    @classmethod
    def load(cls, name: str | Path = DEFAULT_MODEL, *, threads: int = 1) -> Model:
        """Read a model by name or folder; ModelError (one line) where it is missing, incomplete or unknown."""
        folder = find_model(name)
        try:
            about = read_about(folder / "model.json")
            if not isinstance(about, dict) or about.get("format") != FORMAT:
                found = about.get("format") if isinstance(about, dict) else None
                told = f"format {str(found)[:40]!r}" if isinstance(found, str) else f"format {str(found)[:40]}"
                raise ModelError(f"{folder}: {told}; this version of Cantilena reads format {FORMAT}")
            check_about(about)
            denoiser = about["denoiser"]
            schedule = NoiseSchedule.from_config(denoiser["schedule"])
            prediction: Prediction = denoiser["prediction"]
            named = denoiser["latent"]
            sigma, temperature, floor = (float(about["decoder"][k]) for k in ("sigma", "temperature", "floor"))
            leanings = {int(role): _leaning(told) for role, told in about["decoder"].get("leanings", {}).items()}
            labels = kind_of_labels(about)
            nulls = labels.nulls[: labels.written]
            manner = Manner(nulls, sigma, temperature, floor, **leanings.get(nulls[0], {}))
            tunes = Repertoire.of(about)
        except ValueError as error:
            said = " ".join(str(error).split())[:200]
            raise ModelError(f"{folder}/model.json: cannot be understood ({said})") from error
        check_arrays(folder / "latent.npz")
        space = LatentSpace.load(folder / "latent.npz")
        if space.fingerprint != named:
            raise ModelError(
                f"{folder}: the denoiser was trained in latent space {named}, latent.npz is {space.fingerprint}"
            )
        sessions = {part: open_network(folder / f"{part}.onnx", threads) for part in PARTS if part != "encoder"}
        check_network(folder / "encoder.onnx")  # it is opened when music is read
        signatures = {
            "encoder": encoder_signature(space.Z),
            "denoiser": denoiser_signature(
                space.D, len(labels.nulls), _window(denoiser), places=labels.places
            ),
            **decoder_signatures(space.Z, labels.written, sessions["decoder_step"], f"{folder}/decoder_step.onnx"),
        }  # fmt: skip
        for part, session in sessions.items():
            signatures[part].check(session, f"{folder}/{part}.onnx")
        return cls(
            folder, about, space, schedule, prediction, manner, leanings, labels, tunes, threads, sessions, signatures
        )

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.about.get("name", self.folder.name))

    @property
    def metres(self) -> tuple[Metre, ...]:
        """The metres that it knows; model.json lists them, or they are the paper's."""
        return self.tunes.metres

    @property
    def places_phrases(self) -> bool:
        """Whether its denoiser is told where each phrase stands, and so takes fewer than 32 of them, too."""
        return isinstance(self.labels, TuneLabels)

    @property
    def window(self) -> int:
        """How many phrases the denoiser sees at once."""
        return PLACES if self.places_phrases else _window(self.about["denoiser"])

    @property
    def least(self) -> int:
        """The fewest phrases of a sample."""
        return 1 if self.places_phrases else self.window

    def told(self, labels: NDArray[np.int64], seeds: Sequence[int], metre: Metre = COMMON) -> Model:
        """The same model, which writes melodies with these labels (k,) in this metre, with these seeds' chance.

        Raises ModelError (one line) for a metre that it does not know.
        """
        if metre not in self.metres:
            raise ModelError(f"{self.name}: {metre} is a metre that this model does not know; {self._knows()}")
        told: Any = {"intervals": None, "foreign": 0.0, **self.leanings.get(int(labels[0]), {})}
        told |= {"labels": tuple(labels[: self.labels.written].tolist()), "seeds": tuple(seeds), "metre": metre}
        return replace(self, manner=replace(self.manner, **told))

    def _knows(self) -> str:
        return f"it knows {names_of(self.metres)}"

    def doubting(self, sigma: float) -> Model:
        """The same model, which doubts latents so much: they came back from a share `sigma` of noise."""
        return replace(self, manner=replace(self.manner, sigma=sigma))

    def literal(self) -> Model:
        """The same model, which doubts no latent, leaves nothing to chance and leans to nothing."""
        return replace(self, manner=Manner(self.manner.labels, metre=self.manner.metre))

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits over all that a composed note depends on: every file, and what model.json says."""
        about = {k: v for k, v in self.about.items() if k not in ("name", "provenance", "sources")}
        said = json.dumps(about, sort_keys=True).encode()
        return self._digest(*(f"{part}.onnx" for part in PARTS), "latent.npz", more=said)

    def _digest(self, *parts: str, more: bytes = b"") -> str:
        digest = hashlib.sha256(more)
        for part in parts:
            digest.update((self.folder / part).read_bytes())
        return digest.hexdigest()[:16]

    def encode(self, phrases: NDArray[np.integer]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Tokens (..., 32) -> posterior mean and deviation (..., Z)."""
        shape = phrases.shape[:-1]
        tokens = phrases.reshape(-1, phrases.shape[-1]).astype(np.int64)
        if "encoder" not in self._sessions:  # new melodies never need it
            session = open_network(self.folder / "encoder.onnx", self.threads)
            self._signatures["encoder"].check(session, f"{self.folder}/encoder.onnx")
            self._sessions["encoder"] = session
        mean, std = self._run("encoder", {"tokens": tokens})
        return mean.reshape(*shape, -1), std.reshape(*shape, -1)

    def _run(self, part: str, given: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        """What a network gives; ModelError (one line) where it fails, or gives what is no number."""
        return self._signatures[part].run(self._sessions[part], given, f"{self.name}: its {part}")

    # -- writing: `writing.Decoder` ------------------------------------------------------------

    def plan(
        self, z: NDArray[np.float32], sigma: NDArray[np.float32], labels: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """z (n, Z), doubt (n,), labels (n, 4) -> plans (n, 32, W) and the logits of the plans alone (n, 32, 90)."""
        plan, plain = self._run("decoder", {"z": z, "sigma": sigma, "labels": labels})
        return plan, plain

    def start(self, before: NDArray[np.int64], around: NDArray[np.float32]) -> NDArray[np.float32]:
        """Contexts (n, 4) and pitch classes near by (n, 12) -> states (n, H)."""
        (state,) = self._run("decoder_start", {"before": before, "around": around})
        return state

    def step(
        self,
        plan: NDArray[np.float32],
        plain: NDArray[np.float32],
        token: NDArray[np.int64],
        notes: NDArray[np.int64],
        state: NDArray[np.float32],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Plans of a step (n, W), (n, 90), last token (n,), last notes (n, 2), states -> logits (n, 90), states."""
        given: dict[str, NDArray[Any]] = {"plan": plan, "plain": plain, "token": token, "notes": notes, "state": state}
        logits, state = self._run("decoder_step", given)
        return logits, state

    def decode(
        self, z: NDArray[np.float32], manner: Manner | None = None, bounds: Bounds | None = None, *, alone: bool = False
    ) -> NDArray[np.int8]:
        """z (..., P, Z) of P consecutive phrases -> tokens (..., P, 32), each after those before it.

        Exact latents, of nobody in particular, are read literally; `manner` says otherwise. `bounds` hold for what is
        written (`writing.write`). Phrases that are `alone` are written as if nothing were known of the others.
        """
        manner = Manner(self.labels.nulls[: self.labels.written], metre=self.manner.metre) if manner is None else manner
        flat = np.ascontiguousarray(z.reshape(-1, *z.shape[-2:]), np.float32)
        return write(self, flat, manner, bounds, alone=alone).reshape(*z.shape[:-1], -1)

    def to_latents(self, phrases: NDArray[np.integer]) -> NDArray[np.float32]:
        """Phrases (..., 32) -> x_0 (..., D): their posterior means."""
        return self.space.normalize(self.encode(phrases)[0])

    def to_phrases(
        self, x_0: NDArray[np.float32], bounds: Bounds | None = None, *, alone: bool = False
    ) -> NDArray[np.int8]:
        """Composed latents x_0 (..., P, D) -> tokens (..., P, 32): `decode` in the `manner` of this model."""
        return self.decode(self.space.denormalize(x_0), self.manner, bounds, alone=alone)

    def denoise(
        self,
        x_t: NDArray[np.float32],
        log_snr: NDArray[np.float32],
        x0_prev: NDArray[np.float32],
        labels: NDArray[np.int64],
        places: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float32]:
        """x_t (B, P, D), log_snr (B,), x0_prev (B, P, D), labels (B, k) -> the network's prediction (B, P, D).

        P is 32, or of a network that is told `places` (B, P, 5) at most 32; if none are given, none are said. A graph
        that takes 32 alone is given silence beyond P, masked. The graph of the `paper` recipe has no inputs for x0_prev
        and labels; they are then left out.
        """
        session, phrases = self._sessions["denoiser"], x_t.shape[1]
        taken = {one.name: one.shape for one in session.get_inputs()}
        given: dict[str, NDArray[Any]] = {"x_t": x_t, "log_snr": log_snr, "x0_prev": x0_prev, "labels": labels}
        if self.places_phrases:
            size = PLACES if isinstance(taken["x_t"][1], int) else phrases
            missing = ((0, 0), (0, size - phrases), (0, 0))
            if places is None:
                places = no_places(*x_t.shape[:2])
            places = places[..., : self.labels.places]
            given |= {"x_t": np.pad(x_t, missing), "x0_prev": np.pad(x0_prev, missing)}
            given |= {"places": np.pad(places, missing), "mask": np.arange(size)[None].repeat(len(x_t), 0) < phrases}
        (found,) = self._run("denoiser", {k: v for k, v in given.items() if k in taken})
        return found[:, :phrases]

    def with_denoiser(self, network: onnxruntime.InferenceSession, about: Mapping[str, Any]) -> Model:
        """The model with another denoiser of the same latent space; `about` holds its "schedule" and "prediction"."""
        schedule = NoiseSchedule.from_config(about["schedule"])
        sessions = {**self._sessions, "denoiser": network}
        return replace(self, schedule=schedule, prediction=about["prediction"], _sessions=sessions)


def _leaning(told: Mapping[str, Any]) -> dict[str, Any]:
    """What a decoder leans to, from JSON; ValueError where it is something else."""
    return {
        "intervals": np.array(told["intervals"], np.float32).reshape(2, SIZES),
        "foreign": float(told["foreign"]),
    }


def _window(denoiser: Mapping[str, Any]) -> int:
    """How many phrases the graph of a denoiser takes, by what model.json says of it."""
    return int(denoiser.get("config", {}).get("phrases", PLACES))


def open_network(path: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """Open an ONNX graph on the CPU, with `threads` that do not spin; ModelError (one line) where that fails."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what is wrong is raised
    check_network(path)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own C++ exceptions
        raise ModelError(
            f"{path}: not a network that onnxruntime can run ({' '.join(str(error).split())[:160]})"
        ) from error
