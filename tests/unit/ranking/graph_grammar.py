"""Draws rankers from a grammar of operators: towers, crosses, sums over fields, attention over a history, in any order and depth.

They compute in float64: sums in another order then differ by less than float32 shows, so that a wrong number is a wrong graph and never rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper

from domain.columns import ColumnKind, ColumnMeaning, ColumnSpec
from tests.unit.ranking.ranking_world import model_of, value

USER_COLUMNS = (
    ColumnSpec("age", ColumnKind.SCALAR, "float32"),
    ColumnSpec("history", ColumnKind.SEQUENCE, "int64", 0, ColumnMeaning.CREATOR),
)
LENGTH, DIMENSIONS = 5, 8
COLUMNS = {
    "user": ["user.embedding", "user.age"],
    "creator": ["creator.embedding", "creator.quality"],
    "both": ["context.hour", "creator.mood", "user.age", "retrieval.similarity"],
}
WIDTHS = {"user": 9, "creator": 9, "both": 6}
BINDING = (
    'version = 1\noutput = "score"\n'
    + "".join(f'[inputs.{name}]\nper = "candidate"\ncolumns = {columns}\n'.replace("'", '"') for name, columns in COLUMNS.items())
    + '[inputs.asking]\nper = "request"\ncolumns = ["user.embedding"]\n'
    + f'[inputs.history]\nper = "request"\ncolumns = ["user.history.creator.embedding"]\nlength = {LENGTH}\n'
)
UNARY = ("Relu", "Tanh", "Sigmoid", "Neg", "Abs", "Identity")


@dataclass
class Draft:
    """A graph that grows. pool: tensors [n, width] with their widths."""

    draw: Callable[..., int]
    rng: np.random.Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    pool: list[tuple[str, int]] = field(default_factory=list)

    def choice(self, options):
        return options[self.draw(st.integers(0, len(options) - 1))]

    def add(self, operator: str, inputs: list[str], **attributes: object) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def normal(self, *shape: int) -> str:
        return self.constant(self.rng.normal(size=shape) / np.sqrt(shape[0]))

    def constant(self, array: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def keep(self, name: str, width: int) -> None:
        self.pool.append((name, width))

    def two_of_one_width(self) -> tuple[str, str, int]:
        """Any two tensors, the second one cut or projected to the width of the first."""
        (a, width), (b, other) = self.choice(self.pool), self.choice(self.pool)
        return a, b if other == width else self.add("MatMul", [b, self.normal(other, width)]), width


def layer(draft: Draft) -> None:
    x, width = draft.choice(draft.pool)
    out = draft.choice((1, 3, 8, 24))
    made = draft.choice(("Gemm", "transposed", "MatMul"))
    if made == "Gemm":
        draft.keep(draft.add("Gemm", [x, draft.normal(width, out), draft.normal(out)]), out)
    elif made == "transposed":
        draft.keep(draft.add("Gemm", [x, draft.constant(draft.rng.normal(size=(out, width)))], transB=1, alpha=0.5), out)
    else:
        draft.keep(draft.add("Add", [draft.normal(out), draft.add("MatMul", [x, draft.normal(width, out)])]), out)


def unary(draft: Draft) -> None:
    x, width = draft.choice(draft.pool)
    draft.keep(draft.add(draft.choice(UNARY), [x]), width)


def clip(draft: Draft) -> None:
    """With a lower limit only, an upper one only, or both."""
    x, width = draft.choice(draft.pool)
    limits = draft.choice((("low", ""), ("", "high"), ("low", "high")))
    given = [draft.constant(np.array({"low": -0.5, "high": 0.5}[limit])) if limit else "" for limit in limits]
    draft.keep(draft.add("Clip", [x, *given]), width)


def binary(draft: Draft) -> None:
    a, b, width = draft.two_of_one_width()
    draft.keep(draft.add(draft.choice(("Add", "Sub", "Mul", "Max")), [a, b]), width)


def affine(draft: Draft) -> None:
    x, width = draft.choice(draft.pool)
    pair = [x, draft.constant(draft.rng.uniform(0.5, 2.0, width))]
    draft.keep(draft.add(draft.choice(("Add", "Sub", "Mul", "Div")), pair if draft.choice((True, False)) else pair[::-1]), width)


def concat(draft: Draft) -> None:
    parts = [draft.choice(draft.pool) for _ in range(draft.choice((2, 3)))]
    draft.keep(draft.add("Concat", [name for name, _ in parts], axis=1), sum(width for _, width in parts))


def normalisation(draft: Draft) -> None:
    x, width = draft.choice(draft.pool)
    statistics = [draft.constant(draft.rng.uniform(0.5, 2.0, width)) for _ in range(4)]
    draft.keep(draft.add("BatchNormalization", [x, *statistics]), width)


def pick(draft: Draft) -> None:
    x, width = draft.choice(draft.pool)
    start = draft.choice(range(width))
    ends = [draft.constant(np.array([number])) for number in (start, width, 1)]
    if draft.choice((True, False)):
        draft.keep(draft.add("Slice", [x, *ends]), width - start)
    else:
        places = draft.rng.permutation(width)[: width - start]
        draft.keep(draft.add("Gather", [x, draft.constant(places)], axis=1), width - start)


def total(draft: Draft) -> None:
    x, _ = draft.choice(draft.pool)
    kind = draft.choice(("ReduceSum", "ReduceMean"))
    if kind == "ReduceSum":
        draft.keep(draft.add(kind, [x, draft.constant(np.array([1]))], keepdims=1), 1)
    else:
        draft.keep(draft.add(kind, [x], axes=[1], keepdims=1), 1)


def cross(draft: Draft) -> None:
    """x0 * (x W + b) + x, as in DCN-v2."""
    x, x0, width = draft.two_of_one_width()
    inner = draft.add("Gemm", [x, draft.normal(width, width), draft.normal(width)])
    draft.keep(draft.add("Add", [draft.add("Mul", [x0, inner]), x]), width)


def fields(draft: Draft) -> None:
    """Fields of one width side by side along an axis of their own: sums over them, of first and second order."""
    width, count = 4, draft.choice((2, 3))
    one = draft.constant(np.array([1]))
    parts = [draft.choice(draft.pool) for _ in range(count)]
    rows = [draft.add("Unsqueeze", [draft.add("MatMul", [x, draft.normal(w, width)]), one]) for x, w in parts]
    stacked = draft.add("Concat", rows, axis=1)
    summed = draft.add("ReduceSum", [stacked, one], keepdims=0)
    squares = draft.add("ReduceSum", [draft.add("Mul", [stacked, stacked]), one], keepdims=0)
    draft.keep(draft.add("Sub", [draft.add("Mul", [summed, summed]), squares]), width)
    flat = draft.add("Reshape", [stacked, draft.constant(np.array([-1, count * width]))])
    draft.keep(flat, count * width)


def attention(draft: Draft) -> None:
    """The history repeated for every candidate, keys and values of it, and any tensor as the query."""
    x, width = draft.choice(draft.pool)
    depth = 4
    rows = draft.add("Gather", [draft.add("Shape", [x]), draft.constant(np.array([0]))], axis=0)
    shape = draft.add("Concat", [rows, draft.constant(np.array([LENGTH, DIMENSIONS]))], axis=0)
    repeated = draft.add("Expand", ["history64", shape])
    keys, values = (draft.add("MatMul", [repeated, draft.normal(DIMENSIONS, depth)]) for _ in range(2))
    query = draft.add("Unsqueeze", [draft.add("MatMul", [x, draft.normal(width, depth)]), draft.constant(np.array([1]))])
    if draft.choice((True, False)):
        weights = draft.add("Softmax", [draft.add("MatMul", [query, draft.add("Transpose", [keys], perm=[0, 2, 1])])], axis=-1)
        mixed = draft.add("Squeeze", [draft.add("MatMul", [weights, values]), draft.constant(np.array([1]))])
    else:
        scores = draft.add("ReduceSum", [draft.add("Mul", [query, keys]), draft.constant(np.array([2]))], keepdims=1)
        weights = draft.add("Softmax", [scores], axis=1)
        mixed = draft.add("ReduceSum", [draft.add("Mul", [weights, values]), draft.constant(np.array([1]))], keepdims=0)
    draft.keep(mixed, depth)


def pairs(draft: Draft) -> None:
    """A network over [query, key, difference, product] for every entry of the history, as in DIN."""
    x, width = draft.choice(draft.pool)
    query = draft.add("Unsqueeze", [draft.add("MatMul", [x, draft.normal(width, DIMENSIONS)]), draft.constant(np.array([1]))])
    rows = draft.add("Gather", [draft.add("Shape", [x]), draft.constant(np.array([0]))], axis=0)
    shape = draft.add("Concat", [rows, draft.constant(np.array([LENGTH, DIMENSIONS]))], axis=0)
    query, keys = draft.add("Expand", [query, shape]), draft.add("Expand", ["history64", shape])
    joined = draft.add("Concat", [query, keys, draft.add("Sub", [query, keys]), draft.add("Mul", [query, keys])], axis=2)
    hidden = draft.add("Relu", [draft.add("Add", [draft.add("MatMul", [joined, draft.normal(4 * DIMENSIONS, 6)]), draft.normal(6)])])
    weights = draft.add("MatMul", [hidden, draft.normal(6, 1)])
    draft.keep(draft.add("ReduceSum", [draft.add("Mul", [weights, keys]), draft.constant(np.array([1]))], keepdims=0), DIMENSIONS)


def normalised_length(draft: Draft) -> None:
    """An operator over the whole row, which no block algebra goes through."""
    x, width = draft.choice(draft.pool)
    if draft.choice((True, False)):
        draft.keep(draft.add("Softmax", [x], axis=1), width)
    else:
        statistics = [draft.constant(np.ones(width)), draft.constant(np.zeros(width))]
        draft.keep(draft.add("LayerNormalization", [x, *statistics], axis=-1), width)


STEPS = (layer, layer, layer, unary, clip, binary, affine, concat, concat, normalisation, pick, total)
STEPS += (cross, fields, attention, pairs, normalised_length)


@st.composite
def rankers(draw) -> onnx.ModelProto:
    """A ranker of up to ten steps over inputs of every kind."""
    draft = Draft(draw, np.random.default_rng(draw(st.integers(0, 2**16))))
    for name, width in WIDTHS.items():
        draft.nodes.append(helper.make_node("Cast", [name], [f"{name}64"], to=TensorProto.DOUBLE))
        draft.keep(f"{name}64", width)
    draft.nodes.append(helper.make_node("Cast", ["history"], ["history64"], to=TensorProto.DOUBLE))
    for _ in range(draw(st.integers(1, 10))):
        draft.choice(STEPS)(draft)
    _score(draft)
    inputs = [value(name, "float32", ["n", width]) for name, width in WIDTHS.items()]
    inputs += [value("asking", "float32", [1, DIMENSIONS]), value("history", "float32", [1, LENGTH, DIMENSIONS])]
    return model_of(draft.nodes, inputs, [value("score", "float32", ["n", 1])], draft.constants)


def _score(draft: Draft) -> None:
    """Something of the last three tensors, and of the request's own input."""
    asking = draft.add("MatMul", [draft.add("Cast", ["asking"], to=TensorProto.DOUBLE), draft.normal(DIMENSIONS, 1)])
    parts = [draft.add("Tanh", [draft.add("MatMul", [name, draft.normal(width, 1)])]) for name, width in draft.pool[-3:]]
    history = draft.add("MatMul", [draft.add("ReduceMean", ["history64"], axes=[1], keepdims=0), draft.normal(DIMENSIONS, 1)])
    for part in [*parts, history]:
        asking = draft.add("Add", [asking, part])
    draft.nodes.append(helper.make_node("Cast", [asking], ["score"], to=TensorProto.FLOAT))
