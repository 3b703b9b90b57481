"""What each network of a model takes and gives: checked when it is opened, and of its numbers whenever it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cantilena.errors import ModelError
from cantilena.music.melody import VOCABULARY
from cantilena.music.metre import TOKENS
from cantilena.writing import CONTEXT

__all__ = ["Signature", "decoder_signatures", "denoiser_signature", "encoder_signature"]

_FLOAT, _INT, _BOOL = "tensor(float)", "tensor(int64)", "tensor(bool)"
_PITCH_CLASSES = 12
_NOTES = 2  # the last, and the one before it
_LARGEST = 1 << 16  # numbers of a plan's step, or of a state

_Shape = tuple[int, ...]  # behind the batch


class UpTo(int):
    """So many at most: a network takes any number up to it, or is made for just so many."""


class Signature(NamedTuple):
    """The inputs of a network by name, with their kinds and shapes, and the shapes of its float outputs, in order."""

    takes: Mapping[str, tuple[str, _Shape]]
    gives: Mapping[str, _Shape]
    may_lack: tuple[str, ...] = ()

    def check(self, session: Any, place: str) -> None:
        """ModelError (one line) where an open network has other inputs or outputs. `place` is its file."""
        given = {one.name: (one.type, one.shape) for one in session.get_inputs()}
        found = {one.name: (one.type, one.shape) for one in session.get_outputs()}
        if not set(self.takes) - set(self.may_lack) <= set(given) <= set(self.takes) or list(found) != [*self.gives]:
            told = f"takes {_listed(given)} and gives {_listed(found)}"
            raise ModelError(f"{place}: {told}, not {_listed(self.takes)} and {_listed(self.gives)}")
        wanted = {name: self.takes[name] for name in given}
        for name, (kind, shape) in [*wanted.items(), *((name, (_FLOAT, shape)) for name, shape in self.gives.items())]:
            its_kind, its = given[name] if name in given else found[name]
            fits = (
                len(its) == 1 + len(shape)
                and all(  # an output may leave the rest unsaid
                    i == n or ((name in found or isinstance(n, UpTo)) and isinstance(i, str | None))
                    for i, n in zip(its[1:], shape, strict=True)
                )
            )
            if its_kind != kind or not fits or isinstance(its[0], int):
                told = f"its {name} is {its_kind} {_shape(its)}"
                raise ModelError(f"{place}: {told}; model.json and latent.npz speak of {kind} {_shape(['n', *shape])}")

    def run(self, session: Any, given: Mapping[str, NDArray[Any]], what: str) -> list[NDArray[np.float32]]:
        """Its outputs; ModelError (one line, beginning with `what`) where it fails or gives what is no number."""
        first = next(iter(given.values()))
        try:
            found = session.run(None, dict(given))
        except Exception as error:  # onnxruntime raises its own C++ exceptions
            raise ModelError(f"{what} cannot be run ({' '.join(str(error).split())[:160]})") from error
        for one, (name, shape) in zip(found, self.gives.items(), strict=True):
            wanted = (len(first), *(first.shape[1] if isinstance(n, UpTo) else n for n in shape))
            if one.shape != wanted:
                raise ModelError(f"{what} gives a {name} {_shape(one.shape)}, not {_shape(wanted)}")
            if not np.isfinite(one).all():
                raise ModelError(f"{what} gives what is no number")
        return list(found)


def encoder_signature(Z: int) -> Signature:
    """Tokens (n, 32) -> mean and deviation (n, Z)."""
    return Signature({"tokens": (_INT, (TOKENS,))}, {"mean": (Z,), "std": (Z,)})


def denoiser_signature(D: int, labels: int, phrases: int, *, places: int) -> Signature:
    """x_t (n, P, D) and what is told -> the prediction (n, P, D); of the `paper` recipe, only x_t and log_snr.

    A network that is told so many `places` of phrases, or any, may take fewer phrases, too.
    """
    phrases = UpTo(phrases) if places else phrases
    x = (_FLOAT, (phrases, D))
    takes = {"x_t": x, "log_snr": (_FLOAT, ()), "x0_prev": x, "labels": (_INT, (labels,))}
    if places:
        takes |= {"places": (_INT, (phrases, places)), "mask": (_BOOL, (phrases,))}
    return Signature(takes, {"prediction": (phrases, D)}, ("x0_prev", "labels"))


def decoder_signatures(Z: int, labels: int, step: Any, place: str) -> dict[str, Signature]:
    """Those of `writing.Decoder`; the open network `step` says how large plans and states are. ModelError if not."""
    sizes = {one.name: one.shape[-1] if one.shape else None for one in step.get_inputs()}
    W, H = sizes.get("plan"), sizes.get("state")
    if not (isinstance(W, int) and isinstance(H, int) and 0 < W <= _LARGEST and 0 < H <= _LARGEST):
        raise ModelError(f"{place}: takes {_listed(sizes)}, not a plan and a state of known sizes")
    plan, plain, state = (_FLOAT, (W,)), (_FLOAT, (VOCABULARY,)), (_FLOAT, (H,))
    return {
        "decoder": Signature(
            {"z": (_FLOAT, (Z,)), "sigma": (_FLOAT, ()), "labels": (_INT, (labels,))},
            {"plan": (TOKENS, W), "plain": (TOKENS, VOCABULARY)},
        ),
        "decoder_start": Signature(
            {"before": (_INT, (CONTEXT,)), "around": (_FLOAT, (_PITCH_CLASSES,))}, {"state": (H,)}
        ),
        "decoder_step": Signature(
            {"plan": plan, "plain": plain, "token": (_INT, ()), "notes": (_INT, (_NOTES,)), "state": state},
            {"logits": (VOCABULARY,), "next_state": (H,)},
        ),
    }


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(list(names)[:8])[:120] or "nothing"


def _shape(shape: Any) -> str:
    return f"({', '.join(str(n)[:20] for n in shape)})"
