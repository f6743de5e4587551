"""What a survey says about tables, against the columns that they were written from."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bundle import survey as survey_module
from bundle.creators import write_creators
from bundle.groups import creator_groups
from bundle.layout import CREATORS
from bundle.open import open_creators
from bundle.rules import ReadRules
from domain.columns import Vocabulary
from domain.progress import SILENT

COUNT = 1000
RULES = ReadRules(vocabularies={"creator.genre": Vocabulary(("folk", "jazz"), first=1, unknown=0)}, nullable=frozenset({"creator.energy"}))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(directory, the table that it was written from)."""
    directory, rng = tmp_path_factory.mktemp("survey"), np.random.default_rng(5)
    columns = {
        "creator_id": [f"c{i}" for i in range(COUNT)],
        "embedding": pa.array(list(rng.normal(size=(COUNT, 8)).astype(np.float32)), pa.list_(pa.float32())),
        "name": [f"N{i}" if i % 2 else "" for i in range(COUNT)],
        "tier": [None if i % 4 == 0 else ("emerging" if i % 4 == 1 else "big") for i in range(COUNT)],
        "markets": pa.array([None if i % 2 else ["SE", "GB"][: i % 4] for i in range(COUNT)], pa.list_(pa.string())),
        "labels": pa.array([["x"] if i < 10 else ["y", "z"] for i in range(COUNT)]),
        "genre": [("folk", "jazz", "polka")[i % 3] for i in range(COUNT)],
        "energy": pa.array([None if i % 5 == 0 else float(i) for i in range(COUNT)]),
        "verified": [i % 10 == 0 for i in range(COUNT)],
        "weights": pa.array([list(range(i % 7)) for i in range(COUNT)], pa.list_(pa.float64())),
    }
    pq.write_table(pa.table(columns), directory / "creators.parquet")
    write_creators(directory / "creators.parquet", directory, RULES, SILENT)
    return directory, columns


def survey_of(directory):
    creators = open_creators(directory)
    table = survey_module._survey(creators.embeddings, creators.norms, creators.columns)
    return table, {column.spec.name: column for column in table.columns}


def test_every_row_counts_while_they_are_few(written):
    directory, _ = written
    table, found = survey_of(directory)
    assert (table.row_count, table.sampled_count, table.norms.count) == (COUNT, COUNT, COUNT)
    assert (found["energy"].absent_count, found["energy"].values.count) == (200, 800)
    assert found["energy"].values.most == 999
    assert found["genre"].codes == ((1, 334), (0, 333), (2, 333))
    assert dict(found["verified"].codes) == {0: 900, 1: 100}
    assert found["weights"].lengths.counts == tuple(np.bincount([i % 7 for i in range(COUNT)]))
    assert found["weights"].values.count == sum(i % 7 for i in range(COUNT))


def test_a_large_table_is_sampled_and_absent_values_are_still_counted_in_full(written, monkeypatch):
    monkeypatch.setattr(survey_module, "SAMPLE_ROW_COUNT", 100)
    monkeypatch.setattr(survey_module, "SAMPLE_VALUE_COUNT", 160)
    monkeypatch.setattr(survey_module, "_BLOCK", 64)
    table, found = survey_of(written[0])
    assert (table.row_count, table.sampled_count) == (COUNT, 100)
    assert found["energy"].absent_count == 200
    assert 60 < found["energy"].values.count <= 100
    assert found["weights"].values.count == 160
    assert abs(found["energy"].values.mean - 500) < 50


def test_groups_are_counted_over_all_rows(written):
    directory, _ = written
    groups = creator_groups(directory / CREATORS, open_creators(directory))
    assert dict(groups.tiers) == {"": 250, "emerging": 250, "big": 500}
    assert groups.everywhere_count == 500
    assert dict(groups.markets) == {"SE": 500 + 250, "GB": 500 + 250}
    assert groups.labels == (("y", 990), ("z", 990), ("x", 10))
    assert groups.named_count == 500


def test_columns_that_are_not_there_are_said_to_be_absent(tmp_path):
    columns = {"creator_id": ["a", "b"], "embedding": pa.array([[1.0], [2.0]], pa.list_(pa.float32()))}
    pq.write_table(pa.table(columns), tmp_path / "creators.parquet")
    write_creators(tmp_path / "creators.parquet", tmp_path, ReadRules(), SILENT)
    groups = creator_groups(tmp_path / CREATORS, open_creators(tmp_path))
    assert (groups.tiers, groups.markets, groups.labels, groups.label_count, groups.named_count) == (None, None, None, 0, None)
    assert groups.everywhere_count == 2
