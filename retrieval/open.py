"""From a bundle's index directory to a Retriever."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from domain.columns import Creators
from domain.errors import ArtifactError, ArtifactReason
from domain.stages import Retriever
from retrieval.description import INDEX_FILE, IndexDescription
from retrieval.exact_source import ExactSource
from retrieval.hnsw_file import check_index_file, check_vectors
from retrieval.hnsw_source import HnswSource
from retrieval.retriever import IndexRetriever


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


def open_retriever(directory: Path, description: Mapping[str, object], creators: Creators) -> Retriever:
    """Check and load the index in `directory`. Before the fork: workers then share it, copy-on-write. Errors as `check_index`."""
    described = check_index(directory, description, creators)
    index = HnswSource.load(directory, described, creators.embeddings, creators.norms, creators.id_ranks)
    exact = ExactSource(creators.embeddings, creators.norms, creators.id_ranks, described.space)
    return IndexRetriever(index, exact, creators)
