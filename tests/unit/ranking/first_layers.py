"""Models whose first layers read columns of both sides, as exporters write them."""

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

from domain.columns import ColumnKind, ColumnSpec
from ranking.session import session_options
from tests.unit.ranking.ranking_world import binding_text, compile_model, make_user, model_of, value

WIDTHS = {
    "user.embedding": 8,
    "user.age": 1,
    "context.hour": 1,
    "creator.embedding": 8,
    "creator.quality": 1,
    "creator.mood": 3,
    "creator.active": 1,
    "retrieval.similarity": 1,
}
OF_REQUEST = ("user.embedding", "user.age", "context.hour")
ALL = tuple(WIDTHS)
AGE = (ColumnSpec("age", ColumnKind.SCALAR, "float32"),)
USER = make_user(features={"age": np.float32(1.25)}, context={"hour": np.float32(-0.75)})
HIDDEN = 64  # wide enough that a build splits and does not fold: 13 columns of creators would become 64
NARROW = 8  # narrow enough that it folds


def layer(kind, x, y, shape, rng, dtype):
    """One layer as exporters write it: its nodes and its constants."""
    weight = (rng.normal(size=shape) / np.sqrt(shape[0])).astype(dtype)
    bias = rng.normal(size=shape[1]).astype(dtype)
    w, b, product = f"{y}_w", f"{y}_b", f"{y}_product"
    return {
        "gemm": ([helper.make_node("Gemm", [x, w, b], [y])], {w: weight, b: bias}),
        "gemm of a row": ([helper.make_node("Gemm", [x, w, b], [y])], {w: weight, b: bias[None]}),
        "gemm transposed": ([helper.make_node("Gemm", [x, w, b], [y], transB=1)], {w: np.ascontiguousarray(weight.T), b: bias}),
        "gemm without bias": ([helper.make_node("Gemm", [x, w], [y])], {w: weight}),
        "matmul": ([helper.make_node("MatMul", [x, w], [y])], {w: weight}),
        "matmul and add": ([helper.make_node("MatMul", [x, w], [product]), helper.make_node("Add", [product, b], [y])], {w: weight, b: bias}),
        "add and matmul": ([helper.make_node("MatMul", [x, w], [product]), helper.make_node("Add", [b, product], [y])], {w: weight, b: bias}),
    }[kind]


KINDS = ("gemm", "gemm of a row", "gemm transposed", "gemm without bias", "matmul", "matmul and add", "add and matmul")


def network(kinds, columns, seed=1, dtype="float32", extra=(), hidden=HIDDEN):
    """score = the sum over `kinds` of relu(layer(x)) . v, plus what the last of the `extra` nodes gives"""
    rng = np.random.default_rng(seed)
    width = sum(WIDTHS[c] for c in columns)
    nodes, constants = [], {}
    for i, kind in enumerate(kinds):
        own, weights = layer(kind, "x", f"y{i}", (width, hidden), rng, dtype)
        v = {f"v{i}": (rng.normal(size=(hidden, 1)) / np.sqrt(hidden)).astype(dtype)}
        nodes += [*own, helper.make_node("Relu", [f"y{i}"], [f"z{i}"]), helper.make_node("MatMul", [f"z{i}", f"v{i}"], [f"s{i}"])]
        constants |= weights | v
    sums = [f"s{i}" for i in range(len(kinds))] + [node.output[0] for node in extra[-1:]]
    nodes += [*extra, helper.make_node("Sum", sums, ["score"])]
    return model_of(nodes, [value("x", dtype, ["n", width])], [value("score", dtype, ["n", 1])], constants)


def largest_of(name):
    return helper.make_node("ReduceMax", [name], ["largest"], axes=[1], keepdims=1)


def binding(columns):
    return binding_text(", ".join(f'"{c}"' for c in columns))


def compiled(folder, model, columns=ALL):
    return compile_model(folder, model, binding(columns), AGE)


def operators(compiled_ranker):
    return [node.op_type for node in onnx.load(compiled_ranker.directory / "served.onnx").graph.node]


def optimized(compiled_ranker, folder):
    """The operators that the runtime makes of the served graph."""
    options = session_options()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    ort.InferenceSession(str(compiled_ranker.directory / "served.onnx"), options, providers=["CPUExecutionProvider"])
    return [node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node]
