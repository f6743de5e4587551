"""What the tables of a bundle hold, in numbers that fit on a page. Reads in blocks and samples, so that memory stays small at any size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bundle.distribution import Distribution, distribution, sampled_places
from bundle.groups import Groups, creator_groups
from bundle.layout import CREATORS
from bundle.open import Bundle
from domain.arrays import AnyArray, BoolArray, FloatArray, RowArray
from domain.columns import Column, ColumnMeaning, ColumnSpec

SAMPLE_ROW_COUNT = 100_000  # a share is then off by 0.3 points at most, nineteen times of twenty: less than a pixel of a histogram
SAMPLE_VALUE_COUNT = 2_000_000  # of vectors and sequences: 16 MB as float64
_BLOCK = 1 << 20
_FEW = 12  # as many names as a small table shows


@dataclass(frozen=True, slots=True)
class ColumnSurvey:
    """One column. absent_count: rows without a value, of all rows. values: of the sampled rows that have one, None for categories and switches and
    where no row has any. lengths: of sequences, None for other columns. codes: of categories and switches, (code, how many sampled values), the
    most frequent first, at most a dozen; other_count: values with other codes."""

    spec: ColumnSpec
    absent_count: int
    values: Distribution | None
    lengths: Distribution | None = None
    codes: tuple[tuple[int, int], ...] = ()
    other_count: int = 0


@dataclass(frozen=True, slots=True)
class TableSurvey:
    """Creators or users. sampled_count: rows that distributions were read from; below row_count it is a sample. norms: of the embeddings."""

    row_count: int
    sampled_count: int
    norms: Distribution | None
    columns: tuple[ColumnSurvey, ...]


@dataclass(frozen=True, slots=True)
class TablesSurvey:
    """All tables of a bundle; users is None when it has none."""

    creators: TableSurvey
    groups: Groups
    users: TableSurvey | None


def survey_tables(bundle: Bundle) -> TablesSurvey:
    """Survey an opened bundle whose tables passed `check_tables`. Seconds for a million creators."""
    creators = bundle.creators
    users = None
    if bundle.users is not None:
        table = bundle.users.users
        columns = {**table.columns, **({"followed": table.followed} if table.followed is not None else {})}
        users = _survey(table.embeddings, None, columns)
    return TablesSurvey(_survey(creators.embeddings, creators.norms, creators.columns), creator_groups(bundle.path / CREATORS, creators), users)


def _survey(embeddings: FloatArray, norms: FloatArray | None, columns: Mapping[str, Column]) -> TableSurvey:
    count = len(embeddings)
    rows = sampled_places(count, SAMPLE_ROW_COUNT)
    sampled_norms = norms[rows] if norms is not None else _norms(embeddings, rows)
    surveys = tuple(_column(column, rows, count) for column in columns.values())
    return TableSurvey(count, len(rows), distribution(sampled_norms), surveys)


def _norms(embeddings: FloatArray, rows: RowArray) -> AnyArray:
    most = max(1, SAMPLE_VALUE_COUNT // embeddings.shape[1])
    chosen = embeddings[rows[sampled_places(len(rows), most)]]
    norms: AnyArray = np.sqrt(np.einsum("ij,ij->i", chosen, chosen, dtype=np.float64))
    return norms


def _column(column: Column, rows: RowArray, count: int) -> ColumnSurvey:
    absent_count = 0 if column.present is None else count - _count_true(column.present)
    present = rows if column.present is None else rows[column.present[rows]]
    values = _sampled_values(column, present)
    lengths = None if column.offsets is None else distribution(column.offsets[present + 1] - column.offsets[present])
    if column.spec.meaning is ColumnMeaning.CATEGORY or values.dtype == np.bool_:
        codes, counts = np.unique(values.astype(np.int64), return_counts=True)
        order = np.argsort(-counts, kind="stable")[:_FEW]
        shown = tuple(zip(codes[order].tolist(), counts[order].tolist(), strict=True))
        return ColumnSurvey(column.spec, absent_count, None, lengths, shown, values.size - sum(counts[order].tolist()))
    if column.spec.meaning is ColumnMeaning.CREATOR:  # rows are names, not numbers: their spread says nothing
        return ColumnSurvey(column.spec, absent_count, None, lengths)
    return ColumnSurvey(column.spec, absent_count, distribution(values), lengths)


def _sampled_values(column: Column, present: RowArray) -> AnyArray:
    """Elements of the column: of the rows for scalars and vectors; of sequences from all over, since absent rows have none."""
    if column.offsets is not None:
        return column.values[sampled_places(len(column.values), SAMPLE_VALUE_COUNT)]
    most = max(1, SAMPLE_VALUE_COUNT // max(1, column.spec.width))
    return column.values[present[sampled_places(len(present), most)]]


def _count_true(switches: BoolArray) -> int:
    return sum(int(np.count_nonzero(switches[start : start + _BLOCK])) for start in range(0, len(switches), _BLOCK))


def survey_files(bundle: Bundle) -> dict[str, int]:
    """Bytes of every file of the bundle, the manifest included, by path."""
    sizes = {path: record.size for path, record in bundle.manifest.files.items()}
    return {**sizes, "manifest.json": Path(bundle.path, "manifest.json").stat().st_size}
