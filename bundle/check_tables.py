"""Holds the values of opened tables against the laws that serving relies on, in blocks, so that memory stays small. Dtypes, shapes and byte order
were checked when the arrays were opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from bundle.layout import (
    EMBEDDINGS,
    EVERYWHERE,
    EVERYWHERE_ROWS,
    FOLLOWED,
    ID_ORDER,
    ID_RANKS,
    IDS,
    LEAST_NORM,
    MARKET_ROWS,
    MARKETS,
    MOST_NORM,
    NAMES,
    NORMS,
    TIERS,
    column_stem,
    offsets_file,
    present_file,
    values_file,
)
from domain.arrays import AnyArray, BoolArray, FloatArray, IdArray, RowArray
from domain.columns import Column, ColumnMeaning, Creators, Markets, Users
from domain.errors import ArtifactError, ArtifactReason

_BLOCK = 65_536
_NORM_TOLERANCE = 1e-5
_ROUNDED = 1 - _NORM_TOLERANCE  # the build measured in float32


def check_creators(table: Path, creators: Creators) -> None:
    """ids sorted by id_order, id_ranks its inverse, embeddings finite with their norms, columns, tiers, names and markets in range."""
    _check_ids(table, creators.ids, creators.id_order)
    _each(
        table / ID_RANKS,
        len(creators),
        lambda b: creators.id_ranks[creators.id_order[b]] == np.arange(b.start, b.stop),
        "is not the inverse of id_order",
    )
    _check_embeddings(table, creators.embeddings)
    _each(table / NORMS, len(creators), lambda b: _norms_match(creators.embeddings[b], creators.norms[b]), "is not the norm of the embedding")
    _check_columns(table, creators.columns.values(), len(creators))
    if creators.tiers is not None:
        tiers, tier_count = creators.tiers, len(creators.tier_names)
        _each(table / TIERS, len(creators), lambda b: tiers[b] < tier_count, "is no tier")
    if creators.names is not None:
        _check_texts(table / NAMES, creators.names)
    if creators.markets is not None:
        _check_markets(table, creators.markets, len(creators))


def check_users(table: Path, users: Users, creator_count: int) -> None:
    """ids sorted by id_order, embeddings finite and not zero, columns in range, followed rows creators."""
    _check_ids(table, users.ids, users.id_order)
    _check_embeddings(table, users.embeddings)
    _check_columns(table, users.columns.values(), creator_count)
    if users.followed is not None:
        _check_column(table / FOLLOWED, users.followed, creator_count)


def _check_ids(table: Path, ids: IdArray, order: RowArray) -> None:
    _each(table / IDS, len(ids), lambda b: np.asarray(ids[b] != b""), "is an empty id")
    for block in _blocks(len(ids)):
        _check_id_texts(table / IDS, ids[block], block.start)
    _each(table / ID_ORDER, len(ids), lambda b: (order[b] >= 0) & (order[b] < len(ids)), "is no row")
    _each(table / ID_ORDER, len(ids) - 1, lambda b: np.asarray(ids[order[b]] < ids[order[b.start + 1 : b.stop + 1]]), "does not sort the ids")


def _check_id_texts(file: Path, ids: IdArray, first: int) -> None:
    """UTF-8, since ids are sent; and no id begins inside a character that the one before it began."""
    raw = np.ascontiguousarray(ids).view(np.uint8).reshape(len(ids), -1)
    if not _is_utf8(raw) or ((raw[:, 0] & 0xC0) == 0x80).any():
        _refuse(file, first, "or a following id is not valid UTF-8")


def _check_embeddings(table: Path, embeddings: FloatArray) -> None:
    _each(table / EMBEDDINGS, len(embeddings), lambda b: _measured(embeddings[b]), "is not finite, or its norm is one that no build lets pass")


def _measured(embeddings: FloatArray) -> BoolArray:
    norms = _norms_of(embeddings)
    return np.asarray((norms >= LEAST_NORM * _ROUNDED) & (norms * _ROUNDED <= MOST_NORM))  # false for what is not a number


def _norms_of(embeddings: FloatArray) -> AnyArray:
    norms: AnyArray = np.sqrt(np.einsum("ij,ij->i", embeddings, embeddings, dtype=np.float64))
    return norms


def _norms_match(embeddings: FloatArray, norms: FloatArray) -> BoolArray:
    exact = _norms_of(embeddings)
    return np.asarray(np.abs(norms - exact) <= _NORM_TOLERANCE * exact)


def _check_columns(table: Path, columns: Iterable[Column], creator_count: int) -> None:
    for column in columns:
        _check_column(column_stem(table, column.spec.name), column, creator_count)


def _check_column(stem: Path, column: Column, creator_count: int) -> None:
    values, file = column.values, values_file(stem)
    if column.offsets is not None:
        _check_offsets(stem, column.offsets)
    if column.present is not None:
        raw = column.present.view(np.uint8)
        _each(present_file(stem), len(raw), lambda b: raw[b] <= 1, "is neither true nor false")
    if values.dtype.kind == "f":
        _each(file, len(values), lambda b: np.asarray(np.isfinite(values[b]).reshape(b.stop - b.start, -1).all(axis=1)), "is not finite")
    if column.spec.meaning is ColumnMeaning.CREATOR:
        _each(file, len(values), lambda b: (values[b] >= 0) & (values[b] < creator_count), "is no row of a creator")


def _check_offsets(stem: Path, offsets: RowArray) -> None:
    if offsets[0] != 0:
        _refuse(offsets_file(stem), 0, "does not begin at zero")
    _each(offsets_file(stem), len(offsets) - 1, lambda b: offsets[b] <= offsets[b.start + 1 : b.stop + 1], "lies behind the next one")


def _check_texts(stem: Path, texts: Column) -> None:
    """Valid UTF-8 throughout, and no row begins inside a character."""
    assert texts.offsets is not None  # texts are sequences of bytes
    _check_offsets(stem, texts.offsets)
    offsets, values = texts.offsets, texts.values
    for block in _blocks(len(offsets) - 1):
        text = values[offsets[block.start] : offsets[block.stop]]
        starts = offsets[block][offsets[block] < offsets[block.stop]] - offsets[block.start]
        if not _is_utf8(text) or ((text[starts] & 0xC0) == 0x80).any():
            _refuse(values_file(stem), block.start, "or a following row is not valid UTF-8")


def _is_utf8(text: AnyArray) -> bool:
    try:
        text.tobytes().decode()
    except UnicodeDecodeError:
        return False
    return True


def _check_markets(table: Path, markets: Markets, count: int) -> None:
    for code in range(len(markets.codes)):
        rows = np.flatnonzero(np.unpackbits(markets.bitmaps[code], bitorder="little"))
        if not np.array_equal(rows, markets.rows[code]):
            _refuse(values_file(table / MARKET_ROWS), code, "differs from the bitmap of the market")
        if (rows >= count).any() or (markets.everywhere & ~markets.bitmaps[code]).any():
            _refuse(table / MARKETS, code, "has bits behind the last creator, or misses creators that are available everywhere")
    rows = np.flatnonzero(np.unpackbits(markets.everywhere, bitorder="little"))
    if (rows >= count).any():
        _refuse(table / EVERYWHERE, count, "has bits behind the last creator")
    if not np.array_equal(rows, markets.everywhere_rows):
        _refuse(table / EVERYWHERE_ROWS, 0, "differs from the bitmap")


def _each(file: Path, count: int, holds: Callable[[slice], AnyArray], problem: str) -> None:
    """Refuse the first entry for which a law does not hold; `holds` answers for one block at a time."""
    for block in _blocks(count):
        good = holds(block)
        if not good.all():
            _refuse(file, block.start + int(np.argmin(good)), problem)


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _BLOCK, count)) for start in range(0, count, _BLOCK))


def _refuse(file: Path, entry: int, problem: str) -> NoReturn:
    raise ArtifactError(file, ArtifactReason.FEATURES_INVALID, f"entry {entry} {problem}; build the bundle again")
