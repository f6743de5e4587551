"""Runs a model on a few candidates with everything it computes on the way: shapes as functions of their number, values of what depends on nothing.

What an exporter wrote down about shapes may be missing, symbolic, or those of its example. What the runtime makes of them is what counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import ModelProto, ValueInfoProto

from domain.arrays import AnyArray
from ranking.complaint import first_line
from ranking.folding.problem import NotFoldable
from ranking.folding.size import Shape, Size
from ranking.session import session_options

COUNTS = (1, 7, 16)  # two candidates' counts make a line, the third one checks it; 1, since the request's part runs as for one candidate
MAX_SIZES = 16  # elements of a vector that may hold lengths of axes

Feeds = Callable[[int], Mapping[str, AnyArray]]
"""The model's inputs for so many candidates."""


@dataclass(frozen=True)
class Observed:
    """One tensor. values: for each of COUNTS."""

    shape: Shape
    dtype: str
    values: tuple[AnyArray, ...]

    @property
    def constant(self) -> AnyArray | None:
        """Its values, where they were the same every time."""
        first = self.values[0]
        same = all(v.shape == first.shape and np.array_equal(v, first, equal_nan=first.dtype.kind == "f") for v in self.values[1:])
        return first if same else None

    @property
    def sizes(self) -> tuple[Size, ...] | None:
        """Its values as lengths, where they are integers that follow the number of candidates."""
        if self.dtype not in ("int64", "int32") or any(size.varies for size in self.shape) or self.values[0].size > MAX_SIZES:
            return None
        rows = np.stack([v.reshape(-1).astype(np.int64) for v in self.values])
        lines = [_line(column) for column in rows.T.tolist()]
        return tuple(line for line in lines if line is not None) if all(line is not None for line in lines) else None


def observe(model: ModelProto, directory: Path, feeds: Feeds) -> Mapping[str, Observed]:
    """Every tensor that a node of `model` makes, by name. directory: holds its external data, and a file of ours for a moment.

    Raises NotFoldable when the model does not run like that, or when a shape does not follow the number of candidates.
    """
    probe = ModelProto()
    probe.CopyFrom(model)
    names = [name for node in model.graph.node for name in node.output if name]
    del probe.graph.output[:]
    probe.graph.output.extend(ValueInfoProto(name=name) for name in names)
    path = directory / "observed.onnx"
    try:
        path.write_bytes(probe.SerializeToString())
        runs = _run(path, names, feeds)
    except Exception as problem:
        raise NotFoldable(f"it does not run with everything it computes as an output ({first_line(problem)})") from problem
    finally:
        path.unlink(missing_ok=True)
    tensors = {name: [run[place] for run in runs] for place, name in enumerate(names)}
    return {name: _observed(name, values) for name, values in tensors.items() if all(isinstance(v, np.ndarray) for v in values)}


def _run(path: Path, names: list[str], feeds: Feeds) -> list[list[AnyArray]]:
    options = session_options()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return [session.run(names, dict(feeds(count))) for count in COUNTS]


def _observed(name: str, values: list[AnyArray]) -> Observed:
    ranks = {v.ndim for v in values}
    if len(ranks) > 1:
        raise NotFoldable(f'"{name}" has another number of axes for one candidate than for several')
    lines = [_line([v.shape[axis] for v in values]) for axis in range(values[0].ndim)]
    shape = tuple(line for line in lines if line is not None)
    if len(shape) < len(lines):
        raise NotFoldable(f'the shape of "{name}" does not follow the number of candidates')
    return Observed(shape, values[0].dtype.name, tuple(values))


def _line(lengths: list[int]) -> Size | None:
    """The line through three points, or None."""
    per_row = (lengths[1] - lengths[0]) // (COUNTS[1] - COUNTS[0])
    line = Size(per_row, lengths[0] - per_row * COUNTS[0])
    return line if [line.at(count) for count in COUNTS] == lengths else None
