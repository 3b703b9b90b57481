import math

import pytest
import torch

from cantilena.training.layers import parameter_count
from cantilena.training.losses import mixture_log_likelihood
from cantilena.training.networks import (
    LABEL_SIZES,
    Denoiser,
    DenoiserConfig,
    MDNConfig,
    MelodyVAE,
    TransformerMDN,
)
from cantilena.training.paper import PaperDenoiser, PaperDenoiserConfig, PaperMDN, PaperMDNConfig
from cantilena.training.phrase_decoder import PhraseDecoder, PhraseDecoderConfig
from cantilena.writing import START


def test_the_papers_denoiser_has_the_papers_number_of_parameters():
    assert parameter_count(PaperDenoiser(PaperDenoiserConfig(D=42))) == 25_579_946


def test_the_papers_mdn_has_the_papers_number_of_parameters():
    assert parameter_count(PaperMDN(PaperMDNConfig(D=42))) == 38_050_484


def test_the_shipped_networks_are_within_their_bounds():
    decoder = parameter_count(PhraseDecoder())
    assert decoder <= 1_000_000
    assert parameter_count(MelodyVAE()) - decoder <= 550_000
    assert parameter_count(Denoiser(DenoiserConfig(D=64))) <= 3_500_000
    assert parameter_count(TransformerMDN(MDNConfig(D=42))) <= 1_200_000


@pytest.mark.parametrize("make", [lambda: Denoiser(DenoiserConfig(D=5, width=16, layers=2, heads=2, hidden=16)),
                                  lambda: PaperDenoiser(PaperDenoiserConfig(D=5, width=16, heads=2, hidden=32))])  # fmt: skip
def test_every_phrase_sees_every_other_and_no_melody_sees_another(make):
    torch.manual_seed(1)
    network = make().eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x = torch.randn(2, 32, 5, requires_grad=True)
    labels = torch.tensor(LABEL_SIZES).expand(2, 4)
    out = network(x, torch.tensor([0.0, 3.0]), torch.zeros(2, 32, 5), labels)
    (gradient,) = torch.autograd.grad(out[0, 31].sum(), x)
    assert (gradient[0].abs().sum(-1) > 0).all()
    assert (gradient[1] == 0).all()


def test_the_denoiser_hears_level_labels_and_previous_estimate():
    torch.manual_seed(1)
    network = Denoiser(DenoiserConfig(D=5, width=16, layers=2, heads=2, hidden=16)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x, level, zeros, null = torch.randn(1, 32, 5), torch.zeros(1), torch.zeros(1, 32, 5), torch.tensor([LABEL_SIZES])
    out = network(x, level, zeros, null)
    assert not torch.allclose(out, network(x, level + 1, zeros, null), atol=1e-3)
    assert not torch.allclose(out, network(x, level, zeros + 1, null), atol=1e-3)
    for label in range(4):
        said = null.clone()
        said[0, label] = 0
        assert not torch.allclose(out, network(x, level, zeros, said), atol=1e-3)


@pytest.mark.parametrize("make", [lambda: TransformerMDN(MDNConfig(D=5, width=16, layers=2, heads=2, hidden=16, components=3)),
                                  lambda: PaperMDN(PaperMDNConfig(D=5, width=16, heads=2, hidden=32, components=3))])  # fmt: skip
def test_the_mdn_sees_the_phrases_before_and_never_its_own(make):
    torch.manual_seed(1)
    network = make().eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x = torch.randn(2, 32, 5, requires_grad=True)
    mixture = network(x)
    assert [part.shape for part in mixture] == [(2, 32, 3), (2, 32, 3, 5), (2, 32, 3, 5)]
    assert mixture.log_pi.exp().sum(-1).allclose(torch.ones(2, 32))
    for part in mixture:
        (gradient,) = torch.autograd.grad(part[0, 9].sum() + part[0, 9].square().sum(), x, retain_graph=True)
        assert (gradient[0, :9].abs().sum(-1) > 0).all()
        assert (gradient[0, 9:] == 0).all()
        assert (gradient[1] == 0).all()


def test_the_mdn_does_not_depend_on_how_long_the_sequence_is():
    torch.manual_seed(1)
    network = TransformerMDN(MDNConfig(D=5, width=16, layers=2, heads=2, hidden=16, components=3)).eval()
    x = torch.randn(2, 32, 5)
    for whole, part in zip(network(x), network(x[:, :7]), strict=True):
        torch.testing.assert_close(whole[:, :7], part)


def test_the_likelihood_of_a_mixture_is_that_of_torchs_distributions():
    torch.manual_seed(0)
    log_pi, mean, log_std = torch.randn(4, 6).log_softmax(-1), torch.randn(4, 6, 3), 0.5 * torch.randn(4, 6, 3)
    x = torch.randn(4, 3)
    components = torch.distributions.Independent(torch.distributions.Normal(mean, log_std.exp()), 1)
    oracle = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(logits=log_pi), components)
    torch.testing.assert_close(mixture_log_likelihood(log_pi, mean, log_std, x), oracle.log_prob(x))


def test_the_likelihood_neither_overflows_nor_vanishes():
    log_pi = torch.tensor([0.0, -200.0]).log_softmax(-1)
    mean, log_std = torch.zeros(2, 40), torch.full((2, 40), -5.0)
    mean.requires_grad_()
    far = mixture_log_likelihood(log_pi, mean, log_std, torch.full((40,), 50.0))
    far.backward()
    assert torch.isfinite(far)
    assert torch.isfinite(mean.grad).all()
    near = mixture_log_likelihood(log_pi, mean, log_std, torch.zeros(40))
    assert float(near.detach()) == pytest.approx(40 * (5 - 0.5 * math.log(2 * math.pi)), rel=1e-4)


# -- the decoder ------------------------------------------------------------------------------


def small_decoder(*, trained=True):
    torch.manual_seed(2)
    network = PhraseDecoder(PhraseDecoderConfig(width=16, layers=1, heads=2, hidden=16, slot=4, latent=8, writer=12, head=10, note=3))  # fmt: skip
    if trained:
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
    return network.eval()


def given(n=5):
    """z, sigma, labels, before, around, tokens: anything that may be given, what is not said among it."""
    generator = torch.Generator().manual_seed(3)

    def draw(high, *shape):
        return torch.randint(high, shape, generator=generator)

    labels = torch.stack([draw(size + 1, n) for size in LABEL_SIZES], 1)
    before = torch.cat([draw(START + 1, n, 3), draw(3, n, 1)], 1)
    tokens = torch.where(draw(2, n, 32) == 1, draw(START, n, 32), 0)
    around = draw(9, n, 12).float()
    around[0] = 0
    return torch.randn(n, 8, generator=generator), torch.rand(n, generator=generator), labels, before, around, tokens


@torch.no_grad()
def test_all_steps_at_once_are_the_steps_one_after_another():
    network, (z, sigma, labels, before, around, tokens) = small_decoder(), given()
    at_once = network(z, sigma, labels, before, around, tokens)
    features = network.plan(z, sigma, labels)
    plain, planned = network.logits(features), network.writer.plan(features)
    token, notes, state = torch.full((5,), START), before[:, :2], network.writer.start(before, around)
    for k in range(32):
        logits, state = network.writer.step(planned[:, k], plain[:, k], token, notes, state)
        torch.testing.assert_close(logits, at_once[:, k], atol=1e-5, rtol=1e-5)
        token = tokens[:, k]
        notes = torch.where((token > 1)[:, None], torch.stack([token, notes[:, 0]], 1), notes)


@torch.no_grad()
def test_what_it_writes_is_what_it_finds_likeliest_after_it():
    network, (*told, _) = small_decoder(), given()
    written = network.write(*told)
    assert torch.equal(network(*told, written).argmax(-1), written)


@torch.no_grad()
def test_an_untrained_writer_changes_nothing():
    network, (z, sigma, labels, before, around, tokens) = small_decoder(trained=False), given()
    plain = network.logits(network.plan(z, sigma, labels))
    assert torch.equal(network(z, sigma, labels, before, around, tokens), plain)
    assert torch.equal(network.write(z, sigma, labels, before, around), plain.argmax(-1))
    said_nothing = network.logits(network.plan(z, torch.zeros(5), torch.tensor(LABEL_SIZES).expand(5, 4)))
    assert torch.equal(plain, said_nothing)  # nor do doubt and labels


@pytest.mark.parametrize("k", [0, 7, 30])
@torch.no_grad()
def test_a_token_changes_what_comes_after_it_and_nothing_before(k):
    network, (*told, tokens) = small_decoder(), given()
    other = tokens.clone()
    other[:, k] = torch.where(tokens[:, k] == 50, 51, 50)
    one, two = network(*told, tokens), network(*told, other)
    assert torch.equal(one[:, : k + 1], two[:, : k + 1])
    assert ((one[:, k + 1] - two[:, k + 1]).abs().amax(-1) > 1e-3).all()


@pytest.mark.parametrize("part", range(5))
@torch.no_grad()
def test_the_decoder_hears_latent_doubt_labels_and_other_phrases_and_no_melody_hears_another(part):
    network, everything = small_decoder(), list(given())
    one = network(*everything)
    changed = everything[part].clone()
    changed[1] = changed[2]
    two = network(*everything[:part], changed, *everything[part + 1 :])
    assert not torch.allclose(one[1], two[1], atol=1e-3)
    assert torch.equal(one[[0, 2, 3, 4]], two[[0, 2, 3, 4]])
