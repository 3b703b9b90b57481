"""`cantilena train vae`, `decoder`, `denoiser` and `mdn`. Only these verbs and `export` need PyTorch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from cantilena.cli.corpus import cluster_at
from cantilena.errors import RecipeError

__all__ = ["app", "training_modules"]

app = typer.Typer(
    help="Train the networks (needs PyTorch: pip install 'cantilena[train]').",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Recipe = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="Follow this training recipe, such as recipes/vae.toml.")
]
_Corpus = Annotated[Path, typer.Option(metavar="DIR", help="Learn from this corpus, made by `cantilena corpus build`.")]
_Run = Annotated[
    Path,
    typer.Option(metavar="DIR", help="Write checkpoints and metrics.jsonl here; the same command goes on from them."),
]
_Init = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Start with the weights of this model, run, or folder of baselines."),
]
_Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="TABLE.KEY=VALUE", help="Change a value of the recipe.")
]
_Board = Annotated[
    bool,
    typer.Option("--tensorboard", help="Write the figures for TensorBoard, too, to RUN/tensorboard."),
]
_Dask = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Encode the corpus on the workers of this dask scheduler: tcp://host:8786."),
]
_Dry = Annotated[bool, typer.Option("--dry-run", help="Say what would be trained and what is in its way, and stop.")]


_LEAST_MEMORY = 600 << 20  # bytes of address space in which PyTorch is imported
_ENCODING = ("denoiser", "mdn")  # what learns from an encoded corpus


def _command(kind: str, told: str) -> None:
    """Add `cantilena train KIND`."""

    @app.command(kind, help=told)
    def train(
        recipe: _Recipe,
        corpus: _Corpus,
        run: _Run,
        init: _Init = None,
        set_: _Set = None,
        tensorboard: _Board = False,
        dask: _Dask = None,
        dry_run: _Dry = False,
    ) -> None:
        settings = [*(set_ or []), *(["loop.tensorboard=true"] if tensorboard else [])]
        _train(kind, recipe, corpus, run, init, settings, dask, dry_run)


for _kind, _told in (
    ("vae", "Train the phrase VAE."),
    ("decoder", "Train a model's decoder on what its denoiser makes; --set latents.model=FOLDER names the model."),
    ("denoiser", "Train the denoiser; --set data.vae=RUN names the VAE that encodes the corpus."),
    (
        "mdn",
        "Train the autoregressive baseline; --set data.vae=RUN and --set data.latent=RUN name what it shares.",
    ),
):
    _command(_kind, _told)


def _train(
    kind: str, recipe_path: Path, corpus_path: Path, run: Path, init: Path | None, settings: list[str],
    dask: str | None, dry: bool,
) -> None:  # fmt: skip
    recipes, runs = training_modules("training")
    from cantilena.corpus.store import Corpus
    from cantilena.music.metre import FOUR_FOUR
    from cantilena.training.tunes import Tunes

    recipe = recipes.read_recipe(recipe_path, settings)
    if recipe.kind != kind:
        raise RecipeError(f"{recipe_path.name}: a training recipe for `cantilena train {recipe.kind}`, not {kind}")
    if dask is not None and kind not in _ENCODING:
        raise RecipeError(f"--dask encodes a corpus, and `cantilena train {kind}` needs none encoded")
    corpus = Tunes.open(corpus_path) if corpus_path.suffix == ".npz" else Corpus.open(corpus_path).only(FOUR_FOUR)
    if dry:
        from cantilena.training.checks import obstacles

        print(recipes.describe(recipe, corpus, run))
        if found := obstacles(recipe, corpus, run, init):
            print("\n".join(f"not yet: {line}" for line in found))
            raise typer.Exit(1)
        return
    from cantilena.training.loop import LoopConfig

    with _bar("encoding") as encoding, _bar("training") as training, cluster_at(dask) as cluster:
        given: dict[str, Any] = {"init": init, "progress": _progress(training)}
        if kind in _ENCODING:
            given["executor"] = cluster
            given["encoding"] = lambda done, total: encoding(done, total, "")
        if isinstance(corpus, Tunes):
            from cantilena.training import tune_runs as runs

            given.pop("encoding", None)
        step = getattr(runs, f"train_{kind}")(recipe, corpus, run, **given)
    if not _is_first_process():
        return
    steps = recipe.table("loop", LoopConfig).steps
    print(
        f"{run}: step {step:,} of {steps:,} saved" + ("" if step >= steps else "; the same command goes on from there")
    )


def training_modules(what: str) -> tuple[ModuleType, ModuleType]:
    """Import `training.recipes` and `training.runs`; without PyTorch, RecipeError says what to install for `what`.

    MemoryError where a process may not have the memory that PyTorch takes at the least: it ends one without a word.
    """
    if 0 <= _most_memory() < _LEAST_MEMORY:
        raise MemoryError(f"PyTorch takes more than {_LEAST_MEMORY >> 20} MB")
    try:
        from cantilena.training import recipes, runs
    except ImportError as error:
        if error.name and error.name.startswith("cantilena"):
            raise
        raise RecipeError(f"{what} needs PyTorch: pip install 'cantilena[train]' ({error.name} is missing)") from error
    return recipes, runs


def _most_memory() -> int:
    """The bytes of address space that this process may have; -1 where nothing says so."""
    try:
        import resource
    except ImportError:  # Windows
        return -1
    return resource.getrlimit(resource.RLIMIT_AS)[0]


def _is_first_process() -> bool:
    """Say whether this process is the first; under torchrun only that one prints."""
    return int(os.environ.get("RANK", 0)) == 0


@contextmanager
def _bar(name: str) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(name),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=Console(stderr=True, quiet=not _is_first_process()), refresh_per_second=2
    ) as progress:
        task = progress.add_task(name, total=None, figures="", visible=False)
        yield lambda done, total, figures: progress.update(
            task, completed=done, total=total, figures=figures, visible=True
        )


def _progress(bar: Any) -> Any:
    import time

    began: tuple[float, int] | None = None

    def progress(step: int, steps: int, figures: dict[str, float]) -> None:
        nonlocal began
        began = began or (time.monotonic(), step)
        rate = (step - began[1]) / max(time.monotonic() - began[0], 1e-9)
        bar(step, steps, f"loss {figures['loss']:.4g}, {rate:.2f} steps/s")

    return progress
