"""What creators.parquet may hold, and how it is stored."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bundle.creators import write_creators
from bundle.open import open_creators
from bundle.rules import ReadRules
from domain.columns import ColumnKind, ColumnMeaning, ColumnSpec, Vocabulary
from tests.unit.bundle.files import IDS, NO_RULES, VECTORS, Silent, catalogue, creators_table, floats, rows_set, save

TEXT_TYPES = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]


@pytest.mark.parametrize("kind", TEXT_TYPES, ids=str)
def test_every_encoding_of_text_gives_the_same_creators(tmp_path, kind):
    def text(values):
        return pa.array(values, pa.string()).cast(kind)

    lists = pa.ListArray.from_arrays(pa.array([0, 2, 2, 3, 3], pa.int32()), text(["SE", "GB", "SE"]))
    names = text(["Bee", None, "Ö", ""])
    made = catalogue(tmp_path, creator_id=text(IDS), name=names, tier=text(["x", None, "y", ""]), markets=lists, labels=lists)
    assert made.ids_of(np.arange(4)) == IDS
    assert made.names_of(np.arange(4)) == ["Bee", "", "Ö", ""]
    assert [made.tier_names[code] for code in made.tiers] == ["x", "", "y", ""]
    assert {name: made.markets.rows[code].tolist() for name, code in made.markets.codes.items()} == {"SE": [0, 2], "GB": [0]}


@pytest.mark.parametrize(
    "kind",
    [
        *(pa.list_(element) for element in (pa.float16(), pa.float32(), pa.float64())),
        pa.large_list(pa.float64()),
        pa.list_(pa.float16(), 3),
        pa.list_view(pa.float32()),
    ],
    ids=str,
)
def test_every_list_of_floats_is_an_embedding_in_float32(tmp_path, kind):
    made = catalogue(tmp_path, embedding=floats(VECTORS, kind))
    assert made.embeddings.dtype == np.float32
    assert made.embeddings.tolist() == VECTORS
    np.testing.assert_allclose(made.norms, np.linalg.norm(np.array(VECTORS), axis=1), rtol=1e-7)


def limits(kind):
    if kind.kind == "b":
        return False, True
    known = np.iinfo(kind) if kind.kind in "iu" else np.finfo(kind)
    return known.min, known.max


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64", "bool"])
def test_numbers_keep_their_type_and_their_extreme_values(tmp_path, dtype):
    kind = np.dtype(dtype)
    limits = (
        [False, True]
        if dtype == "bool"
        else [np.iinfo(kind).min, np.iinfo(kind).max]
        if kind.kind in "iu"
        else [np.finfo(kind).min, np.finfo(kind).max]
    )
    values = np.array([*limits, 1, 0], kind)
    made = catalogue(tmp_path, heat=pa.array(values), pair=pa.FixedSizeListArray.from_arrays(pa.array(np.repeat(values, 2)), 2))
    assert made.columns["heat"].spec == ColumnSpec("heat", ColumnKind.SCALAR, dtype)
    assert made.columns["pair"].spec == ColumnSpec("pair", ColumnKind.VECTOR, dtype, 2)
    assert made.columns["heat"].values.dtype == kind
    np.testing.assert_array_equal(made.columns["heat"].values, values)
    np.testing.assert_array_equal(made.columns["pair"].values, np.stack([values, values], axis=1))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Stockholm", "+05:30"])
def test_timestamps_with_a_zone_become_seconds_rounded_down(tmp_path, unit, zone):
    factor = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    times = pa.array([0, factor, -1, 5 * factor + factor // 2], pa.timestamp(unit, zone))
    made = catalogue(tmp_path, create_time=times, seen=times)
    expected = [0, 1, -1, 5]
    for name in ("create_time", "seen"):
        assert made.columns[name].spec == ColumnSpec(name, ColumnKind.SCALAR, "int64", 1, ColumnMeaning.TIME)
        assert made.columns[name].values.tolist() == expected


def test_lists_of_one_length_are_vectors_all_others_sequences(tmp_path):
    made = catalogue(
        tmp_path,
        ReadRules(sequences=frozenset({"creator.kept"})),
        same=floats([[1.0, 2.0]] * 4),
        kept=floats([[1.0, 2.0]] * 4),
        other=pa.array([[1], [1, 2], [], [3]], pa.list_(pa.int16())),
        empty=pa.array([[]] * 4, pa.list_(pa.float32())),
        fixed=pa.array([[1, 2]] * 4, pa.list_(pa.uint8(), 2)),
        times=pa.array([[0], [1000, 2000], [], []], pa.list_(pa.timestamp("ms", "UTC"))),
    )
    kinds = {name: (column.spec.kind, column.spec.width, column.spec.dtype) for name, column in made.columns.items()}
    assert kinds == {
        "same": (ColumnKind.VECTOR, 2, "float32"),
        "kept": (ColumnKind.SEQUENCE, 0, "float32"),
        "other": (ColumnKind.SEQUENCE, 0, "int16"),
        "empty": (ColumnKind.SEQUENCE, 0, "float32"),
        "fixed": (ColumnKind.VECTOR, 2, "uint8"),
        "times": (ColumnKind.SEQUENCE, 0, "int64"),
    }
    assert [made.columns["other"].at(row).tolist() for row in range(4)] == [[1], [1, 2], [], [3]]
    assert made.columns["times"].spec.meaning is ColumnMeaning.TIME
    assert made.columns["times"].at(1).tolist() == [1, 2]


def test_nulls_with_a_default_are_absent_and_stored_as_zero(tmp_path):
    nan = float("nan")
    rules = ReadRules(nullable=frozenset({"creator.heat", "creator.count", "creator.stats", "creator.plays", "creator.all"}))
    made = catalogue(
        tmp_path,
        rules,
        heat=pa.array([1.5, None, nan, 2.5]),
        count=pa.array([None, 1, 2**63, 3], pa.uint64()),
        stats=floats([None, [1.0, 2.0], [3.0, 4.0], None]),
        plays=pa.array([[1], None, [], [2, 3]]),
        all=pa.array([1, 2, 3, 4]),
    )
    columns = made.columns
    assert columns["heat"].present.tolist() == [True, False, False, True]
    assert columns["heat"].values.tolist() == [1.5, 0.0, 0.0, 2.5]
    assert columns["count"].present.tolist() == [False, True, True, True]
    assert columns["count"].values.tolist() == [0, 1, 2**63, 3]
    assert columns["stats"].at(0) is None
    assert columns["stats"].values.tolist() == [[0, 0], [1, 2], [3, 4], [0, 0]]
    assert columns["plays"].at(1) is None
    assert columns["plays"].at(2).tolist() == []
    assert columns["plays"].at(3).tolist() == [2, 3]
    assert columns["all"].present is None


def test_a_list_of_fixed_size_keeps_its_width_even_where_nobody_has_a_value(tmp_path):
    made = catalogue(tmp_path, ReadRules(nullable=frozenset({"creator.pair"})), pair=pa.array([None] * 4, pa.list_(pa.float32(), 2)))
    assert made.columns["pair"].spec == ColumnSpec("pair", ColumnKind.VECTOR, "float32", 2)
    assert [made.columns["pair"].at(row) for row in range(4)] == [None] * 4


def test_categories_become_codes_of_their_vocabulary(tmp_path):
    genres = Vocabulary(("rock", "pop"), first=1, unknown=0)
    rules = ReadRules({"creator.genre": genres, "creator.moods": genres}, nullable=frozenset({"creator.genre"}))
    made = catalogue(tmp_path, rules, genre=pa.array(["pop", None, "jazz", "rock"]), moods=pa.array([["pop", "x"], [], ["rock"], ["pop"]]))
    assert made.columns["genre"].spec == ColumnSpec("genre", ColumnKind.SCALAR, "int64", 1, ColumnMeaning.CATEGORY)
    assert [made.columns["genre"].at(row) for row in range(4)] == [2, None, 0, 1]
    assert made.columns["genre"].values[1] == 0
    assert made.columns["moods"].spec == ColumnSpec("moods", ColumnKind.SEQUENCE, "int64", 0, ColumnMeaning.CATEGORY)
    assert [made.columns["moods"].at(row).tolist() for row in range(4)] == [[2, 0], [], [1], [2]]


def test_lists_of_creators_become_rows_and_strangers_are_counted(tmp_path):
    similar = pa.array([["a", "nobody", "ö"], ["a\0", "", "aaa", "x" * 100], ["d"], []])
    file = save(creators_table(similar=similar), tmp_path / "c.parquet")
    made = write_creators(file, tmp_path, ReadRules(creator_sequences=frozenset({"creator.similar"})), Silent())
    column = open_creators(tmp_path).columns["similar"]
    assert made.dropped == {"creator.similar": 5}
    assert column.spec == ColumnSpec("similar", ColumnKind.SEQUENCE, "int64", 0, ColumnMeaning.CREATOR)
    assert [column.at(row).tolist() for row in range(4)] == [[1, 2], [], [3], []]


def test_text_that_nobody_reads_is_left_out_and_listed(tmp_path):
    file = save(creators_table(bio=pa.array(list("wxyz")), urls=pa.array([["u"]] * 4), heat=pa.array([1, 2, 3, 4])), tmp_path / "c.parquet")
    made = write_creators(file, tmp_path, NO_RULES, Silent())
    assert made.left_out == ("creator.bio", "creator.urls")
    assert [column.name for column in made.columns] == ["heat"]
    assert not list((tmp_path / "creators").rglob("*bio*"))


@pytest.mark.parametrize("form", ["{}", "creator.{}"])
def test_ignored_columns_are_not_even_looked_at(tmp_path, form):
    strange = {
        "Bad-Name": pa.array([1] * 4),
        "day": pa.array([0] * 4, pa.date32()),
        "markets": pa.array([1] * 4),
        "heat": pa.array([None] * 4, pa.int8()),
    }
    rules = ReadRules(ignored=frozenset(form.format(name) for name in strange))
    made = catalogue(tmp_path, rules, **strange)
    assert dict(made.columns) == {}
    assert made.markets is None


def test_a_tier_that_the_ranker_reads_is_a_category_too(tmp_path):
    tiers, regions = Vocabulary(("new", "top")), Vocabulary(("SE", "GB"))
    rules = ReadRules({"creator.tier": tiers, "creator.markets": regions}, bound=frozenset({"creator.tier", "creator.markets", "creator.revision"}))
    tier = pa.array(["top", "new", "top", "old"])
    made = catalogue(tmp_path, rules, tier=tier, markets=pa.array([["GB"], [], ["SE"], []]), revision=pa.array([4, 3, 2, 1], pa.int16()))
    assert made.columns["tier"].values.tolist() == [1, 0, 1, -1]
    assert made.columns["markets"].at(0).tolist() == [1]
    assert made.columns["revision"].values.tolist() == [4, 3, 2, 1]
    assert made.columns["revision"].spec.dtype == "int64"
    assert [made.tier_names[code] for code in made.tiers] == tier.to_pylist()


def test_a_revision_is_kept_without_being_a_feature(tmp_path):
    made = catalogue(tmp_path, revision=pa.array([1, None, 3, 4]))
    assert "revision" not in made.columns
    assert np.load(tmp_path / "creators" / "revision.npy").tolist() == [1, 0, 3, 4]
    assert np.load(tmp_path / "creators" / "revision.present.npy").tolist() == [True, False, True, True]


def test_columns_of_a_known_name_that_are_all_null_are_no_columns(tmp_path):
    nothing = {name: pa.nulls(4) for name in ("name", "markets", "tier", "labels", "create_time", "revision")}
    made = catalogue(tmp_path, **nothing)
    assert (made.names, made.markets, made.tiers, dict(made.columns)) == (None, None, None, {})


def test_markets_tell_everywhere_from_nowhere(tmp_path):
    made = catalogue(tmp_path, markets=pa.array([["SE", "SE"], None, [], ["GB", "SE"]]))
    markets = made.markets
    assert rows_set(markets.everywhere, 4) == [1]
    assert markets.everywhere_rows.tolist() == [1]
    assert {name: rows_set(markets.bitmaps[code], 4) for name, code in markets.codes.items()} == {"SE": [0, 1, 3], "GB": [1, 3]}
    assert [rows.tolist() for rows in markets.rows] == [[0, 1, 3], [1, 3]]


def test_markets_that_are_all_empty_leave_everybody_nowhere(tmp_path):
    markets = catalogue(tmp_path, markets=pa.array([[]] * 4)).markets
    assert dict(markets.codes) == {}
    assert len(markets.rows) == 0
    assert markets.everywhere_rows.tolist() == []


def test_markets_that_are_all_null_restrict_nobody(tmp_path):
    assert catalogue(tmp_path, markets=pa.array([None] * 4, pa.list_(pa.string()))).markets is None


def test_one_creator_is_enough(tmp_path):
    file = save(creators_table(markets=pa.array([["SE"]] * 4)).slice(2, 1), tmp_path / "c.parquet")
    write_creators(file, tmp_path, NO_RULES, Silent())
    made = open_creators(tmp_path)
    assert made.ids_of(np.arange(1)) == ["ö"]
    assert made.rows_of(["a", "ö"]).tolist() == [0]


def test_ids_of_the_greatest_length_and_of_any_script_are_kept(tmp_path):
    ids = ["x" * 64, "ö" * 32, "日本", " spaced id ", "\u202edetaerc"]
    table = pa.table({"creator_id": ids, "embedding": floats([[1.0]] * 5)})
    write_creators(save(table, tmp_path / "c.parquet"), tmp_path, NO_RULES, Silent())
    made = open_creators(tmp_path)
    assert made.ids_of(np.arange(5)) == ids
    assert made.rows_of(ids).tolist() == [0, 1, 2, 3, 4]
    assert [made.ids[row].decode() for row in made.id_order] == sorted(ids, key=str.encode)


def test_progress_counts_every_row_of_every_task(tmp_path):
    progress = Silent()
    write_creators(save(creators_table(), tmp_path / "c.parquet"), tmp_path, NO_RULES, progress)
    assert progress.tasks
    assert progress.done == [total for _, total in progress.tasks]


def test_the_same_input_gives_the_same_bytes(tmp_path):
    table = creators_table(name=pa.array(list("wxyz")), markets=pa.array([["SE"], ["GB"], None, []]), stats=floats([[1.0], [], [2.0], [3.0]]))
    outputs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_creators(save(table, tmp_path / "c.parquet"), tmp_path / name, NO_RULES, Silent())
        outputs.append({str(p.relative_to(tmp_path / name)): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()})
    assert outputs[0] == outputs[1]


def test_pandas_style_files_with_dictionaries_per_row_group_are_read(tmp_path):
    genre = pa.array(["a", "b", "c", "a"]).dictionary_encode()
    file = tmp_path / "c.parquet"
    pq.write_table(creators_table(genre=genre), file, row_group_size=1)
    write_creators(file, tmp_path, ReadRules({"creator.genre": Vocabulary(("c", "b", "a"))}), Silent())
    assert open_creators(tmp_path).columns["genre"].values.tolist() == [2, 1, 0, 2]
