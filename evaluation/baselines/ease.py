"""EASE: a linear model from creators to creators with a zero diagonal, in closed form (Steck 2019, "Embarrassingly Shallow Autoencoders for
Sparse Data", The Web Conference; arXiv:1905.03375)."""

from __future__ import annotations

from typing import Any

import numpy as np

from domain.arrays import FloatArray, RowArray
from domain.listens import Listens
from evaluation.baselines.matrix import listen_matrix
from evaluation.baselines.scorer import Scorer


def fit_ease(kept: Listens, regularisation: float, weights: str = "binary") -> Scorer:
    """Scores X B, where B minimises |X - X B|^2 + regularisation |B|^2 with a diagonal of zeros.

    With P = (X'X + r)^-1 the solution is B = I - P diag(1 / P_jj). There are fewer users than creators here, so what is inverted is the matrix of
    users by users: X P = (X X' + r)^-1 X, and P_jj = (1 - x_j' (X P)_j) / r, for x_j the column of creator j. Exact, not an approximation.
    """
    matrix = listen_matrix(kept, weights)
    smoothed = _smoothed(matrix, regularisation)
    diagonal = (1.0 - np.asarray(matrix.multiply(smoothed).sum(axis=0)).ravel()) / regularisation

    def score(users: RowArray) -> FloatArray:
        scores: FloatArray = (matrix[users].toarray() - smoothed[users] / diagonal).astype(np.float32)
        return scores

    return score


def _smoothed(matrix: Any, regularisation: float) -> Any:
    """(X X' + r)^-1 X, float64 [users, creators]."""
    gram = np.asarray((matrix @ matrix.T).todense(), np.float64)
    gram[np.diag_indices_from(gram)] += regularisation
    return (matrix.T @ np.linalg.inv(gram)).T
