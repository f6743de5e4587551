"""Choosing the graph for inner products: raw, or with the extra dimension.

Neither is better always. With a shared direction in the embeddings, long vectors become hubs of a raw graph and searches end there (recall 0.0 to
0.6, measured on 8,000 x 32 with an offset or tight clusters), while the reduction finds all; spread evenly in all directions, the reduction
presses everything against one pole (0.1 to 0.5 at efforts where the raw graph finds 0.9 and more). So both are tried on a sample.
"""

from __future__ import annotations

import numpy as np

from domain.arrays import FloatArray
from domain.stages import Progress
from retrieval.copies import no_copies
from retrieval.description import INNER_PRODUCT, REDUCTION
from retrieval.exact_source import ExactSource
from retrieval.graph import describe, grow
from retrieval.options import IndexOptions
from retrieval.tuning import Probe, Truth, efforts, exact_answers

NORM_SPREAD = 1.05
"""Largest over smallest norm up to which inner products are indexed raw without a trial: with norms within 5 % the order by product and the order
by angle nearly agree, so no hubs form, and the extra dimension would cost up to 16 more lanes."""

TRIAL_ROWS = 16_384
"""Creators in the trial: two graphs of seconds each, in which hubs show already."""

TRIAL_QUERIES = 200


def choose_reduction(embeddings: FloatArray, norms: FloatArray, queries: FloatArray, options: IndexOptions, progress: Progress) -> str:
    """The reduction that serves these queries better: "" or "l2_extra_dimension"; "" at once for cosine and for norms that hardly vary."""
    if options.space != INNER_PRODUCT or float(norms.max()) <= NORM_SPREAD * float(norms.min()):
        return ""
    random = np.random.default_rng(options.seed)
    rows = np.sort(random.choice(len(embeddings), min(len(embeddings), TRIAL_ROWS), replace=False))
    vectors, lengths = np.asarray(embeddings[rows]), np.asarray(norms[rows])
    progress.start("try graphs for inner products", 2 * len(rows))
    count = min(options.candidate_count, len(rows))
    truth = exact_answers(vectors, None, queries[:TRIAL_QUERIES], count)
    raw, reduced = (_probe(vectors, lengths, reduction, truth, options, progress) for reduction in ("", REDUCTION))
    return _sooner(raw, reduced, efforts(count, len(rows)), options.recall)


def _probe(embeddings: FloatArray, norms: FloatArray, reduction: str, truth: Truth, options: IndexOptions, progress: Progress) -> Probe:
    wanted = describe(embeddings, norms, reduction, no_copies(), options)
    index = grow(embeddings, norms, no_copies(), wanted, options, progress)
    return Probe(index, wanted, no_copies(), ExactSource(embeddings, norms, np.arange(len(embeddings)), options.space), truth, options.clock)


def _sooner(raw: Probe, reduced: Probe, rungs: list[int], recall: float) -> str:
    """The reduction whose graph reaches the asked recall with less effort; should neither do, the one that comes closer at the end."""
    raw_mean = reduced_mean = 0.0
    for rung in rungs:
        raw_mean, reduced_mean = raw.measure(rung).mean, reduced.measure(rung).mean
        if max(raw_mean, reduced_mean) >= recall:
            break
    return "" if raw_mean > reduced_mean else REDUCTION
