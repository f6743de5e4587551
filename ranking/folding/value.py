"""Values of the model as folding knows them: blocks side by side, each an unfinished sum of terms, at most one of each colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from ranking.folding.colour import Colour, join
from ranking.folding.graph import TERMS, Graph, Tensor
from ranking.folding.size import ONE, Shape, Size, at, broadcast, padded

Terms = tuple[Tensor, ...]


@dataclass(frozen=True)
class Block:
    """A part of a value along its axis of blocks. terms: what adds up to it, in the order of their colours, one of each colour at most."""

    width: int
    terms: Terms

    @property
    def colour(self) -> Colour:
        """Of the sum."""
        return join(term.colour for term in self.terms)


@dataclass(frozen=True)
class Value:
    """What the model has under one name. shape: the model's; terms may be held smaller (`Tensor`). axis: along which the blocks lie."""

    shape: Shape
    dtype: str
    axis: int
    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, tensor: Tensor, shape: Shape | None = None) -> Value:
        """One tensor; shape: the model's, where the tensor is held smaller."""
        return cls.summed((tensor,), tensor.shape if shape is None else shape)

    @classmethod
    def summed(cls, terms: Terms, shape: Shape) -> Value:
        """One block."""
        width = shape[-1].fixed if shape else 1
        return cls(shape, terms[0].dtype, max(len(shape) - 1, 0), (Block(width, terms),))

    @property
    def tensor(self) -> Tensor | None:
        """The tensor, where it is a single one."""
        return self.blocks[0].terms[0] if len(self.blocks) == 1 and len(self.blocks[0].terms) == 1 else None

    @property
    def colour(self) -> Colour:
        """Of the whole."""
        return join(block.colour for block in self.blocks)

    @property
    def offsets(self) -> list[int]:
        """Where the blocks start, and where the last one ends."""
        return list(accumulate((block.width for block in self.blocks), initial=0))

    @property
    def blocked(self) -> bool:
        """Whether it has several blocks."""
        return len(self.blocks) > 1


def total(graph: Graph, terms: Terms) -> Tensor:
    """The finished sum of terms. A constant goes to the request's row, or to the creators' table: to what is computed seldom."""
    ordered = sorted(_flat(terms), key=lambda term: term.colour)
    if len(ordered) > 1 and ordered[0].colour is Colour.CONSTANT:
        ordered = [add(graph, ordered[1], ordered[0]), *ordered[2:]]
    if len(ordered) == 1:
        return ordered[0]
    return graph.apply(TERMS, ordered, broadcast([term.shape for term in ordered]))


def _flat(terms: Iterable[Tensor]) -> list[Tensor]:
    """Sums among the terms, taken apart again: one product more costs less than one addition more."""
    found: list[Tensor] = []
    for term in terms:
        found += [one for one in term.node.inputs if one is not None] if term.node.operator == TERMS else [term]
    return found


def add(graph: Graph, a: Tensor, b: Tensor) -> Tensor:
    """a + b, computed at once where both are constants."""
    if a.array is not None and b.array is not None:
        return graph.constant(a.array + b.array)
    if a.colour is b.colour is Colour.MIXED and a.shape == b.shape:
        return graph.apply(TERMS, _flat([a, b]), a.shape)
    return graph.apply("Add", [a, b], broadcast([a.shape, b.shape]))


def merge(graph: Graph, terms: Sequence[Tensor]) -> Terms:
    """The same sum with one term of each colour."""
    by_colour: dict[Colour, Tensor] = {}
    for term in terms:
        known = by_colour.get(term.colour)
        by_colour[term.colour] = term if known is None else add(graph, known, term)
    return tuple(by_colour[colour] for colour in sorted(by_colour))


def joined(graph: Graph, value: Value) -> Tensor:
    """The whole value as one tensor, which may still be held smaller than the model has it."""
    parts = [total(graph, block.terms) for block in value.blocks]
    return side_by_side(graph, parts, [block.width for block in value.blocks], value.axis, len(value.shape))


def realised(graph: Graph, value: Value, colour: Colour) -> Tensor:
    """The whole value as one tensor in the model's own shape, for a node of `colour`."""
    return expanded(graph, joined(graph, value), value.shape, colour)


def expanded(graph: Graph, tensor: Tensor, shape: Shape, colour: Colour) -> Tensor:
    """The tensor repeated to `shape`, as a part of `colour` has it: for one candidate in the request's part."""
    as_held = at_colour(shape, colour)
    if padded(tensor.shape, len(shape)) == as_held and len(tensor.shape) == len(shape):
        return tensor
    if tensor.array is not None and not any(size.varies for size in as_held):
        return graph.constant(np.broadcast_to(tensor.array, at(as_held, 1)))
    target = graph.sizes(as_held, colour)
    return graph.apply("Expand", [tensor, target], as_held)


def at_colour(shape: Shape, colour: Colour) -> Shape:
    """How the model's shape is held in a part of this colour."""
    return shape if colour in (Colour.CREATOR, Colour.MIXED) else tuple(Size(0, size.at(1)) for size in shape)


def side_by_side(graph: Graph, parts: Sequence[Tensor], widths: Sequence[int], axis: int, rank: int) -> Tensor:
    """The parts along `axis`; neighbours that were cut from one tensor are taken as one piece again."""
    if len(parts) == 1:
        return parts[0]
    common = broadcast([_with(padded(part.shape, rank), axis, ONE) for part in parts])
    colour = join(part.colour for part in parts)
    wide = [expanded(graph, part, _with(common, axis, Size(0, width)), colour) for part, width in zip(parts, widths, strict=True)]
    wide = _uncut(wide, axis)
    if len(wide) == 1:
        return wide[0]
    arrays = [part.array for part in wide if part.array is not None]
    if len(arrays) == len(wide):
        return graph.constant(np.concatenate(arrays, axis))
    return graph.apply("Concat", wide, _with(common, axis, Size(0, sum(part.shape[axis].fixed for part in wide))), axis=axis)


def _with(shape: Shape, axis: int, size: Size) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])


def _uncut(parts: list[Tensor], axis: int) -> list[Tensor]:
    """Neighbouring slices that make up a whole tensor become that tensor."""
    kept: list[Tensor] = []
    for part in parts:
        kept.append(part)
        for length in range(len(kept), 1, -1):
            whole = _whole_of(kept[-length:], axis)
            if whole is not None:
                kept[-length:] = [whole]
                break
    return kept


def _whole_of(parts: Sequence[Tensor], axis: int) -> Tensor | None:
    if any(part.node.operator != "Slice" for part in parts):
        return None
    source = parts[0].node.inputs[0]
    assert source is not None
    spans = [tuple(int(one.array[0]) for one in part.node.inputs[1:4] if one is not None and one.array is not None) for part in parts]
    if any(part.node.inputs[0] is not source or len(span) != 3 or span[2] != axis for part, span in zip(parts, spans, strict=True)):
        return None
    starts, stops = [span[0] for span in spans], [span[1] for span in spans]
    follow = starts[0] == 0 and stops[-1] == source.shape[axis].fixed and starts[1:] == stops[:-1]
    return source if follow else None


def cut(graph: Graph, tensor: Tensor, axis: int, start: int, stop: int, rank: int) -> Tensor:
    """tensor[start:stop] along an axis of the model's shape; all of it where it is held as 1 there, since it repeats itself."""
    own = axis - (rank - len(tensor.shape))
    if own < 0 or tensor.shape[own] == ONE or (start, stop) == (0, tensor.shape[own].fixed):
        return tensor
    shape = (*tensor.shape[:own], Size(0, stop - start), *tensor.shape[own + 1 :])
    if tensor.array is not None:
        return graph.constant(tensor.array[(slice(None),) * own + (slice(start, stop),)])
    ends = [graph.constant(np.array([number], np.int64)) for number in (start, stop, own)]
    return graph.apply("Slice", [tensor, *ends], shape)


def span(graph: Graph, value: Value, axis: int, start: int, stop: int) -> tuple[Block, ...]:
    """The blocks of value[start:stop] along `axis`, which is the axis of its blocks unless it has one block."""
    found = []
    offsets = value.offsets if value.blocked else [0, value.shape[axis].fixed]
    for block, begin, end in zip(value.blocks, offsets, offsets[1:], strict=False):
        first, last = max(start, begin), min(stop, end)
        if first < last:
            terms = tuple(cut(graph, term, axis, first - begin, last - begin, len(value.shape)) for term in block.terms)
            found.append(Block(last - first, terms))
    return tuple(found)


def with_blocks(value: Value, blocks: Sequence[Block], shape: Shape, axis: int) -> Value:
    """The same value made of other blocks."""
    return replace(value, blocks=tuple(blocks), shape=shape, axis=axis)
