"""What the ranker makes of columns and of the history. Slates to learn from and the served graph both run this."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.columns import Columns, NumberColumn


class ColumnFeatures(nn.Module):
    """Numbers, with logarithms of long tails; whether categories of one name are equal; how a candidate's embedding lies to those of the history, by
    cosine: the mean and the largest. Then all codes, for whoever embeds them."""

    def __init__(self, columns: Columns) -> None:
        super().__init__()
        self.columns = columns
        self.register_buffer("creator_logged", _logged(columns.creator.numbers))
        self.register_buffer("request_logged", _logged(columns.request_numbers))

    @property
    def number_count(self) -> int:
        """How many of the features are no codes."""
        return len(self.creator_logged) + len(self.request_logged) + len(self.columns.matches) + 2 * self.columns.history

    def forward(self, numbers: tuple[Tensor, Tensor], codes: tuple[Tensor, Tensor], vectors: tuple[Tensor, ...]) -> Tensor:
        """[n, number_count + codes]. numbers: of creators [n, a] and of the request [1, b]; codes: int64 [n, c] and [1, d]. vectors, with a history:
        the candidates' embeddings [n, D], the history's [1, L, D] and its mask [1, L]."""
        count = numbers[0].shape[0]
        request = _read(numbers[1], self.request_logged).expand(count, -1)
        equal = [(codes[0][:, a] == codes[1][:, b]) & (codes[1][:, b] > 0) for a, b in self.columns.matches]
        parts = [_read(numbers[0], self.creator_logged), request, *(one.to(request.dtype)[:, None] for one in equal)]
        if self.columns.history:
            parts.append(_echoes(*vectors))
        return torch.cat([*parts, codes[0].to(request.dtype), codes[1].to(request.dtype).expand(count, -1)], dim=1)


def _logged(columns: tuple[NumberColumn, ...]) -> Tensor:
    return torch.tensor([place for column in columns for place in column.logged_places()], dtype=torch.bool)


def _read(numbers: Tensor, logged: Tensor) -> Tensor:
    return torch.where(logged, torch.log1p(numbers.clamp_min(0.0)), numbers)


def _echoes(candidates: Tensor, history: Tensor, mask: Tensor) -> Tensor:
    """[n, 2]: 0 for an empty history, as for one that has nothing to do with the candidate."""
    cosines = (_unit(candidates) @ _unit(history[0]).T) * mask
    length = mask.sum(dim=1, keepdim=True).clamp_min(1.0)
    mean = cosines.sum(dim=1, keepdim=True) / length
    largest = (cosines - 2.0 * (1.0 - mask)).amax(dim=1, keepdim=True) * mask.amax(dim=1, keepdim=True)  # padding stands below every cosine
    return torch.cat([mean, largest], dim=1)


def _unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(1e-12)
