"""Chooses how each feature column of a parquet file is stored, or says why it cannot be. Build time only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import compute as pc

from bundle.arrow_values import is_list, is_list_of_text, is_number, is_text, plain, plain_type, to_numpy
from bundle.column_writer import ColumnWriter
from bundle.encoders import CategoryEncoder, CreatorEncoder, Encoder, NumberEncoder
from bundle.feature_writers import ScalarWriter, SequenceWriter, VectorWriter
from bundle.id_column import IdLookup
from bundle.layout import FEATURE_NAME, column_stem
from bundle.parquet import ParquetInput, SourceColumn
from bundle.rules import ReadRules
from domain.columns import ColumnKind, ColumnSpec
from domain.errors import ArtifactError
from domain.stages import Progress


@dataclass(frozen=True, slots=True)
class Feature:
    """A column that will be stored: its encoder, and its shape (width 0 for a sequence, None while only the data can tell)."""

    column: SourceColumn
    encoder: Encoder
    kind: ColumnKind
    width: int | None

    @property
    def spec(self) -> ColumnSpec:
        """What the manifest says about it."""
        if self.width is None:
            raise AssertionError("its lists were not measured")
        return ColumnSpec(self.column.name, self.kind, self.encoder.dtype.name, self.width, self.encoder.meaning)

    def open(self, table: Path, nullable: bool) -> ColumnWriter:
        """Create its files."""
        stem = column_stem(table, self.column.name)
        if self.kind is ColumnKind.SCALAR:
            return ScalarWriter(self.column, stem, self.encoder, nullable)
        if self.kind is ColumnKind.VECTOR:
            return VectorWriter(self.column, stem, self.encoder, nullable, self.spec.width)
        return SequenceWriter(self.column, stem, self.encoder, nullable)


def choose_feature(column: SourceColumn, rules: ReadRules, creators: IdLookup) -> Feature | None:
    """How a column is stored; None for text that nobody reads, which is left out. Raises ArtifactError for what cannot be stored."""
    if not FEATURE_NAME.fullmatch(column.name):
        raise _bad_name(column)
    if column.full_name in rules.creator_sequences:
        return _creator_sequence(column, creators)
    if is_text(column.type) or is_list_of_text(column.type):
        return _categories(column, rules)
    if column.full_name in rules.vocabularies:
        raise column.refuse(f"holds {column.type}, and the binding gives it a vocabulary", "cast it to string, or take the vocabulary away")
    if is_number(column.type):
        return Feature(column, NumberEncoder(column.type), ColumnKind.SCALAR, 1)
    element = plain_type(column.type).value_type if is_list(column.type) else None
    if element is None or not is_number(element):
        raise _bad_type(column)
    return _numbers(column, NumberEncoder(element), column.full_name in rules.sequences)


def choose_features(columns: Sequence[SourceColumn], source: ParquetInput, rules: ReadRules, creators: IdLookup, progress: Progress) -> list[Feature]:
    """How each of `columns` is stored; text that nobody reads is not in the answer. Reads lists of numbers once, to tell vectors from sequences."""
    chosen = [choose_feature(column, rules, creators) for column in columns]
    return _measure_lists(source, [feature for feature in chosen if feature is not None], progress)


def left_out(columns: Sequence[SourceColumn], features: Sequence[Feature]) -> tuple[str, ...]:
    """Full names of the columns that are no features."""
    stored = {feature.column.name for feature in features}
    return tuple(column.full_name for column in columns if column.name not in stored)


def _measure_lists(source: ParquetInput, features: list[Feature], progress: Progress) -> list[Feature]:
    """Decide what only the data can tell: lists of numbers that have one length throughout are vectors, the others are sequences."""
    lengths: dict[str, set[int]] = {feature.column.name: set() for feature in features if feature.width is None}
    if lengths:
        for _, batch in source.batches(list(lengths), "measuring lists", progress):
            for name, seen in lengths.items():
                seen.update(_extreme_lengths(plain(batch.column(name))))
    return [feature if feature.width is not None else _measured(feature, lengths[feature.column.name]) for feature in features]


def _extreme_lengths(lists: pa.Array) -> set[int]:
    found = to_numpy(pc.list_value_length(lists).drop_null())
    return {int(found.min()), int(found.max())} if len(found) else set()


def _measured(feature: Feature, lengths: set[int]) -> Feature:
    width = lengths.pop() if len(lengths) == 1 else 0
    return Feature(feature.column, feature.encoder, ColumnKind.VECTOR if width else ColumnKind.SEQUENCE, width)


def _creator_sequence(column: SourceColumn, creators: IdLookup) -> Feature:
    if not is_list_of_text(column.type):
        raise column.refuse(f"holds {column.type}, and the binding reads it as creators", "make it list<string> of creator ids")
    return Feature(column, CreatorEncoder(creators), ColumnKind.SEQUENCE, 0)


def _categories(column: SourceColumn, rules: ReadRules) -> Feature | None:
    vocabulary = rules.vocabularies.get(column.full_name)
    if vocabulary is None:
        if column.full_name in rules.bound:
            raise column.refuse(f"holds {column.type}, and the ranker reads numbers", _text_fix(column))
        return None
    scalar = is_text(column.type)
    return Feature(column, CategoryEncoder(vocabulary), ColumnKind.SCALAR if scalar else ColumnKind.SEQUENCE, 1 if scalar else 0)


def _text_fix(column: SourceColumn) -> str:
    fix = f'give "{column.full_name}" a vocabulary in the binding'
    if is_text(column.type):
        return f"{fix}, or, if these are numbers, cast it"
    return f"{fix}, or, if these are ids of creators, write {column.full_name}.creator.embedding" if column.side == "user" else fix


def _numbers(column: SourceColumn, encoder: Encoder, always_sequence: bool) -> Feature:
    kind = plain_type(column.type)
    if always_sequence:
        return Feature(column, encoder, ColumnKind.SEQUENCE, 0)
    if pa.types.is_fixed_size_list(kind) and kind.list_size > 0:
        return Feature(column, encoder, ColumnKind.VECTOR, kind.list_size)
    return Feature(column, encoder, ColumnKind.SEQUENCE, None)


def _bad_name(column: SourceColumn) -> ArtifactError:
    if column.name.startswith("__index_level_"):
        return column.refuse("is the row index of pandas", f"write with index=False, or --ignore-column {column.name}")
    fix = f"rename it to lower-case letters, digits and underscores, at most 63, a letter first; or --ignore-column {column.name!r:.80}"
    return column.refuse("the name cannot be used", fix)


def _bad_type(column: SourceColumn) -> ArtifactError:
    kind = plain_type(column.type)
    if pa.types.is_timestamp(kind):
        fix = f"give its timestamps a zone, for instance UTC, or --ignore-column {column.name}"
        return column.refuse(f"holds {column.type}, timestamps without a zone", fix)
    fix = f"cast it to numbers, booleans, strings, timestamps with a zone or lists of them, or --ignore-column {column.name}"
    return column.refuse(f"holds {column.type}, which cannot be a feature", fix)
