"""Everything that one part of the listens teaches without gradients: the spaces that the towers start from and the ranker reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD

from domain.arrays import FloatArray
from domain.listens import Listens, SideTables
from training.item_model import PLAIN, TAGGED, fit_item_model
from training.matrices import friendships, played, weighted
from training.space import Space
from training.tags import TagProfiles, tag_profiles

TAG_DIMENSIONS = 128  # hold most of a TF-IDF profile's cosine


@dataclass(frozen=True)
class Knowledge:
    """What is known from `listens` and `side` alone; nothing of what was held out from them.

    taste: the item model with tags; neighbours: without. tags: a user's mean profile against creators' profiles, both of length 1.
    friends: float32 [users, D]: the mean of friends' vectors in `taste`. content, unheard_content: float32 [creators, TAG_DIMENSIONS + 1], the
    profile and the log number of tags, as it is and as it would be without listeners. listeners: float32 [creators]; history_length: float32 [users].
    """

    listens: Listens
    played: sparse.csr_matrix
    taste: Space
    neighbours: Space
    tags: Space
    friends: FloatArray
    content: FloatArray
    unheard_content: FloatArray
    listeners: FloatArray
    history_length: FloatArray


def learn(listens: Listens, side: SideTables, seed: int) -> Knowledge:
    """Fit all spaces on these listens and these tags."""
    matrix, weights, profiles = played(listens), weighted(listens), tag_profiles(listens, side)
    taste = fit_item_model(weights, profiles.profiles, TAGGED)
    content, unheard = _content(profiles, seed)
    return Knowledge(
        listens=listens,
        played=matrix,
        taste=taste,
        neighbours=fit_item_model(weights, profiles.profiles, PLAIN),
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


def _content(profiles: TagProfiles, seed: int) -> tuple[FloatArray, FloatArray]:
    dimension_count = min(TAG_DIMENSIONS, profiles.profiles.shape[1] - 1) if profiles.profiles.nnz else 0
    if dimension_count < 1:  # hardly any tags: one dimension that says nothing keeps every shape
        nothing = np.zeros_like(profiles.totals)
        return np.column_stack([nothing, profiles.totals]), np.column_stack([nothing, profiles.unheard_totals])
    svd = TruncatedSVD(dimension_count, random_state=seed).fit(profiles.profiles)
    seen, unheard = unit(svd.transform(profiles.profiles)), unit(svd.transform(profiles.unheard))
    return np.column_stack([seen, profiles.totals]), np.column_stack([unheard, profiles.unheard_totals])
