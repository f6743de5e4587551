"""Everything that one part of the listens teaches without gradients: the spaces that the towers start from and the ranker reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD

from domain.arrays import FloatArray
from domain.listens import Listens, SideTables
from training.item_model import PLAIN, TAGGED, fit_item_model
from training.matrices import friendships, played, weighted
from training.sizes import Sizes
from training.space import Space
from training.tags import TagProfiles, tag_profiles


@dataclass(frozen=True)
class Knowledge:
    """What is known from `listens` and `side` alone; nothing of what was held out from them.

    taste: the item model with tags; neighbours: without. tags: a user's mean profile against creators' profiles, both of length 1.
    friends: float32 [users, D]: the mean of friends' vectors in `taste`. content, unheard_content: float32 [creators, tags + 1], the profile
    and the log number of tags, as it is and as it would be without listeners. listeners: float32 [creators]; history_length: float32 [users].
    """

    listens: Listens
    sizes: Sizes
    played: sparse.csr_matrix
    taste: Space
    neighbours: Space
    tags: Space
    friends: FloatArray
    content: FloatArray
    unheard_content: FloatArray
    listeners: FloatArray
    history_length: FloatArray

    @property
    def tower_taste(self) -> Space:
        """The leading dimensions of taste: what the towers read. The slate's NDCG falls with fewer."""
        return self.taste.first(self.sizes.tower_taste)


def learn(listens: Listens, side: SideTables, seed: int, sizes: Sizes) -> Knowledge:
    """Fit all spaces on these listens and these tags."""
    matrix, weights, profiles = played(listens), weighted(listens), tag_profiles(listens, side)
    taste = fit_item_model(weights, profiles.profiles, replace(TAGGED, rank=sizes.taste))
    content, unheard = _content(profiles, seed, sizes.tags)
    return Knowledge(
        listens=listens,
        sizes=sizes,
        played=matrix,
        taste=taste,
        neighbours=fit_item_model(weights, profiles.profiles, replace(PLAIN, rank=sizes.neighbours)),
        tags=Space(unit(np.asarray(weights @ content[:, :-1])), content[:, :-1]),
        friends=np.asarray(friendships(listens, side) @ taste.users),
        content=content,
        unheard_content=unheard,
        listeners=np.bincount(listens.creators, minlength=len(listens.creator_ids)).astype(np.float32),
        history_length=np.bincount(listens.users, minlength=len(listens.user_ids)).astype(np.float32),
    )


def unit(vectors: FloatArray) -> FloatArray:
    """Rows brought to length 1; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: FloatArray = (vectors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return scaled


def _content(profiles: TagProfiles, seed: int, limit: int) -> tuple[FloatArray, FloatArray]:
    dimension_count = min(limit, profiles.profiles.shape[1] - 1) if profiles.profiles.nnz else 0
    if dimension_count < 1:  # hardly any tags: one dimension that says nothing keeps every shape
        nothing = np.zeros_like(profiles.totals)
        return np.column_stack([nothing, profiles.totals]), np.column_stack([nothing, profiles.unheard_totals])
    svd = TruncatedSVD(dimension_count, random_state=seed).fit(profiles.profiles)
    seen, unheard = unit(svd.transform(profiles.profiles)), unit(svd.transform(profiles.unheard))
    return np.column_stack([seen, profiles.totals]), np.column_stack([unheard, profiles.unheard_totals])
