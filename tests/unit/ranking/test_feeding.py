"""What reaches the model: every element type, exact integers, sequences with their masks, categories, defaults, presence."""

from collections import ChainMap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from domain.columns import Column, ColumnKind, ColumnMeaning, ColumnSpec, RowFeatures
from domain.errors import InvalidRequest
from ranking.bound import ColumnRef
from ranking.fill import RequestFiller
from ranking.plan import BoundColumn, RequestInput
from tests.unit.ranking.ranking_world import COUNT, binding_text, compile_model, make_candidates, make_creators, make_user, model_of, value, weighing

CREATORS = make_creators()
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def spec(name, dtype="float32", kind=ColumnKind.SCALAR, width=1, meaning=ColumnMeaning.NUMBER):
    return ColumnSpec(name, kind, dtype, width, meaning)


def history(*rows):
    return np.array(rows, np.int64)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", *INTEGERS])
def test_every_element_type_gets_columns_of_both_sides(tmp_path, dtype):
    columns = '"user.level", "creator.small", "creator.active", "creator.rare.present", "context.step"'
    compiled = compile_model(tmp_path, weighing(dtype, 5), binding_text(columns), (spec("level", "int16"),))
    user = make_user(features={"level": np.int16(7)}, context={"step": np.int64(3)})
    candidates = make_candidates(50)
    c = CREATORS.columns
    rows = candidates.rows
    wanted = 1 * 7 + 2 * c["small"].values[rows] + 3 * c["active"].values[rows] + 4 * c["rare"].present[rows] + 5 * 3
    assert np.array_equal(compiled.rank(user, candidates).scores, wanted.astype(np.float32))
    assert compiled.agrees(user, candidates)


def test_a_boolean_tensor_takes_booleans(tmp_path):
    compiled = compile_model(tmp_path, weighing("bool", 3), binding_text('"creator.active", "creator.rare.present", "context.logged_in"'))
    user = make_user(context={"logged_in": np.True_})
    assert compiled.ranker.schema.context["logged_in"].dtype == "bool"
    assert compiled.agrees(user, make_candidates(30))


def parity_model():
    """score = x mod 2 for an int64: lost as soon as anything passes through a float."""
    nodes = [helper.make_node("Mod", ["x", "two"], ["odd"]), helper.make_node("Cast", ["odd"], ["score"], to=TensorProto.FLOAT)]
    return model_of(nodes, [value("x", "int64", ["n"])], [value("score", "float32", ["n"])], {"two": np.array(2)})


def test_int64_is_exact_from_table_to_score(tmp_path):
    compiled = compile_model(tmp_path, parity_model(), binding_text('"creator.token"'))
    candidates = make_candidates(100)
    assert np.array_equal(compiled.rank(make_user(), candidates).scores, CREATORS.columns["token"].values[candidates.rows] % 2)


@given(st.integers(-(2**63), 2**63 - 1))
def test_int64_is_exact_from_request_to_tensor(sent):
    column = BoundColumn(ColumnRef("context", "id"), spec("id", "int64"), 1)
    filler = RequestFiller(RequestInput("x", "int64", (1, 1), 0, (column,)), CREATORS)
    assert filler.fill(make_user(context={"id": np.int64(sent)}))[0, 0] == sent


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("whose", ["user", "context"])
def test_an_integer_that_does_not_fit_the_tensor_is_an_invalid_request(dtype, whose):
    column = BoundColumn(ColumnRef(whose, "level"), spec("level", "int64"), 1)
    vector = BoundColumn(ColumnRef(whose, "levels"), spec("levels", "int64", ColumnKind.VECTOR, 2), 2)
    filler = RequestFiller(RequestInput("x", dtype, (1, 3), 0, (column, vector)), CREATORS)
    limits = np.iinfo(dtype)
    for wrong in (w for w in (int(limits.min) - 1, int(limits.max) + 1) if -(2**63) <= w < 2**63):
        for level, levels in ((wrong, [0, 0]), (0, [0, wrong])):
            sent = {"level": np.int64(level), "levels": np.array(levels)}
            with pytest.raises(InvalidRequest, match=f"{wrong} does not fit {dtype}"):
                filler.fill(make_user(features=sent, context=sent))


def test_a_number_too_large_for_the_tensor_is_an_invalid_request():
    column = BoundColumn(ColumnRef("context", "price"), spec("price", "float64"), 1)
    filler = RequestFiller(RequestInput("x", "float32", (1, 1), 0, (column,)), CREATORS)
    with pytest.raises(InvalidRequest, match=r'context_features\["price"\].*not finite as float32'):
        filler.fill(make_user(context={"price": np.float64(1e39)}))
    assert filler.fill(make_user(context={"price": np.float64(1e38)}))[0, 0] == np.float32(1e38)


def test_large_numbers_whose_sum_overflows_are_still_accepted():
    columns = tuple(BoundColumn(ColumnRef("context", n), spec(n), 1) for n in ("a", "b"))
    filler = RequestFiller(RequestInput("x", "float32", (1, 2), 0, columns), CREATORS)
    big = np.float32(3e38)
    assert filler.fill(make_user(context={"a": big, "b": big})).tolist() == [[big, big]]


def test_nan_may_be_sent_only_where_it_is_the_default():
    columns = (BoundColumn(ColumnRef("context", "a"), spec("a"), 1, (float("nan"),)), BoundColumn(ColumnRef("context", "b"), spec("b"), 1, (0.0,)))
    filler = RequestFiller(RequestInput("x", "float32", (1, 2), 0, columns), CREATORS)
    nan = np.float32("nan")
    assert np.isnan(filler.fill(make_user(context={"a": nan}))[0, 0])
    assert np.isnan(filler.fill(make_user())[0, 0])
    with pytest.raises(InvalidRequest, match=r'context_features\["b"\]'):
        filler.fill(make_user(context={"b": nan}))


def test_every_absent_value_without_a_default_is_named(tmp_path):
    columns = '"user.age", "user.mood", "context.hour", "creator.quality"'
    compiled = compile_model(tmp_path, weighing(width=6), binding_text(columns), (spec("age"), spec("mood", kind=ColumnKind.VECTOR, width=3)))
    with pytest.raises(InvalidRequest) as invalid:
        compiled.rank(make_user(), make_candidates(5))
    assert {v.field for v in invalid.value.violations} == {'user.features["age"]', 'user.features["mood"]', 'context_features["hour"]'}


def test_defaults_stand_in_and_presence_tells(tmp_path):
    columns = '"user.mood", "user.mood.present", "creator.rare", "creator.rare.present", "context.hour", "context.hour.present"'
    rest = '[defaults]\n"user.mood" = 2.0\n"creator.rare" = -5.0\n"context.hour" = 12.0'
    compiled = compile_model(tmp_path, weighing(width=8), binding_text(columns, rest=rest), (spec("mood", kind=ColumnKind.VECTOR, width=3),))
    candidates = make_candidates(100)
    rare = CREATORS.columns["rare"]
    present = rare.present[candidates.rows]
    ours = 5 * np.where(present, rare.values[candidates.rows], -5.0) + 6 * present
    absent = (1 + 2 + 3) * 2.0 + 7 * 12.0
    assert np.allclose(compiled.rank(make_user(), candidates).scores, absent + ours, atol=1e-4)
    sent = make_user(features={"mood": np.array([1, 0, 1], np.float32)}, context={"hour": np.float32(3)})
    assert np.allclose(compiled.rank(sent, candidates).scores, 1 + 3 + 4 + 7 * 3 + 8 + ours, atol=1e-4)
    assert compiled.agrees(make_user(), candidates)
    assert compiled.agrees(sent, candidates)


def test_only_presence_may_be_read_of_a_column_with_nulls(tmp_path):
    compiled = compile_model(tmp_path, weighing(width=1), binding_text('"creator.rare.present"'))
    assert compiled.binding.nullable == {"creator.rare"}
    assert compiled.agrees(make_user(), make_candidates(40))


def test_times_are_bound_and_the_time_of_the_request_is_always_there(tmp_path):
    compiled = compile_model(tmp_path, weighing("int64", 2), binding_text('"creator.create_time", "context.as_of_time"'))
    assert compiled.ranker.schema.context == {}
    candidates = make_candidates(20)
    wanted = CREATORS.columns["create_time"].values[candidates.rows] + 2 * 1_700_000_123
    assert np.array_equal(compiled.rank(make_user(), candidates).scores, wanted.astype(np.float32))


def test_categories_arrive_as_codes(tmp_path):
    rest = '[vocabularies]\n"context.country" = { values = ["SE", "GB"], first = 1, unknown = 0 }\n[defaults]\n"context.country" = "GB"'
    compiled = compile_model(tmp_path, weighing("int64", 2), binding_text('"context.country", "creator.genre"', rest=rest))
    schema = compiled.ranker.schema
    assert schema.context["country"].meaning is ColumnMeaning.CATEGORY
    assert schema.vocabularies["context.country"].code("GB") == 2
    candidates = make_candidates(20)
    genre = CREATORS.columns["genre"].values[candidates.rows]
    assert np.array_equal(compiled.rank(make_user(), candidates).scores, 2 + 2 * genre)
    assert np.array_equal(compiled.rank(make_user(context={"country": np.int64(0)}), candidates).scores, 2 * genre)


SEQUENCES = {
    "[1, length, D]": (["one", 4, 9], '"user.history.creator.embedding", "user.history.mask"'),
    "[length, D]": ([4, 9], '"user.history.creator.embedding", "user.history.mask"'),
    "[1, length]": ([1, 4], '"user.history.creator.small"'),
    "[length]": ([4], '"user.history.creator.small"'),
    "several columns": ([1, 4, 5], '"user.history.creator.mood", "user.history.creator.rare", "user.weights"'),
}


def sequence_model(shape):
    """score = creator.quality + the weighted sum of everything in the sequence."""
    fixed = [1 if d == "one" else d for d in shape]
    weights = np.arange(1.0, 1 + np.prod(fixed)).astype(np.float32)
    nodes = [
        helper.make_node("Reshape", ["s", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "weights"], ["total"]),
        helper.make_node("Add", ["q", "total"], ["score"]),
    ]
    inputs = [value("s", "float32", fixed), value("q", "float32", ["n", 1])]
    return model_of(nodes, inputs, [value("score", "float32", ["n", 1])], {"weights": weights[:, None], "flat": np.array([1, -1])})


@pytest.mark.parametrize("name", SEQUENCES)
@pytest.mark.parametrize("count", [0, 2, 4, 9])
def test_sequences_of_the_user_in_every_shape(tmp_path, name, count):
    shape, columns = SEQUENCES[name]
    binding = f"""
version = 1
output = "score"
[inputs.s]
per = "request"
columns = [{columns}]
length = 4
[inputs.q]
per = "candidate"
columns = ["creator.quality"]
[defaults]
"creator.rare" = 9.0
"""
    creator, weights = spec("history", "int64", ColumnKind.SEQUENCE, 0, ColumnMeaning.CREATOR), spec("weights", kind=ColumnKind.SEQUENCE, width=0)
    compiled = compile_model(tmp_path, sequence_model(shape), binding, (creator, weights))
    rows = np.random.default_rng(count).integers(0, COUNT, count)
    user = make_user(features={"history": rows, "weights": np.arange(1, count + 1, dtype=np.float32)})
    assert compiled.agrees(user, make_candidates(25))


def test_a_history_is_padded_at_the_end_and_keeps_the_newest_in_order():
    columns = tuple(
        BoundColumn(ColumnRef.parse(f"user.history.{part}"), spec("history", "int64", ColumnKind.SEQUENCE, 0, ColumnMeaning.CREATOR), 1)
        for part in ("creator.token", "mask")
    )
    filler = RequestFiller(RequestInput("x", "int64", (1, 3, 2), 3, columns), CREATORS)
    token = CREATORS.columns["token"].values
    long, short = (filler.fill(make_user(features={"history": h}))[0] for h in (history(5, 6, 7, 8), history(5)))
    assert long.tolist() == [[token[6], 1], [token[7], 1], [token[8], 1]]
    assert short.tolist() == [[token[5], 1], [0, 0], [0, 0]]


@pytest.mark.parametrize(("clip", "wanted"), [("", 6), ("length = 4", 4)])
def test_lengths_count_all_entries_or_those_that_fit(tmp_path, clip, wanted):
    compiled = compile_model(
        tmp_path, weighing(width=1), binding_text('"user.history.length"', extra=clip), (spec("history", "int64", ColumnKind.SEQUENCE, 0),)
    )
    scores = compiled.rank(make_user(features={"history": np.arange(6)}), make_candidates(3)).scores
    assert scores.tolist() == [wanted] * 3


@pytest.mark.parametrize("clip", ["", "length = 3"])
def test_lengths_of_creators_are_tables(tmp_path, clip):
    compiled = compile_model(tmp_path, weighing(width=1), binding_text('"creator.topics.length"', extra=clip))
    candidates = make_candidates(100)
    counts = np.diff(CREATORS.columns["topics"].offsets)[candidates.rows]
    assert np.array_equal(compiled.rank(make_user(), candidates).scores, np.minimum(counts, 3) if clip else counts)


def test_sequences_of_creators_and_of_the_user_meet_per_candidate(tmp_path):
    nodes = [
        helper.make_node("Reshape", ["x", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "weights"], ["score"]),
    ]
    constants = {"weights": np.arange(1.0, 13).astype(np.float32)[:, None], "flat": np.array([-1, 12])}
    model = model_of(nodes, [value("x", "float32", ["n", 3, 4])], [value("score", "float32", ["n", 1])], constants)
    columns = '"creator.topics", "creator.plays", "creator.plays.mask", "user.weights"'
    rest = '[defaults]\n"creator.plays" = [0.5, 0.25]'
    compiled = compile_model(
        tmp_path, model, binding_text(columns, extra="length = 3", rest=rest), (spec("weights", kind=ColumnKind.SEQUENCE, width=0),)
    )
    assert compiled.agrees(make_user(features={"weights": np.arange(5, dtype=np.float32)}), make_candidates(80))


def test_one_number_per_candidate_may_be_a_vector_input(tmp_path):
    compiled = compile_model(tmp_path, weighing("float64", 1, ["n"]), binding_text('"user.age"'), (spec("age", "float64"),))
    assert compiled.rank(make_user(features={"age": np.float64(4)}), make_candidates(3)).scores.tolist() == [4, 4, 4]


@pytest.mark.parametrize("shape", [[1, 3], [3], ["one", 3]])
def test_a_request_vector_of_unknown_width_takes_what_the_model_leaves(tmp_path, shape):
    nodes = [
        helper.make_node("Reshape", ["r", "flat"], ["row"]),
        helper.make_node("ReduceSum", ["row"], ["total"]),
        helper.make_node("Add", ["q", "total"], ["score"]),
    ]
    inputs = [value("r", "float32", shape), value("q", "float32", ["n", 1])]
    model = model_of(nodes, inputs, [value("score", "float32", ["n", 1])], {"flat": np.array([1, -1])})
    binding = binding_text('"user.age", "context.mood"', "request", name="r") + '[inputs.q]\nper = "candidate"\ncolumns = ["creator.quality"]'
    compiled = compile_model(tmp_path, model, binding, (spec("age"),))
    assert compiled.ranker.schema.context["mood"].width == 2
    assert compiled.ranker.schema.user["age"].width == 1
    user = make_user(features={"age": np.float32(1)}, context={"mood": np.array([2, 3], np.float32)})
    assert compiled.agrees(user, make_candidates(9))
    with pytest.raises(InvalidRequest, match="vector of 2 values, 3 were given"):
        compiled.rank(make_user(features={"age": np.float32(1)}, context={"mood": np.zeros(3, np.float32)}), make_candidates(9))


def test_stored_columns_that_the_ranker_does_not_read_may_be_sent(tmp_path):
    compiled = compile_model(tmp_path, weighing(), binding_text('"creator.quality"'), (spec("age"),))
    assert set(compiled.ranker.schema.user) == {"age"}
    assert compiled.agrees(make_user(features={"age": np.float32(3)}), make_candidates(4))


def test_a_user_column_of_no_table_may_be_sent_when_it_has_a_default(tmp_path):
    binding = binding_text('"user.age", "user.plan"', rest='[defaults]\n"user.plan" = 2.0')
    compiled = compile_model(tmp_path, weighing(width=2), binding, (spec("age"),))
    assert set(compiled.ranker.schema.user) == {"age", "plan"}
    assert compiled.rank(make_user(features={"age": np.float32(1)}), make_candidates(1)).scores.tolist() == [5.0]


STORED_TYPES = ["float32", "float64", "int64", "int16", "uint8", "bool"]


def user_table(seed):
    """20 users with a scalar of every type, a second one that every third user lacks, and one that is infinite in narrow floats."""
    rng = np.random.default_rng(seed)
    values = {t: rng.integers(0, 2 if t == "bool" else 100, 20).astype(t) for t in STORED_TYPES}
    present = np.arange(20) % 3 > 0
    columns = {t: Column(spec(t, t), v) for t, v in values.items()}
    columns |= {f"maybe_{t}": Column(spec(f"maybe_{t}", t), np.where(present, v, v.dtype.type(0)), None, present) for t, v in values.items()}
    return columns | {"huge": Column(spec("huge", "float64"), np.full(20, 1e300)), "large": Column(spec("large", "int64"), np.full(20, 2**40))}


def scalar_filler(dtype, *names, default=None):
    columns = tuple(BoundColumn(ColumnRef("user", n), user_table(0)[n].spec, 1, default) for n in names)
    return RequestFiller(RequestInput("x", dtype, (1, len(names)), 0, columns), CREATORS)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "int32"])
def test_a_stored_user_is_read_like_one_who_sends_the_same(dtype):
    usable = [t for t in STORED_TYPES if "float" in dtype or "float" not in t]
    filler = scalar_filler(dtype, *usable, *(f"maybe_{t}" for t in usable), default=(5,))
    for seed in (1, 2, 1):  # another user store, and back
        table = user_table(seed)
        for row in range(20):
            stored = RowFeatures(table, row)
            given = filler.fill(make_user(features=stored))
            assert np.array_equal(given, filler.fill(make_user(features=dict(stored))))
            assert given[0, : len(usable)].tolist() == [table[t].values[row] for t in usable]
            assert given[0, len(usable)] == (table[f"maybe_{usable[0]}"].values[row] if row % 3 else 5)


def test_what_was_sent_wins_over_what_is_stored():
    features = ChainMap({"int64": np.int64(1000)}, RowFeatures(user_table(1), 4))
    assert scalar_filler("float32", "int64", "int16").fill(make_user(features=features)).tolist() == [[1000.0, user_table(1)["int16"].values[4]]]


def test_a_stored_value_that_is_absent_or_does_not_fit_is_refused_like_a_sent_one():
    for dtype, name, complaint in (
        ("float32", "maybe_int64", "neither stored nor sent"),
        ("float32", "huge", "not finite as float32"),
        ("int32", "large", f"{2**40} does not fit int32"),
    ):
        with pytest.raises(InvalidRequest, match=complaint):
            scalar_filler(dtype, "int16", name).fill(make_user(features=RowFeatures(user_table(1), 0)))
