"""What an ONNX model takes and gives, as its graph declares it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onnx import ModelProto, TensorProto, ValueInfoProto

from domain.errors import ArtifactError, ArtifactReason

ELEMENTS: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
    TensorProto.FLOAT16: "float16",
    TensorProto.INT8: "int8",
    TensorProto.INT16: "int16",
    TensorProto.INT32: "int32",
    TensorProto.INT64: "int64",
    TensorProto.UINT8: "uint8",
    TensorProto.UINT16: "uint16",
    TensorProto.UINT32: "uint32",
    TensorProto.UINT64: "uint64",
    TensorProto.BOOL: "bool",
}
"""ONNX element types that NumPy and the runtime share, by their NumPy names."""


@dataclass(frozen=True, slots=True)
class TensorInput:
    """One input. dtype: NumPy name of its elements; dims: None where a dimension is open."""

    name: str
    dtype: str
    dims: tuple[int | None, ...]

    @property
    def shape_text(self) -> str:
        """The shape as people write it: [n, 177]."""
        names = ("n", *"abcdefgh")
        return "[" + ", ".join(names[i] if d is None else str(d) for i, d in enumerate(self.dims)) + "]"


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """One output. kind: "tensor", or what else it is; dims as in `TensorInput`, None when the graph does not say."""

    name: str
    kind: str
    dims: tuple[int | None, ...] | None


@dataclass(frozen=True, slots=True)
class Signature:
    """All inputs that a caller must feed (initializers are none), and all outputs, in the model's order."""

    inputs: tuple[TensorInput, ...]
    outputs: tuple[ModelOutput, ...]


def read_signature(model: ModelProto, path: Path) -> Signature:
    """The signature of `model`. Raises ArtifactError(MODEL_SIGNATURE) for inputs that no column can feed."""
    fixed = {t.name for t in model.graph.initializer} | {t.values.name for t in model.graph.sparse_initializer}
    inputs = tuple(_input(value, path) for value in model.graph.input if value.name not in fixed)
    return Signature(inputs, tuple(_output(value) for value in model.graph.output))


def _input(value: ValueInfoProto, path: Path) -> TensorInput:
    kind = value.type.WhichOneof("value") or "untyped"
    if kind != "tensor_type":
        text = f'input "{value.name}" is a {kind.removesuffix("_type")}; only tensors can be fed from columns: export with tensor inputs'
        raise ArtifactError(path, ArtifactReason.MODEL_SIGNATURE, text)
    element = value.type.tensor_type.elem_type
    if element == TensorProto.STRING:
        text = f'input "{value.name}" takes strings; encode categories before the model ([vocabularies] turns them into int64 codes) and export again'
        raise ArtifactError(path, ArtifactReason.MODEL_SIGNATURE, text)
    if element not in ELEMENTS:
        named = TensorProto.DataType.Name(element).lower()
        text = f'input "{value.name}" has elements of {named}, which columns cannot feed; export with float32 or an integer type'
        raise ArtifactError(path, ArtifactReason.MODEL_SIGNATURE, text)
    dims = _dims(value)
    return TensorInput(value.name, ELEMENTS[element], (None, None) if dims is None else dims)


def _output(value: ValueInfoProto) -> ModelOutput:
    kind = (value.type.WhichOneof("value") or "untyped").removesuffix("_type")
    if kind == "tensor" and value.type.tensor_type.elem_type == TensorProto.STRING:
        kind = "tensor of strings"
    return ModelOutput(value.name, kind, _dims(value) if kind == "tensor" else None)


def _dims(value: ValueInfoProto) -> tuple[int | None, ...] | None:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in tensor.shape.dim)
