"""torch == ONNX, weights come back from the graphs, and a broken write leaves the old model."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cantilena.errors import ModelError
from cantilena.model import LABEL_NULLS, Model
from cantilena.reproduction.baseline_networks import BaselineNetworks
from cantilena.training.export import (
    Baseline,
    exchange_parts,
    export_baselines,
    export_model,
    read_weights,
    vae_fingerprint,
)
from cantilena.training.networks import (
    LABEL_SIZES,
    Denoiser,
    DenoiserConfig,
    MDNConfig,
    MelodyVAE,
    TransformerMDN,
)
from cantilena.training.paper import PaperDenoiser, PaperDenoiserConfig
from cantilena.training.phrase_decoder import PhraseDecoder
from cantilena.writing import START, UNKNOWN, context, pitch_classes


def test_both_worlds_agree_on_the_nulls():
    assert LABEL_NULLS == LABEL_SIZES


@pytest.mark.parametrize("batch", [1, 3, 64])
@torch.no_grad()
def test_onnx_gives_what_torch_gives(toy_model, toy_networks, batch):
    vae, denoiser, space = toy_networks
    model = Model.load(toy_model)
    random = np.random.default_rng(batch)
    tokens = random.integers(0, 90, (batch, 32))
    mean, std = model.encode(tokens)
    mean_torch, log_var = vae.encode(torch.from_numpy(tokens))
    np.testing.assert_allclose(mean, mean_torch, atol=1e-4)
    np.testing.assert_allclose(std, (0.5 * log_var).exp(), atol=1e-4)
    x_t, x0_prev = random.standard_normal((2, batch, 32, space.D), np.float32)
    log_snr = random.uniform(-15, 15, batch).astype(np.float32)
    labels = np.stack([random.integers(0, size + 1, batch) for size in LABEL_SIZES], 1)
    expected = denoiser(*(torch.from_numpy(a) for a in (x_t, log_snr, x0_prev, labels)))
    np.testing.assert_allclose(model.denoise(x_t, log_snr, x0_prev, labels), expected, atol=1e-4)


def tensors(*arrays):
    return [torch.from_numpy(np.asarray(a)) for a in arrays]


@pytest.mark.parametrize("batch", [1, 3, 64])
@torch.no_grad()
def test_each_part_of_the_decoder_gives_what_torch_gives(toy_model, toy_networks, batch):
    decoder, model, random = toy_networks[0].decoder, Model.load(toy_model), np.random.default_rng(batch)
    z, sigma = random.standard_normal((batch, 8), np.float32), random.random(batch, np.float32)
    labels = np.stack([random.integers(0, size + 1, batch) for size in LABEL_SIZES], 1)
    plan, plain = model.plan(z, sigma, labels)
    features = decoder.plan(*tensors(z, sigma, labels))
    np.testing.assert_allclose(plan, decoder.writer.plan(features), atol=1e-4)
    np.testing.assert_allclose(plain, decoder.logits(features), atol=1e-4)
    before = np.concatenate([random.integers(0, START + 1, (batch, 3)), random.integers(0, 3, (batch, 1))], 1)
    around = random.integers(0, 9, (batch, 12)).astype(np.float32)
    around[0] = 0
    state = model.start(before, around)
    np.testing.assert_allclose(state, decoder.writer.start(*tensors(before, around)), atol=1e-5)
    token, notes = random.integers(0, START + 1, batch), random.integers(0, START + 1, (batch, 2))
    for k in (0, 17):
        found = model.step(plan[:, k], plain[:, k], token, notes, state)
        expected = decoder.writer.step(*tensors(plan[:, k], plain[:, k], token, notes, state))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)
        assert np.abs(found[0] - plain[:, k]).max() > 0.1  # what was written matters


@torch.no_grad()
def test_what_onnx_writes_is_what_torch_writes(toy_model, toy_networks):
    decoder, model = toy_networks[0].decoder, Model.load(toy_model)
    z = np.random.default_rng(0).standard_normal((16, 4, 8), np.float32)
    flat, sure, nulls = z.reshape(64, 8), torch.zeros(64), torch.tensor(LABEL_SIZES).expand(64, 4)
    alone = decoder.write(torch.from_numpy(flat), sure, nulls, torch.tensor(UNKNOWN).expand(64, 4), torch.zeros(64, 12))
    np.testing.assert_array_equal(model.decode(z, alone=True).reshape(64, 32), alone)
    # and in their places: each token is the likeliest after what was written before it, also of other phrases; every
    # second phrase comes first, when of the others no more is known than what their plans alone would be
    tokens = model.decode(z).reshape(64, 32).astype(np.int64)
    first = np.arange(64) % 4 == 0
    plain = decoder.logits(decoder.plan(torch.from_numpy(flat), sure, nulls)).argmax(-1).numpy()
    comes_first = (np.arange(64) % 2 == 0)[:, None]
    there = np.where(comes_first, tokens, plain)
    before = np.where(comes_first, context(plain, first), context(there, first))
    around = pitch_classes(plain, first)
    logits = decoder(torch.from_numpy(flat), sure, nulls, *tensors(before, around, tokens)).numpy()
    logits[before[:, 3] == 0, 0, 0] = -np.inf  # a phrase that begins in silence says so
    np.testing.assert_array_equal(tokens, logits.argmax(-1))
    assert not np.array_equal(tokens, alone)


@torch.no_grad()
def test_the_papers_network_exports_too(tmp_path, toy_networks):
    vae, _, space = toy_networks
    paper = PaperDenoiser(PaperDenoiserConfig(D=space.D, width=16, heads=2, hidden=32)).eval()
    diffusion = {"schedule": {"name": "linear", "T": 1000}, "prediction": "eps"}
    export_model(tmp_path / "paper", vae, paper, space, diffusion=diffusion, provenance={}, card="")
    x_t = np.random.default_rng(0).standard_normal((3, 32, space.D), np.float32)
    log_snr = np.array([-4, 0, 9], np.float32)
    labels = np.tile(np.array(LABEL_SIZES), (3, 1))
    expected = paper(
        torch.from_numpy(x_t), torch.from_numpy(log_snr), torch.zeros(3, 32, space.D), torch.from_numpy(labels)
    )
    found = Model.load(tmp_path / "paper").denoise(x_t, log_snr, np.zeros_like(x_t), labels)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@torch.no_grad()
def test_baselines_are_kept_in_half_precision_and_agree_with_torch(tmp_path, toy_model, toy_networks):
    space = toy_networks[2]
    torch.manual_seed(3)
    mdn = TransformerMDN(MDNConfig(D=space.D, width=48, layers=2, heads=2, hidden=64, components=4)).eval()
    for parameter in mdn.parameters():
        parameter.copy_((parameter + 0.05 * torch.randn_like(parameter)).half().float())  # loses nothing by it
    paper = Denoiser(DenoiserConfig(D=space.D, width=48, layers=1, heads=2, hidden=64)).eval()
    diffusion = {"schedule": {"name": "linear", "T": 1000}, "prediction": "eps"}
    export_baselines(
        tmp_path / "b", {"mdn": Baseline(mdn, {}), "paper": Baseline(paper, diffusion)}, space.fingerprint, space.D
    )
    model = Model.load(toy_model)
    networks = BaselineNetworks.load(tmp_path / "b", model)
    x_0 = np.random.default_rng(0).standard_normal((3, 32, space.D), np.float32)
    whole = mdn(torch.from_numpy(x_0))
    for t in (0, 1, 17, 31):
        for expected, found in zip(whole, networks.next_phrase(x_0[:, :t]), strict=True):
            np.testing.assert_allclose(found, expected[:, t], atol=1e-4)
    parameters = sum(p.numel() for p in mdn.parameters())
    assert (tmp_path / "b" / "mdn.onnx").stat().st_size < 2 * parameters + 100_000
    labels = np.tile(np.array(LABEL_SIZES), (3, 1))
    expected = paper(torch.from_numpy(x_0), torch.zeros(3), torch.zeros(3, 32, space.D), torch.from_numpy(labels))
    found = networks.paper_model(model).denoise(x_0, np.zeros(3, np.float32), np.zeros_like(x_0), labels)
    np.testing.assert_allclose(found, expected, atol=3e-3)


@torch.no_grad()
def test_a_denoiser_that_never_saw_its_estimate_is_not_shown_one(tmp_path, toy_networks):
    vae, denoiser, space = toy_networks  # its weights for x0_prev are as large as the others
    diffusion = {"schedule": {"name": "linear", "T": 1000}, "prediction": "eps", "self_conditioning": False}
    export_model(tmp_path / "m", vae, denoiser, space, diffusion=diffusion, provenance={}, card="")
    export_baselines(tmp_path / "b", {"paper": Baseline(denoiser, diffusion)}, space.fingerprint, space.D)
    model = Model.load(tmp_path / "m")
    paper = BaselineNetworks.load(tmp_path / "b", model).paper_model(model)
    x_t, x0_prev = np.random.default_rng(0).standard_normal((2, 3, 32, space.D), np.float32)
    log_snr, labels = np.zeros(3, np.float32), np.zeros((3, 4), np.int64)
    given = [torch.from_numpy(a) for a in (x_t, log_snr, np.zeros_like(x_t), labels)]
    expected = denoiser(*given)
    np.testing.assert_allclose(model.denoise(x_t, log_snr, x0_prev, labels), expected, atol=1e-4)
    np.testing.assert_allclose(paper.denoise(x_t, log_snr, x0_prev, labels), expected, atol=3e-2)
    given[2] = torch.from_numpy(x0_prev)
    assert (denoiser(*given) - expected).abs().max() > 0.3
    for name, weight in read_weights(tmp_path / "m", "denoiser").items():
        assert torch.equal(weight, denoiser.state_dict()[name])


def test_a_baseline_joins_those_that_are_there(tmp_path, toy_model, toy_networks):
    _, denoiser, space = toy_networks
    folder, model = tmp_path / "b", Model.load(toy_model)
    diffusion = {"schedule": {"name": "linear", "T": 1000}, "prediction": "eps", "self_conditioning": False}
    paper = Baseline(denoiser, {**diffusion, "training": {"steps": 1}})
    export_baselines(folder, {"paper": paper}, space.fingerprint, space.D)
    before = (folder / "paper.onnx").read_bytes()
    assert BaselineNetworks.load(folder, model).parts == ("paper",)
    mdn = TransformerMDN(MDNConfig(D=space.D, width=16, layers=1, heads=2, hidden=16, components=3))
    export_baselines(folder, {"mdn": Baseline(mdn, {})}, space.fingerprint, space.D)
    networks = BaselineNetworks.load(folder, model)
    assert networks.parts == ("mdn", "paper")
    assert networks.training == {"mdn": {}, "paper": {"steps": 1}}
    assert (folder / "paper.onnx").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_baselines_of_another_latent_space_do_not_stay_beside_new_ones(tmp_path, toy_baselines, toy_networks):
    shutil.copytree(toy_baselines, tmp_path / "b")
    _, denoiser, space = toy_networks
    diffusion = {"schedule": {"name": "linear", "T": 1000}, "prediction": "eps"}
    export_baselines(tmp_path / "b", {"paper": Baseline(denoiser, diffusion)}, "another", space.D)
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == ["baselines.json", "paper.onnx"]


def test_another_decoder_takes_the_place_of_the_decoder_alone(tmp_path, toy_model, toy_networks):
    torch.manual_seed(8)
    decoder = PhraseDecoder(toy_networks[0].decoder.config)
    exchange_parts(toy_model, tmp_path / "m", Baseline(decoder, {"training": {"steps": 1}}))
    before, after = Model.load(toy_model), Model.load(tmp_path / "m")
    graphs = {"decoder.onnx", "decoder_start.onnx", "decoder_step.onnx"}
    for name in (p.name for p in toy_model.iterdir()):
        same = (toy_model / name).read_bytes() == (tmp_path / "m" / name).read_bytes()
        assert same == (name not in {*graphs, "model.json"}), name
    own, found = decoder.state_dict(), read_weights(tmp_path / "m", "decoder")
    assert own.keys() == found.keys()
    for name in own:  # large weights are kept in half precision
        kept = own[name].half().float() if own[name].numel() >= 1024 else own[name]
        assert torch.equal(kept, found[name]), name
    assert after.fingerprint != before.fingerprint
    assert after.about["vae"] == before.about["vae"]
    assert after.about["decoder"] == {**before.about["decoder"], "training": {"steps": 1}}
    z = np.random.default_rng(0).standard_normal((2, 8), np.float32)
    assert not np.array_equal(after.decode(z), before.decode(z))


@pytest.mark.parametrize("reading", [{"sigma": 0.3}, {"temperature": 0.7, "floor": 0.1}])
def test_how_latents_are_read_is_part_of_the_model(tmp_path, toy_model, reading):
    exchange_parts(toy_model, tmp_path / "m", reading=reading)
    before, after = Model.load(toy_model), Model.load(tmp_path / "m")
    for name in (p.name for p in toy_model.iterdir()):
        same = (toy_model / name).read_bytes() == (tmp_path / "m" / name).read_bytes()
        assert same == (name != "model.json"), name
    for name in ("sigma", "temperature", "floor"):
        assert getattr(after.manner, name) == reading.get(name, 0.0)
    assert after.fingerprint != before.fingerprint
    x_0 = np.random.default_rng(0).standard_normal((8, after.space.D), np.float32)
    assert not np.array_equal(after.to_phrases(x_0), before.to_phrases(x_0))
    np.testing.assert_array_equal(after.decode(x_0), before.decode(x_0))  # exact latents are read literally
    exchange_parts(tmp_path / "m", tmp_path / "m", reading=dict.fromkeys(reading, 0.0))
    assert Model.load(tmp_path / "m").fingerprint == before.fingerprint


def test_a_decoder_that_cannot_be_written_leaves_the_model(tmp_path, toy_model, toy_networks, monkeypatch):
    decoder = toy_networks[0].decoder
    exchange_parts(toy_model, tmp_path / "m")
    before = {p.name: p.read_bytes() for p in (tmp_path / "m").iterdir()}
    monkeypatch.setattr("cantilena.training.export.halve", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        exchange_parts(tmp_path / "m", tmp_path / "m", Baseline(decoder, {}))
    assert {p.name: p.read_bytes() for p in (tmp_path / "m").iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_weights_come_back_from_the_graphs_bit_for_bit(toy_model, toy_networks):
    vae, denoiser, _ = toy_networks
    for network, kind in ((vae, "vae"), (vae.decoder, "decoder"), (denoiser, "denoiser")):
        own, found = network.state_dict(), read_weights(toy_model, kind)
        assert own.keys() == found.keys()
        for name in own:
            assert torch.equal(own[name], found[name]), name


def test_a_vae_is_named_by_its_encoder():
    torch.manual_seed(0)
    vae = MelodyVAE()
    name = vae_fingerprint(vae)
    with torch.no_grad():
        vae.decoder.logits.weight.add_(1)
        vae.decoder.writer.out.weight.add_(1)
    assert vae_fingerprint(vae) == name
    with torch.no_grad():
        vae.encoder_position.add_(1)
    assert vae_fingerprint(vae) != name


def test_a_model_that_cannot_be_written_leaves_the_old_one(tmp_path, toy_networks, monkeypatch):
    vae, denoiser, space = toy_networks
    given = {"diffusion": {"schedule": {"name": "cosine"}, "prediction": "v"}, "provenance": {}, "card": "old"}
    export_model(tmp_path / "m", vae, denoiser, space, **given)
    before = {p.name: p.read_bytes() for p in (tmp_path / "m").iterdir()}
    monkeypatch.setattr(
        "cantilena.latent.LatentSpace.save", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(ModelError, match="No space left"):
        export_model(
            tmp_path / "m",
            vae,
            Denoiser(DenoiserConfig(D=space.D, width=16, layers=1, heads=1, hidden=16)),
            space,
            **given,
        )
    assert {p.name: p.read_bytes() for p in (tmp_path / "m").iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "decoder.onnx").unlink(), "decoder.onnx: missing"),
        (lambda f: (f / "denoiser.onnx").write_bytes(b"no graph"), "denoiser.onnx: not a network"),
        (lambda f: (f / "latent.npz").write_bytes(b""), "latent.npz"),
        (lambda f: (f / "model.json").write_text("{"), "model.json: cannot be understood"),
        (lambda f: (f / "model.json").write_text(json.dumps({"format": 99})), "format 99"),
        (
            lambda f: (f / "model.json").write_text('{"format": 1}'),
            "format 1; this version of Cantilena reads format 2",
        ),
        (lambda f: (f / "model.json").write_text('{"format": 2}'), "cannot be understood"),
        (lambda f: (f / "decoder_start.onnx").unlink(), "decoder_start.onnx: missing"),
        (lambda f: (f / "decoder_step.onnx").write_bytes(b""), "decoder_step.onnx: not a network"),
        (lambda f: (f / "model.json").unlink(), "no model there"),
    ],
)
def test_a_spoilt_model_folder_is_one_clear_line(tmp_path, toy_networks, spoil, message):
    vae, denoiser, space = toy_networks
    diffusion = {"schedule": {"name": "cosine"}, "prediction": "v"}
    export_model(tmp_path / "m", vae, denoiser, space, diffusion=diffusion, provenance={}, card="")
    spoil(tmp_path / "m")
    with pytest.raises(ModelError, match=message) as caught:
        Model.load(tmp_path / "m")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [".", "homework"])
def test_export_never_replaces_what_is_no_model(tmp_path, toy_networks, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "homework").mkdir()
    (tmp_path / "homework" / "thesis.txt").write_text("mine")
    vae, denoiser, space = toy_networks
    with pytest.raises(ModelError, match="holds something else than a model"):
        export_model(Path(name), vae, denoiser, space, diffusion={}, provenance={}, card="")
    assert (tmp_path / "homework" / "thesis.txt").read_text() == "mine"
