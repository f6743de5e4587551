"""Weights beside the model: checked before anything opens them, copied into the bundle, read where a build needs their values."""

from __future__ import annotations

import math
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from domain.arrays import AnyArray
from domain.errors import ArtifactError, ArtifactReason
from ranking.model_file import all_nodes
from ranking.plan import BINDING_FILE, CREATOR_FILE, EXPORTED_FILE, REPORT_FILE, SERVED_FILE, TABLES_FOLDER, WHOLE_FILE

RESERVED = frozenset({BINDING_FILE, CREATOR_FILE, EXPORTED_FILE, REPORT_FILE, SERVED_FILE, TABLES_FOLDER, WHOLE_FILE, "observed.onnx"})


def check_external_data(model: ModelProto, path: Path) -> tuple[str, ...]:
    """The names of the files beside the model that hold its weights, each of them a plain file that is long enough.

    Raises ArtifactError(MODEL_EXTERNAL_DATA).
    """
    sizes: dict[str, int] = {}
    for tensor in _external(model):
        entry = {e.key: e.value for e in tensor.external_data}
        name = entry.get("location", "")
        if name not in sizes:
            sizes[name] = _size(name, tensor, path)
        _check_span(entry, sizes[name], tensor, path)
    return tuple(sorted(sizes))


def copy_external_data(names: tuple[str, ...], source: Path, target: Path) -> None:
    """Copy the files, without following links, from the folder `source` to the folder `target`."""
    for name in names:
        shutil.copyfile(source / name, target / name, follow_symlinks=False)


def read_constant(tensor: TensorProto, directory: Path) -> AnyArray:
    """The values of a tensor of the model in `directory`, wherever they lie. Its external data has passed `check_external_data`."""
    if tensor.data_location != TensorProto.EXTERNAL:
        return numpy_helper.to_array(tensor)
    entry = {e.key: e.value for e in tensor.external_data}
    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type).newbyteorder("<")
    values: AnyArray = np.fromfile(directory / entry["location"], dtype, math.prod(tensor.dims), offset=int(entry.get("offset", "0")))
    return values.reshape(tensor.dims)


def _external(model: ModelProto) -> Iterator[TensorProto]:
    tensors = [*model.graph.initializer]
    tensors += [t for s in model.graph.sparse_initializer for t in (s.values, s.indices)]
    nodes = [*all_nodes(model.graph), *(node for function in model.functions for node in function.node)]
    for node in nodes:
        for attribute in node.attribute:
            tensors += [attribute.t, *attribute.tensors]
    return (t for t in tensors if t.data_location == TensorProto.EXTERNAL)


def _size(name: str, tensor: TensorProto, path: Path) -> int:
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        _refuse(path, f'weights "{tensor.name}" lie in "{name}"; external data must be a plain file beside the model: export it there')
    if name in RESERVED:
        _refuse(path, f'weights "{tensor.name}" lie in "{name}", a name that the bundle uses itself; export to another file')
    try:
        found = os.lstat(path.parent / name)
    except OSError as problem:
        _refuse(path, f'weights "{tensor.name}" lie in "{name}", which cannot be read ({problem.strerror}); put it beside the model')
    if not stat.S_ISREG(found.st_mode):
        _refuse(path, f'weights "{tensor.name}" lie in "{name}", which is a link or no plain file; put the file itself beside the model')
    return found.st_size


def _check_span(entry: dict[str, str], size: int, tensor: TensorProto, path: Path) -> None:
    name = entry["location"]
    try:
        offset, length = int(entry.get("offset", "0")), int(entry.get("length", "0"))
    except ValueError:
        offset = length = -1
    if offset < 0 or length < 0 or offset + length > size or offset > size:
        _refuse(path, f'weights "{tensor.name}" are bytes {offset} to {offset + length} of "{name}", which has {size}; export or copy the file again')


def _refuse(path: Path, text: str) -> NoReturn:
    raise ArtifactError(path, ArtifactReason.MODEL_EXTERNAL_DATA, text)
