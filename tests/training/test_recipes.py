"""Recipes, and the whole way: corpus -> VAE -> latents -> denoiser -> model folder -> melody, on toy networks."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from cantilena import cli
from cantilena.composer import load
from cantilena.errors import CorpusError, ModelError, RecipeError
from cantilena.latent import LatentSpace
from cantilena.reproduction.baseline_networks import BaselineNetworks
from cantilena.training.data import drop_labels
from cantilena.training.export import read_weights, vae_fingerprint
from cantilena.training.latents import PHRASES, Latents, Windows, encode_phrases
from cantilena.training.loop import find_checkpoint, load_weights
from cantilena.training.networks import LABEL_SIZES
from cantilena.training.recipes import describe, forward_flops, make_network, read_recipe, training_flops
from cantilena.training.runs import (
    export_baseline_runs,
    export_parts,
    export_run,
    load_vae,
    train_decoder,
    train_denoiser,
    train_mdn,
    train_vae,
)
from toys import means_of

RECIPES = Path(__file__).parents[2] / "recipes"
TINY_VAE = ["network.width=16", "network.layers=1", "network.heads=2", "network.hidden=16", "network.slot=4", "network.latent=8", "network.writer=16",
            "loop.steps=300", "loop.batch=32", "loop.precision=fp32", "loop.warmup=10", "loop.lr=1e-2", "loss.beta=0.1"]  # fmt: skip
TINY = ["network.width=16", "network.layers=1", "network.heads=2", "network.hidden=16", "loop.steps=20", "loop.batch=4",
        "loop.precision=fp32", "loop.warmup=10", "loop.evaluate_every=10", "data.precision=fp32"]  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory, corpus):
    """A toy VAE and a toy denoiser, trained by their recipes."""
    folder = tmp_path_factory.mktemp("runs")
    assert train_vae(read_recipe(RECIPES / "vae.toml", TINY_VAE), corpus, folder / "vae") == 300
    recipe = read_recipe(RECIPES / "small.toml", [*TINY, f"data.vae={folder / 'vae'}", "data.draws=2"])
    assert train_denoiser(recipe, corpus, folder / "small") == 20
    return folder


def test_every_shipped_recipe_reads_and_describes_itself(corpus, tmp_path):
    for path in RECIPES.glob("*.toml"):
        assert "parameters" in describe(read_recipe(path), corpus, tmp_path)
    assert "25,579,946 parameters" in describe(read_recipe(RECIPES / "paper.toml"), corpus, tmp_path)
    assert "38,050,484 parameters" in describe(read_recipe(RECIPES / "paper_mdn.toml"), corpus, tmp_path)


def test_flops_are_counted_as_one_would_by_hand():
    settings = ["network.width=16", "network.layers=1", "network.heads=2", "network.hidden=24", "network.components=2"]
    recipe = read_recipe(RECIPES / "mdn.toml", [*settings, "loop.batch=4"])
    network = make_network(recipe, 5)
    per_phrase = 5 * 16 + 16 * 48 + 16 * 16 + 2 * 16 * 24 + 16 * 2 * 11  # multiplications of the linear layers
    attention = 2 * 32 * 32 * 16  # scores and values, both heads
    assert forward_flops("mdn", network) == 2 * (32 * per_phrase + attention)
    assert training_flops(recipe, network, 10) == 3 * 4 * 10 * forward_flops("mdn", network)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("loop.stepz=5", r"\[loop\] has no stepz"),
        ("loop", "expected table.key=value"),
        ("loop.steps=abc", "loop.steps is int, not 'abc'"),
        ("loop.steps=0", "at least 1"),
        ("loop.precision=fp99", "loop.precision is"),
        ("kind.x=1", "kind is no table"),
        ("looop.steps=5", "unknown table looop"),
    ],
)
def test_a_wrong_setting_is_refused(setting, message, corpus, tmp_path):
    with pytest.raises(RecipeError, match=message):
        describe(read_recipe(RECIPES / "vae.toml", [setting]), corpus, tmp_path)


def test_a_file_that_is_no_recipe_is_refused(tmp_path):
    (tmp_path / "a.toml").write_text("kind = ")
    with pytest.raises(RecipeError, match="not TOML"):
        read_recipe(tmp_path / "a.toml")
    with pytest.raises(RecipeError, match="cannot be read"):
        read_recipe(tmp_path / "none.toml")
    (tmp_path / "a.toml").write_text("kind = 'vae'")
    with pytest.raises(RecipeError, match="kind and network_type"):
        read_recipe(tmp_path / "a.toml")


def test_the_vae_learns(runs):
    rows = [json.loads(line) for line in (runs / "vae" / "metrics.jsonl").open()]
    losses = [row["reconstruction"] for row in rows if "reconstruction" in row]
    assert losses[-1] < 0.8 * losses[0]  # the first is logged at step 50


def test_latents_are_the_encoded_phrases_of_their_windows(runs, corpus):
    vae = load_vae(runs / "vae")
    (folder,) = (corpus.directory / f"latents-{vae_fingerprint(vae)}").glob("validation-0-*")
    latents = Latents.open(folder)
    wanted = corpus.windows("validation", max_silent=8)
    assert len(latents.windows) == len(wanted)
    window = len(wanted) // 2
    melody = latents.windows[window, 1]
    first = np.flatnonzero(latents.windows[:, 1] == melody)[0]
    begin = latents.windows[window, 0] - latents.windows[first, 0]
    exact = encode_phrases(vae, corpus.phrases(melody)[begin : begin + PHRASES])
    np.testing.assert_allclose(means_of(latents, np.array([window]))[0], exact[:, 0], atol=2e-3)


def test_encoding_half_done_is_not_taken_for_done(runs, corpus, tmp_path):
    with pytest.raises(CorpusError, match="no encoded corpus there"):
        Latents.open(tmp_path)


def test_training_shifts_melodies_and_validation_does_not(runs, corpus):
    name = vae_fingerprint(load_vae(runs / "vae"))
    draws = [Latents.open(p) for p in sorted((corpus.directory / f"latents-{name}").glob("train-*"))]
    assert len(draws) == 2
    assert not np.array_equal(means_of(draws[0], np.arange(9)), means_of(draws[1], np.arange(9)))


def test_exported_it_composes_and_warm_starts(runs, corpus, tmp_path):
    export_run(runs / "small", runs / "vae", tmp_path / "toy", data="made here", licence="CC0")
    melody = load(tmp_path / "toy").compose(seed=3, steps=3)
    assert melody.bars == 64
    about = json.loads((tmp_path / "toy" / "model.json").read_text())
    assert about["provenance"]["steps"] == 20
    assert about["provenance"]["corpus"] == corpus.fingerprint
    # --init: a run that goes on from the folder begins with its loss, not with a new network's
    recipe = read_recipe(RECIPES / "small.toml", [*TINY, f"data.vae={tmp_path / 'toy'}", "loop.lr=0", "loop.ema=0"])
    train_denoiser(recipe, corpus, tmp_path / "warm", init=tmp_path / "toy")
    before = [
        json.loads(line)["validation"] for line in (runs / "small" / "metrics.jsonl").open() if "validation" in line
    ][-1]
    after = [
        json.loads(line)["validation"] for line in (tmp_path / "warm" / "metrics.jsonl").open() if "validation" in line
    ][-1]
    assert after == pytest.approx(before, abs=2e-3)


def test_a_denoiser_is_not_exported_with_another_vae(runs, corpus, tmp_path):
    train_vae(read_recipe(RECIPES / "vae.toml", [*TINY_VAE, "loop.steps=2"]), corpus, tmp_path / "other")
    with pytest.raises(RecipeError, match="trained on latents of VAE"):
        export_run(runs / "small", tmp_path / "other", tmp_path / "m", data="", licence="")


TINY_DECODER = [*TINY_VAE[:7], "loop.batch=64", "loop.precision=fp32", "loop.warmup=5", "loop.lr=1e-2", "loop.ema=0.9",
                "latents.stride=400"]  # fmt: skip


@pytest.fixture(scope="module")
def model(runs):
    export_run(runs / "small", runs / "vae", runs / "model", data="", licence="")
    return runs / "model"


@pytest.fixture(scope="module")
def decoder(runs, model, corpus):
    """A run of a decoder for the model, in two parts."""
    settings = [*TINY_DECODER, f"latents.model={model}"]
    for steps in (5, 40):
        recipe = read_recipe(
            RECIPES / "decoder.toml",
            [*settings, f"loop.steps={steps}", "loop.log_every=1", f"loop.evaluate_every={steps}"],
        )
        assert train_decoder(recipe, corpus, runs / "decoder") == steps
    return runs / "decoder"


def test_the_decoder_alone_goes_on_learning_what_a_denoiser_makes_of_latents(decoder):
    rows = [json.loads(line) for line in (decoder / "metrics.jsonl").open()]
    steps = [row["step"] for row in rows if "back" in row]
    assert steps == sorted(set(steps))  # resumed, not begun again
    assert steps[-1] == 40
    assert all({"exact", "back"} <= row.keys() for row in rows if "loss" in row)
    first, last = [row["validation"] for row in rows if "validation" in row]
    print(first, last)
    assert last["nll_0.2"] < last["nll_0.8"]  # the nearer to what it was, the surer
    assert all(last[f"nll_{level}"] < first[f"nll_{level}"] for level in (0.2, 0.4, 0.6, 0.8))


def test_a_decoder_begins_as_that_of_its_model(decoder, model, corpus, tmp_path):
    still = [*TINY_DECODER, f"latents.model={model}", "loop.steps=1", "loop.lr=0", "loop.ema=0"]
    train_decoder(read_recipe(RECIPES / "decoder.toml", still), corpus, tmp_path / "begins")
    train_decoder(read_recipe(RECIPES / "decoder.toml", still), corpus, tmp_path / "another", init=decoder)
    wanted = read_weights(model, "decoder"), load_weights(find_checkpoint(decoder)[1])
    for run, weights in zip(("begins", "another"), wanted, strict=True):
        found = load_weights(find_checkpoint(tmp_path / run)[1])
        assert found.keys() == weights.keys()
        assert all(torch.equal(found[name], weights[name]) for name in weights)
    assert any(not torch.equal(wanted[0][name], wanted[1][name]) for name in wanted[0])


def test_a_decoder_is_of_somebodys_latents(runs, model, corpus, tmp_path):
    with pytest.raises(RecipeError, match=r"decoder: say whose latents it decodes, with --set latents\.model=FOLDER"):
        train_decoder(read_recipe(RECIPES / "decoder.toml", TINY_DECODER), corpus, tmp_path / "run")
    other = [*TINY_DECODER, f"latents.model={model}", "network.writer=24"]
    with pytest.raises(RecipeError, match="its network has another shape than the recipe's"):
        train_decoder(read_recipe(RECIPES / "decoder.toml", other), corpus, tmp_path / "run")
    tunes = [*TINY_DECODER, f"latents.model={model}", "latents.denoiser=somewhere"]
    with pytest.raises(RecipeError, match="a recipe for a decoder of tunes"):
        train_decoder(read_recipe(RECIPES / "decoder.toml", tunes), corpus, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_decoder_joins_the_model_it_learned_from(runs, decoder, model, tmp_path):
    export_parts(model, tmp_path / "m", decoder=decoder, reading={"sigma": 0.4})
    before, after = load(model).model, load(tmp_path / "m").model
    weights, found = load_weights(find_checkpoint(decoder)[1]), read_weights(tmp_path / "m", "decoder")
    assert found.keys() == weights.keys()
    assert all(torch.allclose(found[name], weights[name], rtol=1e-3, atol=1e-5) for name in weights)  # half precision
    for part in ("encoder.onnx", "denoiser.onnx", "latent.npz"):
        assert (model / part).read_bytes() == (tmp_path / "m" / part).read_bytes()
    assert after.fingerprint != before.fingerprint
    assert after.about["decoder"]["training"]["steps"] == 40
    assert (after.manner.sigma, before.manner.sigma) == (0.4, 0)
    assert load(tmp_path / "m").compose(1, steps=1).bars == 64
    assert vae_fingerprint(load_vae(tmp_path / "m")) == vae_fingerprint(load_vae(runs / "vae"))


def test_a_decoder_of_another_vae_is_refused(runs, decoder, model, tmp_path):
    shutil.copytree(model, tmp_path / "m")
    about = json.loads((tmp_path / "m" / "model.json").read_text())
    about["vae"]["fingerprint"] = "0" * 16
    (tmp_path / "m" / "model.json").write_text(json.dumps(about))
    for source, run in ((tmp_path / "m", decoder), (model, runs / "vae")):
        with pytest.raises(RecipeError, match="not the run of a decoder for the VAE of"):
            export_parts(source, tmp_path / "new", decoder=run)
    assert not (tmp_path / "new").exists()


OLD = {"decoder.blocks.": "decoder.", "decoder.position": "decoder_position", "decoder.norm.": "decoder_norm.",
       "decoder.expand.": "expand.", "decoder.unsqueeze.": "unsqueeze.", "decoder.logits.": "logits."}  # fmt: skip


def renamed(weights):
    """A VAE's weights as they were named when its decoder did not hear what it wrote; without what came since."""
    found = {}
    for name, value in weights.items():
        now = next((begin for begin in OLD if name.startswith(begin)), None)
        if now or not name.startswith("decoder."):
            found[name if now is None else OLD[now] + name.removeprefix(now)] = value
    return found


def test_a_vae_from_before_its_decoder_heard_what_it_wrote_is_a_warm_start(runs, corpus, tmp_path):
    shutil.copytree(runs / "vae", tmp_path / "old")
    _, checkpoint = find_checkpoint(tmp_path / "old")
    for path in (checkpoint / "weights.safetensors", checkpoint / "average.safetensors"):
        save_file(renamed(load_file(path)), path)
    old = load_weights(checkpoint)
    assert {"logits.weight", "decoder_position", "decoder.0.norm1.weight", "embed.weight"} <= old.keys()
    still = [*TINY_VAE, "loop.steps=1", "loop.lr=0", "loop.ema=0"]
    train_vae(read_recipe(RECIPES / "vae.toml", still), corpus, tmp_path / "new", init=tmp_path / "old")
    new = load_vae(tmp_path / "new")
    assert vae_fingerprint(new) == vae_fingerprint(load_vae(runs / "vae"))
    found = renamed(new.state_dict())
    assert found.keys() == old.keys()
    assert all(torch.equal(found[name], old[name]) for name in old)
    z, sure, nulls = torch.randn(3, 8), torch.zeros(3), torch.tensor(LABEL_SIZES).expand(3, 4)
    before, around, tokens = torch.zeros(3, 4, dtype=torch.long), torch.ones(3, 12), torch.full((3, 32), 41)
    with torch.no_grad():  # what came since changes nothing yet
        plain = new.decoder.logits(new.decoder.plan(z, sure, nulls))
        assert torch.equal(new.decoder(z, sure + 0.5, nulls * 0, before, around, tokens), plain)
    half = [*still, "network.layers=2"]
    with pytest.raises(RecipeError, match="its network has other parts than the recipe's"):
        train_vae(read_recipe(RECIPES / "vae.toml", half), corpus, tmp_path / "half", init=tmp_path / "old")


def test_runs_become_the_baselines_of_a_model(runs, corpus, tmp_path):
    common = [*TINY, f"data.vae={runs / 'vae'}", f"data.latent={runs / 'small'}", "loop.compile=false"]
    mdn = read_recipe(RECIPES / "mdn.toml", [*common, "network.components=3", "data.posterior=mean"])
    assert train_mdn(mdn, corpus, tmp_path / "mdn") == 20
    losses = [json.loads(line)["validation"]["nll"] for line in (tmp_path / "mdn" / "metrics.jsonl").open()
              if "validation" in line]  # fmt: skip
    assert losses[-1] < losses[0]
    train_denoiser(read_recipe(RECIPES / "paper_choices.toml", common), corpus, tmp_path / "paper")
    export_run(runs / "small", runs / "vae", tmp_path / "m", data="", licence="")
    before = {p.name: p.read_bytes() for p in (tmp_path / "m").iterdir()}
    export_baseline_runs(tmp_path / "m", tmp_path / "b", mdn=tmp_path / "mdn", paper=tmp_path / "paper")
    assert {p.name: p.read_bytes() for p in (tmp_path / "m").iterdir()} == before
    model = load(tmp_path / "m").model
    networks = BaselineNetworks.load(tmp_path / "b", model)
    assert networks.parts == ("mdn", "paper")
    assert networks.paper_model(model).prediction == "eps"
    assert networks.paper_model(model).schedule.config["name"] == "linear"
    assert networks.about["paper"]["self_conditioning"] is False
    assert "self_conditioning" not in model.about["denoiser"]  # it has it, as models do
    assert networks.training["paper"]["steps"] == 20
    assert networks.training["mdn"]["flops"] == pytest.approx(
        training_flops(mdn, make_network(mdn, model.space.D), 20), rel=1e-3
    )
    # warm start of the baseline: weights come back, but for half precision
    again = read_recipe(RECIPES / "mdn.toml", [*common, "network.components=3", "data.posterior=mean", "loop.lr=0", "loop.ema=0"])  # fmt: skip
    train_mdn(again, corpus, tmp_path / "again", init=tmp_path / "b")
    first = json.loads(next(line for line in (tmp_path / "again" / "metrics.jsonl").open() if "validation" in line))
    assert first["validation"]["nll"] == pytest.approx(losses[-1], abs=5e-3)


def test_baselines_are_refused_where_they_do_not_belong(runs, corpus, tmp_path):
    export_run(runs / "small", runs / "vae", tmp_path / "m", data="", licence="")
    model = load(tmp_path / "m").model
    own_space = [*TINY, f"data.vae={tmp_path / 'm'}", "loop.compile=false", "data.windows=300", "loop.steps=2"]
    train_denoiser(read_recipe(RECIPES / "paper_choices.toml", own_space), corpus, tmp_path / "other")
    with pytest.raises(RecipeError, match=f"trained in latent space .*, and .* in {model.space.fingerprint}"):
        export_baseline_runs(tmp_path / "m", tmp_path / "b", paper=tmp_path / "other")
    with pytest.raises(ModelError, match="no model there"):
        export_baseline_runs(tmp_path / "other", tmp_path / "b", paper=tmp_path / "other")
    with pytest.raises(RecipeError, match="a run of a denoiser, where one of a mdn is needed"):
        export_baseline_runs(tmp_path / "m", tmp_path / "b", mdn=tmp_path / "other")
    common = [
        *TINY,
        f"data.vae={tmp_path / 'm'}",
        f"data.latent={tmp_path / 'm'}",
        "loop.compile=false",
        "loop.steps=2",
    ]
    train_mdn(read_recipe(RECIPES / "mdn.toml", [*common, "network.components=3"]), corpus, tmp_path / "mdn")
    with pytest.raises(ModelError, match=r"holds something else than baselines; choose another name"):
        export_baseline_runs(tmp_path / "m", tmp_path / "m", mdn=tmp_path / "mdn")
    with pytest.raises(RecipeError, match="a run of a mdn, where one of a denoiser is needed"):
        export_run(tmp_path / "mdn", runs / "vae", tmp_path / "n", data="", licence="")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pop-64", "-o", "m"], "is a model already; say what is exchanged (--decoder, --sigma"),
        (
            ["pop-64", "--mdn", "r", "--sigma", "0", "-o", "m"],
            "--mdn and --paper write a folder of baselines: give them",
        ),
        (["pop-64", "--mdn", "runs/nothing", "-o", "m"], "no checkpoint there"),
        (["runs/nothing", "--paper", "r", "-o", "m"], "--mdn and --paper are baselines of one: export it first"),
        (["pop-64", "--vae", "pop-64", "-o", "m"], "is a model; --vae, --data and --licence are for a run"),
        (["runs/nothing", "-o", "m"], "no model there; of a run, say with --vae"),
    ],
)
def test_what_export_cannot_do_is_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.app, ["export", *arguments])
    assert message in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_warm_start_takes_the_latent_space_of_its_weights(runs, corpus, tmp_path):
    export_run(runs / "small", runs / "vae", tmp_path / "m", data="", licence="")
    settings = [*TINY, f"data.vae={runs / 'vae'}", "data.windows=300", "loop.steps=2"]
    train_denoiser(read_recipe(RECIPES / "small.toml", settings), corpus, tmp_path / "warm", init=tmp_path / "m")
    train_denoiser(read_recipe(RECIPES / "small.toml", settings), corpus, tmp_path / "new")
    spaces = [
        LatentSpace.load(p / "latent.npz").fingerprint for p in (runs / "small", tmp_path / "warm", tmp_path / "new")
    ]
    assert spaces[0] == spaces[1] != spaces[2]


def test_latents_are_draws_or_means(runs, corpus):
    vae = load_vae(runs / "vae")
    (folder,) = (corpus.directory / f"latents-{vae_fingerprint(vae)}").glob("validation-0-*")
    latents, space = Latents.open(folder), LatentSpace.load(runs / "small" / "latent.npz")
    window, generator = torch.tensor([0, 3]), torch.Generator().manual_seed(0)
    of_means, of_draws = (Windows(latents, space, posterior) for posterior in ("mean", "draw"))
    means = of_means.x_0(window, generator)
    np.testing.assert_array_equal(means, space.normalize(means_of(latents, window.numpy())))
    assert torch.equal(of_draws.x_0(window), means)  # where no generator draws
    draws = torch.stack([of_draws.x_0(window, generator) for _ in range(400)])
    assert (draws.mean(0) - means).abs().max() < 0.3
    deviation = latents.codes[latents.rows[latents.windows[0, 0] + np.arange(PHRASES)], 1][:, space.kept]
    np.testing.assert_allclose(draws.std(0)[0], deviation / space.scale[space.kept], rtol=0.25)
    assert torch.equal(of_means.labels, torch.from_numpy(latents.labels))


def test_the_papers_recipe_trains(runs, corpus, tmp_path):
    settings = [
        "network.width=16",
        "network.heads=2",
        "network.hidden=32",
        "loop.steps=3",
        "loop.batch=4",
        f"data.vae={runs / 'vae'}",
    ]
    assert train_denoiser(read_recipe(RECIPES / "paper.toml", settings), corpus, tmp_path / "paper") == 3
    meta, folder = find_checkpoint(tmp_path / "paper")
    assert meta["diffusion"]["schedule"]["name"] == "linear"
    assert not (folder / "average.safetensors").exists()


def test_labels_drop_as_said():
    labels = torch.zeros(20_000, 4, dtype=torch.long)
    dropped = drop_labels(labels, torch.Generator().manual_seed(0)) == torch.tensor(LABEL_SIZES)
    assert (dropped[:, :3].all(1)).float().mean() == pytest.approx(0.5 + 0.5 * 0.1**3, abs=0.02)
    alone = dropped[~dropped[:, :3].all(1)]
    assert alone.float().mean(0) == pytest.approx([0.1] * 4, abs=0.02)
    # nothing said but "no rests": the condition of the paper's table
    assert (dropped[:, :3].all(1) & ~dropped[:, 3]).float().mean() == pytest.approx(0.25, abs=0.02)
