"""Ids to rows and back, held against a dictionary; names, columns and vocabularies."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.columns import Column, ColumnKind, ColumnSpec, Creators, Users, Vocabulary

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
lists_of_ids = st.lists(texts, min_size=1, max_size=20, unique=True)


def laid_out(ids):
    encoded = np.array([i.encode() for i in ids])
    order = np.argsort(encoded, kind="stable")
    return encoded, order


def creators_of(ids, names=None):
    encoded, order = laid_out(ids)
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    ones = np.ones(len(ids), np.float32)
    return Creators(encoded, order, ranks, ones[:, None], ones, {}, None, ("",), names, None)


def users_of(ids):
    encoded, order = laid_out(ids)
    return Users(encoded, order, np.ones((len(ids), 1), np.float32), {}, None)


@given(lists_of_ids, st.lists(any_text, max_size=20))
@example(["a", "aa"], ["a\0", "a\0\0", "", "\0", "aaa", "a" * 100])
def test_ids_are_found_exactly_when_a_dictionary_finds_them(ids, others):
    rows = {key: row for row, key in enumerate(ids)}
    asked = [*others, *ids, *others, *reversed(ids)]
    creators, users = creators_of(ids), users_of(ids)
    assert creators.rows_of(asked).tolist() == [rows[key] for key in asked if key in rows]
    assert [users.row_of(key) for key in asked] == [rows.get(key) for key in asked]


@given(lists_of_ids, st.data())
def test_ids_of_rows_are_the_ids_that_lead_to_them(ids, data):
    creators = creators_of(ids)
    rows = np.array(data.draw(st.lists(st.integers(0, len(ids) - 1))), np.int64)
    assert creators.ids_of(rows) == [ids[row] for row in rows]
    assert creators.rows_of(creators.ids_of(rows)).tolist() == rows.tolist()


def test_no_ids_lead_to_no_rows():
    found = creators_of(["a"]).rows_of([])
    assert found.tolist() == []
    assert found.dtype == np.int64


def test_nobody_is_found_among_no_users():
    nobody = Users(np.empty(0, "S1"), np.empty(0, np.int64), np.empty((0, 3), np.float32), {}, None)
    assert nobody.row_of("a") is None


@given(st.lists(any_text, min_size=1, max_size=9))
def test_names_of_rows_are_cut_out_of_their_bytes(names):
    encoded = [name.encode() for name in names]
    offsets = np.concatenate([[0], np.cumsum([len(name) for name in encoded])])
    values = np.frombuffer(b"".join(encoded), np.uint8)
    column = Column(ColumnSpec("name", ColumnKind.SEQUENCE, "uint8", 0), values, offsets)
    creators = creators_of([str(i) for i in range(len(names))], column)
    rows = np.arange(len(names))[::-1]
    assert creators.names_of(rows) == names[::-1]


def test_creators_without_names_have_empty_ones():
    assert creators_of(["a", "b"]).names_of(np.array([1, 0])) == ["", ""]


def test_a_column_gives_scalars_vectors_and_sequences_or_none():
    present = np.array([True, False, True])
    scalar = Column(ColumnSpec("x", ColumnKind.SCALAR, "int16"), np.array([1, 0, 3], np.int16), None, present)
    vector = Column(ColumnSpec("x", ColumnKind.VECTOR, "float32", 2), np.arange(6, dtype=np.float32).reshape(3, 2))
    sequence = Column(ColumnSpec("x", ColumnKind.SEQUENCE, "int64", 0), np.arange(4), np.array([0, 3, 3, 4]), present)
    assert [scalar.at(row) for row in range(3)] == [1, None, 3]
    assert scalar.at(0).dtype == np.int16
    assert vector.at(2).tolist() == [4, 5]
    assert sequence.at(0).tolist() == [0, 1, 2]
    assert sequence.at(1) is None
    assert sequence.at(2).tolist() == [3]


@pytest.mark.parametrize(("first", "unknown"), [(0, -1), (1, 0), (10, 3)])
def test_a_vocabulary_counts_from_its_first_code(first, unknown):
    genres = Vocabulary(("rock", "pop"), first, unknown)
    assert [genres.code(value) for value in ("rock", "pop", "jazz", "")] == [first, first + 1, unknown, unknown]
    assert genres.encode(["pop", "jazz", "rock"]).tolist() == [first + 1, unknown, first]
    assert genres.encode([]).dtype == np.int64
