"""`earshot build` for a ranker: any ONNX file with a binding in, a proved, served graph with its tables out.

Forms are tried in order of preference, and the proof decides: "folded" where the creators' part of first layers is worth a table (`ranking.fold`),
"split" where first layers can be split (`ranking.split`), else "whole": the model runs as it is for every candidate. Folding will go further here,
between `resolve_inputs` and the Composer: colour the graph, and cut it wherever one side ends. The proof does not care how scores came to be.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from onnx import ModelProto

from domain.columns import ColumnSpec, Creators
from domain.errors import ArtifactError
from domain.stages import Progress
from ranking.bound import Binding
from ranking.compose import Composer
from ranking.external_data import check_external_data, copy_external_data
from ranking.fold import fold_inputs
from ranking.graph_editor import free_prefix
from ranking.known_columns import AS_OF_TIME, Specs, known_columns
from ranking.model_file import check_operators, load_model
from ranking.opset import check_versions, imported, inline_functions, raise_opset
from ranking.outputs import check_outputs
from ranking.plan import BINDING_FILE, EXPORTED_FILE, SERVED_FILE, TABLES_FOLDER, RankerDescription
from ranking.prove import Proof
from ranking.resolve import resolve_inputs
from ranking.session import open_session
from ranking.signature import read_signature
from ranking.split import SplitInput, split_inputs
from ranking.tables import TableWriter


def compile_ranker(
    model: Path, binding: Binding, creators: Creators, user_columns: Sequence[ColumnSpec], directory: Path, progress: Progress
) -> RankerDescription:
    """Compile the ONNX file `model` into `directory`, which must exist and be empty.

    Afterwards it holds ranker.onnx as exported with its external data, binding.json, served.onnx and tables/. user_columns: what users.parquet has;
    empty when there is none. Raises ArtifactError with a sentence that says what to do, InputNotFound.
    """
    loaded = load_model(model)
    external = check_external_data(loaded, model)
    flat = inline_functions(loaded, model)
    check_operators(flat, model)
    check_versions(flat, model)
    signature = read_signature(loaded, model)
    check_outputs(model, signature.outputs, binding)
    open_session(model)  # what the runtime refuses now, it would refuse composed as well, with a stranger's names in the text

    specs = known_columns(binding, signature.inputs, creators, user_columns)
    inputs = resolve_inputs(model, signature.inputs, binding, specs)
    raised = raise_opset(flat, model)
    prefix = free_prefix(raised)
    described = _description(prefix, binding, specs, user_columns, flat)
    _write_exported(model, external, binding, directory)

    def compiled(splits: Mapping[str, SplitInput]) -> RankerDescription:
        """Write the form that `splits` makes, and prove it."""
        tables = TableWriter(creators, prefix)
        served, description = Composer(raised, tables, splits).compose(inputs, binding.heads, described)
        shutil.rmtree(directory / TABLES_FOLDER, ignore_errors=True)  # those of a form that was not proved
        tables.write(directory / TABLES_FOLDER, progress)
        (directory / SERVED_FILE).write_bytes(served.SerializeToString(deterministic=True))
        Proof(model, directory, description, binding, creators).run()
        return description

    splits = split_inputs(raised, inputs, model.parent)
    for form in filter(None, (fold_inputs(splits), splits)):
        with suppress(ArtifactError):  # where more than rounding is wrong, the whole form is refused as well
            return compiled(form)
    return compiled({})


def _description(prefix: str, binding: Binding, specs: Specs, user_columns: Sequence[ColumnSpec], model: ModelProto) -> RankerDescription:
    """All but what composing finds out."""
    bound = {ref.full for ref in binding.references}
    stored = {f"user.{spec.name}" for spec in user_columns}
    sent = tuple(specs[full] for full in sorted(bound) if full.startswith("user.") and full not in stored and full != "user.embedding")
    context = tuple(specs[full] for full in sorted(bound) if full.startswith("context.") and full != AS_OF_TIME)
    details = {"producer": f"{model.producer_name} {model.producer_version}".strip(), "opsets": imported(model), "ir_version": model.ir_version}
    return RankerDescription(
        prefix, (), (), reads_similarity=False, objective=binding.objective, user=(*user_columns, *sent), context=context, details=details
    )


def _write_exported(model: Path, external: tuple[str, ...], binding: Binding, directory: Path) -> None:
    shutil.copyfile(model, directory / EXPORTED_FILE)
    copy_external_data(external, model.parent, directory)
    (directory / BINDING_FILE).write_text(json.dumps(binding.to_json(), ensure_ascii=False, allow_nan=False, indent=1) + os.linesep, encoding="utf-8")
