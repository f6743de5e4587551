"""What retrieval gives: the ranker has to learn on the creators that it will be asked about, not on all there are."""

from __future__ import annotations

import numpy as np

from demo.knowledge import Knowledge
from domain.arrays import RowArray

CANDIDATE_COUNT = 200


def retrieve(known: Knowledge, listener: int) -> RowArray:
    """The 200 creators nearest to a listener by cosine, best first, without those followed or not available at home: exact, int64."""
    creators, listeners = known.world.creators, known.world.listeners
    similarities = known.creator_unit @ known.listener_unit[listener]
    similarities[~creators.available[:, listeners.country[listener]]] = -np.inf
    similarities[known.followed[listener]] = -np.inf
    best: RowArray = np.argsort(-similarities, kind="stable")[:CANDIDATE_COUNT].astype(np.int64)
    return best
