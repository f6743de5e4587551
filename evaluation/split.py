"""The files of a run that say what was trained on and what was held out.

listens.parquet: user_id, creator_id, count - the training part. heldout.parquet: the same, and cold: whether the creator had none in training.
tags.parquet: user_id (null: nobody in particular), creator_id, tag - one assignment per row, those that training saw; absent without tags.
creators.parquet, users.parquet: as `earshot build` takes them; here they say who exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from domain.arrays import BoolArray, FloatArray, RowArray
from domain.errors import ArtifactError, ArtifactReason, InputNotFound
from domain.listens import NO_USER, Listens, SideTables
from evaluation.protocol import is_cold, is_held_out

LISTENS, HELD_OUT, TAGS = "listens.parquet", "heldout.parquet", "tags.parquet"


@dataclass(frozen=True)
class CreatorTags:
    """How often creators were given which tags: t entries. creators, tags: int64 [t] codes, no pair twice; counts: float32 [t].

    names: by tag code.
    """

    creators: RowArray
    tags: RowArray
    counts: FloatArray
    names: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """What a run was trained on and what it was not. kept and held_out share their codes. cold: bool per creator code.

    side: the tags that training saw (friends and names are not read back); None without tags.
    """

    kept: Listens
    held_out: Listens
    cold: BoolArray
    side: SideTables | None = None

    def warm_held_out(self) -> Listens:
        """The held-out listens of creators that training knew: those of the main table."""
        return self.held_out.where(~self.cold[self.held_out.creators])

    def cold_held_out(self) -> Listens:
        """The held-out listens of cold creators."""
        return self.held_out.where(self.cold[self.held_out.creators])


def count_tags(side: SideTables) -> CreatorTags | None:
    """How often each creator was given each tag, whoever gave it; None where there are no tags."""
    tag_count = max(1, len(side.tag_names))
    pairs, counts = np.unique(side.tag_creators * tag_count + side.tags, return_counts=True)
    return CreatorTags(pairs // tag_count, pairs % tag_count, counts.astype(np.float32), side.tag_names) if len(pairs) else None


def write_split(directory: Path, split: Split) -> None:
    """Write listens.parquet, heldout.parquet and, where there are tags, tags.parquet into an existing directory."""
    pq.write_table(_listens_table(split.kept), directory / LISTENS)
    held = _listens_table(split.held_out).append_column("cold", pa.array(split.cold[split.held_out.creators]))
    pq.write_table(held, directory / HELD_OUT)
    if split.side is not None and len(split.side.tags):
        pq.write_table(_tags_table(split.kept, split.side), directory / TAGS)


def read_split(run: Path) -> Split:
    """The split of a run directory. Raises InputNotFound, or ArtifactError when a file is not what it must be.

    The cut is checked against the protocol, pair by pair: a run that trained on one held-out listen is refused, with the pair.
    """
    creator_ids = _ids(run / "creators.parquet", "creator_id")
    user_ids = _ids(run / "users.parquet", "user_id")
    kept = _read_listens(run / LISTENS, user_ids, creator_ids)
    held_out = _read_listens(run / HELD_OUT, user_ids, creator_ids)
    _check_cut(run / LISTENS, kept, held_out=False)
    _check_cut(run / HELD_OUT, held_out, held_out=True)
    cold = np.fromiter((is_cold(creator_id) for creator_id in creator_ids), np.bool_, len(creator_ids))
    return Split(kept, held_out, cold, _read_tags(run / TAGS, user_ids, creator_ids) if (run / TAGS).exists() else None)


def _listens_table(listens: Listens) -> Any:
    users, creators = np.array(listens.user_ids, object), np.array(listens.creator_ids, object)
    return pa.table(
        {
            "user_id": pa.array(users[listens.users], pa.string()),
            "creator_id": pa.array(creators[listens.creators], pa.string()),
            "count": pa.array(listens.counts, pa.float32()),
        }
    )


def _tags_table(listens: Listens, side: SideTables) -> Any:
    users, creators, names = (np.array(ids, object) for ids in (listens.user_ids, listens.creator_ids, side.tag_names))
    givers = users[np.maximum(side.tag_users, 0)]
    givers[side.tag_users < 0] = None
    columns = {"user_id": givers, "creator_id": creators[side.tag_creators], "tag": names[side.tags]}
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _check_cut(file: Path, listens: Listens, *, held_out: bool) -> None:
    for user, creator in zip(listens.users.tolist(), listens.creators.tolist(), strict=True):
        user_id, creator_id = listens.user_ids[user], listens.creator_ids[creator]
        if is_held_out(user_id, creator_id) != held_out:
            which = "kept from training" if held_out is False else "trained on"
            text = (
                f'the listen of "{creator_id}" by "{user_id}" must be {which} under the protocol; cut the listens with evaluation.protocol.hold_out'
            )
            raise ArtifactError(file, ArtifactReason.INPUT_INVALID, text)


def _read(file: Path, *columns: str) -> Any:
    if not file.is_file():
        raise InputNotFound(file, "no such file; give the directory that `earshot train` wrote")
    try:
        table = pq.read_table(file)
    except (pa.ArrowInvalid, OSError) as problem:
        raise ArtifactError(file, ArtifactReason.INPUT_INVALID, f"is no parquet file: {problem}") from problem
    for name in columns:
        if name not in table.column_names:
            text = f'column "{name}" is missing; the file has: {", ".join(table.column_names)}'
            raise ArtifactError(file, ArtifactReason.INPUT_INVALID, text)
        if table.column(name).null_count:
            raise ArtifactError(file, ArtifactReason.INPUT_INVALID, f'column "{name}" holds nulls; every row needs a value')
    return table


def _ids(file: Path, column: str) -> tuple[str, ...]:
    return tuple(_read(file, column).column(column).to_pylist())


def _codes(file: Path, table: Any, column: str, ids: tuple[str, ...]) -> RowArray:
    codes = {one: code for code, one in enumerate(ids)}
    found = [codes.get(one, -1) for one in table.column(column).to_pylist()]
    if -1 in found:
        row = found.index(-1)
        text = f'column "{column}", row {row}: "{table.column(column)[row]}" is not in {column.removesuffix("_id")}s.parquet beside it'
        raise ArtifactError(file, ArtifactReason.INPUT_INVALID, text)
    return np.array(found, np.int64)


def _read_listens(file: Path, user_ids: tuple[str, ...], creator_ids: tuple[str, ...]) -> Listens:
    table = _read(file, "user_id", "creator_id", "count")
    users, creators = _codes(file, table, "user_id", user_ids), _codes(file, table, "creator_id", creator_ids)
    return Listens(user_ids, creator_ids, users, creators, table.column("count").to_numpy().astype(np.float32))


def _read_tags(file: Path, user_ids: tuple[str, ...], creator_ids: tuple[str, ...]) -> SideTables:
    table = _read(file, "creator_id", "tag")
    known = {user_id: code for code, user_id in enumerate(user_ids)}
    givers: list[Any] = table.column("user_id").to_pylist() if "user_id" in table.column_names else [None] * table.num_rows
    names, tags = np.unique(np.array(table.column("tag").to_pylist(), str), return_inverse=True)
    return SideTables(
        names=("",) * len(creator_ids),
        tag_names=tuple(names.tolist()),
        tag_users=np.array([known.get(giver, NO_USER) for giver in givers], np.int64),
        tag_creators=_codes(file, table, "creator_id", creator_ids),
        tags=tags.astype(np.int64),
        friends=np.empty((0, 2), np.int64),
    )
