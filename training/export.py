"""Writes the ranker as ONNX, with its binding in the metadata, and proves that the file scores as the network does."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from domain.arrays import FloatArray
from training.graph import OUTPUTS, ServedRanker, binding

OPSET = 17
METADATA_KEY = "earshot.binding"
TOLERANCE = 1e-5  # sums are taken in another order, no more


class NotTheSame(Exception):
    """The exported file scores otherwise than the network."""


def export_ranker(ranker: ServedRanker, objective: Mapping[str, float], path: Path) -> None:
    """Write the file at `path`. candidates: float32 [n, w]; user: float32 [1, v]; each of OUTPUTS: float32 [n]."""
    candidate_width = sum(ranker.widths) + 3
    user_width = sum(ranker.widths) + ranker.widths[0] + 1
    example = (torch.zeros(3, candidate_width), torch.zeros(1, user_width))
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the exporter that needs no onnxscript calls itself old
        torch.onnx.export(
            ranker.eval(), example, buffer, opset_version=OPSET, dynamo=False, input_names=["candidates", "user"], output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "n"} for name in ("candidates", *OUTPUTS)},
        )  # fmt: skip
    model = onnx.load_from_string(buffer.getvalue())
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(binding(objective))})
    path.write_bytes(model.SerializeToString(deterministic=True))


def score_torch(ranker: ServedRanker, objective: Mapping[str, float], candidates: FloatArray, user: FloatArray) -> FloatArray:
    """float32 [n] by the network: its heads, weighed."""
    with torch.no_grad():
        heads = ranker.eval()(torch.from_numpy(candidates), torch.from_numpy(user))
    scores: FloatArray = sum(np.float32(objective[name]) * head.numpy() for name, head in zip(OUTPUTS, heads, strict=True))
    return scores


def check_parity(ranker: ServedRanker, path: Path, pairs: list[tuple[FloatArray, FloatArray]]) -> float:
    """The largest difference, relative above 1, between the file at `path` and the network over (candidates, user). Raises NotTheSame above 1e-5."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    worst = 0.0
    for candidates, user in pairs:
        with torch.no_grad():
            expected = np.stack([head.numpy() for head in ranker.eval()(torch.from_numpy(candidates), torch.from_numpy(user))])
        served = np.stack(session.run(list(OUTPUTS), {"candidates": candidates, "user": user}))
        worst = max(worst, float(np.max(np.abs(served - expected) / np.maximum(1.0, np.abs(expected)))))
    if not worst <= TOLERANCE:
        raise NotTheSame(f"{path} differs from the network by {worst:.3g}, above {TOLERANCE:g}")
    return worst
