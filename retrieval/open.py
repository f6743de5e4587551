"""From a bundle's index directory to a Retriever."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from domain.columns import Creators
from domain.deadline import Clock
from domain.errors import ArtifactError, ArtifactReason
from retrieval.cost import SHIPPED
from retrieval.description import INDEX_FILE, IndexDescription
from retrieval.exact_source import ExactSource
from retrieval.fitting import fit_costs
from retrieval.hnsw_file import check_index_file, check_vectors
from retrieval.hnsw_source import HnswSource
from retrieval.overlay import emerging_overlay
from retrieval.retriever import IndexRetriever
from retrieval.sample import Sample


def check_index(directory: Path, description: Mapping[str, object], creators: Creators) -> IndexDescription:
    """Prove that `directory` holds the index that the manifest describes, over these creators, and that hnswlib can be trusted with it.

    ArtifactError: MANIFEST_INVALID, INDEX_CORRUPT or INDEX_MISMATCH. About a second per million creators.
    """
    described, path = IndexDescription.from_json(description), directory / INDEX_FILE
    count, dimension_count = creators.embeddings.shape
    if (described.count, described.dimension_count) != (count, dimension_count):
        raise ArtifactError(
            path,
            ArtifactReason.INDEX_MISMATCH,
            f"the index is described as {described.count} x {described.dimension_count}, the catalogue has {count} x {dimension_count}; "
            "build the bundle again",
        )
    check_index_file(path, described)
    check_vectors(path, described, creators.embeddings, creators.norms)
    return described


def open_retriever(
    directory: Path, description: Mapping[str, object], creators: Creators, emerging_tiers: Collection[str] = (), clock: Clock | None = None
) -> IndexRetriever:
    """Check and load the index in `directory`, copy the embeddings, and those of the emerging tiers into an overlay. Before the fork: workers then
    share all of it, copy-on-write.

    clock: in seconds, to fit the crossover of index and scan on this machine; None: plan with the shipped one. Errors as `check_index`.
    """
    described = check_index(directory, description, creators)
    # A copy, since memory of our own lies on huge pages where a mapped file cannot: a scan of 200,000 rows that are in no cache takes 3.7 ms
    # instead of 4.8 (docs/adr/0008-overlay-and-fitted-planner.md).
    embeddings = np.array(creators.embeddings)
    index = HnswSource.load(directory, described, embeddings, creators.norms, creators.id_ranks)
    exact = ExactSource(embeddings, creators.norms, creators.id_ranks, described.space)
    costs = SHIPPED if clock is None else fit_costs(index, exact, creators, clock)
    overlay = emerging_overlay(creators, emerging_tiers, described.space)
    return IndexRetriever(index, exact, creators, Sample(creators, described.space), overlay, costs)
