"""Emerging creators through the whole engine: in the candidates wherever they are among the nearest, and accounted for like everybody."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from demo.files import EMERGING_TIER
from domain.request import RecommendRequest
from domain.terms import Terms
from engine.open import StartOptions, prepare
from retrieval.cost import Costs

COUNT = 60


def refuse(stage, failure):
    raise AssertionError(f"{stage} failed") from failure


@pytest.fixture(scope="module")
def prepared(demo_bundle):
    prepared = prepare(demo_bundle)
    always_index = {name: retriever.planned_by(Costs(1e-6, 4.0, 1e-6)) for name, retriever in prepared.retrievers.items()}
    return replace(prepared, retrievers=always_index)


@pytest.fixture(scope="module")
def engine(prepared):
    """Its golden slates were made by whatever way the build chose, and come out again: proofs plan as builds do."""
    return prepared.start(StartOptions("cpu"), time.monotonic, refuse)


def emerging_rows(creators):
    return np.flatnonzero(np.array(creators.tiers) == creators.tier_names.index(EMERGING_TIER))


def test_the_overlay_holds_the_emerging_tier_of_the_bundle(prepared):
    emerging = emerging_rows(prepared.bundle.creators)
    assert 0 < len(emerging) == prepared.retrievers["default"].overlay_count


def test_emerging_creators_among_the_nearest_are_considered_and_every_retrieved_one_is_accounted_for(engine):
    creators, emerging = engine.creators, emerging_rows(engine.creators)
    assert engine.bundle.manifest.space == "ip"
    for number, query in enumerate(np.random.default_rng(2).normal(size=(40, creators.embeddings.shape[1])).astype(np.float32)):
        request = RecommendRequest(f"r{number}", embeddings={"": query}, page_size=10, candidate_count=COUNT)
        answer = engine.recommend(request, Terms.unhurried(time.monotonic))
        assert answer.retrieval_method == "index"
        considered = np.concatenate((answer.slate.rows, answer.slate.reserve()))
        assert len(considered) + len(answer.removed) == answer.retrieved_count == COUNT
        nearest = np.argsort(-(creators.embeddings.astype(np.float64) @ query))[: COUNT - 1]
        assert np.isin(np.intersect1d(nearest, emerging), considered).all()
