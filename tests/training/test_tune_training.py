"""Tunes in every metre: letters, labels, sequences with masks, and the denoiser that is told of them."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file

from cantilena.composer import load
from cantilena.errors import CorpusError, RecipeError
from cantilena.labels import LETTER, RHYTHM, rest_classes, rhythm_letters
from cantilena.latent import LatentSpace
from cantilena.music.melody import REST, is_silent
from cantilena.music.metre import Metre
from cantilena.training import runs, tune_runs
from cantilena.training.checks import obstacles
from cantilena.training.data import Phrases
from cantilena.training.decoder import DecoderConfig
from cantilena.training.denoiser import DenoiserTask, Diffusion, DiffusionConfig
from cantilena.training.latents import Latents
from cantilena.training.loop import find_checkpoint, load_weights
from cantilena.training.mdn import MDNTask
from cantilena.training.networks import Denoiser, DenoiserConfig, MDNConfig, MelodyVAE, TransformerMDN, VAEConfig
from cantilena.training.recipes import forward_flops, read_recipe
from cantilena.training.sequences import (
    FAR,
    PHRASES,
    PLACE_SIZES,
    Sequences,
    drop_labels,
    drop_places,
    encode_tunes,
    relabelled,
)
from cantilena.training.tune_decoder import TuneDecoderTask, told_of_others
from cantilena.training.tune_denoiser import TuneDenoiser, TuneDenoiserConfig, TuneTask, label_acts
from cantilena.training.tunes import (
    METRES,
    Tunes,
    density_of,
    form_letters,
    label_sizes,
    metre_class,
    register_of,
    sings,
)
from cantilena.training.vae import VAETask
from cantilena.writing import UNKNOWN, context, pitch_classes

ROOT = Path(__file__).parents[2]
STYLES = ("irish", "song")


def phrase(*pitches, steps=32):
    """Notes of equal length, then silence where a phrase is shorter than 32 steps."""
    tokens = np.zeros(32, np.int8)
    length = steps // len(pitches)
    for k, pitch in enumerate(pitches):
        tokens[k * length] = pitch - 19
    if steps < 32:
        tokens[steps] = 1
    return tokens


@pytest.fixture(scope="module")
def tunes(tmp_path_factory):
    """Sixty tunes in 4/4 and 3/4 by chance, of the form AABA or longer, in three splits; some other parts."""
    random, tokens, rows, at = np.random.default_rng(0), [], [], 0
    for k in range(60):
        steps = 32 if k % 2 else 24
        a, b, c = (phrase(*random.integers(60, 76, steps // 4), steps=steps) for _ in range(3))
        form = [a, a, b, a] if k % 3 else [a, b, c] * 13
        role = 0 if k < 40 else 1 + k % 3
        bar, per = (16, 2) if k % 2 else (12, 2)
        rows.append((role, k % 2, k % 2, k % 2, bar, per, at, len(form), 1 if k % 10 == 9 else 0))
        tokens += form
        at += len(form)
    names = ["role", "style", "col", "metre", "bar", "per", "at", "n", "split"]
    path = tmp_path_factory.mktemp("tunes") / "tunes.npz"
    np.savez(
        path,
        tokens=np.array(tokens, np.int8),
        table=np.array(rows, dtype=[(name, "i4") for name in names]),
        styles=STYLES,
        cols=("one", "two"),
        metres=[(3, 4, 4), (4, 4, 4)],
    )
    return path


def test_phrases_that_are_nearly_alike_share_a_letter():
    a, b = phrase(60, 62, 64, 65, 67, 65, 64, 62), phrase(72, 71, 69, 67, 65, 64, 62, 60)
    almost = phrase(60, 62, 64, 65, 67, 65, 64, 60)  # seven of eight notes: .875 of onsets
    other = phrase(60, 62, 64, 65, 60, 60, 60, 60)  # four of eight
    assert form_letters(np.stack([b, a, almost, b, other])).tolist() == [0, 1, 1, 0, 2]
    silent = np.zeros(32, np.int8)
    assert form_letters(np.stack([silent, silent])).tolist() == [0, 0]


def test_register_and_density_are_of_what_is_played():
    low, high = phrase(48, 50, 52, 53), phrase(74, 76, 77, 79)
    assert (register_of(low), register_of(high)) == (0, 4)
    assert density_of(np.stack([low, low]), 8) == 0  # four notes in eight quarters
    assert density_of(phrase(*[60] * 16)[None], 8) == 3


def test_what_moves_by_step_sings_and_what_leaps_or_lies_low_does_not():
    scale = [60, 62, 64, 65, 67, 69, 71, 72]
    assert sings(np.stack([phrase(*scale), phrase(*scale[::-1])]))
    assert not sings(np.stack([phrase(*(p - 24 for p in scale))] * 2))
    assert not sings(np.stack([phrase(60, 72, 60, 72, 60, 72, 60, 72)] * 2))
    assert not sings(phrase(60)[None])


def test_a_metre_has_its_class():
    assert [METRES[metre_class(m)] for m in ((3, 4, 4), (6, 8, 4), (7, 8, 4), (3, 4, 3))] == [
        "3/4", "6/8", "other", "triplets",
    ]  # fmt: skip


def test_what_is_no_tunes_file_is_refused(tmp_path):
    (tmp_path / "tunes.npz").write_text("tunes")
    with pytest.raises(CorpusError, match="no tunes there"):
        Tunes.open(tmp_path / "tunes.npz")
    np.savez(tmp_path / "less.npz", tokens=np.zeros((1, 32), np.int8), table=np.zeros(1, [("role", "i4")]),
             styles=["a"], cols=["b"], metres=[(4, 4, 4)])  # fmt: skip
    with pytest.raises(CorpusError, match="lacks style, col"):
        Tunes.open(tmp_path / "less.npz")


def test_phrases_of_a_short_metre_hear_the_note_that_was_played_last(tunes):
    found = Tunes.open(tunes)
    phrases = Phrases.of_tunes(found, 0)
    row = found.table[0]  # 3/4: phrases of 24 steps, each then a silence that nobody plays
    assert row["bar"] * row["per"] == 24
    first, second = found.phrases(0)[:2]
    assert phrases.before[0].tolist() == [0, 0, 0, 0]
    played = first[first > 1]
    assert phrases.before[1].tolist() == [*played[::-1][:3], 1]  # its last note rings up to the seam, in 3/4 as in 4/4
    assert (phrases.tokens[1] == second).all()
    assert phrases.labels[0].tolist() == [0, 0, METRES.index("3/4")]


def sequences(letters=((0, 1, 0, 2),), D=2):
    """Sequences of one transposition each, whose codes say where they stand."""
    length = torch.tensor([len(f) for f in letters])
    rows = torch.arange(int(length.sum()))
    return Sequences(
        codes=torch.stack([rows + 0.5 * k for k in range(D)], 1).float() + 1,
        tokens=torch.full((len(rows), 32), REST, dtype=torch.int8),
        rows=rows,
        letters=torch.tensor([x for f in letters for x in f]),
        rests=rows % 3,
        rhythms=torch.tensor([x % 2 for f in letters for x in f]),
        begin=torch.cumsum(length, 0) - length,
        length=length,
        steps=torch.full_like(length, 32),
        labels=torch.tensor([[k % 4, 0, 0, 0, 0, k % 12, 0] for k in range(len(letters))]),
        chances=torch.linspace(1 / len(letters), 1, len(letters), dtype=torch.float64).expand(2, -1).contiguous(),
    )


def test_a_short_tune_is_whole_and_masked():
    batch = sequences().take(torch.tensor([0]), torch.tensor([0]))
    assert batch.mask[0].tolist() == [True] * 4 + [False] * (PHRASES - 4)
    assert batch.x_0[0, :4, 0].tolist() == [1, 2, 3, 4]
    assert not batch.x_0[0, 4:].any()
    assert batch.places[0, :4].T.tolist() == [[0, 1, 2, 3], [3, 2, 1, 0], [0, 1, 0, 2], [0, 1, 2, 0], [0, 1, 0, 0]]


def test_a_window_knows_how_far_opening_and_ending_are():
    form = tuple(range(70))
    window = sequences((form,)).take(torch.tensor([0]), torch.tensor([20]))
    assert window.mask.all()
    assert window.places[0, 0].tolist() == [20, FAR, 0, 2, 0]  # 49 phrases to the ending: far
    assert window.places[0, -1].tolist() == [FAR, 18, 31, 0, 1]  # letters begin anew in every window
    ends = {
        tuple(p[[0, -1], 0].tolist()) for p in sequences((form,)).draw(256, torch.Generator().manual_seed(0)).places
    }
    assert (0, 31) in ends  # openings
    assert (FAR, FAR) in ends


def test_letters_are_numbered_in_order_of_appearance():
    assert relabelled(torch.tensor([[7, 7, 3, 7, 0], [2, 1, 0, 1, 2]])).tolist() == [[0, 0, 1, 0, 2], [0, 1, 2, 1, 0]]


def test_labels_and_places_are_dropped_as_often_as_said():
    generator, sizes = torch.Generator().manual_seed(0), (4, 2, 12, 5, 4)
    labels = drop_labels(torch.zeros(40_000, 5, dtype=torch.long), sizes, generator)
    gone = labels == torch.tensor(sizes)
    assert gone.float().mean(0) == pytest.approx([0.1 + 0.9 * 0.15] * 5, abs=0.01)
    assert gone.all(1).float().mean() == pytest.approx(0.1, abs=0.01)
    places = drop_places(torch.zeros(40_000, 3, 5, dtype=torch.long), generator)
    gone = places == torch.tensor(PLACE_SIZES)
    assert (gone.all(1) == gone.any(1)).all()  # one kind is dropped for a whole sequence
    assert gone[:, 0].float().mean(0) == pytest.approx([0.37, 0.37, 0.46, 0.46, 0.46], abs=0.01)


def test_tunes_are_encoded_in_every_transposition_and_collections_have_their_share(tunes, toy_networks):
    found = Tunes.open(tunes)
    made, deviation = encode_tunes(
        toy_networks[0], found, 0, shifts=(0, 2), weights={"one": 0.75, "two": 0.25}, parts=4, precision="fp32"
    )
    train = found.split(0, role=0)
    chance = torch.diff(made.chances, prepend=torch.zeros(2, 1, dtype=torch.float64))
    assert (made.labels[: 2 * len(train), 0] == 0).all()
    one = np.repeat(found.table["col"][train] == 0, 2)
    assert chance[1, : 2 * len(train)][torch.from_numpy(one)].sum() == pytest.approx(0.75)
    assert chance[0, : 2 * len(train)].sum() == pytest.approx(0.7, abs=0.21)  # fewer groups where parts are missing
    assert len(deviation) == len(made.codes)
    first = made.codes[made.rows[made.begin[0] : made.begin[0] + made.length[0]]]
    mean, _ = toy_networks[0].encode(torch.from_numpy(found.phrases(int(train[0])).astype(np.int64)))
    other = made.codes[made.rows[made.begin[1] : made.begin[1] + made.length[1]]]
    steps = [found.steps(int(tune)) for tune in train]
    pauses = [rest_classes(found.phrases(int(tune)), n) for tune, n in zip(train, steps, strict=True)]
    assert made.rests[: sum(2 * len(some) for some in pauses)].tolist() == [
        k for some in pauses for _ in (0, 1) for k in some.tolist()
    ]
    rhythms = [rhythm_letters(found.phrases(int(tune))) for tune in train]
    assert made.rhythms[: sum(2 * len(some) for some in rhythms)].tolist() == [
        k for some in rhythms for _ in (0, 1) for k in some.tolist()
    ]
    near = [float((codes - mean).abs().max().detach()) for codes in (first, other)]
    assert min(near) < 0.01 < max(near)  # one of the two is not transposed


# -- the network ------------------------------------------------------------------------------------


def network(D=3, trained=True):
    torch.manual_seed(0)
    made = TuneDenoiser(TuneDenoiserConfig(D, (4, 2, 12, 5, 4, 12, 12), width=24, layers=2, heads=2, hidden=32)).eval()
    if trained:  # what begins at zero would hide what it is told
        with torch.no_grad():
            for weight in made.parameters():
                weight.add_(0.2 * torch.randn(weight.shape))
    return made


def given(B=3, D=3, filled=6):
    random = torch.Generator().manual_seed(1)
    x, prev = torch.randn(2, B, PHRASES, D, generator=random)
    labels = torch.tensor([[0, 1, 2, 3, 0, 7, 2]]).repeat(B, 1)
    at = torch.arange(PHRASES)
    places = torch.stack([at, at.flip(0), at % 2, at % 3, at // 2 % 3], 1)
    mask = torch.zeros(B, PHRASES, dtype=torch.bool)
    mask[:, :filled] = True
    return [x, torch.linspace(-3, 3, B), prev, labels, places.repeat(B, 1, 1), mask]


def test_what_the_mask_hides_is_not_seen():
    net, told = network(), given()
    before = net(*told)
    told[0] = told[0].clone()
    told[0][:, 6:] += 10
    assert torch.allclose(net(*told)[:, :6], before[:, :6], atol=1e-5)
    told[0][0, 5] += 1
    after = net(*told)
    assert not torch.allclose(after[0, :5], before[0, :5], atol=1e-3)  # and what it shows is
    assert torch.allclose(after[1:, :6], before[1:, :6], atol=1e-5)  # no tune sees another


@pytest.mark.parametrize("which", range(12))
def test_every_label_is_heard_and_its_null_is_its_own(which):
    net, told = network(), given()
    before = net(*told)[0, 0]
    seen = [before]
    for value in (1, None):
        labels, places = told[3].clone(), told[4].clone()
        if which < 7:
            labels[:, which] = net.config.labels[which] if value is None else (labels[:, which] + 1) % 2
        else:
            places[..., which - 7] = (
                PLACE_SIZES[which - 7] if value is None else (places[..., which - 7] + 1) % PLACE_SIZES[which - 7]
            )
        seen.append(net(*told[:3], labels, places, told[5])[0, 0])
    assert all(
        not torch.allclose(a, b, atol=1e-4) for a, b in ((seen[0], seen[1]), (seen[0], seen[2]), (seen[1], seen[2]))
    )


@pytest.mark.parametrize(("bias", "of"), [("equal_bias", LETTER), ("rhythm_bias", RHYTHM)])
def test_equal_letters_attend_to_each_other_and_nulls_do_not(bias, of):
    net, told = network(), given(filled=PHRASES)
    for attention in net.attentions:
        torch.nn.init.constant_(getattr(attention, bias), 0.0)
    without = net(*told)
    for attention in net.attentions:
        torch.nn.init.constant_(getattr(attention, bias), 4.0)
    assert not torch.allclose(net(*told), without, atol=1e-3)
    told[4][..., of] = PLACE_SIZES[of]
    biased = net(*told)
    for attention in net.attentions:
        torch.nn.init.constant_(getattr(attention, bias), 0.0)
    assert torch.allclose(net(*told), biased, atol=1e-5)


def test_its_recipe_is_within_bounds():
    made = TuneDenoiser(TuneDenoiserConfig(D=48))
    assert 2.9e6 < sum(p.numel() for p in made.parameters()) < 6e6
    assert forward_flops("denoiser", network()) > 0


# -- training ---------------------------------------------------------------------------------------


def space(D=3):
    random = np.random.default_rng(0)
    return LatentSpace.fit(random.normal(size=(64, D)), np.full((64, D), 0.1))


def task(net=None, steps=10):
    data = replace(sequences(((0, 1, 0, 2), (0, 0, 1, 0, 2)), 3), codes=torch.randn(9, 3))
    return TuneTask(net or network(), space(), data, data, DiffusionConfig(), steps=steps)


def test_the_table_of_log_snr_is_the_schedule():
    made = task()
    level = torch.rand(200, generator=torch.Generator().manual_seed(0)).clamp(1e-3, 0.999)
    exact = made.diffusion.schedule.log_snr(level.double().numpy() * made.diffusion.schedule.T)
    assert np.abs(made.diffusion.log_snr(level).numpy() - exact).max() < 2e-3


def test_the_loss_is_that_of_the_phrases_that_are_there():
    made, generator = task(network(trained=False)), torch.Generator().manual_seed(0)
    drawn = made.train.draw(8, generator)
    eps = torch.randn(drawn.x_0.shape, generator=generator)
    at = torch.full((8,), 0.5)
    errors = made._errors(made.network, drawn, eps, at, feed_back=False)
    alpha_bar = torch.sigmoid(made.diffusion.log_snr(at))[
        :, None, None
    ]  # an untrained network predicts 0: the error is v squared
    v = alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * drawn.x_0
    by_hand = torch.stack([v[k, drawn.mask[k]].square().mean() for k in range(8)])
    assert torch.allclose(errors.double(), by_hand.double(), atol=1e-5)


def test_the_last_stage_sees_tunes_alone():
    made = task(steps=10)
    chances = torch.tensor([[0.0, 1.0], [1.0, 1.0]], dtype=torch.float64)  # first the second sequence, then the first
    made.train = replace(made.train, chances=chances)
    lengths = [
        made.train.draw(16, torch.Generator().manual_seed(0), stage).mask.sum(1).unique().tolist() for stage in (0, 1)
    ]
    assert lengths == [[5], [4]]
    assert made.change == 6


def test_that_labels_act_is_measured():
    net = network(trained=False)
    made = task(net)
    drawn = made.validation.draw(16, torch.Generator().manual_seed(0))
    eps = torch.randn(drawn.x_0.shape)
    assert all(abs(v) < 1e-6 for v in label_acts(made, net, drawn, eps).values())  # an untrained network hears none


class Nowhere:
    """Stands for a generator of a device that computes nothing."""

    device = torch.device("meta")


@pytest.fixture
def nowhere(monkeypatch):
    """Makes a generator of `meta`, a device that computes nothing: what is made elsewhere meets it, and is refused."""

    def without_generator(draw):
        def drawn(*sizes, generator=None, device="cpu", **more):
            assert torch.device(device).type == "meta", "a random number made on the wrong device"
            return draw(*sizes, device=device, **more)

        return drawn

    def begin():
        for name in ("rand", "randn", "randperm", "randint"):
            monkeypatch.setattr(torch, name, without_generator(getattr(torch, name)))
        return Nowhere()

    return begin


def test_everything_is_made_on_the_device_of_a_task_of_tunes(nowhere):
    data = replace(sequences(), codes=torch.randn(4, 3))
    made = TuneTask(network(), space(), data, data, DiffusionConfig(), steps=10, device="meta")
    made.network.to("meta")
    generator = nowhere()
    for step in (0, 1, 2, 3):  # with its own estimate fed back, and without
        assert made.loss(made.network, 4, step, generator)[0].device.type == "meta"


def test_everything_is_made_on_the_device_of_a_task_of_windows(nowhere):
    random = np.random.default_rng(0)
    windows = np.zeros((6, 6), np.int64)
    windows[:, 0] = np.arange(6)
    codes = random.normal(size=(9, 2, 4)).astype(np.float16)
    latents = Latents(codes, random.integers(0, 9, 40).astype(np.int32), windows, {})
    four = LatentSpace(np.zeros(4), np.ones(4), np.array([True, False, True, True]), -np.ones(3), np.ones(3))
    denoiser = Denoiser(DenoiserConfig(3, width=24, layers=1, heads=2, hidden=16))
    mdn, generator = TransformerMDN(MDNConfig(3, width=20, layers=1, hidden=16)), nowhere()
    for posterior in ("draw", "mean"):
        made = DenoiserTask(denoiser, four, [latents] * 2, None, DiffusionConfig(), posterior, device="meta")
        made.network.to("meta")
        for step in (0, 1, 2, 3):
            assert made.loss(made.network, 4, step, generator)[0].device.type == "meta"
        task = MDNTask(mdn, four, [latents], None, posterior=posterior)  # looks at labels, which `meta` has not
        task.train, task._possible, task.device = made.train, [torch.arange(6, device="meta")], made.device
        assert task.loss(task.network.to("meta"), 4, 0, generator)[0].device.type == "meta"


def test_everything_is_made_on_the_device_of_a_task_of_phrases(tunes, nowhere):
    phrases = Phrases.of_tunes(Tunes.open(tunes), 0)
    vae = MelodyVAE(VAEConfig(width=16, layers=1, heads=2, hidden=16, slot=4, latent=8, writer=16, labels=(4, 2, 12)))
    made = VAETask(vae, phrases, phrases, beta=1.0, sigma=0.5, device="meta")
    loss, figures = made.loss(vae.to("meta"), 4, 0, nowhere())
    assert {loss.device.type, figures["kl"].device.type} == {"meta"}


def test_everything_is_made_on_the_device_of_a_decoder_of_tunes(tunes, nowhere):
    phrases, data = Phrases.of_tunes(Tunes.open(tunes), 0), sequences(((0, 1, 0, 2), (0, 0, 1, 1, 2)), D=3)
    vae = MelodyVAE(VAEConfig(width=16, layers=1, heads=2, hidden=16, slot=4, latent=3, writer=16, labels=(4, 2, 12)))
    made = TuneDecoderTask(
        vae, network(), space(), (data, data), (phrases, phrases), DiffusionConfig(),
        DecoderConfig(guidance=1.5, stride=400), device="meta",
    )  # fmt: skip
    loss, figures = made.loss(made.network, 16, 0, nowhere())
    assert {loss.device.type, figures["back"].device.type, figures["exact"].device.type} == {"meta"}


TINY = [
    "network.width=24", "network.layers=1", "network.heads=2", "network.hidden=32", "loop.steps=6", "loop.batch=8",
    "loop.precision=fp32", "loop.device=cpu", "loop.evaluate_every=6", "loop.log_every=2", "loop.warmup=1",
    "tunes.parts=4", "tunes.shifts=[0, 3]", "tunes.shares={one = 0.5, two = 0.5}",
]  # fmt: skip
TINY_VAE = [
    "network.width=16", "network.layers=1", "network.heads=2", "network.hidden=16", "network.slot=4",
    "network.latent=8", "loop.steps=4", "loop.batch=8", "loop.precision=fp32", "loop.device=cpu", "loop.log_every=1",
]  # fmt: skip


def test_what_makes_its_batches_on_the_cpu_says_so(corpus, tmp_path):
    recipe = read_recipe(ROOT / "recipes/decoder.toml", ["loop.device=auto"])
    with pytest.raises(RecipeError, match="trains on the cpu"):
        runs.train_decoder(recipe, corpus, tmp_path / "run")


@pytest.fixture(scope="module")
def trained(tunes, tmp_path_factory):
    """Runs of a VAE, of its decoder alone and of a denoiser, each some steps long."""
    folder, found = tmp_path_factory.mktemp("runs"), Tunes.open(tunes)
    vae = read_recipe(ROOT / "recipes/open_vae.toml", TINY_VAE)
    tune_runs.train_vae(vae, found, folder / "vae")
    frozen = read_recipe(ROOT / "recipes/open_vae.toml", [*TINY_VAE, "loss.frozen=true", "loop.lr=0.1"])
    tune_runs.train_vae(frozen, found, folder / "decoder", init=folder / "vae")
    recipe = read_recipe(ROOT / "recipes/open.toml", [*TINY, f"tunes.vae={folder / 'vae'}"])
    tune_runs.train_denoiser(recipe, found, folder / "denoiser")
    return folder


TINY_WRITER = [
    *TINY_VAE[:6], "latents.stride=300", "loop.batch=16", "loop.precision=fp32", "loop.device=cpu", "loop.log_every=1",
    "loop.compile=false", "loop.ema=0", "loop.warmup=1", "tunes.parts=4", "tunes.shifts=[0]",
    "tunes.shares={one = 0.5, two = 0.5}",
]  # fmt: skip


def test_a_decoder_of_tunes_learns_what_a_denoiser_makes_of_them_and_goes_on(trained, tunes, tmp_path):
    found = Tunes.open(tunes)
    settings = [*TINY_WRITER, f"latents.model={trained / 'vae'}", f"latents.denoiser={trained / 'denoiser'}"]
    for steps in (2, 5):
        more = [f"loop.steps={steps}", f"loop.evaluate_every={steps}", "loop.lr=1e-2"]
        recipe = read_recipe(ROOT / "recipes/open_decoder.toml", [*settings, *more])
        assert obstacles(recipe, found, tmp_path / "run") == []
        assert tune_runs.train_decoder(recipe, found, tmp_path / "run") == steps
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "back" in row] == [1, 2, 3, 4, 5]
    assert {"exact_mean", "nll_0.2", "nll_0.8"} <= set(rows[-1]["validation"])
    still = read_recipe(ROOT / "recipes/open_decoder.toml", [*settings, "loop.steps=1", "loop.lr=0"])
    tune_runs.train_decoder(still, found, tmp_path / "still")
    begins = load_weights(find_checkpoint(tmp_path / "still")[1])
    learned = load_weights(find_checkpoint(tmp_path / "run")[1])
    of_the_vae = tune_runs.load_vae(trained / "vae").decoder.state_dict()
    assert all(torch.equal(begins[name], of_the_vae[name]) for name in of_the_vae)
    assert not torch.equal(learned["logits.weight"], of_the_vae["logits.weight"])


def test_a_decoder_of_tunes_is_of_latents_that_its_denoiser_knows(trained, tunes, tmp_path):
    found = Tunes.open(tunes)
    tune_runs.train_vae(
        read_recipe(ROOT / "recipes/open_vae.toml", [*TINY_VAE, "loop.seed=5"]), found, tmp_path / "vae"
    )
    for settings, message in (
        ([f"latents.denoiser={trained / 'denoiser'}"], "say whose latents it decodes"),
        ([f"latents.model={tmp_path / 'vae'}", f"latents.denoiser={trained / 'denoiser'}"], "learned from VAE"),
        ([f"latents.model={trained / 'vae'}", "network.writer=24"], "another shape than the recipe's"),
        (["latents.model=pop-64"], "another shape|not a model of tunes"),
    ):
        recipe = read_recipe(ROOT / "recipes/open_decoder.toml", [*TINY_WRITER, "loop.steps=1", *settings])
        with pytest.raises(RecipeError, match=message):
            tune_runs.train_decoder(recipe, found, tmp_path / "run")
        assert obstacles(recipe, found, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_decoder_is_told_of_other_phrases_what_writing_is_told(tunes):
    """Of tunes in all metres, alone and as windows of longer ones."""
    found = Tunes.open(tunes)
    melodies = found.split(0)[:24].tolist()
    size = max(len(found.phrases(m)) for m in melodies)
    for melody in melodies:
        phrases, steps = found.phrases(melody), found.steps(melody)
        first = np.arange(len(phrases)) == 0
        filled = np.concatenate([phrases, np.repeat(phrases[-1:], size - len(phrases), axis=0)]).astype(np.int64)
        mask = torch.arange(size)[None] < len(phrases)
        for opens in (True, False):
            given = torch.from_numpy(filled)[None], mask, torch.tensor([steps]), torch.tensor([opens])
            before, around = (of[0, : len(phrases)].numpy() for of in told_of_others(*given))
            wanted = context(phrases[:, :steps], first)
            if not opens:
                wanted[0] = UNKNOWN
            np.testing.assert_array_equal(before, wanted)
            np.testing.assert_array_equal(around, pitch_classes(phrases[:, :steps], first))


def test_latents_that_come_back_from_little_noise_are_what_they_were():
    made, generator = Diffusion(space(), DiffusionConfig()), torch.Generator().manual_seed(0)
    x_0 = torch.randn(4, 6, 3, generator=generator).clamp(-1, 1)
    share = torch.tensor([0.1, 0.4, 0.7, 0.95])
    level = made.level_of(share)
    assert torch.allclose((1 - torch.sigmoid(made.log_snr(level))).sqrt().float(), share, atol=2e-3)

    def knows(x_t, log_snr, x0_prev):  # v of the x_0 that it knows
        bar = torch.sigmoid(log_snr.double())[:, None, None]
        return ((bar.sqrt() * x_t - x_0) / (1 - bar).sqrt()).float()

    came = made.back(knows, x_0, level, generator, steps=5)
    assert torch.allclose(came, x_0, atol=1e-2)

    def blind(x_t, log_snr, x0_prev):  # x0_hat is what is seen, made as large as x_0 is
        bar = torch.sigmoid(log_snr.double())[:, None, None]
        return ((bar.sqrt() * x_t - x_t / bar.sqrt()) / (1 - bar).sqrt()).float()

    wrong = (made.back(blind, x_0, level, generator, steps=5) - x_0).square().mean((1, 2)).sqrt()
    assert wrong[0] < wrong[1] < wrong[2]


def test_a_frozen_encoder_stays_and_its_decoder_learns(trained):
    before, after = (tune_runs.load_vae(trained / name).state_dict() for name in ("vae", "decoder"))
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert {n for n in before if not n.startswith("decoder.")} <= same
    assert "decoder.logits.weight" not in same


def test_a_frozen_encoder_has_to_come_from_somewhere(tunes, tmp_path):
    recipe = read_recipe(ROOT / "recipes/open_vae.toml", [*TINY_VAE, "loss.frozen=true"])
    with pytest.raises(RecipeError, match="give --init"):
        tune_runs.train_vae(recipe, Tunes.open(tunes), tmp_path / "run")


def test_a_run_goes_on_bit_for_bit(trained, tunes, tmp_path):
    settings = [*TINY, f"tunes.vae={trained / 'vae'}", "loop.decay=0"]
    for steps in (3, 6):
        recipe = read_recipe(ROOT / "recipes/open.toml", [*settings, f"loop.steps={steps}", "tunes.final=0"])
        tune_runs.train_denoiser(recipe, Tunes.open(tunes), tmp_path / "parts")
    tune_runs.train_denoiser(recipe, Tunes.open(tunes), tmp_path / "whole")
    a, b = (tune_runs.load_latent_network(tmp_path / n, "denoiser")[0].state_dict() for n in ("parts", "whole"))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_its_validation_is_logged(trained):
    rows = [json.loads(line) for line in (trained / "denoiser/metrics.jsonl").read_text().splitlines()]
    figures = rows[-1]["validation"]
    assert {"told", "not_told", "self_conditioned", "letter_0.2"} <= set(figures)


def test_exported_its_graphs_are_its_networks(trained, tunes, tmp_path):
    tune_runs.export_run(
        trained / "denoiser",
        trained / "decoder",
        tmp_path / "model",
        tunes=Tunes.open(tunes),
        data="tunes of our own",
        licence="CC BY 4.0",
    )
    about = json.loads((tmp_path / "model/model.json").read_text())
    assert about["labels"]["style"] == list(STYLES)
    assert [len(v) for v in about["labels"].values()] == list(label_sizes(len(STYLES)))
    assert about["provenance"]["licence"] == "CC BY 4.0"
    assert about["densities"] == tune_runs.real_densities(Tunes.open(tunes))
    net, meta = tune_runs.load_latent_network(trained / "denoiser", "denoiser")
    told = given(D=about["denoiser"]["config"]["D"])
    session = onnxruntime.InferenceSession(str(tmp_path / "model/denoiser.onnx"))
    names = ("x_t", "log_snr", "x0_prev", "labels", "places", "mask")
    theirs = session.run(None, {n: t.numpy() for n, t in zip(names, told, strict=True)})[0]
    ours = net(*told).detach().numpy()
    assert np.abs(ours - theirs)[:, :6].max() < 0.02  # half precision
    assert meta["styles"] == list(STYLES)


def test_a_rare_metre_is_known_where_the_vae_rebuilds_it(trained, tunes, monkeypatch):
    found, vae = Tunes.open(tunes), tune_runs.load_vae(trained / "vae")
    many = Counter(str(found.metre(tune)) for tune in found.split(0, role=0).tolist()).most_common()
    (common, most), (rare, few) = many[0], many[-1]
    for share, wanted in ((0.81, True), (0.79, False)):
        monkeypatch.setattr(tune_runs, "rebuilt", lambda vae, tunes, metre, share=share: share)
        assert (rare in tune_runs.known_metres(found, vae, least=most, heard=few)) is wanted
        assert common in tune_runs.known_metres(found, vae, least=most, heard=few)
        assert rare not in tune_runs.known_metres(found, vae, least=most, heard=few + 1)


def test_what_is_rebuilt_is_that_of_one_metre(trained, tunes):
    """A network that writes nothing but the first phrase of a metre rebuilds its share of them."""
    found, vae = Tunes.open(tunes), tune_runs.load_vae(trained / "vae")
    metre = found.metre(0)
    some = np.concatenate([found.phrases(t) for t in found.split(0, least=1).tolist() if found.metre(t) == metre])
    some = some[~is_silent(some)]
    vae.decoder.write = lambda z, *told: torch.from_numpy(some[:1].astype(np.int64)).expand(len(z), -1)
    assert tune_runs.rebuilt(vae, found, metre) == pytest.approx((some == some[0]).all(1).mean())


def test_densities_are_quantiles_of_the_notes_a_quarter_of_training_tunes(tunes):
    found = Tunes.open(tunes)
    many = tune_runs.real_densities(found, least=1)
    assert tune_runs.real_densities(found, least=10_000) == {}
    for style, of in many.items():
        for metre, some in of.items():
            theirs = [
                (found.phrases(t) > 1).sum() / (len(found.phrases(t)) * found.quarters(t))
                for t in found.split(0, role=0).tolist()
                if found.styles[found.table["style"][t]] == style
                and str(Metre(*found.metres[found.table["metre"][t]])) == metre
            ]
            assert len(some) == 15
            assert some == sorted(some)
            assert min(theirs) - 1e-3 <= some[0] <= some[-1] <= max(theirs) + 1e-3


@pytest.mark.parametrize("knew", [3, 4])
def test_a_network_that_knew_of_no_rests_or_rhythms_is_a_warm_start_and_a_model(trained, tunes, tmp_path, knew):
    """It begins as it was; what it is told beyond that changes nothing, until it has learned it."""
    found, old = Tunes.open(tunes), tmp_path / "old"
    shutil.copytree(trained / "denoiser", old)
    told, folder = find_checkpoint(old)
    for name in ("weights", "average"):
        weights = load_file(folder / f"{name}.safetensors")
        unknown = (*(f"places.{k}." for k in range(knew, 5)), *(k for k in weights if k.endswith("rhythm_bias")))
        save_file({k: v for k, v in weights.items() if not k.startswith(unknown)}, folder / f"{name}.safetensors")
    config = told["network"] | {"places": PLACE_SIZES[:knew]}
    (folder / "run.json").write_text(json.dumps(told | {"network": config}))
    before, _ = tune_runs.load_latent_network(old, "denoiser")
    assert len(before.places) == knew

    made = TuneDenoiser(replace(before.config, places=PLACE_SIZES)).eval()
    assert runs.warm_start(made, old, "denoiser") == unknown
    asked = given(D=made.config.D)
    assert torch.equal(made(*asked), before(*asked))
    asked[4][..., knew:] += 1
    assert torch.equal(made(*asked), before(*asked))

    tune_runs.export_run(old, trained / "decoder", tmp_path / "model", tunes=found, data="ours", licence="CC BY 4.0")
    place = tmp_path / "model" / "model.json"
    about = json.loads(place.read_text())
    if knew == 3:
        del about["denoiser"]["config"]["places"]  # as it was written then
    about["forms"] = {style: [form.split()[0] for form in some] for style, some in about["forms"].items()}
    about["metres"] = ["4/4"]
    place.write_text(json.dumps(about))
    assert load(tmp_path / "model").compose(bars=8, steps=2).melody.bars == 8
    assert len(tune_runs.denoiser_of_tunes(tmp_path / "model")[0].places) == knew


def test_a_run_begins_with_a_model_by_its_name(trained, tunes, tmp_path, monkeypatch):
    """Weights, latent space and VAE are the model's."""
    found, model = Tunes.open(tunes), tmp_path / "models/mine"
    tune_runs.export_run(
        trained / "denoiser", trained / "decoder", model, tunes=found, data="tunes of our own", licence="CC BY 4.0"
    )
    monkeypatch.setenv("CANTILENA_MODELS", str(model.parent))
    recipe = read_recipe(ROOT / "recipes/open.toml", [*TINY, "tunes.vae=mine", "loop.steps=1", "loop.lr=1e-9"])
    tune_runs.train_denoiser(recipe, found, tmp_path / "run", init=Path("mine"))
    ours, theirs = (LatentSpace.load(folder / "latent.npz") for folder in (tmp_path / "run", model))
    assert ours.fingerprint == theirs.fingerprint
    new, old = (
        tune_runs.load_latent_network(run, "denoiser")[0].state_dict()["inputs.weight"]
        for run in (tmp_path / "run", trained / "denoiser")
    )
    assert (new - old).abs().max() < 1e-3  # half precision


def test_a_denoiser_is_not_exported_with_another_vae(trained, tunes, tmp_path):
    recipe = read_recipe(ROOT / "recipes/open_vae.toml", [*TINY_VAE, "loop.seed=5"])
    tune_runs.train_vae(recipe, Tunes.open(tunes), tmp_path / "other")
    with pytest.raises(RecipeError, match="trained on latents of VAE"):
        tune_runs.export_run(
            trained / "denoiser", tmp_path / "other", tmp_path / "model", tunes=Tunes.open(tunes), data="", licence=""
        )


def test_recipes_and_music_have_to_fit(tunes, trained, tmp_path):
    found = Tunes.open(tunes)
    with pytest.raises(RecipeError, match=r"tunes\.vae"):
        tune_runs.train_denoiser(read_recipe(ROOT / "recipes/open.toml", TINY), found, tmp_path / "run")
    with pytest.raises(RecipeError, match="network_type = tune"):
        tune_runs.train_denoiser(read_recipe(ROOT / "recipes/small.toml"), found, tmp_path / "run")


def test_the_script_for_a_gpu_trains_lanes_beside_each_other_packs_and_goes_on(tunes, corpus, tmp_path):
    """On the CPU: how many steps fit is measured, or said; another call with what came back finds nothing left to do."""
    small = "--set loop.device=cpu --set loop.precision=fp32 --set loop.batch=4"
    vae = " ".join(f"--set {s}" for s in TINY_VAE if s.startswith("network"))
    environment = os.environ | {
        "PYTHON": sys.executable, "PIECE": "40000", "PROBE": "40", "CORPUS": corpus.directory.name,
        "SET_VAE": f"{small} {vae}",
        "SET_TUNE": f"{small} --set network.width=24 --set network.layers=1 --set network.heads=2 --set tunes.parts=4 "
                    "--set tunes.shifts=[0] --set tunes.shares={one=0.5,two=0.5} --set loop.steps=4 --set loop.keep_every=2",
        "SET_WRITER": f"{small} {vae} --set loop.compile=false --set latents.stride=400 --set loop.steps=2",
        "SET_MDN": f"{small} --set network.width=20 --set network.layers=1 --set loop.steps=3 --set data.windows=40 --set loop.log_every=1",
    }  # fmt: skip
    script, pack, out = str(ROOT / "scripts/gpu_train.sh"), tmp_path / "pack", tmp_path / "out"
    given = [script, "pack", str(pack), str(tunes), str(corpus.directory)]
    subprocess.run(["bash", *given], env=environment, check=True)

    def train(work, *lanes, **more):
        (tmp_path / work).mkdir()
        given = [script, "train", str(pack), str(out), *lanes]
        there = environment | {"WORK": str(tmp_path / work), **more}
        return subprocess.run(["bash", *given], env=there, check=True, capture_output=True, text=True)

    done = train("work", "vae:2 tune:60 writer:60", "mdn:60")
    assert all(f"{name}: ended with 0" in done.stdout for name in ("vae", "tune", "writer", "mdn")), done.stdout
    assert max(p.stat().st_size for p in out.iterdir()) <= 40_000
    joined = tmp_path / "joined.tar.xz"
    joined.write_bytes(b"".join(p.read_bytes() for p in sorted(out.glob("trained.tar.xz.*"))))
    with tarfile.open(joined) as tar:
        tar.extractall(tmp_path, filter="data")
    trained = tmp_path / "trained"
    assert json.loads(next((trained / "vae").glob("step-*/run.json")).read_text())["step"] >= 20  # as many as fit
    assert [p.name for p in sorted((trained / "tune/averages").iterdir())] == ["2.safetensors", "4.safetensors"]
    assert runs.load_latent_network(trained / "mdn", "mdn")[1]["step"] == 3
    denoiser, meta = runs.load_latent_network(trained / "tune", "denoiser")
    assert isinstance(denoiser, TuneDenoiser)
    runs.vae_of(trained / "tune", meta, trained / "vae")  # which still has the name that the latents bear
    for piece in out.iterdir():
        piece.unlink()
    less = environment["SET_MDN"].replace("--set loop.steps=3", "")
    for work, settings, seconds in (("first", environment["SET_MDN"], 60), ("second", less, 2)):
        done = train(work, f"mdn:{seconds}", WHOLE="1", SET_MDN=settings)
        assert "runs/mdn: step 3 of 3" in done.stdout
        assert not list((tmp_path / work / "probes").iterdir())  # nothing was measured: the steps are known
        for piece in out.iterdir():
            (pack / piece.name).write_bytes(piece.read_bytes())
    told = [(tmp_path / work / "runs/mdn/metrics.jsonl").read_text() for work in ("first", "second")]
    assert told[0] == told[1]  # the second call learned nothing more
