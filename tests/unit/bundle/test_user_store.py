"""Listed users: found by id, read lazily."""

import math

import numpy as np
import pytest

from domain.columns import Column, ColumnKind, ColumnSpec, RowFeatures
from domain.deadline import Deadline
from tests.unit.bundle.files import VECTORS, build_rich

NEVER = Deadline(math.inf, lambda: 0.0)


@pytest.fixture(scope="module")
def users(tmp_path_factory):
    return build_rich(tmp_path_factory.mktemp("users")).users


def test_a_listed_user_comes_with_embedding_features_and_followed_rows(users):
    user = users.look_up("u1", NEVER)
    assert user.user_id == "u1"
    assert user.embedding.tolist() == VECTORS[0]
    assert user.followed.tolist() == [1, 0]
    assert user.features["history"].tolist() == [2]
    assert user.features["age"] == np.float32(1.5)
    assert dict(user.context) == {}
    assert len(users) == 2


def test_an_absent_value_is_a_missing_key(users):
    features = users.look_up("u2", NEVER).features
    assert "age" not in features
    assert features.get("age") is None
    assert features.get("age", 7) == features.get("unheard_of", 7) == 7
    assert features.get("active") == features["active"]
    with pytest.raises(KeyError):
        features["age"]
    assert sorted(features) == ["active", "history"]
    assert len(features) == 2
    assert features["history"].tolist() == []
    assert users.look_up("u2", NEVER).followed.tolist() == []


@pytest.mark.parametrize("user_id", ["", "u", "u10", "u1\0", "ö", "x" * 1000])
def test_an_unknown_user_is_none(users, user_id):
    assert users.look_up(user_id, NEVER) is None


def test_nothing_is_read_before_it_is_asked_for():
    class Guarded(dict):
        reads = 0

        def __getitem__(self, name):
            Guarded.reads += 1
            return super().__getitem__(name)

    features = RowFeatures(Guarded(age=Column(ColumnSpec("age", ColumnKind.SCALAR, "int64"), np.arange(3))), 2)
    assert Guarded.reads == 0
    assert features["age"] == 2
    assert Guarded.reads == 1
    assert "height" not in features
    assert 3 not in features


def test_stored_values_cannot_be_changed_by_a_request(users):
    user = users.look_up("u1", NEVER)
    for array in (user.embedding, user.followed, user.features["history"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
