"""How wide what is learned may be."""

from __future__ import annotations

from dataclasses import dataclass

FULL = 192  # with wider embeddings the slate's NDCG on Last.fm no longer rises


@dataclass(frozen=True)
class Sizes:
    """Dimensions, at most; small data has fewer. taste, neighbours, tags: of the vectors that the ranker reads. tower_taste, tower_tags: of these in
    the embedding of stage 1, which has one more for the creator's own share."""

    taste: int = 512
    neighbours: int = 256
    tags: int = 128
    tower_taste: int = 112
    tower_tags: int = 79

    @classmethod
    def of(cls, embedding: int) -> Sizes:
        """For an embedding of that width, everything in proportion."""
        full = cls()
        tower_tags = round((embedding - 1) * full.tower_tags / (FULL - 1))
        taste, neighbours, tags = (max(1, one * embedding // FULL) for one in (full.taste, full.neighbours, full.tags))
        return cls(taste, neighbours, tags, embedding - 1 - tower_tags, tower_tags)
