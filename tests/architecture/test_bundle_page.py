"""docs/bundle.md names the limits and reasons that hold. That its commands and programs run is tests/integration's."""

from __future__ import annotations

import pytest

from bundle import creators, layout, market_column, text_columns, tier_column, users
from bundle.layout import FEATURE_NAME
from domain.errors import ArtifactReason
from engine.golden import REQUEST_COUNT
from tests.architecture.tree import ROOT
from tests.markdown import quoted, table_under

PAGE = ROOT / "docs/bundle.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_every_reason_of_a_refusal_has_a_row():
    assert {name for row in table_under(PAGE, "reason") for name in quoted(row[0])} == set(ArtifactReason)


@pytest.mark.parametrize(
    ("table", "column", "wanted"),
    [
        ("column of creators.parquet", "creator_id", f"1 to {creators.MOST_ID_BYTES} bytes"),
        ("column of creators.parquet", "embedding", f"norm from {layout.LEAST_NORM:g} to {layout.MOST_NORM:g}"),
        ("column of creators.parquet", "markets", f"at most {market_column.MOST_MARKETS} "),
        ("column of creators.parquet", "tier", f"at most {tier_column.MOST_TIERS} "),
        ("column of creators.parquet", "labels", f"at most {text_columns.MOST_LABELS} "),
        ("column of users.parquet", "user_id", f"1 to {users.MOST_ID_BYTES} bytes"),
    ],
)
def test_a_limit_of_a_column_is_the_one_that_is_enforced(table, column, wanted):
    (row,) = [row for row in table_under(PAGE, table) if row[0] == f"`{column}`"]
    assert wanted in row[2]


def test_the_rule_for_names_and_the_number_of_golden_requests_are_those_of_the_code():
    assert f"`{FEATURE_NAME.pattern}`" in TEXT
    assert REQUEST_COUNT == 16
    assert "|`golden.jsonl`|sixteen requests" in TEXT
