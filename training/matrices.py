"""Listens and friendships as sparse matrices."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from domain.arrays import AnyArray, FloatArray
from domain.listens import Listens, SideTables


def played(listens: Listens) -> sparse.csr_matrix:
    """CSR float32 [users, creators]: 1 where somebody played somebody."""
    return _matrix(listens, np.ones(len(listens), np.float32))


def weighted(listens: Listens) -> sparse.csr_matrix:
    """CSR float32 [users, creators]: the weights of listens."""
    return _matrix(listens, weights(listens))


def weights(listens: Listens) -> FloatArray:
    """float32 [n]: log(1 + count) over the user's mean of it. Raw counts go over five decades; who plays a lot is no better known."""
    shares: FloatArray = (np.log1p(listens.counts) / mean_logs(listens)[listens.users]).astype(np.float32)
    return shares


def mean_logs(listens: Listens) -> AnyArray:
    """float64 [users]: the mean of log(1 + count) over a user's listens; 0 without any."""
    user_count = len(listens.user_ids)
    sums = np.bincount(listens.users, np.log1p(listens.counts), minlength=user_count)
    means: AnyArray = sums / np.maximum(1, np.bincount(listens.users, minlength=user_count))
    return means


def followed(listens: Listens, side: SideTables) -> sparse.csr_matrix:
    """CSR float32 [users, creators]: 1 where somebody follows somebody."""
    shape = (len(listens.user_ids), len(listens.creator_ids))
    matrix = sparse.csr_matrix((np.ones(len(side.followed), np.float32), (side.followed[:, 0], side.followed[:, 1])), shape)
    matrix.data[:] = 1.0
    return matrix


def friendships(listens: Listens, side: SideTables) -> sparse.csr_matrix:
    """CSR float32 [users, users], rows that sum to 1 (or are empty): a user's friends, each alike, whichever of the two named the other."""
    user_count = len(listens.user_ids)
    both = np.concatenate([side.friends, side.friends[:, ::-1]])
    matrix = sparse.csr_matrix((np.ones(len(both), np.float32), (both[:, 0], both[:, 1])), (user_count, user_count))
    matrix.data[:] = 1.0
    sums = np.maximum(1.0, np.asarray(matrix.sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags((1.0 / sums).astype(np.float32)) @ matrix, dtype=np.float32)


def _matrix(listens: Listens, values: FloatArray) -> sparse.csr_matrix:
    matrix = sparse.csr_matrix((values, (listens.users, listens.creators)), (len(listens.user_ids), len(listens.creator_ids)))
    matrix.sort_indices()
    return matrix
