"""From Arrow arrays to NumPy, a whole batch at a time. Build time only."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc

from domain.arrays import AnyArray, BoolArray, IdArray, RowArray

_SECONDS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values themselves: without extension types and dictionaries."""
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def plain(values: pa.Array) -> pa.Array:
    """An array of `plain_type`; strings as large_string, list views as lists."""
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if is_text(values.type):
        return values.cast(pa.large_string())
    if pa.types.is_list_view(values.type) or pa.types.is_large_list_view(values.type):
        return values.cast(pa.large_list(values.type.value_type))
    return values


def is_text(kind: pa.DataType) -> bool:
    """Whether values are strings, however encoded."""
    kind = plain_type(kind)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether values are lists of anything."""
    kind, types = plain_type(kind), pa.types
    tests = (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_list_view, types.is_large_list_view)
    return any(test(kind) for test in tests)


def is_list_of_text(kind: pa.DataType) -> bool:
    """Whether values are lists of strings; lists that are empty throughout may have been written without an element type."""
    return is_list(kind) and (is_text(plain_type(kind).value_type) or bool(pa.types.is_null(plain_type(kind).value_type)))


def is_zoned_time(kind: pa.DataType) -> bool:
    """Whether values are timestamps that say their zone."""
    kind = plain_type(kind)
    return bool(pa.types.is_timestamp(kind)) and kind.tz is not None


def is_number(kind: pa.DataType) -> bool:
    """Whether values are stored as they are or, for timestamps with a zone, as seconds."""
    kind = plain_type(kind)
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)) or is_zoned_time(kind)


def stored_dtype(kind: pa.DataType) -> np.dtype[np.generic]:
    """The NumPy type in which numbers are stored."""
    kind = plain_type(kind)
    return np.dtype(np.int64) if is_zoned_time(kind) else np.dtype(kind.to_pandas_dtype())


def to_numpy(values: pa.Array) -> AnyArray:
    """Numbers of `stored_dtype`; nulls become zero, timestamps UTC seconds, rounded down."""
    if pa.types.is_timestamp(values.type):
        seconds = to_numpy(values.cast(pa.int64())) // _SECONDS[values.type.unit]
        return np.asarray(seconds, np.int64)
    if values.null_count:
        values = pc.fill_null(values, stored_dtype(values.type).type(0))
    return np.asarray(values.to_numpy(zero_copy_only=False))


def valid(values: pa.Array) -> BoolArray:
    """Per value, whether it is not null."""
    return np.asarray(values.is_valid().to_numpy(zero_copy_only=False), np.bool_)


def elements(lists: pa.Array) -> tuple[RowArray, pa.Array]:
    """(lengths int64 [n], 0 for a null list; the elements of all lists in order). `lists` is plain."""
    lengths = to_numpy(pc.list_value_length(lists)).astype(np.int64, copy=False)
    flat = lists.flatten()
    return lengths, flat.cast(pa.large_string()) if pa.types.is_null(flat.type) else plain(flat)


def row_of_element(lengths: RowArray, element: int) -> int:
    """Which list an element of the flattened lists belongs to."""
    return int(np.searchsorted(np.cumsum(lengths), element, side="right"))


def distinct(texts: pa.Array) -> tuple[pa.Array, RowArray]:
    """(the distinct strings in order of appearance, per value its place among them, -1 for null)."""
    encoded = texts.dictionary_encode()
    places = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    return encoded.dictionary, np.asarray(places, np.int64)


def text_bytes(texts: pa.Array) -> tuple[AnyArray, RowArray]:
    """(UTF-8 bytes of all strings in order as uint8, byte length of each as int64; 0 for null). `texts` is large_string."""
    texts = pc.fill_null(texts, "")
    _, offsets_buffer, data = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64, len(texts) + 1, texts.offset * 8) if len(texts) else np.zeros(1, np.int64)
    values = np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8)
    return values[offsets[0] : offsets[-1]], np.diff(offsets)


def fixed_bytes(texts: pa.Array, width: int) -> IdArray:
    """The strings as bytes 'S<width>'; none may be longer, none may end in NUL."""
    values, lengths = text_bytes(texts)
    padded = np.zeros((len(texts), width), np.uint8)
    padded[np.arange(width) < lengths[:, None]] = values
    return padded.view(f"S{width}").reshape(len(texts))
