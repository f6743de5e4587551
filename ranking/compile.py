"""`earshot build` for a ranker: any ONNX file with a binding in, a proved, served graph with its tables out.

The whole form, the model as it is for every candidate, is composed and proved first. Then it is folded (docs/folding.md) and held against the whole
form; what is proved and faster is served. Both graphs are kept.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from onnx import ModelProto

from domain.arrays import AnyArray
from domain.columns import ColumnSpec
from domain.stages import Progress
from ranking.bound import Binding
from ranking.compose_whole import WholeComposer
from ranking.external_data import check_external_data, copy_external_data
from ranking.fold_ranker import CompileOptions, FormChooser, RankerSource
from ranking.folding.fold import BoundModel
from ranking.folding.observe import observe
from ranking.graph_editor import free_prefix
from ranking.known_columns import AS_OF_TIME, Specs, known_columns
from ranking.made_up_users import MadeUpUsers
from ranking.model_file import check_operators, load_model
from ranking.opset import check_versions, imported, inline_functions, raise_opset
from ranking.outputs import check_outputs
from ranking.plan import BINDING_FILE, EXPORTED_FILE, REPORT_FILE, TABLES_FOLDER, WHOLE_FILE, GraphInputs, RankerDescription
from ranking.prove import Proof
from ranking.reference import Reference
from ranking.resolve import InputPlan, resolve_inputs
from ranking.session import open_session
from ranking.signature import read_signature
from ranking.tables import TableWriter

__all__ = ["CompileOptions", "RankerSource", "compile_ranker"]


def compile_ranker(source: RankerSource, directory: Path, progress: Progress, options: CompileOptions | None = None) -> RankerDescription:
    """Compile the ONNX file of `source` into `directory`, which must exist and be empty.

    Afterwards it holds ranker.onnx as exported with its external data, binding.json, served.onnx, report.json and tables/; where the ranker is
    folded, whole.onnx and creator.onnx, too. Raises ArtifactError with a sentence that says what to do, InputNotFound.
    """
    model, binding, creators = source.model, source.binding, source.creators
    read = _read(source)
    _write_exported(model, read.external, binding, directory)
    tables = TableWriter(creators, read.described.prefix)
    served, whole = WholeComposer(read.model, tables).compose(read.inputs, binding.heads, replace(read.described, file=WHOLE_FILE))
    (directory / WHOLE_FILE).write_bytes(served.SerializeToString(deterministic=True))
    tables.write_columns(directory / TABLES_FOLDER, frozenset(table.name for table in whole.tables), progress)
    Proof(model, directory, whole, binding, creators).run()

    def bound() -> BoundModel:
        """The model with what it does on a few candidates."""
        made_up = MadeUpUsers(whole, binding, creators)
        feeds = _Feeds(Reference(directory / EXPORTED_FILE, binding, creators, made_up.widths), made_up)
        return BoundModel(read.model, read.inputs, binding.heads, observe(read.model, directory, feeds), model.parent)

    chooser = FormChooser(source, directory, whole, tables, options or CompileOptions(), progress)
    description, report = chooser.choose(bound)
    _remove_unread(directory / TABLES_FOLDER, description)
    (directory / REPORT_FILE).write_text(json.dumps(report, ensure_ascii=False, allow_nan=False, indent=1) + os.linesep, encoding="utf-8")
    return description


@dataclass(frozen=True)
class _ReadModel:
    """A model that passed all checks, with its binding resolved. described: all but what composing finds out."""

    model: ModelProto
    inputs: tuple[InputPlan, ...]
    external: tuple[str, ...]
    described: RankerDescription


def _read(source: RankerSource) -> _ReadModel:
    model, binding = source.model, source.binding
    loaded = load_model(model)
    external = check_external_data(loaded, model)
    flat = inline_functions(loaded, model)
    check_operators(flat, model)
    check_versions(flat, model)
    signature = read_signature(loaded, model)
    check_outputs(model, signature.outputs, binding)
    open_session(model)  # what the runtime refuses now, it would refuse composed as well, with a stranger's names in the text
    specs = known_columns(binding, signature.inputs, source.creators, source.user_columns)
    inputs = resolve_inputs(model, signature.inputs, binding, specs)
    raised = raise_opset(flat, model)
    return _ReadModel(raised, inputs, external, _description(free_prefix(raised), binding, specs, source.user_columns, flat))


@dataclass(frozen=True)
class _Feeds:
    """A typical user's inputs of the exported model, for any number of candidates."""

    reference: Reference
    made_up: MadeUpUsers

    def __call__(self, count: int) -> Mapping[str, AnyArray]:
        rows = np.arange(count) % len(self.made_up.creators)
        user = self.made_up.typical(rows, absent=False)
        return self.reference.feeds(user, rows, np.linspace(0.9, -0.1, count, dtype=np.float32))


def _remove_unread(folder: Path, description: RankerDescription) -> None:
    """Remove tables of forms that were tried and are not served."""
    read = {table.file for taken in (description.inputs, description.whole) if taken is not None for table in taken.tables}
    for path in folder.glob("*.npy"):
        if path.name not in read:
            path.unlink()


def _description(prefix: str, binding: Binding, specs: Specs, user_columns: Sequence[ColumnSpec], model: ModelProto) -> RankerDescription:
    """All but what composing finds out."""
    bound = {ref.full for ref in binding.references}
    stored = {f"user.{spec.name}" for spec in user_columns}
    sent = tuple(specs[full] for full in sorted(bound) if full.startswith("user.") and full not in stored and full != "user.embedding")
    context = tuple(specs[full] for full in sorted(bound) if full.startswith("context.") and full != AS_OF_TIME)
    details = {"producer": f"{model.producer_name} {model.producer_version}".strip(), "opsets": imported(model), "ir_version": model.ir_version}
    return RankerDescription(
        prefix,
        GraphInputs((), (), reads_similarity=False),
        objective=binding.objective,
        user=(*user_columns, *sent),
        context=context,
        details=details,
    )


def _write_exported(model: Path, external: tuple[str, ...], binding: Binding, directory: Path) -> None:
    shutil.copyfile(model, directory / EXPORTED_FILE)
    copy_external_data(external, model.parent, directory)
    (directory / BINDING_FILE).write_text(json.dumps(binding.to_json(), ensure_ascii=False, allow_nan=False, indent=1) + os.linesep, encoding="utf-8")
