"""Low-rank adaptation of a network's matrices (Hu et al. 2021, "LoRA", equation 3): W + B A, with W as it was.

B begins at zero, so the network begins as it was; merged, it is a network as any other.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

__all__ = ["adapt", "merge"]


class LowRank(nn.Module):
    """W (out, in) -> W + B A, with B (out, rank) and A (rank, in)."""

    def __init__(self, weight: Tensor, rank: int):
        super().__init__()
        rows, columns = weight.shape
        self.B = nn.Parameter(torch.zeros(rows, rank))
        self.A = nn.Parameter(torch.randn(rank, columns) / math.sqrt(columns))

    def forward(self, weight: Tensor) -> Tensor:
        """The adapted matrix."""
        return weight + self.B @ self.A


def adapt(network: nn.Module, rank: int) -> list[nn.Parameter]:
    """Freeze a network but for a change of this rank in each of its matrices; the parameters of these changes."""
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    changes = []
    for layer in [m for m in network.modules() if isinstance(m, nn.Linear) and min(m.weight.shape) > rank]:
        change = LowRank(layer.weight, rank)
        parametrize.register_parametrization(layer, "weight", change)
        changes += [change.A, change.B]
    return changes


def merge(network: nn.Module) -> None:
    """Make the changes part of the matrices."""
    for layer in [m for m in network.modules() if isinstance(m, nn.Linear) and parametrize.is_parametrized(m)]:
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
