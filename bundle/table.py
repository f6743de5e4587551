"""What the arrays of creators/ or users/ hold, said beside them in table.json, so that a table opens by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bundle.column_json import columns_from_json, columns_to_json
from bundle.layout import TABLE
from bundle.regular_file import read_json_bytes
from bundle.strict_json import JsonObject, parse_object, to_bytes
from domain.columns import ColumnSpec
from domain.errors import ArtifactReason


@dataclass(frozen=True, slots=True)
class TableSummary:
    """What writing a table came to. left_out: full names of text columns that nobody reads. dropped: by full name, how many listed ids are no
    creators."""

    count: int
    dimension_count: int
    columns: tuple[ColumnSpec, ...]
    left_out: tuple[str, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableDescription:
    """The content of table.json. kept: columns that are stored and not offered to the ranker. tier_names begins with the empty name; None for
    tier_names or market_names: no such files. named, labelled, followed: whether these files are there."""

    count: int
    dimension_count: int
    columns: tuple[ColumnSpec, ...]
    kept: tuple[ColumnSpec, ...] = ()
    tier_names: tuple[str, ...] | None = None
    market_names: tuple[str, ...] | None = None
    named: bool = False
    labelled: bool = False
    followed: bool = False


def write_table(directory: Path, table: TableDescription) -> None:
    """Write table.json."""
    flags = [name for name in ("named", "labelled", "followed") if getattr(table, name)]
    values: dict[str, object] = {
        "count": table.count,
        "dimension_count": table.dimension_count,
        "columns": columns_to_json(table.columns),
        "kept": columns_to_json(table.kept),
        "has": flags,
    }
    for name, listed in (("tier_names", table.tier_names), ("market_names", table.market_names)):
        if listed is not None:
            values[name] = list(listed)
    (directory / TABLE).write_bytes(to_bytes(values))


def read_table(directory: Path) -> TableDescription:
    """Read table.json; FEATURES_INVALID when it is not what `write_table` writes."""
    path = directory / TABLE
    source = parse_object(read_json_bytes(path, ArtifactReason.FEATURES_INVALID), path, ArtifactReason.FEATURES_INVALID)
    has = source.texts("has")
    return TableDescription(
        count=source.integer("count"),
        dimension_count=source.integer("dimension_count", 1),
        columns=columns_from_json(source, "columns"),
        kept=columns_from_json(source, "kept"),
        tier_names=_names(source, "tier_names", 256),
        market_names=_names(source, "market_names", 512),
        named="named" in has,
        labelled="labelled" in has,
        followed="followed" in has,
    )


def _names(source: JsonObject, field: str, most: int) -> tuple[str, ...] | None:
    if field not in source.values:
        return None
    names = source.texts(field)
    if len(set(names)) != len(names) or len(names) > most:
        raise source.invalid(f'the field "{field}" must list at most {most} different names')
    return names
