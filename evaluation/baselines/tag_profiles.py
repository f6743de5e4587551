"""Content alone: creators whose tags are like those of what the user listened to. Works for creators without a listen."""

from __future__ import annotations

import numpy as np

from domain.arrays import FloatArray, RowArray
from domain.listens import Listens
from evaluation.baselines.matrix import listen_matrix
from evaluation.baselines.scorer import Scorer
from evaluation.split import CreatorTags


def fit_tag_profiles(kept: Listens, tags: CreatorTags, sublinear: bool = True, weights: str = "binary") -> Scorer:
    """Scores the cosine of TF-IDF tag profiles (scikit-learn): a creator's tags, against the sum over those that the user listened to."""
    from scipy import sparse  # noqa: PLC0415 - the extra `train` has them
    from sklearn.feature_extraction.text import TfidfTransformer  # noqa: PLC0415 - as above
    from sklearn.preprocessing import normalize  # noqa: PLC0415 - as above

    shape = len(kept.creator_ids), len(tags.names)
    given = sparse.csr_matrix((tags.counts, (tags.creators, tags.tags)), shape=shape)
    profiles = TfidfTransformer(sublinear_tf=sublinear).fit_transform(given).astype(np.float32)
    of_users = normalize(listen_matrix(kept, weights) @ profiles)

    def score(users: RowArray) -> FloatArray:
        return np.asarray((of_users[users] @ profiles.T).todense(), np.float32)

    return score
