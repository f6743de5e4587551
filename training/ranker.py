"""The ranker's network: crosses of a few strong features (DCN-v2) beside a perceptron, several of them averaged."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.encoder import Encoder

HEADS = ("listen", "favourite")
"""What the network says of a candidate: whether the user will listen, and whether it will be played more than what the user plays on average."""


class CrossNetwork(nn.Module):
    """x_{l+1} = x_0 * (W_l x_l + b_l) + x_l. Source: Wang et al., "DCN V2", WWW 2021."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] of the same shape."""
        crossed = x
        for layer in self.layers:
            crossed = x * layer(crossed) + crossed
        return crossed


class Ranker(nn.Module):
    """One network: features as they are, [..., F + codes] -> scores [..., heads]."""

    def __init__(self, encoder: Encoder, hidden: int = 48, depth: int = 2) -> None:
        super().__init__()
        width = encoder.width
        self.encoder = encoder
        self.cross = CrossNetwork(width, depth)
        self.deep = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden // 2), nn.ReLU())
        self.out = nn.Linear(width + hidden // 2, len(HEADS))

    def forward(self, features: Tensor) -> Tensor:
        """[..., F + codes] -> [..., heads]."""
        x = self.encoder(features)
        return self.out(torch.cat([self.cross(x), self.deep(x)], dim=-1))


class Ensemble(nn.Module):
    """The mean of several rankers' scores: they differ by their seeds alone, and err apart."""

    def __init__(self, members: list[Ranker]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, features: Tensor) -> Tensor:
        """[..., F + codes] -> [..., heads]."""
        return torch.stack([member(features) for member in self.members]).mean(dim=0)
