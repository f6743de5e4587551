"""Item-kNN by the library implicit: creators like those that the user listened to, by the cosine of their listeners."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from domain.arrays import FloatArray, RowArray
from domain.listens import Listens
from evaluation.baselines.matrix import listen_matrix
from evaluation.baselines.scorer import Scorer


def fit_neighbours(kept: Listens, neighbour_count: int, similarity: str = "cosine", weights: str = "binary") -> Scorer:
    """Scores X S, where S keeps the `neighbour_count` most similar creators of each, or all where it has fewer.

    similarity: "cosine", "tfidf" or "bm25".
    """
    from implicit import nearest_neighbours as library  # noqa: PLC0415 - the extra `train` has it; the protocol and the metrics need it not
    from implicit.utils import ParameterWarning  # noqa: PLC0415 - as above

    models = {"cosine": library.CosineRecommender, "tfidf": library.TFIDFRecommender, "bm25": library.BM25Recommender}
    matrix = listen_matrix(kept, weights)
    model = models[similarity](K=min(neighbour_count, _most_neighbours(matrix)), num_threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ParameterWarning)  # the library converts its own intermediate matrix and warns about it
        model.fit(matrix, show_progress=False)
    similar = model.similarity

    def score(users: RowArray) -> FloatArray:
        return np.asarray((matrix[users] @ similar).todense(), np.float32)

    return score


def _most_neighbours(matrix: Any) -> int:
    """Of how many creators, itself included, the listeners of one creator know: the library makes room for K of them per creator, wanted or not."""
    together = (matrix.T @ matrix).tocsr()
    return max(1, int(np.diff(together.indptr).max(initial=1)))
