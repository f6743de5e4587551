"""What callers may send for the ranker, and how each misfit is refused."""

import numpy as np
import pytest

from domain.columns import ColumnKind, ColumnMeaning, ColumnSpec, Vocabulary
from domain.errors import InvalidRequest
from engine.sent_features import SentFeatures

COLUMNS = {
    "age": ColumnSpec("age", ColumnKind.SCALAR, "float32"),
    "visits": ColumnSpec("visits", ColumnKind.SCALAR, "int16"),
    "big": ColumnSpec("big", ColumnKind.SCALAR, "int64"),
    "premium": ColumnSpec("premium", ColumnKind.SCALAR, "bool"),
    "country": ColumnSpec("country", ColumnKind.SCALAR, "int64", meaning=ColumnMeaning.CATEGORY),
    "genres": ColumnSpec("genres", ColumnKind.SEQUENCE, "int64", 0, ColumnMeaning.CATEGORY),
    "taste": ColumnSpec("taste", ColumnKind.VECTOR, "float32", 3),
    "recent": ColumnSpec("recent", ColumnKind.SEQUENCE, "int32", 0),
}
VOCABULARIES = {"user.country": Vocabulary(("SE", "GB"), first=1, unknown=0), "user.genres": Vocabulary(("folk", "jazz"))}
SENT = SentFeatures("user", "user.features", COLUMNS, VOCABULARIES, creators=None)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("age", 3.5, np.float32(3.5)),
        ("age", 3, np.float32(3)),
        ("visits", -32768, np.int16(-32768)),
        ("big", 2**63 - 1, np.int64(2**63 - 1)),
        ("premium", 1, np.True_),
        ("country", "GB", np.int64(2)),
        ("country", "XX", np.int64(0)),
        ("genres", ("jazz", "polka"), np.array([1, -1])),
        ("taste", np.array([1, 2, 3], np.float32), np.array([1, 2, 3], np.float32)),
        ("recent", np.array([7, 8], np.int64), np.array([7, 8], np.int32)),
    ],
)
def test_a_fitting_value_takes_the_dtype_of_its_column(name, value, expected):
    read = SENT.read({name: value})[name]
    assert read.dtype == expected.dtype
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("height", 1.0, "unknown user feature"),
        ("age", "old", "send number, not text"),
        ("visits", 1.5, "send integer, not number"),
        ("visits", 32768, "32768 does not fit into int16"),
        ("premium", 2, "send 0 or 1"),
        ("country", 3, "send text, not integer"),
        ("country", ("SE",), "send text, not texts"),
        ("genres", "jazz", "send texts, not text"),
        ("taste", np.array([1, 2], np.float32), "vector of 3 values, 2 were sent"),
        ("taste", 1.0, "send numbers, not number"),
        ("recent", np.array([1.5], np.float32), "send integers, not numbers"),
        ("recent", np.array([2**40], np.int64), "do not fit into int32"),
    ],
)
def test_a_misfit_names_the_field_and_what_to_send(name, value, says):
    with pytest.raises(InvalidRequest) as refused:
        SENT.read({name: value})
    (violation,) = refused.value.violations
    assert violation.field == f'user.features["{name}"]'
    assert says in violation.description


def test_all_misfits_of_one_request_are_named_at_once():
    with pytest.raises(InvalidRequest) as refused:
        SENT.read({"age": "old", "visits": 1.5})
    assert len(refused.value.violations) == 2
