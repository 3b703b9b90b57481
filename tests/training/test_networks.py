import pytest
import torch

from cantilena.training.networks import (
    LABEL_SIZES,
    Denoiser,
    DenoiserConfig,
    MelodyVAE,
    PaperDenoiser,
    PaperDenoiserConfig,
    parameter_count,
)


def test_the_papers_denoiser_has_the_papers_number_of_parameters():
    assert parameter_count(PaperDenoiser(PaperDenoiserConfig(D=42))) == 25_579_946


def test_the_shipped_networks_are_within_their_bounds():
    assert parameter_count(MelodyVAE()) == 1_032_826 <= 1_200_000
    assert parameter_count(Denoiser(DenoiserConfig(D=64))) <= 3_500_000


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
