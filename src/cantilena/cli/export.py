"""`cantilena export`: a run -> a model folder that runs without PyTorch; a model -> one with parts exchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cantilena.cli.train import training_modules

__all__ = ["export"]


def export(
    source: Annotated[
        Path, typer.Argument(metavar="RUN|MODEL", help="Export this run of a denoiser; or change this model.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Write this folder.")],
    vae: Annotated[
        Path | None,
        typer.Option(metavar="RUN|FOLDER", help="Take the VAE that the denoiser was trained with from here."),
    ] = None,
    decoder: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Give the model the decoder of this run of `train decoder`.")
    ] = None,
    sigma: Annotated[
        float | None, typer.Option(min=0, max=1, help="Set how far the model doubts the latents that it composes.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, max=2, help="Set how much chance is in what the decoder writes; 0: none.")
    ] = None,
    floor: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Leave out tokens that are less likely than this share of the likeliest."),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Let the model compose, and make it lean to the intervals of this corpus."),
    ] = None,
    mdn: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Write the autoregressive baseline of this run, for the paper's table."),
    ] = None,
    paper: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Write this run of a denoiser with the paper's own choices, for the table."),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(metavar="TUNES.npz", help="Of a run of tunes: the tunes that it learned from."),
    ] = None,
    data: Annotated[str | None, typer.Option(help="Say what the run was trained on, and under which terms.")] = None,
    licence: Annotated[str | None, typer.Option(help="Say under which terms the weights may be used.")] = None,
) -> None:
    """Write encoder, decoder and denoiser as ONNX, with the latent space, model.json and a model card.

    --decoder exchanges the decoder, --sigma, --temperature, --floor and --calibrate change how that reads latents; of
    a MODEL all else stays as it is. --mdn and --paper write a model's baselines, which `reproduce` takes.
    """
    _, runs = training_modules("export")
    from cantilena.digests import write

    reading = {"sigma": sigma, "temperature": temperature, "floor": floor}
    reading = {name: value for name, value in reading.items() if value is not None}
    changes = bool(decoder or reading)
    if mdn or paper:
        if not runs.is_model(source):
            raise ValueError(f"{source}: no model there; --mdn and --paper are baselines of one: export it first")
        if changes or calibrate or vae or data or licence:
            raise ValueError("--mdn and --paper write a folder of baselines: give them without other changes")
        runs.export_baseline_runs(source, output, mdn=mdn, paper=paper)
        print(f"{output}: written; try `cantilena reproduce --model {source} --baselines {output}`")
        return
    if runs.is_model(source):
        if vae or data or licence:
            raise ValueError(f"{source}: is a model; --vae, --data and --licence are for a run")
        changes = changes or calibrate is None  # which says what could be changed
    elif vae is None:
        raise ValueError(f"{source}: no model there; of a run, say with --vae which VAE it belongs to")
    else:
        terms = {"data": data or "unknown data", "licence": licence or "unknown"}
        if corpus is not None:
            from cantilena.training import tune_runs
            from cantilena.training.tunes import Tunes

            tune_runs.export_run(source, vae, output, tunes=Tunes.open(corpus), **terms)
        else:
            runs.export_run(source, vae, output, **terms)
        source = output
    if changes:
        runs.export_parts(source, output, decoder=decoder, reading=reading or None)
        source = output
    if calibrate is not None:
        runs.export_calibrated(source, output, calibrate, told=print)
    write(output)
    print(f"{output}: written; try `cantilena compose --model {output}`")
