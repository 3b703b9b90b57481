"""`cantilena export`: a trained run -> a model folder that runs without PyTorch; or a model with parts exchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cantilena.cli.train import training_modules

__all__ = ["export"]


def export(
    source: Annotated[
        Path, typer.Argument(metavar="RUN|MODEL", help="The denoiser's run; or a model, to exchange parts of it.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="The model folder to write.")],
    vae: Annotated[
        Path | None, typer.Option(metavar="RUN|FOLDER", help="The VAE that the run's denoiser belongs to.")
    ] = None,
    decoder: Annotated[
        Path | None, typer.Option(metavar="RUN", help="A run of `train decoder`, for a model that is there.")
    ] = None,
    sigma: Annotated[
        float | None, typer.Option(min=0, max=1, help="How far the model doubts the latents that it composes.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, max=2, help="How much chance is in what the decoder writes; 0: none.")
    ] = None,
    floor: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Leave out tokens less likely than this share of the likeliest."),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Let the model compose, and lean to the intervals of this corpus."),
    ] = None,
    mdn: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The autoregressive rival's run, for the table.")
    ] = None,
    paper: Annotated[
        Path | None, typer.Option(metavar="RUN", help="A denoiser's run with the paper's choices, for the table.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="What the run was trained on, and under which terms.")] = None,
    licence: Annotated[str | None, typer.Option(help="Terms of the run's weights.")] = None,
) -> None:
    """Write encoder, decoder and denoiser as ONNX, with the latent space, model.json and a model card.

    Of a MODEL all that is there stays as it is, but for what --decoder, --mdn and --paper exchange, and for how its
    decoder reads latents: --sigma, --temperature, --floor, --calibrate.
    """
    _, runs = training_modules("export")
    if runs.is_model(source):
        if vae or data or licence:
            raise ValueError(f"{source}: is a model; --vae, --data and --licence are for a run")
        asked = {"sigma": sigma, "temperature": temperature, "floor": floor}
        reading = {name: value for name, value in asked.items() if value is not None}
        if decoder or reading or mdn or paper or calibrate is None:
            runs.export_parts(source, output, decoder=decoder, reading=reading or None, mdn=mdn, paper=paper)
            source = output
        if calibrate is not None:
            runs.export_calibrated(source, output, calibrate, told=print)
    elif vae is None:
        raise ValueError(f"{source}: no model there; of a run, say with --vae which VAE it belongs to")
    else:
        terms = {"data": data or "unknown data", "licence": licence or "unknown"}
        runs.export_run(source, vae, output, **terms, mdn=mdn, paper=paper)
    print(f"{output}: written; try `cantilena compose --model {output}`")
