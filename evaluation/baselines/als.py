"""Implicit ALS by the library implicit (Hu, Koren and Volinsky 2008, "Collaborative Filtering for Implicit Feedback Datasets")."""

from __future__ import annotations

from dataclasses import dataclass

from domain.arrays import FloatArray, RowArray
from domain.listens import Listens
from evaluation.baselines.matrix import listen_matrix
from evaluation.baselines.scorer import Scorer


@dataclass(frozen=True, slots=True)
class AlsSettings:
    """As the library calls them; confidence is 1 + alpha * weight of a listen."""

    factors: int
    regularisation: float
    alpha: float = 1.0
    iterations: int = 15
    weights: str = "binary"
    seed: int = 1


def fit_als(kept: Listens, settings: AlsSettings) -> Scorer:
    """Scores the inner product of a user's and a creator's factors."""
    from implicit.cpu.als import AlternatingLeastSquares  # noqa: PLC0415 - as in neighbours.py
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - as above

    with threadpool_limits(1, "blas"):  # the library wants its own threads alone, and looks for others when it is made
        model = AlternatingLeastSquares(
            factors=settings.factors,
            regularization=settings.regularisation,
            alpha=settings.alpha,
            iterations=settings.iterations,
            num_threads=1,
            random_state=settings.seed,
        )
        model.fit(listen_matrix(kept, settings.weights), show_progress=False)
    of_users, of_creators = model.user_factors, model.item_factors

    def score(users: RowArray) -> FloatArray:
        scores: FloatArray = of_users[users] @ of_creators.T
        return scores

    return score
