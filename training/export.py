"""Writes the ranker as ONNX, with its binding in the metadata, and proves that the file scores as the network does."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from domain.arrays import AnyArray, FloatArray
from training.binding import binding
from training.graph import OUTPUTS, ServedRanker

OPSET = 17
METADATA_KEY = "earshot.binding"
TOLERANCE = 1e-5  # sums are taken in another order, no more
PER_CANDIDATE = ("candidates", "creator_codes")

Feed = Mapping[str, AnyArray]
"""Arrays by input, in the order of the binding."""


class NotTheSame(Exception):
    """The exported file scores otherwise than the network."""


def export_ranker(ranker: ServedRanker, objective: Mapping[str, float], example: Feed, path: Path) -> None:
    """Write the file at `path`. example: inputs for two candidates or more. Each of OUTPUTS: float32 [n]."""
    buffer = io.BytesIO()
    open_axes = {name: {0: "n"} for name in (*PER_CANDIDATE, *OUTPUTS) if name in {*example, *OUTPUTS}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the exporter that needs no onnxscript calls itself old
        torch.onnx.export(
            ranker.eval(), tuple(torch.from_numpy(array) for array in example.values()), buffer, opset_version=OPSET, dynamo=False,
            input_names=list(example), output_names=list(OUTPUTS), dynamic_axes=open_axes,
        )  # fmt: skip
    model = onnx.load_from_string(buffer.getvalue())
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(binding(ranker.columns, objective))})
    path.write_bytes(model.SerializeToString(deterministic=True))


def score_torch(ranker: ServedRanker, objective: Mapping[str, float], feed: Feed) -> FloatArray:
    """float32 [n] by the network: its heads, weighed."""
    weights = np.array([objective[name] for name in OUTPUTS], np.float32)
    scores: FloatArray = weights @ np.stack(_heads(ranker, feed))
    return scores


def _heads(ranker: ServedRanker, feed: Feed) -> list[FloatArray]:
    with torch.no_grad():
        return [head.numpy() for head in ranker.eval()(*(torch.from_numpy(array) for array in feed.values()))]


def _alone(feed: Feed) -> Feed:
    return {name: array[:1] if name in PER_CANDIDATE else array for name, array in feed.items()}


def check_parity(ranker: ServedRanker, path: Path, feeds: Sequence[Feed]) -> float:
    """The largest difference, relative above 1, between the file at `path` and the network. Raises NotTheSame above 1e-5.

    The first candidate is scored alone too: a trace that took the number of candidates for a constant cannot do both."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    worst = 0.0
    for feed in [_alone(feeds[0]), *feeds]:
        expected = np.stack(_heads(ranker, feed))
        served = np.stack(session.run(list(OUTPUTS), dict(feed)))
        worst = max(worst, float(np.max(np.abs(served - expected) / np.maximum(1.0, np.abs(expected)))))
    if not worst <= TOLERANCE:
        raise NotTheSame(f"{path} differs from the network by {worst:.3g}, above {TOLERANCE:g}")
    return worst
