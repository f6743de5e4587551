"""Writes nodes of the folded graph as nodes of ONNX."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from onnx import NodeProto, TensorProto

from domain.arrays import AnyArray
from ranking.folding.colour import Colour
from ranking.folding.frontier import nodes_behind
from ranking.folding.graph import CONSTANT, LEAF, SIZES, TERMS, Node, Tensor
from ranking.folding.size import Shape, Size
from ranking.graph_editor import GraphEditor

ROW_AS_COLUMN = 64
"""Up to so many columns, a row is added within the product by a column of ones; wider, an addition of its own is cheaper than copying them."""


class Emitter:
    """Writes into one ONNX graph. given: names of the tensors that are there already. count: the name of an int64 [1], the number of rows."""

    def __init__(self, editor: GraphEditor, given: Mapping[int, str], count: str) -> None:
        self._editor = editor
        self._names = dict(given)
        self._count = count
        self._absorbed: set[int] = set()

    def emit(self, wanted: Sequence[Tensor]) -> list[str]:
        """Write what the tensors need; their names."""
        nodes = nodes_behind(wanted, frozenset(self._names))
        self._absorbed = _absorbed(nodes, wanted, self._names)
        for node in nodes:
            if node.number not in self._absorbed:
                self._write(node)
        return [self._names[id(tensor)] for tensor in wanted]

    def _write(self, node: Node) -> None:
        if node.operator == CONSTANT:
            self._names[id(node.outputs[0])] = self._constant(*node.payload)
        elif node.operator == SIZES:
            self._names[id(node.outputs[0])] = self._sizes(node.payload)
        elif node.operator == TERMS:
            self._names[id(node.outputs[0])] = self._terms(node)
        elif node.operator == LEAF:
            raise AssertionError(f"nobody brings {node.payload}")
        else:
            self._plain(node)

    def _plain(self, node: Node) -> None:
        name = f"{self._editor.prefix}/{node.number}/{node.operator}"
        outputs = [f"{name}/{place}" if tensor.dtype else "" for place, tensor in enumerate(node.outputs)]
        inputs = ["" if one is None else self._names[id(one)] for one in node.inputs]
        while inputs and not inputs[-1]:
            inputs.pop()
        made = NodeProto(name=name, op_type=node.operator, domain=node.domain, input=inputs, output=outputs, attribute=node.attributes)
        self._editor.nodes.append(made)
        self._names.update((id(tensor), output) for tensor, output in zip(node.outputs, outputs, strict=True) if output)

    def _constant(self, array: AnyArray, proto: TensorProto | None) -> str:
        return self._editor.weights(array) if proto is None else self._editor.copied(proto)

    def _sizes(self, sizes: Sequence[Size]) -> str:
        """per_row * count + fixed"""
        lengths = self._editor.add("Mul", [self._count, self._editor.constant([size.per_row for size in sizes], "int64")])
        fixed = [size.fixed for size in sizes]
        return self._editor.add("Add", [lengths, self._editor.constant(fixed, "int64")]) if any(fixed) else lengths

    def _terms(self, node: Node) -> str:
        """The sum of the inputs: in one Gemm where products are among them, which the runtime joins with an activation."""
        terms = [one for one in node.inputs if one is not None]
        products = [one for one in terms if one.node.number in self._absorbed]
        rest = [one for one in terms if one.node.number not in self._absorbed]
        if not products:
            return self._added([self._names[id(one)] for one in sorted(rest, key=_from_creators_first)])
        rows = [one for one in rest if not _full(one, node.outputs[0].shape)]
        full = [one for one in rest if _full(one, node.outputs[0].shape)]
        return self._gemm(products, [self._names[id(one)] for one in rows], [self._names[id(one)] for one in full])

    def _gemm(self, products: list[Tensor], rows: list[str], full: list[str]) -> str:
        """The sum of the products, rows and full terms."""
        editor = self._editor
        lefts, rights = self._factors(products)
        depth = sum(_right(one).shape[0].fixed for one in products)
        row, addend = (self._added(names) if names else "" for names in (rows, full))
        if row and addend and depth <= ROW_AS_COLUMN:
            lefts, rights, row = [*lefts, self._ones(products[0].dtype)], [*rights, row], ""
        left = editor.add("Concat", lefts, axis=1) if len(lefts) > 1 else lefts[0]
        right = editor.add("Concat", rights, axis=0) if len(rights) > 1 else rights[0]
        if row and addend:
            return editor.add("Add", [editor.add("Gemm", [left, right, row]), addend])
        return editor.add("Gemm", [left, right, *filter(None, (row, addend))])

    def _factors(self, products: list[Tensor]) -> tuple[list[str], list[str]]:
        """The names of the left and of the right factors; constant ones are one matrix."""
        constant = [one for one in products if _right(one).array is not None]
        others = [one for one in products if _right(one).array is None]
        lefts = [self._names[id(one.node.inputs[0])] for one in (*others, *constant)]
        rights = [self._names[id(_right(one))] for one in others]
        arrays = [array for array in (_right(one).array for one in constant) if array is not None]
        return lefts, [*rights, *([self._editor.weights(np.concatenate(arrays))] if arrays else [])]

    def _ones(self, dtype: str) -> str:
        """[n, 1]"""
        name = f"{self._editor.prefix}/ones/{dtype}"
        if all(name not in made.output for made in self._editor.nodes):
            shape = self._editor.add("Concat", [self._count, self._editor.constant([1], "int64")], axis=0)
            self._editor.add("Expand", [self._editor.constant([[1]], dtype), shape], name)
        return name

    def _added(self, names: list[str]) -> str:
        while len(names) > 1:
            names = [self._editor.add("Add", names[:2]), *names[2:]]
        return names[0]


def _absorbed(nodes: Sequence[Node], wanted: Iterable[Tensor], given: Mapping[int, str]) -> set[int]:
    """Products that nothing but one sum of terms reads."""
    readers = Counter(id(one) for node in nodes for one in node.inputs if one is not None)
    readers.update(id(tensor) for tensor in wanted)
    found = set()
    for node in nodes:
        if node.operator == TERMS and len(node.outputs[0].shape) == 2:
            found |= {
                one.node.number
                for one in node.inputs
                if one is not None and id(one) not in given and readers[id(one)] == 1 and _is_product(one) and _full(one, node.outputs[0].shape)
            }
    return found


def _is_product(tensor: Tensor) -> bool:
    """Whether it is a product per candidate with a matrix that is there once per request."""
    node = tensor.node
    if node.operator != "MatMul" or tensor.colour not in (Colour.MIXED, Colour.CREATOR):
        return False
    left, right = node.inputs
    return left is not None and right is not None and right.colour <= Colour.REQUEST and len(left.shape) == len(right.shape) == 2


def _right(product: Tensor) -> Tensor:
    right = product.node.inputs[1]
    assert right is not None, "a product has two factors"
    return right


def _full(tensor: Tensor, shape: Shape) -> bool:
    return tensor.shape == shape


def _from_creators_first(tensor: Tensor) -> int:
    return {Colour.CREATOR: 0, Colour.CONSTANT: 1, Colour.REQUEST: 1, Colour.MIXED: 2}[tensor.colour]
