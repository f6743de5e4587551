"""Measuring the crossover on the machine that serves: once per generation, before the fork, on the one thread there is."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial

import numpy as np

from domain.columns import Creators
from domain.deadline import Clock, Deadline
from retrieval.cost import SHIPPED, Costs
from retrieval.exact_source import ExactSource
from retrieval.hnsw_source import HnswSource

LEAST_CREATORS = 10_000
"""Below, both ways are done within a fifth of a millisecond, and fixed costs would be taken for costs per row."""

MOST_ROWS = 1 << 18
"""Contiguous rows per measurement: 64 MB at 64 dimensions, more than a core's share of any cache, and 3 ms."""

GATHERED_ROWS = 1 << 13
"""Rows per measurement of gathering, other ones each time: what the last one left in the caches must not flatter it."""

REACH = 4
"""The index is measured where the crossover lies, at so many times the usual candidates: a unit of effort costs more there than at the first."""

ROUNDS = 11  # an odd number, so that the median is a measurement; all together some 50 ms
DISCARDED_ROUNDS = 2  # the first touch of a memory map reads the disk


def fit_costs(index: HnswSource, exact: ExactSource, creators: Creators, clock: Clock) -> Costs:
    """The crossover for this catalogue and machine. The three ways take turns, so that a disturbance hits all alike; medians count.

    clock in seconds. Starts no thread where BLAS is told to use one.
    """
    if len(creators) < LEAST_CREATORS:
        return SHIPPED
    never, count, reach = Deadline.never(clock), index.usual_count, REACH * index.usual_count
    stretch = exact.first(MOST_ROWS)  # the memory that will be scanned, not another copy of it
    stride = max(2, len(creators) // GATHERED_ROWS)
    index_s, contiguous_s, gathered_s = [], [], []
    for place in np.linspace(0, len(creators) - 1, DISCARDED_ROUNDS + ROUNDS, dtype=np.int64).tolist():
        # Between two creators, as listeners are: a creator's own place is found with less effort.
        query = creators.embeddings[place] / creators.norms[place] + creators.embeddings[-1 - place] / creators.norms[-1 - place]
        scattered = np.arange(place % stride, len(creators), stride)
        index_s.append(_seconds(clock, partial(index.retrieve, query, reach, never)) / index.effort(reach))
        contiguous_s.append(_seconds(clock, partial(stretch.retrieve, query, count, never)) / len(stretch))
        gathered_s.append(_seconds(clock, partial(exact.scan, query, count, scattered, never)) / len(scattered))
    return Costs.measured(*(statistics.median(found[DISCARDED_ROUNDS:]) for found in (index_s, contiguous_s, gathered_s)))


def _seconds(clock: Clock, work: Callable[[], object]) -> float:
    started_s = clock()
    work()
    return clock() - started_s
