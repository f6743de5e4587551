"""Two towers whose dot product is the similarity of stage 1. The creator tower reads content beside an id, and learns to do without the id."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from domain.arrays import FloatArray
from training.knowledge import Knowledge
from training.space import Space

RIDGE = 10.0


@dataclass(frozen=True)
class TowerShape:
    """Widths of what the towers read, and the most tag dimensions whose cosine the similarity starts with."""

    taste: int
    tags: int
    most_tags: int

    @classmethod
    def of(cls, known: Knowledge) -> TowerShape:
        """As this knowledge has them."""
        return cls(known.tower_taste.users.shape[1], known.tags.users.shape[1], known.sizes.tower_tags)

    @property
    def shared_tags(self) -> int:
        """The tag dimensions whose cosine the similarity starts with."""
        return min(self.most_tags, self.tags)

    @property
    def embedding(self) -> int:
        """192 where there is that much data. The last dimension is the creator's own share, whoever asks."""
        return self.taste + self.shared_tags + 1


@dataclass(frozen=True)
class TowerInputs:
    """Tensors float32. taste [users, taste]; history_tags [users, tags], the weighted sum over the history; content, unheard [creators, tags + 1]."""

    taste: Tensor
    history_tags: Tensor
    content: Tensor
    unheard: Tensor

    @classmethod
    def of(cls, known: Knowledge, history_tags: FloatArray) -> TowerInputs:
        """What the towers read of this knowledge."""
        return cls(
            *(torch.from_numpy(np.ascontiguousarray(a)) for a in (known.tower_taste.users, history_tags, known.content, known.unheard_content))
        )


class CreatorTower(nn.Module):
    """vector = content(tags) + id's own vector where the id is known. [b, embedding]."""

    def __init__(self, creator_count: int, shape: TowerShape, hidden: int = 128) -> None:
        super().__init__()
        content_width = shape.tags + 1
        self.content = nn.Linear(content_width, shape.embedding)
        self.deep = nn.Sequential(nn.Linear(content_width, hidden), nn.ReLU(), nn.Linear(hidden, shape.embedding))
        self.own = nn.Embedding(creator_count, shape.embedding)
        nn.init.zeros_(self.deep[2].weight)
        nn.init.zeros_(self.deep[2].bias)

    def forward(self, creators: Tensor, content: Tensor, has_id: Tensor) -> Tensor:
        """creators int64 [b]; content [b, tags + 1]; has_id float [b]: 0 where only content may speak."""
        return self.content(content) + self.deep(content) + self.own(creators) * has_id[:, None]


class UserTower(nn.Module):
    """vector = a linear map of the history's place in taste and tags, and a small perceptron beside it. [b, embedding], the last dimension 1."""

    def __init__(self, shape: TowerShape, hidden: int = 128) -> None:
        super().__init__()
        width = shape.taste + shape.tags
        self.linear = nn.Linear(width, shape.embedding - 1)
        self.deep = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, shape.embedding - 1))
        nn.init.zeros_(self.deep[2].weight)
        nn.init.zeros_(self.deep[2].bias)

    def forward(self, taste: Tensor, history_tags: Tensor) -> Tensor:
        """taste [b, taste]; history_tags [b, tags], of any length."""
        x = torch.cat([taste, nn.functional.normalize(history_tags, dim=1)], dim=1)
        return torch.cat([self.linear(x) + self.deep(x), torch.ones(len(x), 1)], dim=1)


class TwoTowers(nn.Module):
    """Both, and how sharp the softmax over their dot products is."""

    def __init__(self, creator_count: int, shape: TowerShape) -> None:
        super().__init__()
        self.shape = shape
        self.users = UserTower(shape)
        self.creators = CreatorTower(creator_count, shape)
        self.log_sharpness = nn.Parameter(torch.tensor(np.log(12.0), dtype=torch.float32))

    @torch.no_grad()
    def begin_from(self, known: Knowledge, tag_strength: float) -> None:
        """Start at the item model: identity on its factors for listened creators, their ridge regression on content for the others, and the cosine
        of tags, which counts tag_strength."""
        width, places = self.shape.taste, torch.arange(self.shape.shared_tags)
        self.users.linear.weight.zero_()
        self.users.linear.bias.zero_()
        self.users.linear.weight[:width, :width] = torch.eye(width)
        self.users.linear.weight[width + places, width + places] = tag_strength**0.5
        taste = known.taste.first(width).creators
        weights, bias = _ridge(known.unheard_content, taste, known.listeners)
        self.creators.content.weight.zero_()
        self.creators.content.bias.zero_()
        self.creators.content.weight[:width] = torch.from_numpy(weights.T)
        self.creators.content.bias[:width] = torch.from_numpy(bias)
        self.creators.content.weight[width + places, places] = tag_strength**0.5
        self.creators.own.weight.zero_()
        self.creators.own.weight[:, :width] = torch.from_numpy(taste - known.content @ weights - bias)


def _ridge(content: FloatArray, vectors: FloatArray, listeners: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(weights [tags + 1, D], bias [D]) of the vectors on content, creators counting by the log of their listeners."""
    share = np.log1p(listeners)[:, None]
    x = np.column_stack([content, np.ones(len(content), np.float32)])
    solved = np.linalg.solve(x.T @ (x * share) + RIDGE * np.eye(x.shape[1]), x.T @ (vectors * share)).astype(np.float32)
    return solved[:-1], solved[-1]


@torch.no_grad()
def embed(model: TwoTowers, inputs: TowerInputs, listeners: FloatArray, boost: float) -> Space:
    """The space of stage 1: the sharpness goes into the users' side; creators without a listener have no id to speak of, and get `boost` more."""
    model.eval()
    everyone = torch.arange(len(inputs.content))
    heard = torch.from_numpy((listeners > 0).astype(np.float32))
    content = torch.where(heard[:, None] > 0, inputs.content, inputs.unheard)
    creators = model.creators(everyone, content, heard)
    creators[:, -1] += boost * (1.0 - heard)
    users = model.users(inputs.taste, inputs.history_tags)
    return Space(users.numpy(), creators.numpy())
