"""The columns of creators.parquet that have a meaning of their own. Build time only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa

from bundle.arrow_values import is_zoned_time, plain_type
from bundle.column_writer import ColumnWriter
from bundle.embedding_column import EmbeddingWriter
from bundle.encoders import NumberEncoder
from bundle.feature_columns import Feature
from bundle.market_column import MarketWriter
from bundle.parquet import ParquetInput, SourceColumn
from bundle.rules import ReadRules
from bundle.table import TableDescription
from bundle.table_writer import TableWriter
from bundle.text_columns import LabelWriter, NameWriter
from bundle.tier_column import TierWriter
from domain.columns import ColumnKind

_SHOWN = ("name", "markets", "tier", "labels")
_DATED = ("create_time", "revision")

_Writer = TypeVar("_Writer", bound=ColumnWriter)


class CreatorParts:
    """Opens the writers of embeddings, names, markets, tiers and labels, refusing columns of another type."""

    def __init__(self, writer: TableWriter, source: ParquetInput, table: Path) -> None:
        embedding = source.column("embedding", "list of floats")
        self._writer = writer
        self._given = {name: column for name, column in source.columns.items() if not pa.types.is_null(plain_type(column.type))}
        self._embeddings = writer.add(embedding, EmbeddingWriter(embedding, table, None))
        self._names = self._add("name", lambda column: NameWriter(column, table))
        self._tiers = self._add("tier", lambda column: TierWriter(column, table))
        self._labels = self._add("labels", lambda column: LabelWriter(column, table))
        self._markets = self._add("markets", lambda column: MarketWriter(column, table, source.count))

    def dated_features(self) -> list[Feature]:
        """`create_time` and `revision`: stored like features, with the type that their meaning asks for."""
        return [_dated(self._given[name]) for name in _DATED if name in self._given]

    def finish(self, features: list[Feature], rules: ReadRules) -> TableDescription:
        """Complete the files after the last batch, and describe the table."""
        if self._labels is not None:
            self._labels.finish()
        hidden = [feature for feature in features if feature.column.name == "revision" and not rules.reads(feature.column.full_name)]
        return TableDescription(
            count=self._embeddings.count,
            dimension_count=self._embeddings.dimension_count or 0,
            columns=tuple(feature.spec for feature in features if feature not in hidden),
            kept=tuple(feature.spec for feature in hidden),
            tier_names=None if self._tiers is None else self._tiers.tier_names,
            market_names=None if self._markets is None else self._markets.finish(),
            named=self._names is not None,
            labelled=self._labels is not None,
        )

    def _add(self, name: str, make: Callable[[SourceColumn], _Writer]) -> _Writer | None:
        column = self._given.get(name)
        return None if column is None else self._writer.add(column, make(column))


def is_feature(column: SourceColumn, rules: ReadRules) -> bool:
    """Whether a column of creators is a feature like any other: shown ones only where the ranker reads them too, null ones of a known name never."""
    if column.name in ("creator_id", "embedding", *_DATED):
        return False
    return column.name not in _SHOWN or rules.reads(column.full_name)


def may_hold_nulls(column: SourceColumn, rules: ReadRules) -> bool:
    """Whether nulls are welcome: where a default stands in for them, or where nobody reads a creation time or a revision."""
    return column.full_name in rules.nullable or (column.name in _DATED and not rules.reads(column.full_name))


def _dated(column: SourceColumn) -> Feature:
    kind = plain_type(column.type)
    ignore = f"or --ignore-column {column.name}"
    if column.name == "create_time" and not is_zoned_time(kind):
        raise column.refuse(f"holds {column.type}, and a creation time is a timestamp with a zone", f"give it the zone UTC, {ignore}")
    if column.name == "revision" and (not pa.types.is_integer(kind) or pa.types.is_uint64(kind)):
        raise column.refuse(f"holds {column.type}, and a revision is an int64", f"cast it to int64, {ignore}")
    return Feature(column, NumberEncoder(kind, np.dtype(np.int64)), ColumnKind.SCALAR, 1)
