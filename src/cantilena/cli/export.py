"""`cantilena export`: a trained run -> a model folder that runs without PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cantilena.cli.train import training_modules

__all__ = ["export"]


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The denoiser's run.")],
    vae: Annotated[Path, typer.Option(metavar="RUN|FOLDER", help="The VAE that the denoiser belongs to.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="The model folder to write.")],
    mdn: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The autoregressive rival's run, for the table.")
    ] = None,
    paper: Annotated[
        Path | None, typer.Option(metavar="RUN", help="A denoiser's run with the paper's choices, for the table.")
    ] = None,
    data: Annotated[str, typer.Option(help="What it was trained on, and under which terms.")] = "unknown data",
    licence: Annotated[str, typer.Option(help="Terms of the weights.")] = "unknown",
) -> None:
    """Write encoder, decoder and denoiser as ONNX, with the latent space, model.json and a model card."""
    _, runs = training_modules("export")
    runs.export_run(run, vae, output, data=data, licence=licence, mdn=mdn, paper=paper)
    print(f"{output}: written; try `cantilena compose --model {output}`")
