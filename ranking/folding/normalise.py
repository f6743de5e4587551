"""Normalisation with constant statistics: an affine step, block by block."""

from __future__ import annotations

import numpy as np

from domain.arrays import AnyArray
from ranking.folding.colour import Colour
from ranking.folding.graph import Graph, Tensor
from ranking.folding.size import broadcast
from ranking.folding.step import Step, barrier
from ranking.folding.value import Block, Terms, Value, merge, total


def batch_normalization(step: Step) -> tuple[Value | None, ...] | None:
    """BatchNormalization in inference, over the second axis."""
    value = step.inputs[0]
    known = [step.array(place) for place in (1, 2, 3, 4)]
    if not isinstance(value, Value) or any(array is None for array in known) or step.attributes.get("training_mode") or len(value.shape) < 2:
        return None
    scale, shift, mean, variance = (array.astype(np.float64) for array in known if array is not None)
    factor = scale / np.sqrt(variance + float(step.attributes.get("epsilon", 1e-5)))
    behind = [1] * (len(value.shape) - 2)
    return _affine(step, value, factor.reshape(-1, *behind), (shift - mean * factor).reshape(-1, *behind), 1)


def scaler(step: Step) -> tuple[Value | None, ...] | None:
    """ai.onnx.ml.Scaler: (x - offset) * scale, over the last axis."""
    value = step.inputs[0]
    if not isinstance(value, Value) or not value.dtype.startswith("float32") or len(value.shape) != 2:
        return None
    width = value.shape[1].fixed
    offset, scale = (
        np.broadcast_to(np.array(step.attributes.get(name, default), np.float64), width) for name, default in (("offset", [0.0]), ("scale", [1.0]))
    )
    return _affine(step, value, scale, -offset * scale, 1)


def _affine(step: Step, value: Value, factor: AnyArray, shift: AnyArray, axis: int) -> tuple[Value | None, ...] | None:
    """x * factor + shift along `axis`: as the model has it where the value is one tensor, by block otherwise."""
    if not step.splits:
        return barrier(step)
    if value.tensor is not None:
        moved = into_weights(step.graph, value.tensor, factor, shift) if axis == len(value.shape) - 1 else None
        return barrier(step) if moved is None else (Value.of(moved, value.shape),)
    if value.blocked and value.axis != axis:
        return None
    step.graph.reordered = True
    blocks, offsets = [], value.offsets if value.blocked else [0, value.shape[axis].fixed]
    for block, start, stop in zip(value.blocks, offsets, offsets[1:], strict=False):
        blocks.append(Block(block.width, _block(step.graph, block.terms, factor[start:stop], shift[start:stop])))
    return (Value(step.shape, value.dtype, value.axis, tuple(blocks)),)


def _block(graph: Graph, terms: Terms, factor: AnyArray, shift: AnyArray) -> Terms:
    dtype = terms[0].dtype
    if any(term.colour is Colour.MIXED and scaled_product(graph, term, factor) is None for term in terms):
        terms = (total(graph, terms),)
    moved = [scaled_product(graph, term, factor) or _times(graph, term, factor.astype(dtype)) for term in terms]
    return merge(graph, [*moved, graph.constant(shift.astype(dtype))])


def scaled_product(graph: Graph, term: Tensor, factor: AnyArray) -> Tensor | None:
    """x W * factor as x (W * factor), for a product per candidate with a constant matrix; None for anything else."""
    if term.colour is not Colour.MIXED or term.node.operator != "MatMul" or factor.shape[-1] not in (1, term.shape[-1].fixed):
        return None
    left, right = term.node.inputs
    if left is None or right is None or right.array is None or right.array.ndim != 2 or factor.size != factor.shape[-1]:
        return None
    return graph.apply("MatMul", [left, graph.constant((right.array * factor.reshape(1, -1)).astype(term.dtype))], term.shape)


def into_weights(graph: Graph, tensor: Tensor, factor: AnyArray, shift: AnyArray) -> Tensor | None:
    """(x W + b) * factor + shift as one Gemm, for a layer per candidate with constant weights; None for anything else."""
    node = tensor.node
    if node.operator != "Gemm" or tensor.colour is not Colour.MIXED or node.attribute("alpha", 1.0) != 1 or node.attribute("beta", 1.0) != 1:
        return None
    x, weight, bias = (*node.inputs, None)[:3]
    if x is None or weight is None or weight.array is None or node.attribute("transA", 0) or (bias is not None and bias.array is None):
        return None
    matrix = weight.array.T if node.attribute("transB", 0) else weight.array
    row = shift if bias is None else bias.array * factor + shift
    graph.reordered = True
    moved = [graph.constant((matrix * factor).astype(tensor.dtype)), graph.constant(np.broadcast_to(row, factor.shape).astype(tensor.dtype))]
    return graph.apply("Gemm", [x, *moved], tensor.shape)


def _times(graph: Graph, term: Tensor, factor: AnyArray) -> Tensor:
    if term.array is not None:
        return graph.constant(term.array * factor)
    constant = graph.constant(factor)
    return graph.apply("Mul", [term, constant], broadcast([term.shape, constant.shape]))
