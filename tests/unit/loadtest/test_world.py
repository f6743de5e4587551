"""Whom the load asks for by default is who lives in the demo world."""

from collections import Counter
from pathlib import Path

import pytest
from pyarrow import parquet

from loadtest.request_drawer import PAGE_SIZES
from loadtest.world import DEMO, world_of
from ranking.binding import read_binding
from tests.architecture.tree import ROOT

_DATA = ROOT / "demo/data"


def test_the_listeners_are_those_of_the_demo() -> None:
    assert list(DEMO.user_ids) == parquet.read_table(_DATA / "users.parquet", columns=["user_id"])["user_id"].to_pylist()


def test_markets_and_tiers_are_the_demos_and_each_holds_many_pages() -> None:
    table = parquet.read_table(_DATA / "creators.parquet", columns=["markets", "tier"])
    markets = Counter(market for row in table["markets"].to_pylist() for market in row or ())
    tiers = Counter(table["tier"].to_pylist())
    assert set(DEMO.markets) == set(markets)
    assert set(DEMO.tiers) == set(tiers)
    assert min(*markets.values(), *tiers.values()) > 5 * max(PAGE_SIZES)


def test_the_activities_are_those_that_the_demos_ranker_knows() -> None:
    binding = read_binding(_DATA / "ranker.onnx", _DATA / "binding.toml")
    assert DEMO.activities == tuple(binding.vocabularies["context.activity"].values)


def test_users_are_read_from_a_file_one_per_line(tmp_path: Path) -> None:
    file = tmp_path / "users.txt"
    file.write_text("ada\n\n  bob \nç\n", encoding="utf-8")
    assert world_of(file).user_ids == ("ada", "bob", "ç")
    file.write_text("\n")
    with pytest.raises(ValueError, match=r"users\.txt holds no user id; write one per line"):
        world_of(file)
