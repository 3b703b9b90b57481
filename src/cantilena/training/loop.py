"""`fit`: the one training loop. Optimiser, EMA, clipping, logging, checkpoints, resume, DDP under torchrun.

All randomness of step k comes from generators seeded by (seed, k, share), so nothing random has to be saved and a run
that was killed continues bit for bit. A batch has a share for each process and part (`accumulate`): two processes learn
from what one process learns from in two parts.
"""

from __future__ import annotations

import gc
import json
import math
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
import torch.distributed as dist
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cantilena.errors import RecipeError
from cantilena.files import new_file, new_folder, sole
from cantilena.training.log import Log

__all__ = [
    "LoopConfig",
    "Progress",
    "Task",
    "check_shares",
    "choose_device",
    "choose_precision",
    "device_of",
    "find_checkpoint",
    "fit",
    "learning_rate",
    "load_checkpoint",
    "load_weights",
    "process_rank",
]


@dataclass(frozen=True)
class LoopConfig:
    """How a network is trained. `batch` is examples a step over all processes, and over all parts of it."""

    steps: int
    batch: int
    lr: float
    accumulate: int = 1  # parts of a batch, one after another: as many times less memory, and the same gradient
    warmup: int = 200  # steps of linear warm-up
    new: float = 1.0  # times lr, for parts that the weights of --init did not have: they begin at zero
    decay: float = 0.2  # last share of the steps, in which the rate falls along a cosine to lr / 100
    weight_decay: float = 0.01
    clip: float = 1.0  # gradient norm
    ema: float = 0.999  # decay of the averaged weights; 0 keeps none
    seed: int = 0
    precision: Literal["fp32", "bf16", "auto"] = "fp32"  # "auto": whichever multiplies faster here, measured
    device: Literal["auto", "cpu", "cuda"] = "cpu"  # "auto": a GPU where there is one
    compile: bool = False  # torch.compile: a minute to begin with, then up to twice as fast (needs a C++ compiler)
    threads: int = 1
    checkpoint_minutes: float = 3
    log_every: int = 50
    evaluate_every: int = 1000
    keep_every: int = 0  # steps after which the averaged weights are kept for good, in RUN/averages/STEP.safetensors
    tensorboard: bool = False  # the figures of metrics.jsonl as TensorBoard reads them, too, in RUN/tensorboard

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.accumulate, self.threads, self.log_every, self.evaluate_every) < 1:
            raise ValueError("steps, batch, accumulate, threads, log_every and evaluate_every are at least 1")


class Task(Protocol):
    """What is trained: a network, the loss of a step, and an occasional measurement."""

    network: nn.Module

    def loss(
        self, network: nn.Module, batch: int, step: int, generator: torch.Generator
    ) -> tuple[Tensor, Mapping[str, float | Tensor]]:
        """The loss of one step on `batch` examples drawn with `generator`, and figures to log."""

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """Figures on validation data, with averaged weights."""


class Progress(Protocol):
    """Told of every step; the CLI draws a bar with it."""

    def __call__(self, step: int, steps: int, figures: dict[str, float]) -> None:
        """After each step, with its figures."""


def process_rank() -> int:
    """This process among those that torchrun started; 0 alone."""
    return int(os.environ.get("RANK", 0))


def choose_device(wanted: str, rank: int = 0) -> torch.device:
    """The device that a recipe asks for; RecipeError where it asks for a GPU and there is none."""
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise RecipeError("loop.device = cuda, and no GPU is at hand; choose auto or cpu")
    if wanted == "cpu" or not there:
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", rank)) % torch.cuda.device_count())


def device_of(config: LoopConfig) -> torch.device:
    """Where this process trains."""
    return choose_device(config.device, process_rank())


def choose_precision(device: torch.device, size: int = 768, seconds: float = 0.3) -> Literal["fp32", "bf16"]:
    """Which of float32 and bfloat16 multiplies matrices faster on a device, measured; on a GPU bfloat16."""
    if device.type == "cuda":
        return "bf16"
    taken = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        a = torch.ones(size, size, dtype=dtype)
        a @ a
        begun, count = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds / 2:
            a @ a
            count += 1
        taken[name] = (time.perf_counter() - begun) / count
    return "bf16" if taken["bf16"] < 0.8 * taken["fp32"] else "fp32"


def check_shares(config: LoopConfig, world: int) -> None:
    """RecipeError where `world` processes, each in its parts, cannot share a batch."""
    if config.batch % (world * config.accumulate):
        parts = f" in {config.accumulate} parts each" if config.accumulate > 1 else ""
        raise RecipeError(f"a batch of {config.batch} cannot be shared by {world} processes{parts}")


def learning_rate(step: int, config: LoopConfig) -> float:
    """Linear warm-up, constant, then a cosine to a hundredth: longer runs differ only in where the fall begins."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    fall = max(1, int(config.steps * config.decay))
    x = min(max(step - (config.steps - fall), 0) / fall, 1.0)
    return config.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * x)))


def fit(
    task: Task,
    config: LoopConfig,
    run: Path,
    *,
    meta: dict[str, Any] | None = None,
    progress: Progress | None = None,
    stop_after: Callable[[int], bool] | None = None,
    added: tuple[str, ...] = (),
) -> int:
    """Train `task` in `run` up to `config.steps`, resuming from its last checkpoint; returns the step reached.

    SIGINT and SIGTERM save and return. Raises RecipeError when the loss is not finite, naming the last good
    checkpoint, and when `run` belongs to another network. `meta` is stored beside the weights (what the run is).
    Parameters whose names begin as one of `added` learn at `config.new` times the rate.
    """
    with _sole(run), _processes(config):
        return _fit(task, config, run, meta, progress, stop_after, added)


@contextmanager
def _sole(run: Path) -> Iterator[None]:
    """The only training in this run; RecipeError where another one is at work, or `run` is no folder."""
    if process_rank() > 0:  # rank 0 holds the lock for all
        yield
        return
    if run.exists() and not run.is_dir():
        raise RecipeError(f"{run}: is a file, and a folder is needed")
    with sole(run / "lock", RecipeError(f"{run}: another training is at work there")):
        for abandoned in run.glob(".step-*"):  # a save that was killed
            shutil.rmtree(abandoned, ignore_errors=True)
        yield


@contextmanager
def _processes(config: LoopConfig) -> Iterator[None]:
    """The group of the processes that train together, if several do. It ends with the training.

    What DistributedDataParallel leaves behind is a cycle: collected by the interpreter as it ends, it aborts a process
    whose work is done (three of 24 runs on two processors).

    Where torchrun starts processes again, they meet in the store that those before left their addresses in, and would
    wait for them for half an hour (pytorch/pytorch#135712): each start has a part of it to itself.
    """
    ours = int(os.environ.get("WORLD_SIZE", 1)) > 1 and not dist.is_initialized()
    if ours:
        store, rank, world = next(iter(dist.rendezvous("env://")))  # type: ignore[attr-defined]
        if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
            start = os.environ.get("TORCHELASTIC_RESTART_COUNT")
            store = dist.PrefixStore(f"start {start}", store)  # type: ignore[attr-defined]
        backend = "nccl" if device_of(config).type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=world)
    try:
        yield
    finally:
        if ours:
            gc.collect()
            dist.destroy_process_group()


def _fit(
    task: Task,
    config: LoopConfig,
    run: Path,
    meta: dict[str, Any] | None,
    progress: Progress | None,
    stop_after: Callable[[int], bool] | None,
    added: tuple[str, ...],
) -> int:
    rank, world = process_rank(), int(os.environ.get("WORLD_SIZE", 1))
    check_shares(config, world)
    torch.set_num_threads(config.threads)
    device = device_of(config)
    precision = choose_precision(device) if config.precision == "auto" else config.precision
    if config.precision == "auto" and rank == 0:
        print(f"{run.name}: {precision} on {device}", flush=True)
    network = task.network.to(device)  # before optimiser and average, which live where it does
    optimiser = torch.optim.AdamW(_groups(network, config, added), lr=config.lr, betas=(0.9, 0.99), fused=True)
    average = {k: v.detach().clone() for k, v in network.state_dict().items()} if config.ema else {}
    state = _resume(run, network, optimiser, average)
    step, seconds = state["step"], state["seconds"]
    if world > 1:
        ids = [device.index] if device.type == "cuda" else None
        wrapped: Any = nn.parallel.DistributedDataParallel(network, device_ids=ids)
    else:
        wrapped = network
    if config.compile:
        wrapped = torch.compile(wrapped, dynamic=False)
    log = Log(run, step, tensorboard=config.tensorboard) if rank == 0 else None
    started = saved = time.monotonic()
    figures: dict[str, float] = {}

    def save() -> None:
        if rank == 0:
            spent = seconds + time.monotonic() - started
            _save(
                run,
                network,
                optimiser,
                average,
                {"step": step, "seconds": spent, "loop": asdict(config), **(meta or {})},
            )

    with _interruptible() as interrupted:
        while step < config.steps:
            for group in optimiser.param_groups:
                group["lr"] = group["times"] * learning_rate(step, config)
            optimiser.zero_grad(set_to_none=True)
            shares = []
            for part in range(config.accumulate):
                seed = _seed_of(config, step, rank, part)
                generator = torch.Generator(device).manual_seed(seed)
                torch.manual_seed(seed)  # of dropout
                with _apart(wrapped, last=part + 1 == config.accumulate):
                    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                        loss, told = task.loss(wrapped, config.batch // (world * config.accumulate), step, generator)
                    (loss / config.accumulate).backward()  # type: ignore[no-untyped-call]
                shares.append({"loss": loss.detach(), **told})
            loss, told = _means(shares)
            norm = nn.utils.clip_grad_norm_(network.parameters(), config.clip)
            due = (step + 1) % config.log_every == 0 or step + 1 == config.steps
            if (device.type == "cpu" or due) and not (torch.isfinite(loss) and torch.isfinite(norm)):
                raise RecipeError(
                    f"the loss is not finite at step {step}; the last good checkpoint is {_latest(run) or 'none'}"
                )
            optimiser.step()
            step += 1
            if average:
                _update_average(average, network, min(config.ema, step / (step + 10)))
            if device.type == "cpu" or due or not figures:  # looking at a figure waits for the GPU
                figures = {"loss": float(loss), "norm": float(norm), **{k: float(v) for k, v in told.items()}}
            if progress:
                progress(step, config.steps, figures)
            if log and step % config.log_every == 0:
                log.write({"step": step, "seconds": round(seconds + time.monotonic() - started, 1), **figures})
            if log and step % config.evaluate_every == 0:
                with _averaged(network, average):
                    log.write({"step": step, "validation": task.evaluate(network)})
            if rank == 0 and average and config.keep_every and step % config.keep_every == 0:
                with new_file(run / "averages" / f"{step}.safetensors") as new:
                    save_file(average, new)
            halt = _any_rank(bool(interrupted) or (stop_after is not None and stop_after(step)), world)
            if halt or time.monotonic() - saved > 60 * config.checkpoint_minutes or step == config.steps:
                save()
                saved = time.monotonic()
            if halt:
                break
    return int(step)


def _seed_of(config: LoopConfig, step: int, rank: int, part: int) -> int:
    """Of the randomness of one part of a step's batch: the same for n processes as for n parts of one."""
    return (config.seed * 1_000_003 + step) * 1009 + rank * config.accumulate + part


def _apart(network: Any, *, last: bool) -> Any:
    """Where the gradient of a part is worked out: processes exchange theirs with the last part alone."""
    alone = getattr(network, "no_sync", None)
    return nullcontext() if last or alone is None else alone()


def _means(parts: list[dict[str, Any]]) -> tuple[Any, dict[str, Any]]:
    """The loss and the figures of a step: the means of its parts'."""
    told = {name: sum(part[name] for part in parts) / len(parts) for name in parts[0]}
    return told.pop("loss"), told


def _groups(network: nn.Module, config: LoopConfig, added: tuple[str, ...]) -> list[dict[str, Any]]:
    """Weight decay for matrices only, as nanoGPT does; and of what was `added` neither that nor the others' rate."""
    learned = [(name.startswith(added), p) for name, p in network.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for is_new, p in learned if not is_new and p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for is_new, p in learned if not is_new and p.ndim < 2], "weight_decay": 0.0},
        {"params": [p for is_new, p in learned if is_new], "weight_decay": 0.0, "times": config.new},
    ]
    return [{"times": 1.0, **group} for group in groups if group["params"]]


@torch.no_grad()
def _update_average(average: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    state = network.state_dict()
    floats = [k for k in average if average[k].is_floating_point()]
    torch._foreach_lerp_([average[k] for k in floats], [state[k] for k in floats], 1 - decay)


@contextmanager
def _averaged(network: nn.Module, average: dict[str, Tensor]) -> Iterator[None]:
    """The network with its averaged weights and without dropout, for a measurement."""
    own = {k: v.detach().clone() for k, v in network.state_dict().items()}
    network.load_state_dict(average or own)
    network.eval()
    try:
        yield
    finally:
        network.train()
        network.load_state_dict(own)


# -- checkpoints: DIR/step-N/{weights,average,optimiser}.safetensors + run.json; a folder appears in one rename -------


def _latest(run: Path) -> Path | None:
    steps = [p.parent for p in run.glob("step-*/run.json") if p.parent.name.removeprefix("step-").isdigit()]
    return max(steps, key=lambda p: int(p.name.removeprefix("step-")), default=None)


def _save(
    run: Path, network: nn.Module, optimiser: torch.optim.Optimizer, average: dict[str, Tensor], meta: dict[str, Any]
) -> None:
    target = run / f"step-{meta['step']:08d}"
    if target.exists():
        return
    moments = {
        f"{i}.{name}": value
        for i, entry in optimiser.state_dict()["state"].items()
        for name, value in entry.items()
        if isinstance(value, Tensor)
    }
    try:
        with new_folder(target) as new:
            save_file({k: v.contiguous() for k, v in network.state_dict().items()}, new / "weights.safetensors")
            if average:
                save_file(average, new / "average.safetensors")
            save_file(moments, new / "optimiser.safetensors")  # nobody has to publish this one
            (new / "run.json").write_text(json.dumps(meta, indent=1))
    except (OSError, SafetensorError) as error:
        why, good = getattr(error, "strerror", None) or error, _latest(run) or "none"
        raise RecipeError(f"{target}: cannot save ({why}); the last good checkpoint is {good}") from error
    for old in sorted(run.glob("step-*"))[:-2]:
        shutil.rmtree(old, ignore_errors=True)


def find_checkpoint(run: Path) -> tuple[dict[str, Any], Path] | None:
    """The newest checkpoint of a run, if it has one."""
    latest = _latest(run)
    if latest is None:
        return None
    try:
        return json.loads((latest / "run.json").read_text()), latest
    except ValueError as error:
        raise RecipeError(
            f"{latest}/run.json: damaged ({error}); remove {latest} to go on from the one before"
        ) from error


def load_checkpoint(run: Path) -> tuple[dict[str, Any], Path]:
    """The newest checkpoint of a run: its run.json and its folder. RecipeError where there is none."""
    found = find_checkpoint(run)
    if found is None:
        raise RecipeError(f"{run}: no checkpoint there (expected step-N/run.json)")
    return found


def load_weights(folder: Path) -> dict[str, Tensor]:
    """The averaged weights of a checkpoint folder, or the last ones where no average was kept."""
    averaged = folder / "average.safetensors"
    return _load(averaged if averaged.exists() else folder / "weights.safetensors")


def _load(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise RecipeError(f"{path}: damaged ({error}); remove {path.parent} to go on from the one before") from error


def _resume(
    run: Path, network: nn.Module, optimiser: torch.optim.Optimizer, average: dict[str, Tensor]
) -> dict[str, Any]:
    found = find_checkpoint(run)
    if found is None:
        return {"step": 0, "seconds": 0.0}
    meta, latest = found
    try:
        network.load_state_dict(_load(latest / "weights.safetensors"))
    except RuntimeError as error:
        raise RecipeError(f"{latest}: holds another network than the recipe asks for; choose another --run") from error
    if average and (latest / "average.safetensors").exists():
        kept = _load(latest / "average.safetensors")
        average.update({name: value.to(average[name].device) for name, value in kept.items()})
    state = optimiser.state_dict()
    for key, value in _load(latest / "optimiser.safetensors").items():
        index, name = key.split(".", 1)
        state["state"].setdefault(int(index), {})[name] = value
    optimiser.load_state_dict(state)
    return meta


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """A list that is not empty once SIGINT or SIGTERM has come."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {s: signal.signal(s, lambda number, _: received.append(number)) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _any_rank(flag: bool, world: int) -> bool:
    if world == 1:
        return flag
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    shared = torch.tensor(float(flag), device=device)
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return bool(shared > 0)
