"""The loop on a toy task: resume is exact, interruption saves, a broken loss stops."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from cantilena.errors import RecipeError
from cantilena.training.loop import (
    LoopConfig,
    choose_device,
    choose_precision,
    find_checkpoint,
    fit,
    learning_rate,
    load_weights,
)

CONFIG = LoopConfig(steps=30, batch=8, lr=1e-2, warmup=5, ema=0.9, log_every=5, evaluate_every=10)


class Toy:
    """Learn y = 3 x with a tiny network."""

    def __init__(self, broken_at: int | None = None, pause: float = 0.0):
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 4))
        self.broken_at, self.pause = broken_at, pause

    def loss(self, network, batch, step, generator):
        x = torch.randn(batch, 4, generator=generator)
        loss = (network(x) - 3 * x).square().mean()
        if step == self.broken_at:
            loss = loss * float("nan")
        time.sleep(self.pause)
        return loss, {"extra": 1.0}

    def evaluate(self, network):
        return {"weight": float(network[0].weight.sum())}


def weights(run: Path) -> dict[str, torch.Tensor]:
    _, folder = find_checkpoint(run)
    return {**load_file(folder / "weights.safetensors"), **{f"average.{k}": v for k, v in load_weights(folder).items()},
            **{f"optimiser.{k}": v for k, v in load_file(folder / "optimiser.safetensors").items()}}  # fmt: skip


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), key


def test_precision_is_measured_and_a_missing_gpu_is_refused(monkeypatch):
    assert choose_precision(torch.device("cpu")) in ("fp32", "bf16")
    assert choose_precision(torch.device("cuda")) == "bf16"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    with pytest.raises(RecipeError, match="no GPU is at hand"):
        choose_device("cuda")


def test_precision_is_that_which_multiplies_faster(monkeypatch):
    class Slow:
        """A matrix whose product takes its time, as the clock tells it."""

        def __init__(self, seconds):
            self.seconds = seconds

        def __matmul__(self, other):
            clock[0] += self.seconds

    clock, taken = [0.0], {torch.float32: 0.02, torch.bfloat16: 0.01}
    monkeypatch.setattr("cantilena.training.loop.time.perf_counter", lambda: clock[0])
    monkeypatch.setattr(torch, "ones", lambda *size, dtype: Slow(taken[dtype]))
    assert choose_precision(torch.device("cpu")) == "bf16"
    taken[torch.bfloat16] = 0.019  # hardly faster: fp32 is exact
    assert choose_precision(torch.device("cpu")) == "fp32"


def test_it_learns_and_its_average_follows(tmp_path):
    assert fit(Toy(), replace(CONFIG, steps=400), tmp_path) == 400
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[-1] < 0.2 * losses[0]
    assert [row["step"] for row in rows if "validation" in row] == list(range(10, 401, 10))


def test_a_run_in_two_parts_is_the_run_in_one(tmp_path):
    fit(Toy(), CONFIG, tmp_path / "one")
    fit(Toy(), CONFIG, tmp_path / "two", stop_after=lambda step: step == 13)
    assert find_checkpoint(tmp_path / "two")[0]["step"] == 13
    fit(Toy(), CONFIG, tmp_path / "two")
    assert_same(weights(tmp_path / "one"), weights(tmp_path / "two"))
    logs = [[{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in (run / "metrics.jsonl").open()]
            for run in (tmp_path / "one", tmp_path / "two")]  # fmt: skip
    assert logs[0] == logs[1]


SCRIPT = textwrap.dedent("""
    import sys
    sys.path.insert(0, {tests!r})
    from dataclasses import replace
    from pathlib import Path
    from test_loop import CONFIG, Toy
    from cantilena.training.loop import fit
    fit(Toy(pause=0.02), replace(CONFIG, steps=100, checkpoint_minutes=0.002), Path(sys.argv[1]))
""").format(tests=str(Path(__file__).parent))


def start(run: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(run)], env=environment, stderr=subprocess.PIPE, text=True
    )


def wait_for_checkpoint(run: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while find_checkpoint(run) is None:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_with_kill_9_it_resumes_bit_for_bit(tmp_path):
    process = start(tmp_path / "killed")
    wait_for_checkpoint(tmp_path / "killed", process)
    process.kill()
    process.wait()
    assert find_checkpoint(tmp_path / "killed")[0]["step"] < 100
    config = replace(CONFIG, steps=100)
    fit(Toy(), config, tmp_path / "killed")
    fit(Toy(), config, tmp_path / "whole")
    assert_same(weights(tmp_path / "killed"), weights(tmp_path / "whole"))


def test_ctrl_c_saves_the_step_it_reached(tmp_path):
    process = start(tmp_path)
    wait_for_checkpoint(tmp_path, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    saved = find_checkpoint(tmp_path)[0]["step"]
    logged = [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").open()]
    assert 0 < saved < 100
    assert max(logged, default=0) <= saved


def test_what_a_warm_start_did_not_have_learns_at_a_rate_of_its_own(tmp_path):
    """With Adam the first step is as long as the rate, whatever the gradient is."""
    toy, before = Toy(), Toy().network.state_dict()
    fit(toy, replace(CONFIG, steps=1, warmup=1, decay=0, new=20.0, weight_decay=0.5), tmp_path, added=("2.",))
    moved = {name: (value - before[name]).abs().max().item() for name, value in toy.network.state_dict().items()}
    assert moved["0.weight"] == pytest.approx(1.0 * CONFIG.lr, rel=0.3)  # and some decay of weights
    assert moved["2.weight"] == moved["2.bias"] == pytest.approx(20 * CONFIG.lr, rel=1e-3)


def test_a_loss_that_is_not_finite_stops_and_names_the_last_good_checkpoint(tmp_path):
    fit(Toy(), replace(CONFIG, steps=10), tmp_path)
    with pytest.raises(RecipeError, match=r"not finite at step 20; the last good checkpoint is .*step-00000010"):
        fit(Toy(broken_at=20), CONFIG, tmp_path)
    assert find_checkpoint(tmp_path)[0]["step"] == 10


def test_a_run_of_another_network_is_refused(tmp_path):
    fit(Toy(), replace(CONFIG, steps=2), tmp_path)
    other = Toy()
    other.network = nn.Linear(4, 4)
    with pytest.raises(RecipeError, match="another network"):
        fit(other, CONFIG, tmp_path)


def test_a_full_disk_keeps_the_older_checkpoint(tmp_path, monkeypatch):
    fit(Toy(), replace(CONFIG, steps=5), tmp_path)
    monkeypatch.setattr(
        "cantilena.training.loop.save_file", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(RecipeError, match="No space left on device"):
        fit(Toy(), CONFIG, tmp_path)
    assert find_checkpoint(tmp_path)[0]["step"] == 5
    assert [p.name for p in tmp_path.glob(".step*")] == []


def torchrun(
    folder: Path, *options: str, task: str = "Toy()", config: str = "CONFIG"
) -> "subprocess.CompletedProcess[str]":
    """Two processes that learn a toy task in `folder`/run."""
    script = folder / "two.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from dataclasses import replace
        from pathlib import Path
        from test_loop import CONFIG, Dies, Toy
        from cantilena.training.loop import fit
        fit({task}, {config}, Path(sys.argv[1]))
    """)
    )
    command = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    return subprocess.run(
        [*command, *options, str(script), str(folder / "run")], capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=120,
    )  # fmt: skip


class Dies(Toy):
    """One of two processes is killed at step 17, once."""

    def loss(self, network, batch, step, generator):
        if step == 17 and os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            Path(sys.argv[1]).with_name("killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().loss(network, batch, step, generator)


def test_processes_that_torchrun_starts_again_go_on_from_the_checkpoint(tmp_path):
    """What they learn is what two that nobody killed learn."""
    done = torchrun(tmp_path, "--max-restarts=1", task="Dies()", config="replace(CONFIG, checkpoint_minutes=1e-6)")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "killed").exists()
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    steps = [row["step"] for row in rows if "loss" in row]
    assert steps == [5, 10, 15, 20, 25, 30]  # none is done again that a checkpoint has
    fit(Toy(), replace(CONFIG, accumulate=2), tmp_path / "one")
    alone = weights(tmp_path / "one")
    for name, value in weights(tmp_path / "run").items():
        torch.testing.assert_close(value, alone[name], atol=1e-6, rtol=1e-5)


def test_two_processes_train_as_one_with_the_whole_batch(tmp_path):
    done = torchrun(tmp_path)
    assert done.returncode == 0, done.stderr
    meta, _ = find_checkpoint(tmp_path / "run")
    assert meta["step"] == 30
    # one process that takes the batch in two parts
    fit(Toy(), replace(CONFIG, accumulate=2), tmp_path / "one")
    alone = weights(tmp_path / "one")
    for name, value in weights(tmp_path / "run").items():
        torch.testing.assert_close(value, alone[name], atol=1e-6, rtol=1e-5)
    # the same by hand: each step's gradient is the mean over the two ranks' halves
    toy = Toy()
    optimiser = torch.optim.AdamW([{"params": [p for p in toy.network.parameters() if p.ndim >= 2], "weight_decay": CONFIG.weight_decay},
                                   {"params": [p for p in toy.network.parameters() if p.ndim < 2], "weight_decay": 0.0}],
                                  lr=1, betas=(0.9, 0.99), fused=True)  # fmt: skip
    for step in range(30):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, CONFIG)
        optimiser.zero_grad()
        for rank in range(2):
            generator = torch.Generator().manual_seed((CONFIG.seed * 1_000_003 + step) * 1009 + rank)
            (toy.loss(toy.network, 4, step, generator)[0] / 2).backward()
        nn.utils.clip_grad_norm_(toy.network.parameters(), CONFIG.clip)
        optimiser.step()
    for name, value in load_file(find_checkpoint(tmp_path / "run")[1] / "weights.safetensors").items():
        torch.testing.assert_close(value, toy.network.state_dict()[name], atol=1e-5, rtol=1e-4)


class Whole(Toy):
    """The same, in one draw of the shares that a batch of `parts` parts has."""

    def loss(self, network, batch, step, generator):
        shares = [torch.Generator().manual_seed((CONFIG.seed * 1_000_003 + step) * 1009 + k) for k in range(4)]
        x = torch.cat([torch.randn(batch // 4, 4, generator=share) for share in shares])
        return (network(x) - 3 * x).square().mean(), {}


def test_a_batch_in_parts_has_the_gradient_of_the_whole(tmp_path):
    fit(Whole(), CONFIG, tmp_path / "whole")
    fit(Toy(), replace(CONFIG, accumulate=4), tmp_path / "parts")
    whole = weights(tmp_path / "whole")
    for name, value in weights(tmp_path / "parts").items():
        torch.testing.assert_close(value, whole[name], atol=1e-6, rtol=1e-5)
    said = [
        [json.loads(line)["loss"] for line in (tmp_path / run / "metrics.jsonl").open() if "loss" in line]
        for run in ("whole", "parts")
    ]
    assert said[1] == pytest.approx(said[0], rel=1e-4)
    with pytest.raises(RecipeError, match="a batch of 8 cannot be shared by 1 processes in 3 parts each"):
        fit(Toy(), replace(CONFIG, accumulate=3), tmp_path / "odd")


def test_tensorboard_has_the_figures_of_metrics_jsonl(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = replace(CONFIG, tensorboard=True)
    fit(Toy(), config, tmp_path, stop_after=lambda step: step == 13)
    fit(Toy(), config, tmp_path)
    found = events.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()]
    loss = {row["step"]: row["loss"] for row in rows if "loss" in row}
    assert {e.step: e.value for e in found.Scalars("loss")} == pytest.approx(loss, rel=1e-5)
    assert [e.step for e in found.Scalars("validation/weight")] == [10, 20, 30]


def test_without_tensorboard_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(RecipeError, match=r"pip install 'cantilena\[tensorboard\]'"):
        fit(Toy(), replace(CONFIG, tensorboard=True), tmp_path)


def test_the_rate_warms_up_stays_and_falls():
    rates = [learning_rate(step, replace(CONFIG, steps=100, decay=0.4)) for step in range(101)]
    assert rates[0] == pytest.approx(CONFIG.lr / 5)
    assert rates[5:61] == pytest.approx([CONFIG.lr] * 56)
    assert all(a > b for a, b in pairwise(rates[60:]))
    assert rates[100] == pytest.approx(CONFIG.lr / 100)


def test_a_second_training_in_the_same_run_is_refused(tmp_path):
    process = start(tmp_path)
    wait_for_checkpoint(tmp_path, process)
    with pytest.raises(RecipeError, match="another training is at work"):
        fit(Toy(), CONFIG, tmp_path)
    assert process.wait(60) == 0
    assert find_checkpoint(tmp_path)[0]["step"] == 100


def test_a_damaged_checkpoint_names_the_file(tmp_path):
    fit(Toy(), replace(CONFIG, steps=5), tmp_path)
    (tmp_path / "step-00000005" / "weights.safetensors").write_bytes(b"half")
    with pytest.raises(RecipeError, match=r"weights.safetensors: damaged"):
        fit(Toy(), CONFIG, tmp_path)
