"""Makes a model one that the runtime runs and that our nodes fit into: one flat graph, an opset that has the operators of `ranking.compose`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import onnx
import onnxruntime as ort
from onnx import ModelProto, TensorProto, defs, helper, inliner, version_converter

from domain.errors import ArtifactError, ArtifactReason
from ranking.complaint import first_line
from ranking.model_file import DOMAINS, all_nodes
from ranking.session import session_options

LEAST_OPSET = 10  # TopK takes K as an input from here on; everything else we compose with is older
USUAL_OPSET = 13  # where models below LEAST_OPSET are converted to, and what models of ai.onnx.ml alone get
LEAST_IR = 4  # from here on initializers need not be inputs, and are constants when they are none


def inline_functions(model: ModelProto, path: Path) -> ModelProto:
    """The same model without model-local functions. Raises ArtifactError(MODEL_INVALID) when they cannot be inlined."""
    if not model.functions:
        return model
    try:
        inlined: ModelProto = inliner.inline_local_functions(model)
    except Exception as problem:
        text = f"its local functions cannot be inlined ({first_line(problem)}); export without them"
        raise ArtifactError(path, ArtifactReason.MODEL_INVALID, text) from problem
    return inlined


def check_versions(model: ModelProto, path: Path) -> None:
    """Raise ArtifactError(MODEL_UNSUPPORTED) when the runtime is older than the model's opset or IR version."""
    if not _runs(model.ir_version, "", LEAST_OPSET):
        text = f"has IR version {model.ir_version}; this ONNX Runtime {ort.__version__} reads up to {_newest_ir()}: export for an older version"
        raise ArtifactError(path, ArtifactReason.MODEL_UNSUPPORTED, text)
    for domain, version in imported(model).items():
        if domain in DOMAINS and not _runs(_newest_ir(), domain, version):
            name = domain or "ai.onnx"
            text = (
                f"uses opset {version} of {name}; this ONNX Runtime {ort.__version__} knows up to {_newest_opset(domain)}: export for an older opset"
            )
            raise ArtifactError(path, ArtifactReason.MODEL_UNSUPPORTED, text)


def imported(model: ModelProto) -> dict[str, int]:
    """Opset by domain; "ai.onnx" is spelled ""."""
    return {"" if o.domain == "ai.onnx" else o.domain: o.version for o in model.opset_import}


def raise_opset(model: ModelProto, path: Path) -> ModelProto:
    """A model whose opset has the operators that we compose with; the same one when it does already.

    Where every operator means the same in a later opset, only the number changes; otherwise the converter rewrites the model.
    Raises ArtifactError(MODEL_UNSUPPORTED) when that fails.
    """
    version = imported(model).get("")
    if version is None:
        return _with_opset(model, USUAL_OPSET)
    if version >= LEAST_OPSET:
        return model
    for later in range(LEAST_OPSET, USUAL_OPSET + 1):
        if _same_operators(model, version, later):
            return _with_opset(model, later)
    try:
        converted: ModelProto = version_converter.convert_version(model, USUAL_OPSET)
    except Exception as problem:
        text = f"has opset {version}, older than {LEAST_OPSET}, and cannot be converted ({first_line(problem)}); export with {USUAL_OPSET} or later"
        raise ArtifactError(path, ArtifactReason.MODEL_UNSUPPORTED, text) from problem
    return converted


def _with_opset(model: ModelProto, version: int) -> ModelProto:
    copied = ModelProto()
    copied.CopyFrom(model)
    kept = [o for o in model.opset_import if o.domain not in ("", "ai.onnx")]
    del copied.opset_import[:]
    copied.opset_import.extend([*kept, helper.make_opsetid("", version)])
    return copied


def _same_operators(model: ModelProto, version: int, later: int) -> bool:
    own = {node.op_type for node in all_nodes(model.graph) if node.domain in ("", "ai.onnx")}
    return all(_since(op, version) == _since(op, later) for op in own)


def _since(operator: str, version: int) -> int:
    try:
        return int(defs.get_schema(operator, version).since_version)
    except defs.SchemaError:
        return -version  # not there: equal to no other version's answer


@cache
def _runs(ir_version: int, domain: str, version: int) -> bool:
    """Whether the runtime loads a graph of nothing but an identity with these versions."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "probe", value[:1], value[1:])
    opsets = [helper.make_opsetid(domain, version)] + ([helper.make_opsetid("", LEAST_OPSET)] if domain else [])
    model = helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)
    try:
        ort.InferenceSession(model.SerializeToString(), session_options(), providers=["CPUExecutionProvider"])
    except Exception:  # noqa: BLE001 - whatever the runtime raises, the answer is no
        return False
    return True


@cache
def _newest_ir() -> int:
    return next((v for v in range(onnx.IR_VERSION, 0, -1) if _runs(v, "", LEAST_OPSET)), 0)


@cache
def _newest_opset(domain: str) -> int:
    newest = defs.onnx_opset_version() if not domain else 10
    return next((v for v in range(newest, 0, -1) if _runs(_newest_ir(), domain, v)), 0)
