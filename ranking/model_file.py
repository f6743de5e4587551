"""Loads a ranker's ONNX file without trusting it: what is not needed to score rows is refused before any runtime sees it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from domain.errors import ArtifactError, ArtifactReason, InputNotFound

METADATA_KEY = "earshot.binding"
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap"})
RANDOM = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"})
MAX_CONSTANT_ELEMENTS = 2**28  # a gigabyte of float32: above it a constant is an attack or a mistake, and the runtime would allocate it at load
MAX_MODEL_BYTES = 2**31 - 1  # protobuf's own limit


def load_model(path: Path) -> ModelProto:
    """The model at `path`, external data left where it is. Raises InputNotFound, ArtifactError(MODEL_INVALID)."""
    try:
        size = path.stat().st_size
        if size > MAX_MODEL_BYTES:
            _refuse(path, ArtifactReason.MODEL_INVALID, f"has {size} bytes, more than an ONNX file can; export the weights as external data")
        data = path.read_bytes()
    except OSError as problem:
        raise InputNotFound(path, f"cannot be read ({problem.strerror}); name an existing ONNX file with --ranker") from problem
    if not data:
        _refuse(path, ArtifactReason.MODEL_INVALID, "is empty; export the model again")
    try:
        model = onnx.load_from_string(data)
    except (DecodeError, ValueError) as problem:
        text = f"is no ONNX file, or was cut off after {size} bytes; export or copy it again"
        raise ArtifactError(path, ArtifactReason.MODEL_INVALID, text) from problem
    if not model.graph.node or not model.graph.output:
        _refuse(path, ArtifactReason.MODEL_INVALID, "holds no graph with nodes and outputs; export or copy it again")
    return model


def metadata_binding(model: ModelProto) -> str | None:
    """The text of metadata_props["earshot.binding"], or None."""
    return next((p.value for p in model.metadata_props if p.key == METADATA_KEY), None)


def check_operators(model: ModelProto, path: Path) -> None:
    """Refuse operators that score no rows, or that could run for ever. `model` has no local functions any more.

    Raises ArtifactError(MODEL_FORBIDDEN_OP).
    """
    constants = {t.name: t for t in model.graph.initializer}
    for node in all_nodes(model.graph):
        if node.domain not in DOMAINS:
            text = f'uses {node.op_type} of the domain "{node.domain}"; only ai.onnx and ai.onnx.ml are served: export without custom operators'
            _refuse(path, ArtifactReason.MODEL_FORBIDDEN_OP, text)
        if node.op_type in CONTROL_FLOW or _subgraphs(node):
            text = f"uses {node.op_type}, which runs a graph inside the graph; rewrite the model without control flow"
            _refuse(path, ArtifactReason.MODEL_FORBIDDEN_OP, text)
        if node.op_type in RANDOM:
            text = f"uses {node.op_type}: the same request would get another slate each time; export the model in inference mode"
            _refuse(path, ArtifactReason.MODEL_FORBIDDEN_OP, text)
        if node.op_type == "Constant" and node.output:
            constants.update((node.output[0], a.t) for a in node.attribute if a.type == AttributeProto.TENSOR)
        if node.op_type in ("ConstantOfShape", "Expand"):
            _check_size(node, constants, path)


def all_nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """The nodes of a graph and of the graphs inside its nodes."""
    for node in graph.node:
        yield node
        for inner in _subgraphs(node):
            yield from all_nodes(inner)


def _subgraphs(node: NodeProto) -> list[GraphProto]:
    single = [a.g for a in node.attribute if a.type == AttributeProto.GRAPH]
    return single + [g for a in node.attribute if a.type == AttributeProto.GRAPHS for g in a.graphs]


def _check_size(node: NodeProto, constants: dict[str, TensorProto], path: Path) -> None:
    shape = constants.get(node.input[-1])
    if shape is None or shape.data_location == TensorProto.EXTERNAL:
        return
    count = math.prod(int(d) for d in numpy_helper.to_array(shape).reshape(-1))
    if count > MAX_CONSTANT_ELEMENTS:
        text = f"makes a tensor of {count} elements with {node.op_type}, more than {MAX_CONSTANT_ELEMENTS}; make it smaller"
        _refuse(path, ArtifactReason.MODEL_FORBIDDEN_OP, text)


def _refuse(path: Path, reason: ArtifactReason, text: str) -> NoReturn:
    raise ArtifactError(path, reason, text)
