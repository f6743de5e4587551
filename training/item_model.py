"""A linear item-to-item model in closed form, with tags: EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019), whose
training rows are the listeners and, after them, the tags ("collective" in the sense of Jeunen et al., "Closed-Form Models for Collaborative
Filtering with Side-Information", RecSys 2020). Solved on the side of the rows, of which there are far fewer than creators.

With Z [rows, creators], K = Z Z' + lambda I and P = (Z'Z + lambda I)^-1 = (I - Z' K^-1 Z) / lambda, EASE scores X as X - X P / diag(P), and
X P = (K^-1 Z) restricted to the listeners' rows. So S = X - (K^-1 Z) / diag(P): for what a listener played, S is the prediction from the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from domain.arrays import FloatArray
from training.space import Space


@dataclass(frozen=True)
class ItemModelOptions:
    """regularisation: lambda. tag_weight: what a tag profile of length 1 counts beside a listen; 0 leaves tags out. damping: creators' columns are
    divided by listeners^damping, which keeps the famous from explaining everything. rank: of the factors. Chosen on inner folds."""

    regularisation: float = 200.0
    tag_weight: float = 2.0
    damping: float = 0.2
    rank: int = 512


TAGGED = ItemModelOptions()
PLAIN = ItemModelOptions(regularisation=200.0, tag_weight=0.0, rank=256)


def fit_item_model(listens: sparse.csr_matrix, profiles: sparse.csr_matrix, options: ItemModelOptions) -> Space:
    """The best factors of that rank of S. listens: CSR float32 [users, creators]; profiles: CSR float32 [creators, tags]."""
    rows = _rows(listens, profiles, options)
    user_count, regularisation = listens.shape[0], options.regularisation * 10.0 ** (-2 * options.damping)
    kernel = (rows @ rows.T).toarray()
    kernel[np.diag_indices(len(kernel))] += regularisation
    inverse = linalg.inv(kernel, overwrite_a=True, check_finite=False).astype(np.float32)
    scale = 1.0 / _diagonal(rows, inverse, regularisation)
    return _factors(rows.astype(np.float32), inverse[:user_count], scale, options.rank)


def _rows(listens: sparse.csr_matrix, profiles: sparse.csr_matrix, options: ItemModelOptions) -> sparse.csr_matrix:
    listeners = np.bincount(listens.indices, minlength=listens.shape[1]) + 1.0
    damped = listens @ sparse.diags(listeners**-options.damping)
    parts = [damped] if options.tag_weight == 0 else [damped, profiles.T * (options.tag_weight * 10.0**-options.damping)]
    return sparse.vstack(parts).tocsr().astype(np.float64)


def _diagonal(rows: sparse.csr_matrix, inverse: FloatArray, regularisation: float) -> FloatArray:
    """diag(P), float32 [creators], in blocks: the whole of Z' K^-1 would be creators x rows."""
    columns = rows.tocsc().astype(np.float32)
    diagonal = np.empty(columns.shape[1], np.float32)
    for start in range(0, columns.shape[1], 2_000):
        block = columns[:, start : start + 2_000]
        solved = np.asarray(block.T @ inverse)
        places = block.tocoo()
        diagonal[start : start + 2_000] = np.bincount(places.col, places.data * solved[places.col, places.row], minlength=block.shape[1])
    result: FloatArray = np.maximum((1.0 - diagonal) / regularisation, 1e-6).astype(np.float32)
    return result


def _factors(rows: sparse.csr_matrix, inverse: FloatArray, scale: FloatArray, rank: int) -> Space:
    """U sqrt(s), V sqrt(s) of S = J Z - K^-1_J Z D, J picking the listeners' rows, from S S': S itself is never made."""
    user_count = len(inverse)
    own, scaled = rows[:user_count], (rows @ sparse.diags(scale)).tocsr()
    cross = np.asarray((own @ scaled.T).toarray() @ inverse.T)
    gram = (own @ own.T).toarray() - cross - cross.T + inverse @ (scaled @ scaled.T).toarray() @ inverse.T
    rank = min(rank, user_count)
    values, vectors = linalg.eigh(gram, subset_by_index=[user_count - rank, user_count - 1], overwrite_a=True, check_finite=False)
    values, vectors = np.sqrt(np.maximum(values[::-1], 1e-12)), vectors[:, ::-1]
    creators = np.asarray(own.T @ vectors) - np.asarray(scaled.T @ (inverse.T @ vectors))
    root = np.sqrt(values)
    return Space((vectors * root).astype(np.float32), (creators / root).astype(np.float32))
