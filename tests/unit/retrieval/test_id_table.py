"""Many ids at once find what they find one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import id_table
from retrieval.id_table import LEAST_COUNT, IdTable
from tests.unit.retrieval.world import clustered, creators_of

COUNT = 300
IDS = [["c", "née-", "a-rather-long-name-of-a-creator-", "日本"][n % 4] + str(n) for n in np.random.default_rng(1).permutation(COUNT)]
CREATORS = creators_of(clustered(1, COUNT, 2), IDS)
TABLE = IdTable(CREATORS)

asked = st.lists(
    st.one_of(
        st.sampled_from(IDS),
        st.sampled_from(IDS).map(lambda i: i + "x"),
        st.sampled_from(IDS).map(lambda i: i + "\0"),
        st.sampled_from(IDS).map(lambda i: i[:-1]),
        st.text(max_size=80).filter(lambda t: all(not 0xD800 <= ord(c) < 0xE000 for c in t)),
        st.just(""),
        st.just("x" * 5000),
    ),
    min_size=LEAST_COUNT,
    max_size=3 * LEAST_COUNT,
)


@settings(deadline=None)
@given(asked)
def test_it_finds_the_rows_that_the_catalogue_finds(ids):
    assert sorted(TABLE.rows_of(ids).tolist()) == sorted(CREATORS.rows_of(ids).tolist())


@settings(deadline=None, max_examples=30)
@given(asked)
def test_ids_whose_hashes_meet_are_told_apart(ids):
    crowded = IdTable(CREATORS)
    crowded._hashes = lambda keys: IdTable._hashes(crowded, keys) & np.uint64(15)
    hashes = crowded._hashes(CREATORS.ids)
    crowded._rows = np.argsort(hashes, kind="stable")
    crowded._sorted = hashes[crowded._rows]
    assert sorted(crowded.rows_of(ids).tolist()) == sorted(CREATORS.rows_of(ids).tolist())


@pytest.mark.parametrize("count", [0, 1, LEAST_COUNT - 1, LEAST_COUNT])
def test_few_and_many_go_different_ways_to_the_same_rows(count):
    ids = IDS[:count]
    assert sorted(TABLE.rows_of(ids).tolist()) == sorted(CREATORS.rows_of(ids).tolist())


def test_nobody_known_gives_no_rows():
    assert TABLE.rows_of(["x" * 5000] * LEAST_COUNT).tolist() == []
    assert TABLE.rows_of([""] * LEAST_COUNT).dtype == np.int64


def test_the_ids_of_a_catalogue_have_hashes_of_their_own(monkeypatch):
    monkeypatch.setattr(id_table, "BLOCK_IDS", 7)
    ids = [f"c{n:07d}" for n in range(20_000)]
    table = IdTable(creators_of(np.ones((20_000, 1)), ids))
    assert len(np.unique(table._sorted)) == 20_000
    assert np.array_equal(np.sort(table._rows), np.arange(20_000))
