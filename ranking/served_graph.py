"""Looks into a bundle's served graph before the runtime does: the rules that a build holds a ranker to, without `onnx`, which serving does not have.

The part of ONNX's schema that matters here is spelled out below, by its field numbers; what is not listed is skipped unread.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from domain.errors import ArtifactError, ArtifactReason

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
OWN_OPERATORS = frozenset({("com.microsoft", "MatMulIntegerToFloat")})  # of the runtime, in layers that the build narrowed
CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap"})
MAX_CONSTANT_ELEMENTS = 2**28  # a gigabyte of float32, allocated when the graph is loaded
MAX_GRAPH_BYTES = 2**31 - 1  # protobuf's own limit
INT64, EXTERNAL = 7, 1  # of TensorProto

_F = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "earshot.served_graph"
# message -> (field, number, type, repeated); a type that is a text names another message
_SCHEMA: dict[str, tuple[tuple[str, int, int | str, bool], ...]] = {
    "Model": (("ir_version", 1, _F.TYPE_INT64, False), ("graph", 7, "Graph", False), ("functions", 25, "Function", True)),
    "Function": (),
    "Graph": (("node", 1, "Node", True), ("initializer", 5, "Tensor", True)),
    "Node": (
        ("input", 1, _F.TYPE_STRING, True),
        ("output", 2, _F.TYPE_STRING, True),
        ("op_type", 4, _F.TYPE_STRING, False),
        ("attribute", 5, "Attribute", True),
        ("domain", 7, _F.TYPE_STRING, False),
    ),
    "Attribute": (("t", 5, "Tensor", False), ("g", 6, "Graph", False), ("tensors", 10, "Tensor", True), ("graphs", 11, "Graph", True)),
    "Tensor": (
        ("dims", 1, _F.TYPE_INT64, True),
        ("data_type", 2, _F.TYPE_INT32, False),
        ("int64_data", 7, _F.TYPE_INT64, True),
        ("name", 8, _F.TYPE_STRING, False),
        ("raw_data", 9, _F.TYPE_BYTES, False),
        ("external_data", 13, "Entry", True),
        ("data_location", 14, _F.TYPE_INT32, False),
    ),
    "Entry": (("key", 1, _F.TYPE_STRING, False), ("value", 2, _F.TYPE_STRING, False)),
}


def check_served_graph(path: Path) -> None:
    """Refuse a graph that no build writes and that could run for ever, run foreign code, read other files, or take all memory.

    Raises ArtifactError: MODEL_INVALID, MODEL_FORBIDDEN_OP, MODEL_EXTERNAL_DATA.
    """
    model = _read(path)
    if model.functions:
        _refuse(path, ArtifactReason.MODEL_FORBIDDEN_OP, "holds functions of its own")
    constants: dict[str, Any] = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.domain not in DOMAINS and (node.domain, node.op_type) not in OWN_OPERATORS:
            _refuse(path, ArtifactReason.MODEL_FORBIDDEN_OP, f"uses {node.op_type!r:.80} of the domain {node.domain!r:.80}")
        if node.op_type in CONTROL_FLOW or any(a.HasField("g") or a.graphs for a in node.attribute):
            _refuse(path, ArtifactReason.MODEL_FORBIDDEN_OP, f"uses {node.op_type!r:.80}, which runs a graph inside the graph")
        if node.op_type == "Constant" and node.output:
            constants.update((node.output[0], a.t) for a in node.attribute if a.HasField("t"))
        if node.op_type in ("ConstantOfShape", "Expand") and node.input:
            _check_size(path, node, constants.get(node.input[-1]))
    for tensor in _tensors(model):
        _check_external(path, tensor)


def _read(path: Path) -> Any:
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_GRAPH_BYTES else b""
    except OSError as problem:
        raise ArtifactError(path, ArtifactReason.CHECKSUM_MISMATCH, f"cannot be read ({problem.strerror}); build the bundle again") from problem
    try:
        model = _model().FromString(data)
    except DecodeError as problem:
        raise ArtifactError(path, ArtifactReason.MODEL_INVALID, "is no ONNX file, or was cut off; build the bundle again") from problem
    if not model.graph.node:
        _refuse(path, ArtifactReason.MODEL_INVALID, f"of {size} bytes holds no graph")
    return model


@cache
def _model() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="earshot/served_graph.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _SCHEMA.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            added = message.field.add(name=field, number=number, label=_F.LABEL_REPEATED if repeated else _F.LABEL_OPTIONAL)
            if isinstance(kind, str):
                added.type, added.type_name = _F.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                added.type = kind  # type: ignore[assignment]  # the stubs want the enum's own type
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Model"))


def _tensors(model: Any) -> Iterator[Any]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)


def _check_size(path: Path, node: Any, shape: Any) -> None:
    if shape is None or shape.data_type != INT64 or shape.data_location == EXTERNAL:
        return
    lengths = list(shape.int64_data) or np.frombuffer(shape.raw_data[: len(shape.raw_data) // 8 * 8], "<i8").tolist()
    if math.prod(lengths) > MAX_CONSTANT_ELEMENTS:
        _refuse(path, ArtifactReason.MODEL_FORBIDDEN_OP, f"makes a tensor of {math.prod(lengths)} elements with {node.op_type}")


def _check_external(path: Path, tensor: Any) -> None:
    if tensor.data_location != EXTERNAL:
        return
    entries = {entry.key: entry.value for entry in tensor.external_data}
    name = entries.get("location", "")
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name or not (path.parent / name).is_file():
        _refuse(path, ArtifactReason.MODEL_EXTERNAL_DATA, f"keeps weights in {name!r:.80}, which is no file beside it")
    try:
        offset, length = int(entries.get("offset", "0")), int(entries.get("length", "0"))
    except ValueError:
        offset = length = -1
    if offset < 0 or length < 0 or offset + length > (path.parent / name).stat().st_size:
        _refuse(path, ArtifactReason.MODEL_EXTERNAL_DATA, f"keeps weights beyond the end of {name!r:.80}")


def _refuse(path: Path, reason: ArtifactReason, text: str) -> NoReturn:
    raise ArtifactError(path, reason, f"{text}; no build made it: build the bundle again")
