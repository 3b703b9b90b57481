"""Models of others by name: "user/model" or "user/model@revision", from the cache of huggingface_hub, or from the hub.

What is there already is taken without a question to anybody. Before a download, licence and size are said. Only the
files of a model folder are ever fetched: graphs, arrays and JSON, which hold no code.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cantilena.errors import ModelError
from cantilena.music.texts import printable

__all__ = ["FILES", "NAME", "fetch"]

NAME = re.compile(r"(?P<repo>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>[\w][\w./-]*))?")
FILES = ("model.json", "README.md", "latent.npz", "provenance.npz", "encoder.onnx", "decoder.onnx",
         "decoder_start.onnx", "decoder_step.onnx", "denoiser.onnx")  # fmt: skip
_MOST = 500_000_000  # bytes


def fetch(name: str, say: Callable[[str], None] | None = None) -> Path:
    """The folder of a model of the hub; `say` is told licence and size before a download (by default on stderr).

    ModelError (one line) where the name is none, the package is missing, or the model is not there or too large.
    """
    match = NAME.fullmatch(name)
    if match is None:
        raise ModelError(f"{name}: not the name of a model of the hub, which is user/model or user/model@revision")
    try:
        import huggingface_hub as hub
        from huggingface_hub import constants
    except ImportError as error:
        raise ModelError(f"{name}: models of the hub need huggingface_hub: pip install 'cantilena[hub]'") from error
    asked: dict[str, Any] = {
        "repo_id": match["repo"], "revision": match["revision"], "allow_patterns": list(FILES)
    }  # fmt: skip
    try:
        return Path(hub.snapshot_download(**asked, local_files_only=True))
    except Exception as error:  # not there, or not all of it; the hub's own errors are many
        if constants.HF_HUB_OFFLINE:
            raise ModelError(f"{name}: is not in the cache, and the hub is offline (HF_HUB_OFFLINE)") from error
    try:
        info = hub.HfApi().model_info(match["repo"], revision=match["revision"], files_metadata=True)
        size = sum(file.size or 0 for file in info.siblings or () if file.rfilename in FILES)
        licence = getattr(info.card_data, "license", None) or "no licence stated"
        if size > _MOST:
            raise ModelError(f"{name}: {size / 1e6:,.0f} MB are more than a model of Cantilena has")
        (say or _say)(f"{name}: {size / 1e6:.0f} MB, licence: {licence}; it is kept in {constants.HF_HUB_CACHE}")
        return Path(hub.snapshot_download(**asked))
    except ModelError:
        raise
    except Exception as error:
        why = " ".join(str(error).split())[:160]
        raise ModelError(f"{name}: cannot be had from the hub ({type(error).__name__}: {why})") from error


def _say(line: str) -> None:
    print(printable(line), file=sys.stderr)
