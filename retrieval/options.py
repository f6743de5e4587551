"""How an index is to be built."""

from __future__ import annotations

import time
from dataclasses import dataclass

from domain.deadline import Clock
from domain.errors import ConfigurationError
from retrieval.description import COSINE, INNER_PRODUCT


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """How to build. m, ef_construction: hnswlib's. candidate_count: where recall is measured; recall: the floor.

    threads: with more than one, hnswlib's graph depends on their timing: same quality, other bytes. clock: times the recall curve, in seconds.
    """

    space: str
    m: int = 16
    ef_construction: int = 400
    candidate_count: int = 200
    recall: float = 0.95
    threads: int = 1
    seed: int = 100
    query_count: int = 1000
    clock: Clock = time.perf_counter

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if self.space not in {COSINE, INNER_PRODUCT}:
            raise ConfigurationError(f"space is {self.space!r}; it must be 'cosine' or 'ip'")
        if not 2 <= self.m <= 512 or not self.m <= self.ef_construction <= 10_000:
            raise ConfigurationError(f"m is {self.m} (2 to 512), ef_construction {self.ef_construction} (m to 10000)")
        if self.candidate_count < 1 or not 0.0 < self.recall <= 1.0 or self.threads < 1 or self.query_count < 1:
            raise ConfigurationError(
                f"candidate_count {self.candidate_count}, threads {self.threads} and query_count {self.query_count} must be positive, "
                f"recall {self.recall} above 0 and at most 1"
            )
