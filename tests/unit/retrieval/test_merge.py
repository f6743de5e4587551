"""Merging sources: every row once, with its best similarity, ties by id."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.candidates import Candidates, Source
from retrieval.merge import merge
from tests.unit.retrieval.world import assert_ordered, clustered, creators_of

CREATORS = creators_of(clustered(1, 30, 2))


@st.composite
def parts(draw):
    made = []
    for source in draw(st.lists(st.sampled_from(list(Source)), max_size=4)):
        rows = np.array(draw(st.lists(st.integers(0, 29), unique=True, max_size=20)), np.int64)
        values = np.array(draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=len(rows), max_size=len(rows))), np.float32)
        order = np.lexsort((CREATORS.id_ranks[rows], -values))
        made.append(Candidates.of(rows[order], values[order], source))
    return made


@given(parts())
def test_every_row_comes_once_with_the_best_of_its_similarities(found):
    merged = merge(found, CREATORS.id_ranks)
    assert_ordered(CREATORS, merged)
    reference = {}
    for part in found:
        for row, similarity, source in zip(part.rows.tolist(), part.similarities.tolist(), part.sources.tolist(), strict=True):
            if row not in reference or similarity > reference[row][0]:
                reference[row] = (similarity, source)
    assert {
        row: (similarity, source)
        for row, similarity, source in zip(merged.rows.tolist(), merged.similarities.tolist(), merged.sources.tolist(), strict=True)
    } == reference


@given(parts())
def test_merging_again_changes_nothing(found):
    once = merge(found, CREATORS.id_ranks)
    again = merge([once, once], CREATORS.id_ranks)
    assert np.array_equal(once.rows, again.rows)
    assert np.array_equal(once.sources, again.sources)
