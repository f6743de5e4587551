"""The ranker as it is served: vectors in, dot products and facts made of them, scores out. The same features as `training.features`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from training.knowledge import Knowledge
from training.ranker import HEADS

FACTS = ("listeners", "tag_count")
"""Numbers of a creator, beside its vectors."""

OUTPUTS = (*HEADS, "fresh")
"""The heads of the served graph. fresh: 1 for creators without a listener."""


class ServedRanker(nn.Module):
    """candidates [n, T + N + G + 3]: creator.taste, .neighbours, .tags, .listeners, .tag_count and retrieval.similarity; user [1, T + N + G + T + 1]:
    user.taste, .neighbours, .tags, .friends and .history_length. listen, favourite, fresh [n]."""

    def __init__(self, ensemble: nn.Module, known: Knowledge) -> None:
        super().__init__()
        self.ensemble = ensemble
        self.widths = [space.creators.shape[1] for space in (known.taste, known.neighbours, known.tags)]

    def forward(self, candidates: Tensor, user: Tensor) -> tuple[Tensor, ...]:
        """What OUTPUTS names, of n candidates of one user."""
        taste, neighbours, tags, listeners, tag_count, similarity = candidates.split([*self.widths, 1, 1, 1], dim=1)
        own_taste, own_neighbours, own_tags, friends, length = user.split([*self.widths, self.widths[0], 1], dim=1)
        dots = [creator @ own.T for creator, own in ((taste, own_taste), (neighbours, own_neighbours), (tags, own_tags), (taste, friends))]
        unheard = (listeners == 0).to(listeners.dtype)
        history = torch.log1p(length) + torch.zeros_like(similarity)
        features = torch.cat([*dots, similarity, torch.log1p(listeners), tag_count, unheard, history], dim=1)
        heads = self.ensemble(features)
        return (*(heads[:, place] for place in range(len(HEADS))), unheard[:, 0])


def binding(objective: Mapping[str, float]) -> dict[str, Any]:
    """How the inputs are fed and the outputs weighed: goes into the model's metadata."""
    creator = ["creator.taste", "creator.neighbours", "creator.tags", "creator.listeners", "creator.tag_count", "retrieval.similarity"]
    user = ["user.taste", "user.neighbours", "user.tags", "user.friends", "user.history_length"]
    return {
        "version": 1,
        "objective": {head: objective[head] for head in OUTPUTS},
        "inputs": {"candidates": {"per": "candidate", "columns": creator}, "user": {"per": "request", "columns": user}},
    }
