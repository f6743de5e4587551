"""Operators that work element by element: block by block, and term by term where they are linear."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ranking.folding.colour import Colour, join
from ranking.folding.graph import Graph, Tensor
from ranking.folding.step import Step
from ranking.folding.value import Block, Terms, Value, joined, merge, span, total

LINEAR = frozenset({"Identity", "Neg", "Cast"})
SUMS = frozenset({"Add", "Sub", "Sum"})
# fmt: off
OF_ONE = frozenset({
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitShift", "Ceil", "Celu", "Clip", "Cos", "Cosh",
    "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "IsInf", "IsNaN", "LeakyRelu", "Log", "Mish",
    "Not", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt",
    "Swish", "Tan", "Tanh", "ThresholdedRelu",
})
OF_SEVERAL = frozenset({
    "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min", "Mod", "Mul",
    "Or", "Pow", "PRelu", "Where", "Xor",
})
# fmt: on
ELEMENTWISE = LINEAR | SUMS | OF_ONE | OF_SEVERAL


def elementwise(step: Step) -> tuple[Value, ...] | None:
    """The result block by block; None where an input has another kind."""
    values = tuple(one for one in step.inputs if isinstance(one, Value))
    if len(values) < sum(one is not None for one in step.inputs) or any(size.varies for value in values for size in value.shape[1:]):
        return None
    axis, values = _aligned(step, values)
    if axis is None:
        terms = _combined(step, [value.blocks[0].terms for value in values])
        return (Value.summed(terms, step.shape),)
    cuts = sorted({offset for value in values if value.blocked for offset in value.offsets})
    parts = [(stop - start, [_part(step, value, axis, start, stop) for value in values]) for start, stop in pairwise(cuts)]
    if all(_is_mixed(step, operands) for _, operands in parts):  # nothing is gained by keeping the blocks apart
        return (Value.of(step.over([joined(step.graph, value) for value in values]), step.shape),)
    return (Value(step.shape, step.dtype, axis, tuple(Block(width, _combined(step, operands)) for width, operands in parts)),)


def _is_mixed(step: Step, operands: Sequence[Terms]) -> bool:
    """Whether the result of one block has to be computed per candidate."""
    colours = [term.colour for terms in operands for term in terms]
    return Colour.MIXED in colours if step.splits and step.operator in SUMS | LINEAR else join(colours) is Colour.MIXED


def _aligned(step: Step, values: Sequence[Value]) -> tuple[int | None, tuple[Value, ...]]:
    """(the axis of the result along which there are blocks, or None; the values, with none that has blocks along another one)."""
    rank = len(step.shape)
    axes = [value.axis + rank - len(value.shape) for value in values if value.blocked]
    if not axes:
        return None, tuple(values)
    axis = max(set(axes), key=axes.count)
    whole = tuple(
        Value.of(joined(step.graph, value), value.shape) if value.blocked and value.axis + rank - len(value.shape) != axis else value
        for value in values
    )
    return axis, whole


def _part(step: Step, value: Value, axis: int, start: int, stop: int) -> Terms:
    own = axis - (len(step.shape) - len(value.shape))
    if own < 0 or value.shape[own].fixed == 1:  # one element for all blocks
        return value.blocks[0].terms
    (block,) = span(step.graph, value, own, start, stop)
    return block.terms


def _combined(step: Step, operands: Sequence[Terms]) -> Terms:
    """The terms of the result for one block of each operand."""
    colours = {term.colour for terms in operands for term in terms}
    if len(colours - {Colour.CONSTANT}) <= 1 or not step.splits:
        return (step.over([total(step.graph, terms) for terms in operands]),)
    floats = step.dtype.startswith("float") and all(term.dtype.startswith("float") for terms in operands for term in terms)
    if step.operator in LINEAR and floats and np.dtype(step.dtype).itemsize >= np.dtype(operands[0][0].dtype).itemsize:  # narrow sums, not terms
        return tuple(step.over([term]) for term in operands[0])
    if step.operator in SUMS and floats:
        return _sum(step, operands)
    if step.operator in ("Mul", "Div") and floats and len(operands) == 2:
        scaled = _scaled(step, operands)
        if scaled is not None:
            return scaled
    return (step.over([total(step.graph, terms) for terms in operands]),)


def _sum(step: Step, operands: Sequence[Terms]) -> Terms:
    terms = list(operands[0])
    for more in operands[1:]:
        terms += [negative(step.graph, term) for term in more] if step.operator == "Sub" else more
    if len(terms) > len(operands) or len({term.colour for term in terms}) < len(terms):
        step.graph.reordered = True
    return merge(step.graph, terms)


def negative(graph: Graph, term: Tensor) -> Tensor:
    """-term."""
    return graph.constant(-term.array) if term.array is not None else graph.apply("Neg", [term], term.shape)


def _scaled(step: Step, operands: Sequence[Terms]) -> Terms | None:
    """(a + b) * constant, term by term; None where no operand is a constant."""
    first, second = operands
    if _is_constant(second) and len(first) > 1:
        step.graph.reordered = True
        return tuple(scale(step, [term, second[0]]) for term in first)
    if step.operator == "Mul" and _is_constant(first) and len(second) > 1:
        step.graph.reordered = True
        return tuple(scale(step, [first[0], term]) for term in second)
    return None


def scale(step: Step, pair: list[Tensor]) -> Tensor:
    """The product or quotient of one term, known where both are."""
    a, b = (tensor.array for tensor in pair)
    if a is not None and b is not None:
        with np.errstate(all="ignore"):  # what is not finite shows in the proof
            return step.graph.constant(a * b if step.operator == "Mul" else a / b)
    return step.over(pair)


def _is_constant(terms: Terms) -> bool:
    return len(terms) == 1 and terms[0].array is not None
