"""creators.parquet becomes creators/. Build time only."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bundle.creator_parts import CreatorParts, is_feature, may_hold_nulls
from bundle.feature_columns import choose_features, left_out
from bundle.id_column import write_ids
from bundle.layout import CREATORS, ID_RANKS
from bundle.npy import write_npy
from bundle.parquet import open_parquet
from bundle.rules import ReadRules
from bundle.table import TableSummary, write_table
from bundle.table_writer import TableWriter
from domain.arrays import RowArray
from domain.errors import ArtifactError, ArtifactReason
from domain.stages import Progress

MOST_ID_BYTES = 64


def write_creators(parquet: Path, directory: Path, rules: ReadRules, progress: Progress) -> TableSummary:
    """Stream creators.parquet into directory/creators. ArtifactError names file, row, column and value of what is refused; InputNotFound when
    there is no such file. After an error the folder is incomplete: use a Draft."""
    source = open_parquet(parquet, "creator", rules)
    ids = source.column("creator_id", "text, the ids")
    if source.count == 0:
        raise ArtifactError(source.file, ArtifactReason.INPUT_INVALID, "has no rows; a bundle needs at least one creator")
    table = directory / CREATORS
    table.mkdir()
    with TableWriter(source, table) as writer:
        parts = CreatorParts(writer, source, table)
        lookup = write_ids(source, ids, MOST_ID_BYTES, table, progress)
        _write_ranks(lookup.id_order, table)
        columns = [column for column in source.columns.values() if is_feature(column, rules)]
        features = [*choose_features(columns, source, rules, lookup, progress), *parts.dated_features()]
        for feature in features:
            writer.add_feature(feature, may_hold_nulls(feature.column, rules))
        writer.run("writing creators", progress)
        dropped = writer.dropped()
    description = parts.finish(features, rules)
    write_table(table, description)
    return TableSummary(source.count, description.dimension_count, description.columns, left_out(columns, features), dropped)


def _write_ranks(id_order: RowArray, table: Path) -> None:
    ranks = np.empty(len(id_order), np.int64)
    ranks[id_order] = np.arange(len(id_order))
    write_npy(table / ID_RANKS, ranks)
