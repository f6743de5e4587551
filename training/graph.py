"""The ranker as it is served: vectors and columns in, dot products and facts made of them, scores out. The same features as `training.features`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.column_graph import ColumnFeatures
from training.columns import Columns
from training.features import NAMES
from training.knowledge import Knowledge
from training.ranker import HEADS

OUTPUTS = (*HEADS, "fresh")
"""The heads of the served graph. fresh: 1 for creators without a listener."""

UNHEARD = NAMES.index("unheard")


class ServedRanker(nn.Module):
    """The inputs are those of `binding`, in its order. Columns of tables follow the learned vectors of the same input.
    The outputs are OUTPUTS, [n] each."""

    def __init__(self, ensemble: nn.Module, known: Knowledge, columns: Columns) -> None:
        super().__init__()
        self.ensemble = ensemble
        self.columns = columns
        self.widths = [space.creators.shape[1] for space in (known.taste, known.neighbours, known.tags)]
        self.column_features = ColumnFeatures(columns)

    def forward(self, candidates: Tensor, user: Tensor, *columns: Tensor) -> tuple[Tensor, ...]:
        """What OUTPUTS names, of n candidates of one user."""
        features = self._all_features(candidates, user, columns) if self.columns else self._features(candidates, user)
        heads = self.ensemble(features)
        return (*(heads[:, place] for place in range(len(HEADS))), features[:, UNHEARD])

    def _all_features(self, candidates: Tensor, user: Tensor, columns: tuple[Tensor, ...]) -> Tensor:
        vectors, facts = sum(self.widths) + 3, sum(self.widths) + self.widths[0] + 1
        features = self._features(candidates[:, :vectors], user[:, :facts])
        return torch.cat([features, self._column_features(candidates[:, vectors:], user[:, facts:], columns)], dim=1)

    def _features(self, candidates: Tensor, user: Tensor) -> Tensor:
        taste, neighbours, tags, listeners, tag_count, similarity = candidates.split([*self.widths, 1, 1, 1], dim=1)
        own_taste, own_neighbours, own_tags, friends, length = user.split([*self.widths, self.widths[0], 1], dim=1)
        dots = [creator @ own.T for creator, own in ((taste, own_taste), (neighbours, own_neighbours), (tags, own_tags), (taste, friends))]
        unheard = (listeners == 0).to(listeners.dtype)
        history = torch.log1p(length) + torch.zeros_like(similarity)
        return torch.cat([*dots, similarity, torch.log1p(listeners), tag_count, unheard, history], dim=1)

    def _column_features(self, candidates: Tensor, user: Tensor, columns: tuple[Tensor, ...]) -> Tensor:
        given = dict(zip(column_inputs(self.columns), columns, strict=True))
        width = self.column_features.creator_logged.shape[0]
        codes = given.get("creator_codes", candidates[:, :0].long()), given.get("user_codes", user[:, :0].long())
        vectors = (candidates[:, width:], given["history"], given["history_mask"]) if self.columns.history else ()
        return self.column_features((candidates[:, :width], user), codes, vectors)


def column_inputs(columns: Columns) -> list[str]:
    """The inputs beside `candidates` and `user`, in order: those that the data has columns for."""
    codes = ["creator_codes"] * bool(columns.creator.categories) + ["user_codes"] * bool(columns.request_categories)
    return [*codes, *(["history", "history_mask"] if columns.history else [])]
