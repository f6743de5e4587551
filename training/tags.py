"""Creators by their tags: TF-IDF profiles, as everybody sees them and as they would look had nobody listened yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from domain.arrays import BoolArray, FloatArray
from domain.listens import Listens, SideTables

LEAST_CREATORS = 3  # a tag on fewer creators tells hardly anything apart
TAG_COUNT = 1_000  # of those, the ones with the most weight: more changed nothing on the inner folds


@dataclass(frozen=True)
class TagProfiles:
    """profiles: CSR float32 [creators, tags], rows of length 1 or empty. unheard: the same from tags of non-listeners alone: what remains of a
    creator when all its listens are held out. totals, unheard_totals: float32 [creators], log(1 + number of assignments)."""

    profiles: sparse.csr_matrix
    unheard: sparse.csr_matrix
    totals: FloatArray
    unheard_totals: FloatArray


def tag_profiles(listens: Listens, side: SideTables) -> TagProfiles:
    """Profiles from the assignments in `side`. Weights: log(1 + times given) x log(creators / creators with the tag), L2-normalised."""
    everything = np.ones(len(side.tags), np.bool_)
    counts, strangers = _counts(side, everything), _counts(side, ~_by_listeners(listens, side))
    frequency = np.asarray((counts > 0).sum(axis=0)).ravel()
    idf = np.log(counts.shape[0] / np.maximum(1, frequency)) * (frequency >= LEAST_CREATORS)
    chosen = np.argsort(-idf * np.asarray(_logged(counts).sum(axis=0)).ravel(), kind="stable")[:TAG_COUNT]
    weigh = sparse.diags(idf.astype(np.float32)).tocsc()[:, np.sort(chosen)]
    return TagProfiles(
        profiles=_normalised(_logged(counts) @ weigh),
        unheard=_normalised(_logged(strangers) @ weigh),
        totals=_totals(counts),
        unheard_totals=_totals(strangers),
    )


def _counts(side: SideTables, keep: BoolArray) -> sparse.csr_matrix:
    shape = (len(side.names), max(1, len(side.tag_names)))
    return sparse.csr_matrix((np.ones(int(keep.sum()), np.float32), (side.tag_creators[keep], side.tags[keep])), shape)


def _by_listeners(listens: Listens, side: SideTables) -> BoolArray:
    creator_count = max(1, len(listens.creator_ids))
    given: BoolArray = np.isin(side.tag_users * creator_count + side.tag_creators, listens.users * creator_count + listens.creators)
    return given & (side.tag_users >= 0)


def _logged(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    logged = counts.copy()
    logged.data = np.log1p(logged.data)
    return logged


def _totals(counts: sparse.csr_matrix) -> FloatArray:
    totals: FloatArray = np.log1p(np.asarray(counts.sum(axis=1)).ravel()).astype(np.float32)
    return totals


def _normalised(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags((1.0 / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)) @ matrix, dtype=np.float32)
