"""What creators.parquet may not hold: every refusal names file, row, column and value, and says what to do."""

import dataclasses
import datetime as dt
import decimal

import numpy as np
import pyarrow as pa
import pytest

from bundle.creators import write_creators
from bundle.parquet import open_parquet
from bundle.rules import ReadRules
from domain.columns import Vocabulary
from domain.errors import ArtifactError, ArtifactReason, InputNotFound
from tests.unit.bundle.files import NO_RULES, VECTORS, Silent, creators_table, floats, save

NAN, INF = float("nan"), float("inf")


def vectors(row, value, kind=None):
    return floats([value if i == row else vector for i, vector in enumerate(VECTORS)], kind)


def four(value, row=2, usual=1, kind=None):
    return pa.array([value if i == row else usual for i in range(4)], kind)


REFUSED = [
    # ids
    ("null id", {"creator_id": pa.array(["a", None, "c", "d"])}, ['column "creator_id", row 1', "null"]),
    ("empty id", {"creator_id": pa.array(["a", "b", "", "d"])}, ['column "creator_id", row 2', "''", "at least one character"]),
    ("long id", {"creator_id": pa.array(["a", "b", "c", "ö" * 33])}, ['column "creator_id", row 3', "öö", "at most 64 bytes"]),
    ("NUL at the end", {"creator_id": pa.array(["a", "a\0", "c", "d"])}, ['column "creator_id", row 1', r"'a\x00'", "control"]),
    ("newline", {"creator_id": pa.array(["a", "b", "c\nd", "e"])}, ['column "creator_id", row 2', r"'c\nd'", "control"]),
    ("C1 control", {"creator_id": pa.array(["a", "b", "c\x85", "e"])}, ['column "creator_id", row 2', "control"]),
    ("same id twice", {"creator_id": pa.array(["a", "b", "c", "b"])}, ['column "creator_id", row 3', "'b'", "row 1"]),
    ("number as id", {"creator_id": pa.array([1, 2, 3, 4])}, ['column "creator_id"', "int64", "cast it to string"]),
    ("bytes as id", {"creator_id": pa.array([b"a", b"b", b"c", b"d"])}, ['column "creator_id"', "binary"]),
    # embeddings
    ("null embedding", {"embedding": vectors(1, None)}, ['column "embedding", row 1', "null"]),
    ("null element", {"embedding": vectors(2, [1.0, None, 1.0])}, ['column "embedding", row 2', "element 1 is null"]),
    ("short embedding", {"embedding": vectors(2, [1.0, 1.0])}, ['column "embedding", row 2', "has 2 dimensions", "3 are expected"]),
    ("long embedding", {"embedding": vectors(3, [1.0] * 4)}, ['column "embedding", row 3', "has 4 dimensions"]),
    ("empty embedding", {"embedding": vectors(0, [])}, ['column "embedding", row 0', "empty"]),
    ("NaN", {"embedding": vectors(2, [1.0, 1.0, NAN])}, ['column "embedding", row 2', "element 2 is nan"]),
    ("infinity", {"embedding": vectors(1, [1.0, -INF, 1.0])}, ['column "embedding", row 1', "element 1 is -inf"]),
    ("float64 beyond float32", {"embedding": vectors(1, [1e39, 1, 1], pa.list_(pa.float64()))}, ['column "embedding", row 1', "element 0 is 1e+39"]),
    ("zero vector", {"embedding": vectors(3, [0.0, 0.0, 0.0])}, ['column "embedding", row 3', "all zero"]),
    ("tiny norm", {"embedding": vectors(1, [1e-7, 0.0, 0.0])}, ['column "embedding", row 1', "1e-07", "scale"]),
    ("huge norm", {"embedding": vectors(1, [2e4, 0.0, 0.0])}, ['column "embedding", row 1', "20000", "scale"]),
    ("integers as embedding", {"embedding": pa.array([[1, 2]] * 4)}, ['column "embedding"', "list<", "cast it to list<float>"]),
    ("number as embedding", {"embedding": pa.array([1.0] * 4)}, ['column "embedding"', "double", "list of floats"]),
    ("text as embedding", {"embedding": pa.array(["[0.1, 0.2]"] * 4)}, ['column "embedding"', "string", "json.loads", "docs/bundle.md"]),
    ("users for creators", {"creator_id": None, "user_id": pa.array(["a", "b", "c", "d"])}, ['"creator_id"', "exchange --creators and --users"]),
    # columns with a meaning
    ("number as name", {"name": four(7)}, ['column "name"', "int64", "--ignore-column name"]),
    ("text as markets", {"markets": four("SE", usual="GB")}, ['column "markets"', "string", "list<string>"]),
    ("null market", {"markets": four(["SE", None], usual=[])}, ['column "markets", row 2', "null"]),
    ("empty market", {"markets": four(["SE", ""], usual=[])}, ['column "markets", row 2', '""']),
    ("number as tier", {"tier": four(1)}, ['column "tier"', "int64"]),
    ("text as labels", {"labels": four("a", usual="b")}, ['column "labels"', "string"]),
    ("null label", {"labels": four(["a", None], usual=[])}, ['column "labels", row 2', "null"]),
    ("naive create_time", {"create_time": four(0, kind=pa.timestamp("us"))}, ['column "create_time"', "timestamp[us]", "zone"]),
    ("number as create_time", {"create_time": four(0)}, ['column "create_time"', "int64", "timestamp with a zone"]),
    ("float as revision", {"revision": four(1.5, usual=1.0)}, ['column "revision"', "double", "int64"]),
    ("uint64 as revision", {"revision": four(1, kind=pa.uint64())}, ['column "revision"', "uint64"]),
    # features
    ("null", {"followers": four(None)}, ['column "followers", row 2', "null", '"creator.followers" a default', "--ignore-column followers"]),
    ("NaN feature", {"heat": four(NAN, usual=1.0)}, ['column "heat", row 2', "nan", "finite"]),
    ("infinite feature", {"heat": four(INF, usual=1.0)}, ['column "heat", row 2', "inf"]),
    ("float16 infinity", {"heat": four(np.float16(INF), usual=np.float16(1), kind=pa.float16())}, ['column "heat", row 2', "inf"]),
    ("null vector", {"stats": floats([[1.0], None, [2.0], [3.0]])}, ['column "stats", row 1', "null"]),
    ("null in a vector", {"stats": floats([[1.0], [None], [2.0], [3.0]])}, ['column "stats", row 1', "element 0 is null"]),
    ("NaN in a vector", {"stats": floats([[1.0, 2.0], [1.0, NAN]] * 2)}, ['column "stats", row 1', "element 1 is nan"]),
    ("infinity in a sequence", {"stats": floats([[1.0], [], [1.0, 2.0, INF], [3.0]])}, ['column "stats", row 2', "element 2 is inf"]),
    ("naive timestamp", {"seen": four(0, kind=pa.timestamp("ms"))}, ['column "seen"', "timestamp[ms]", "zone", "--ignore-column seen"]),
    ("date", {"day": four(dt.date(2020, 1, 1), usual=dt.date(2021, 1, 1))}, ['column "day"', "date32", "--ignore-column day"]),
    ("decimal", {"price": four(decimal.Decimal("1.5"), usual=decimal.Decimal("2.5"))}, ['column "price"', "decimal"]),
    ("struct", {"inner": four({"a": 1}, usual={"a": 2})}, ['column "inner"', "struct"]),
    ("binary", {"raw": four(b"x", usual=b"y")}, ['column "raw"', "binary"]),
    ("map", {"pairs": four([("a", 1)], usual=[], kind=pa.map_(pa.string(), pa.int64()))}, ['column "pairs"', "map"]),
    ("list of lists", {"deep": four([[1.0]], usual=[])}, ['column "deep"', "list<"]),
    ("nothing but null", {"void": pa.nulls(4)}, ['column "void"', "null"]),
    ("capital letters", {"Followers": four(2)}, ['column "Followers"', "rename", "--ignore-column"]),
    ("a dot", {"creator.followers": four(2)}, ['column "creator.followers"', "rename"]),
    ("64 characters", {"f" * 64: four(2)}, ["f" * 64, "at most 63"]),
    ("the index of pandas", {"__index_level_0__": four(2)}, ['column "__index_level_0__"', "pandas", "index=False"]),
]


@pytest.mark.parametrize(("columns", "words"), [pytest.param(columns, words, id=name) for name, columns, words in REFUSED])
def test_a_bad_value_is_refused_with_file_row_column_and_value(tmp_path, columns, words):
    refused(tmp_path, columns, NO_RULES, words)


SIMILAR = ReadRules(creator_sequences=frozenset({"creator.similar"}))
RULES = [
    (
        "text that the ranker reads",
        {"genre": four("a", usual="b")},
        ReadRules(bound=frozenset({"creator.genre"})),
        ['"creator.genre" a vocabulary', "if these are numbers, cast it"],
    ),
    ("a vocabulary for numbers", {"genre": four(2)}, ReadRules({"creator.genre": Vocabulary(("a",))}), ['column "genre"', "int64", "vocabulary"]),
    ("null category", {"genre": four(None, usual="a")}, ReadRules({"creator.genre": Vocabulary(("a",))}), ['column "genre", row 2', "null"]),
    ("infinity despite a default", {"heat": four(INF, usual=1.0)}, ReadRules(nullable=frozenset({"creator.heat"})), ['column "heat", row 2', "inf"]),
    (
        "numbers as creators",
        {"similar": four([1], usual=[])},
        ReadRules(creator_sequences=frozenset({"creator.similar"})),
        ['column "similar"', "ids"],
    ),
    (
        "null creator",
        {"similar": four([None], usual=["a"])},
        ReadRules(creator_sequences=frozenset({"creator.similar"})),
        ["row 2", "element 0 is null"],
    ),
    (
        "null create_time that the ranker reads",
        {"create_time": four(None, kind=pa.timestamp("s", "UTC"))},
        ReadRules(bound=frozenset({"creator.create_time"})),
        ['column "create_time", row 2', "null"],
    ),
    ("ignored ids", {}, ReadRules(ignored=frozenset({"creator_id"})), ['"creator_id"', "ignored"]),
    ("ignored embedding", {}, ReadRules(ignored=frozenset({"creator.embedding"})), ['"embedding"', "ignored"]),
]


@pytest.mark.parametrize(("columns", "rules", "words"), [pytest.param(*case, id=name) for name, *case in RULES])
def test_what_the_binding_rules_out_is_refused(tmp_path, columns, rules, words):
    refused(tmp_path, columns, rules, words)


def refused(directory, columns, rules, words, count=4):
    file = save(creators_table(**columns), directory / "creators.parquet")
    with pytest.raises(ArtifactError) as caught:
        write_creators(file, directory, rules, Silent())
    assert caught.value.reason is ArtifactReason.INPUT_INVALID
    assert caught.value.file == str(file)
    assert [word for word in words if word not in caught.value.text] == [], caught.value.text
    return caught.value


def test_the_row_is_counted_over_batches_and_row_groups(tmp_path):
    count = 40_000
    embeddings = np.ones((count, 2), np.float32)
    embeddings[33_333, 1] = np.nan
    table = pa.table(
        {
            "creator_id": [str(i) for i in range(count)],
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(embeddings.ravel()), 2),
        }
    )
    file = save(table, tmp_path / "creators.parquet", row_group_size=9_999)
    with pytest.raises(ArtifactError, match="row 33333: element 1 is nan"):
        write_creators(file, tmp_path, NO_RULES, Silent())


def test_the_earliest_repeated_id_is_named_with_both_rows(tmp_path):
    table = creators_table(creator_id=pa.array(["z", "z", "a", "a"]))
    with pytest.raises(ArtifactError, match="row 1: 'z' is the id of row 0 already"):
        write_creators(save(table, tmp_path / "c.parquet"), tmp_path, NO_RULES, Silent())


@pytest.mark.parametrize("name", ["creator_id", "embedding"])
def test_a_missing_column_is_named_with_those_that_are_there(tmp_path, name):
    table = creators_table(**{name: None}, Artist=four(1))
    with pytest.raises(ArtifactError, match=f'the column "{name}".*is missing.*"Artist"'):
        write_creators(save(table, tmp_path / "c.parquet"), tmp_path, NO_RULES, Silent())


def test_two_columns_of_one_name_are_refused(tmp_path):
    table = creators_table().append_column("heat", four(1)).append_column("heat", four(2))
    with pytest.raises(ArtifactError, match='column "heat": there are two columns of that name'):
        write_creators(save(table, tmp_path / "c.parquet"), tmp_path, NO_RULES, Silent())


def test_no_rows_are_refused(tmp_path):
    file = save(creators_table().slice(0, 0), tmp_path / "c.parquet")
    with pytest.raises(ArtifactError, match="has no rows"):
        write_creators(file, tmp_path, NO_RULES, Silent())


@pytest.mark.parametrize(("column", "most", "cell"), [("markets", 512, lambda name: [name]), ("tier", 255, lambda name: name)])
def test_one_distinct_name_too_many_is_refused_with_its_row(tmp_path, column, most, cell):
    count = most + 5
    columns = {
        "creator_id": [f"c{i}" for i in range(count)],
        "embedding": floats([[1.0, 2.0]] * count),
        column: [cell(f"n{i}") for i in range(count)],
    }
    with pytest.raises(ArtifactError, match=f'column "{column}", row {most}: .n{most}. is the distinct value number {most + 1}'):
        write_creators(save(pa.table(columns), tmp_path / "c.parquet"), tmp_path, NO_RULES, Silent())
    (tmp_path / "enough").mkdir()
    write_creators(save(pa.table(columns).slice(0, most), tmp_path / "c.parquet"), tmp_path / "enough", NO_RULES, Silent())


def test_a_missing_file_and_a_directory_are_no_input(tmp_path):
    for path in (tmp_path / "absent.parquet", tmp_path):
        with pytest.raises(InputNotFound, match=str(path)):
            write_creators(path, tmp_path, NO_RULES, Silent())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"creator_id,name\na,b\n", "perhaps CSV.*docs/bundle.md"),
        (b'[{"creator_id": "a"}]', "is JSON"),
        (b"ARROW1\0\0", "Feather"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"\x93NUMPY\x01\0", "NumPy"),
        (b"\0\1\2\3", "another kind"),
        (b"PAR1" + b"\0" * 100, "cannot be read as parquet"),
        (b"PAR1", "cannot be read as parquet"),
    ],
)
def test_another_kind_of_file_is_told_apart(tmp_path, content, words):
    file = tmp_path / "creators.parquet"
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match=words) as caught:
        write_creators(file, tmp_path, NO_RULES, Silent())
    assert caught.value.reason is ArtifactReason.INPUT_INVALID


def test_a_file_that_is_damaged_anywhere_is_refused_or_read_and_never_crashes(tmp_path):
    whole = save(creators_table(name=pa.array(["Bee", "A", "Ö", "D"])), tmp_path / "c.parquet").read_bytes()
    rng = np.random.default_rng(5)
    refused_count = 0
    for attempt in range(120):
        damaged = bytearray(whole[: rng.integers(1, len(whole))] if attempt % 3 == 0 else whole)
        for place in rng.integers(0, len(damaged), 3):
            damaged[place] = rng.integers(256)
        target = tmp_path / str(attempt)
        target.mkdir()
        (target / "c.parquet").write_bytes(damaged)
        try:
            write_creators(target / "c.parquet", target, NO_RULES, Silent())
        except ArtifactError as error:
            assert error.reason is ArtifactReason.INPUT_INVALID  # noqa: PT017 - most are refused, some bits do not matter
            refused_count += 1
    assert refused_count > 60


def test_a_file_with_fewer_rows_than_it_promises_is_refused(tmp_path):
    source = open_parquet(save(creators_table(), tmp_path / "c.parquet"), "creator", NO_RULES)
    with pytest.raises(ArtifactError, match="promises 5 rows and holds 4"):
        list(dataclasses.replace(source, count=5).batches(["creator_id"], "reading", Silent()))


def test_bytes_that_are_no_utf8_are_refused(tmp_path):
    offsets = pa.py_buffer(np.array([0, 1, 2, 3, 4], np.int32).tobytes())
    names = pa.Array.from_buffers(pa.string(), 4, [None, offsets, pa.py_buffer(b"ab\xffd")])
    with pytest.raises(ArtifactError, match=r"column .name., row 2: .*UTF8"):
        write_creators(save(creators_table(name=names), tmp_path / "c.parquet"), tmp_path, NO_RULES, Silent())
