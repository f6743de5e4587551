"""Array files: written in a stream, opened memory-mapped and read-only. Only what NumPy's format says about plain numbers and bytes is accepted:
headers are matched, never evaluated."""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import DTypeLike

from bundle.regular_file import open_regular
from domain.arrays import AnyArray
from domain.errors import ArtifactError, ArtifactReason

_PREFIX = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(rb"\{'descr': '([^']{1,16})', 'fortran_order': (True|False), 'shape': \(([0-9, ]{0,64})\), \} *\n")
_PLAIN = re.compile(rb"(<[iuf][248]|\|[iu]1|\|b1|\|S[1-9][0-9]{0,3})")


class NpyWriter:
    """Appends rows to a new array file. Plain writes, no memory map: a full disk is an OSError, not a SIGBUS, and no dirty pages pile up.

    The header has room for any number of rows and is completed by `close`. Use as a context manager or call `close`; not thread-safe.
    """

    def __init__(self, path: Path, dtype: DTypeLike, row_shape: tuple[int, ...] = ()) -> None:
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        self.count = 0
        self._file = path.open("xb")
        self._write_header()

    def append(self, values: AnyArray) -> None:
        """Append rows: [m, *row_shape] of exactly the file's dtype."""
        if values.dtype != self._dtype or values.shape[1:] != self._row_shape:
            raise ValueError(f"{self._file.name} holds {self._dtype} rows of shape {self._row_shape}, not {values.dtype} {values.shape[1:]}")
        self._file.write(np.ascontiguousarray(values).data)
        self.count += len(values)

    def close(self) -> None:
        """Complete the header and close the file. Idempotent."""
        if not self._file.closed:
            self._file.seek(0)
            self._write_header()
            self._file.close()

    def _write_header(self) -> None:
        description = {"descr": npy_format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self.count, *self._row_shape)}
        npy_format.write_array_header_1_0(self._file, description)  # pads for growth along the first axis, so a rewrite has the same length

    def __enter__(self) -> NpyWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def write_npy(path: Path, values: AnyArray) -> None:
    """Write one whole array."""
    with NpyWriter(path, values.dtype, values.shape[1:]) as writer:
        writer.append(values)


def open_npy(path: Path, dtype: DTypeLike, shape: tuple[int | None, ...]) -> AnyArray:
    """The array in a file, mapped read-only, C order, little endian. None in `shape` stands for any length, dtype "S" for bytes of any width.

    FEATURES_INVALID when dtype, shape, byte order, layout or file size differ; UNSAFE_ARTIFACT for an object array, which could run code.
    """
    with open_regular(path) as file:
        found_dtype, found_shape = _read_header(file, path)
        _check(path, np.dtype(dtype), shape, found_dtype, found_shape)
        offset = file.tell()
        wanted_size = offset + math.prod(found_shape) * found_dtype.itemsize
        file.seek(0, 2)
        if file.tell() != wanted_size:
            raise _invalid(path, f"is {file.tell()} bytes long, its header promises {wanted_size}")
        mapped = np.memmap(file, found_dtype, "r", offset, found_shape)
    return mapped.view(np.ndarray)  # a plain array: slicing a memmap costs five times as much


def _read_header(file: BinaryIO, path: Path) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    prefix = file.read(len(_PREFIX) + 2)
    header = file.read(int.from_bytes(prefix[len(_PREFIX) :], "little"))
    match = _HEADER.fullmatch(header)
    if not prefix.startswith(_PREFIX) or match is None:
        raise _invalid(path, "is no array file of plain numbers")
    descr, fortran, shape = match.groups()
    if b"O" in descr:
        raise ArtifactError(path, ArtifactReason.UNSAFE_ARTIFACT, "holds Python objects, which run code when loaded; no build made it")
    if not _PLAIN.fullmatch(descr):
        raise _invalid(path, f"holds {descr.decode('ascii', 'replace')!r}; only little-endian numbers and bytes are read")
    if fortran == b"True":
        raise _invalid(path, "is in Fortran order; rows must be contiguous")
    return np.dtype(descr.decode()), tuple(int(part) for part in shape.split(b",") if part.strip())


def _check(path: Path, dtype: np.dtype[np.generic], shape: tuple[int | None, ...], found: np.dtype[np.generic], found_shape: tuple[int, ...]) -> None:
    if found != dtype and not (dtype == np.dtype("S") and found.kind == "S"):
        raise _invalid(path, f"holds {found}, not {dtype}")
    if len(shape) != len(found_shape) or any(want is not None and want != got for want, got in zip(shape, found_shape, strict=True)):
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise _invalid(path, f"has the shape {found_shape}, not ({wanted})")


def _invalid(path: Path, text: str) -> ArtifactError:
    return ArtifactError(path, ArtifactReason.FEATURES_INVALID, f"{text}; build the bundle again")
