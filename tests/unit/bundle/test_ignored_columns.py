"""A column that is to be ignored and that no file has is a mistyped name: it is refused."""

import pyarrow as pa
import pytest

from bundle.ignored_columns import check_ignored
from domain.errors import ConfigurationError, InputNotFound
from tests.unit.bundle.files import creators_table, save, users_table


@pytest.fixture
def files(tmp_path):
    strange = pa.array([{"a": 1}] * 4)
    creators = creators_table(genre=pa.array(["folk"] * 4), Strange=strange, **{"a.b": strange})
    users = users_table(age=pa.array([1, 2]))
    return {"creator": save(creators, tmp_path / "creators.parquet"), "user": save(users, tmp_path / "users.parquet")}


@pytest.mark.parametrize("name", ["genre", "creator.genre", "age", "user.age", "Strange", "a.b", "creator.a.b"])
def test_a_column_of_either_file_may_be_ignored_by_both_of_its_names(files, name):
    check_ignored({name}, files)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("genres", 'did you mean "genre"?'),
        ("creator.age", 'did you mean "user.age"?'),
        ("user.genre", 'did you mean "creator.genre"?'),
        ("xyzzy", "columns are creator_id, embedding, genre, Strange, a.b, user_id, embedding, age;"),
        ("", "columns are"),
    ],
)
def test_a_column_of_no_file_is_refused_with_what_to_write(files, name, says):
    with pytest.raises(ConfigurationError) as refused:
        check_ignored({"genre", name}, files)
    text = str(refused.value)
    assert f'"{name}" is no column of {files["creator"]} or {files["user"]}; ' in text
    assert says in text


def test_without_users_only_the_creators_are_named(files):
    with pytest.raises(ConfigurationError) as refused:
        check_ignored({"age"}, {"creator": files["creator"]})
    assert '"age" is no column of ' + str(files["creator"]) in str(refused.value)
    assert "users.parquet" not in str(refused.value)


def test_a_file_of_many_columns_is_not_listed_in_full(tmp_path):
    many = creators_table(**{f"feature_{i}": pa.array([0.0] * 4) for i in range(100)})
    with pytest.raises(ConfigurationError) as refused:
        check_ignored({"xyzzy"}, {"creator": save(many, tmp_path / "creators.parquet")})
    assert "feature_27, ...; correct the name" in str(refused.value)


def test_files_are_opened_only_when_something_is_to_be_ignored(tmp_path):
    files = {"creator": tmp_path / "none.parquet"}
    check_ignored((), files)
    with pytest.raises(InputNotFound):
        check_ignored({"genre"}, files)
