"""`cantilena export`: a trained run -> a model folder that runs without PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cantilena.cli.train import training_recipes

__all__ = ["export"]


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The denoiser's run.")],
    vae: Annotated[Path, typer.Option(metavar="RUN|FOLDER", help="The VAE that the denoiser belongs to.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="The model folder to write.")],
    data: Annotated[str, typer.Option(help="What it was trained on, and under which terms.")] = "unknown data",
    licence: Annotated[str, typer.Option(help="Terms of the weights.")] = "unknown",
) -> None:
    """Write encoder, decoder and denoiser as ONNX, with the latent space, model.json and a model card."""
    training_recipes("export").export_run(run, vae, output, data=data, licence=licence)
    print(f"{output}: written; try `cantilena compose --model {output}`")
