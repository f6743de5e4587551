"""The rows of a page as they cross the wire, all written at once.

A serialised message is a sequence of tagged fields, and what is written behind it belongs to it (protobuf.dev, Encoding, "Last One Wins" and repeated
fields): so the rows of a response can be made beside the rest of it. Where all ids have one length and creators have no names, every row is the same
record with other numbers: one array instead of fifty messages, 4 us instead of 14.
"""

from __future__ import annotations

import math

import numpy as np

from domain.arrays import AnyArray, IdArray
from domain.columns import Creators
from domain.request import MAX_PAGE_SIZE
from domain.slate import Slate

MOST_ID_BYTES = 100  # so that the length of a row fits one byte, which has seven bits for it
LENGTH_DELIMITED, FIXED32 = 2, 5  # wire types
RECOMMENDATIONS, CREATOR_ID, SCORE, SIMILARITY = 2, 1, 2, 3  # field numbers of RecommendCreatorsResponse and of Recommendation


class UniformRows:
    """Writes the rows of one catalogue. Immutable; safe from any thread."""

    def __init__(self, ids: IdArray) -> None:
        """ids: bytes 'S<width>' [N], all as long as the width; see `fit`."""
        self._ids, width = ids, ids.dtype.itemsize
        row = [("id_tag", "u1"), ("id_size", "u1"), ("id", f"S{width}"), ("score_tag", "u1"), ("score", "<f4")]
        row += [("similarity_tag", "u1"), ("similarity", "<f4")]
        blank = np.zeros(MAX_PAGE_SIZE, [("tag", "u1"), ("size", "u1"), *row])
        blank["tag"], blank["size"] = RECOMMENDATIONS << 3 | LENGTH_DELIMITED, np.dtype(row).itemsize
        blank["id_tag"], blank["id_size"] = CREATOR_ID << 3 | LENGTH_DELIMITED, width
        blank["score_tag"], blank["similarity_tag"] = SCORE << 3 | FIXED32, SIMILARITY << 3 | FIXED32
        self._blank: AnyArray = blank

    @staticmethod
    def fit(creators: Creators) -> bool:
        """Whether all rows of this catalogue are alike."""
        ids, width = np.asarray(creators.ids), creators.ids.dtype.itemsize
        if creators.names is not None or not 0 < width <= MOST_ID_BYTES:
            return False
        return bool(ids.view(np.uint8).reshape(len(ids), width)[:, -1].all())

    def encode(self, slate: Slate) -> bytes | None:
        """The rows, serialised; None where a score is not finite, which is absent on the wire."""
        if not math.isfinite(sum(slate.scores.tolist())):
            return None
        rows = self._blank[: len(slate.rows)].copy()
        rows["id"], rows["score"], rows["similarity"] = self._ids[slate.rows], slate.scores, slate.similarities
        return rows.tobytes()
