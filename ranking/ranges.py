"""Between which values the tensors of a served graph stay, as sampled requests show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
from onnx import ModelProto, helper

from domain.candidates import Candidates
from domain.request import User
from ranking.onnx_ranker import OnnxRanker
from ranking.session import session_options

MARGIN = 1.05
"""A little more than was seen: an eighth of a bit of resolution for what is just beyond."""

LARGEST_BYTE = 255
LEAST_WIDTH = 1e-30
"""Of a range: a tensor that is zero everywhere needs some scale."""


@dataclass(frozen=True, slots=True)
class Range:
    """lowest <= 0 <= highest, finite. per_candidate: whether the tensor had one row per candidate in every request."""

    lowest: float
    highest: float
    per_candidate: bool

    def as_bytes(self) -> tuple[np.float32, int]:
        """(scale, zero point): a value v is stored as round(v / scale) + zero point, in 0 to 255."""
        scale = np.float32(max(self.highest - self.lowest, LEAST_WIDTH) * MARGIN / LARGEST_BYTE)
        return scale, int(np.clip(np.rint(-self.lowest * MARGIN / scale), 0, LARGEST_BYTE))

    def with_values(self, low: float, high: float, per_candidate: bool) -> Range:
        """The range that holds these, too."""
        return Range(min(self.lowest, low), max(self.highest, high), self.per_candidate and per_candidate)


def observe_ranges(ranker: OnnxRanker, model: ModelProto, names: Sequence[str], requests: Sequence[tuple[User, Candidates]]) -> Mapping[str, Range]:
    """The ranges of the tensors with these names, of the float32 ones that stay finite. model: the graph that the ranker runs."""
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return {}
    seen = dict.fromkeys(wanted, Range(0.0, 0.0, per_candidate=True))
    session = _session(model, wanted)
    for place, (user, candidates) in enumerate(requests):
        some = candidates.take(slice(0, max(1, len(candidates) - place)))  # other counts: what has a row per candidate follows them
        for name, values in zip(wanted, session.run(wanted, ranker.feeds(user, some, 1, {})), strict=True):
            one_each = values.ndim == 2 and len(values) == len(some)
            seen[name] = seen[name].with_values(float(values.min(initial=0.0)), float(values.max(initial=0.0)), one_each)
    return {name: found for name, found in seen.items() if np.isfinite([found.lowest, found.highest]).all()}


def _session(model: ModelProto, names: Sequence[str]) -> ort.InferenceSession:
    """Of the same graph with these tensors as outputs, too."""
    watched = ModelProto()
    watched.CopyFrom(model)
    known = {value.name for value in model.graph.output}
    watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names if name not in known)
    return ort.InferenceSession(watched.SerializeToString(), session_options(), providers=["CPUExecutionProvider"])
