"""users.parquet: what it may hold beside what holds for creators too."""

import numpy as np
import pyarrow as pa
import pytest

from bundle.open import open_users
from bundle.rules import ReadRules
from bundle.users import write_users
from domain.columns import ColumnKind, ColumnMeaning, ColumnSpec
from domain.errors import ArtifactError
from tests.unit.bundle.files import NO_RULES, VECTORS, Silent, catalogue, floats, save, users_table


@pytest.fixture
def creators(tmp_path):
    return catalogue(tmp_path)


def listed(directory, creators, rules=NO_RULES, **columns):
    summary = write_users(save(users_table(**columns), directory / "users.parquet"), directory, rules, creators, Silent())
    return summary, open_users(directory)


def test_users_are_found_by_id(tmp_path, creators):
    _, users = listed(tmp_path, creators)
    assert [users.row_of(i) for i in ("u1", "u2", "u", "u3", "", "u1\0", "x" * 300)] == [0, 1, None, None, None, None, None]
    assert users.embeddings.tolist() == VECTORS[:2]


def test_a_table_without_users_opens(tmp_path, creators):
    columns = {
        "user_id": pa.array([], pa.string()),
        "embedding": floats([]),
        "followed": pa.array([], pa.list_(pa.string())),
        "age": pa.array([], pa.int8()),
    }
    _, users = listed(tmp_path, creators, **columns)
    assert len(users) == 0
    assert users.row_of("u1") is None
    assert users.embeddings.shape == (0, 3)


def test_without_a_folder_there_are_no_users(tmp_path):
    assert open_users(tmp_path) is None


def test_followed_ids_become_rows_and_strangers_are_counted(tmp_path, creators):
    summary, users = listed(tmp_path, creators, followed=pa.array([["d", "nobody", "a"], None]))
    assert summary.dropped == {"user.followed": 1}
    assert summary.columns == ()
    assert users.followed.values.tolist() == [3, 1]
    assert users.followed.offsets.tolist() == [0, 2, 2]


def test_followed_creators_that_the_ranker_reads_are_a_feature_too(tmp_path, creators):
    rules = ReadRules(creator_sequences=frozenset({"user.followed"}))
    _, users = listed(tmp_path, creators, rules, followed=pa.array([["d", "a"], []], pa.list_(pa.string())))
    assert users.columns["followed"].at(0).tolist() == users.followed.at(0).tolist() == [3, 1]


def test_a_history_keeps_its_order_and_repetitions(tmp_path, creators):
    rules = ReadRules(creator_sequences=frozenset({"user.history"}))
    summary, users = listed(tmp_path, creators, rules, history=pa.array([["ö", "b", "gone", "b"], []], pa.list_(pa.string())))
    assert summary.dropped == {"user.history": 1}
    assert users.columns["history"].spec == ColumnSpec("history", ColumnKind.SEQUENCE, "int64", 0, ColumnMeaning.CREATOR)
    assert users.columns["history"].at(0).tolist() == [2, 0, 0]


def test_histories_that_are_empty_throughout_are_read_without_an_element_type(tmp_path, creators):
    rules = ReadRules(creator_sequences=frozenset({"user.history"}))
    _, users = listed(tmp_path, creators, rules, history=pa.array([[], []]), followed=pa.array([[], []]))
    assert users.columns["history"].offsets.tolist() == [0, 0, 0]
    assert users.followed.offsets.tolist() == [0, 0, 0]


def test_columns_that_mean_something_for_creators_only_are_features_here(tmp_path, creators):
    _, users = listed(tmp_path, creators, tier=pa.array([1, 2]), create_time=pa.array([0, 1], pa.int64()), revision=pa.array([0.5, 1.5]))
    assert {name: column.values.tolist() for name, column in users.columns.items()} == {"tier": [1, 2], "create_time": [0, 1], "revision": [0.5, 1.5]}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"user_id": pa.array(["a", "a"])}, 'column "user_id", row 1'),
        ({"user_id": pa.array(["a", "b" * 257])}, "at most 256 bytes"),
        ({"user_id": None}, 'the column "user_id"'),
        ({"embedding": floats([[1.0, 2.0]] * 2)}, 'column "embedding", row 0: has 2 dimensions where 3 are expected'),
        ({"embedding": floats([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])}, 'column "embedding", row 1: the embedding is all zero'),
        ({"followed": pa.array(["a", "b"])}, 'column "followed": holds string.*list<string>'),
        ({"followed": pa.array([[], [None]], pa.list_(pa.string()))}, 'column "followed", row 1: element 0 is null'),
        ({"age": pa.array([1, None])}, 'column "age", row 1: null.*"user.age" a default'),
        ({"create_time": pa.array([0, 1], pa.timestamp("s"))}, 'column "create_time".*zone'),
    ],
)
def test_a_bad_value_is_refused_with_row_and_column(tmp_path, creators, columns, words):
    with pytest.raises(ArtifactError, match=words) as caught:
        listed(tmp_path, creators, **columns)
    assert caught.value.file == str(tmp_path / "users.parquet")


def test_a_null_history_needs_a_default(tmp_path, creators):
    rules = ReadRules(creator_sequences=frozenset({"user.history"}))
    with pytest.raises(ArtifactError, match='column "history", row 1: null'):
        listed(tmp_path, creators, rules, history=pa.array([["a"], None]))


def test_users_are_stored_as_float32_of_what_was_given(tmp_path, creators):
    _, users = listed(tmp_path, creators, embedding=floats([[0.1, 0.2, 0.3]] * 2, pa.list_(pa.float64())))
    assert users.embeddings.dtype == np.float32
    np.testing.assert_array_equal(users.embeddings, np.array([[0.1, 0.2, 0.3]] * 2, np.float32))
