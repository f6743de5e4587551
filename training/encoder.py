"""The first layer of a ranker: numbers standardised, codes of categories as small vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from domain.arrays import FloatArray

EMBEDDING_LIMIT = 4  # dimensions of a category


class Encoder(nn.Module):
    """Standardises by itself, so that the served graph cannot forget to."""

    def __init__(self, mean: FloatArray, deviation: FloatArray, code_counts: tuple[int, ...] = ()) -> None:
        """mean, deviation: float32 [F] of the numbers. code_counts: how many codes each category has."""
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("scale", torch.from_numpy(1.0 / deviation))
        self.embeddings = nn.ModuleList(nn.Embedding(count, min(EMBEDDING_LIMIT, count)) for count in code_counts)
        for embedding in self.embeddings:
            nn.init.normal_(embedding.weight, std=0.1)
        self.width = len(mean) + sum(embedding.embedding_dim for embedding in self.embeddings)

    def forward(self, features: Tensor) -> Tensor:
        """[..., F + codes] -> [..., width]."""
        count = self.mean.shape[0]
        numbers = (features[..., :count] - self.mean) * self.scale
        embedded = [embedding(features[..., count + place].long()) for place, embedding in enumerate(self.embeddings)]
        return torch.cat([numbers, *embedded], dim=-1)
