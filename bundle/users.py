"""users.parquet becomes users/. Build time only."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from bundle.arrow_values import is_list_of_text, plain_type
from bundle.embedding_column import EmbeddingWriter
from bundle.encoders import CreatorEncoder
from bundle.feature_columns import choose_features, left_out
from bundle.feature_writers import SequenceWriter
from bundle.id_column import IdLookup, write_ids
from bundle.layout import FOLLOWED, USERS
from bundle.parquet import ParquetInput, SourceColumn, open_parquet
from bundle.rules import ReadRules
from bundle.table import TableDescription, TableSummary, write_table
from bundle.table_writer import TableWriter
from domain.columns import Creators
from domain.stages import Progress

MOST_ID_BYTES = 256


def write_users(parquet: Path, directory: Path, rules: ReadRules, creators: Creators, progress: Progress) -> TableSummary:
    """Stream users.parquet into directory/users; see `write_creators`. Followed ids and creator sequences become rows of `creators`."""
    source = open_parquet(parquet, "user", rules)
    ids = source.column("user_id", "text, the ids")
    embedding = source.column("embedding", "list of floats")
    lookup = IdLookup(creators.ids, creators.id_order)
    table = directory / USERS
    table.mkdir()
    with TableWriter(source, table) as writer:
        writer.add(embedding, EmbeddingWriter(embedding, table, creators.embeddings.shape[1]))
        followed = _add_followed(writer, source, table, lookup)
        write_ids(source, ids, MOST_ID_BYTES, table, progress)
        columns = [column for column in source.columns.values() if _is_feature(column, rules)]
        features = choose_features(columns, source, rules, lookup, progress)
        for feature in features:
            writer.add_feature(feature, feature.column.full_name in rules.nullable)
        writer.run("writing users", progress)
        dropped = writer.dropped()
    specs = tuple(feature.spec for feature in features)
    write_table(table, TableDescription(source.count, creators.embeddings.shape[1], specs, followed=followed is not None))
    return TableSummary(source.count, creators.embeddings.shape[1], specs, left_out(columns, features), dropped)


def _is_feature(column: SourceColumn, rules: ReadRules) -> bool:
    if column.name in ("user_id", "embedding"):
        return False
    return column.name != "followed" or rules.reads(column.full_name)


def _add_followed(writer: TableWriter, source: ParquetInput, table: Path, lookup: IdLookup) -> SourceColumn | None:
    column = source.columns.get("followed")
    if column is None:
        return None
    if pa.types.is_null(plain_type(column.type)):
        return None
    if not is_list_of_text(column.type):
        raise column.refuse(f"holds {column.type}, and followed creators are lists of ids", f"make it list<string>, or --ignore-column {column.name}")
    writer.add(column, SequenceWriter(column, table / FOLLOWED, CreatorEncoder(lookup), nullable=True))
    return column
