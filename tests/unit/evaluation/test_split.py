"""The files of a split: read back as they were written; a run that trained on what is held out is refused, with the pair."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.errors import ArtifactError, InputNotFound
from domain.listens import NO_USER, Listens, SideTables
from evaluation import protocol
from evaluation.split import Split, count_tags, read_split, write_split

USERS, CREATORS = tuple(f"u{i}" for i in range(30)), tuple(f"c{i}" for i in range(50))


def make_split():
    users, creators = np.divmod(np.arange(30 * 50), 50)
    listens = Listens(USERS, CREATORS, users, creators, np.arange(1, 30 * 50 + 1, dtype=np.float32))
    kept, held = protocol.hold_out(listens)
    side = SideTables(
        ("",) * 50, ("rock", "folk"), np.array([NO_USER, 3, 4]), np.array([2, 2, 2]), np.array([1, 1, 0]), friends=np.empty((0, 2), np.int64)
    )
    return Split(kept, held, protocol.cold_creators(listens), side)


@pytest.fixture
def run(tmp_path):
    pq.write_table(pa.table({"creator_id": CREATORS}), tmp_path / "creators.parquet")
    pq.write_table(pa.table({"user_id": USERS}), tmp_path / "users.parquet")
    write_split(tmp_path, make_split())
    return tmp_path


def test_a_split_comes_back_as_it_was_written(run):
    one, other = make_split(), read_split(run)
    for name in ("kept", "held_out"):
        before, after = getattr(one, name), getattr(other, name)
        np.testing.assert_array_equal(before.users, after.users)
        np.testing.assert_array_equal(before.creators, after.creators)
        np.testing.assert_array_equal(before.counts, after.counts)
    np.testing.assert_array_equal(one.cold, other.cold)
    given = [
        (int(u), int(c), other.side.tag_names[t]) for u, c, t in zip(other.side.tag_users, other.side.tag_creators, other.side.tags, strict=True)
    ]
    assert given == [(NO_USER, 2, "folk"), (3, 2, "folk"), (4, 2, "rock")]
    assert len(one.warm_held_out()) + len(one.cold_held_out()) == len(one.held_out)
    assert not one.cold[one.warm_held_out().creators].any()


def test_a_run_that_trained_on_one_held_out_listen_is_refused_with_the_pair(run):
    table, held = (pq.read_table(run / name) for name in ("listens.parquet", "heldout.parquet"))
    pair = held.slice(4, 1).drop_columns("cold")
    pq.write_table(pa.concat_tables([table, pair]), run / "listens.parquet")
    with pytest.raises(ArtifactError, match=f'"{pair["creator_id"][0]}" by "{pair["user_id"][0]}" must be kept from training'):
        read_split(run)


def test_a_listen_that_training_should_have_seen_is_refused_too(run):
    table, held = (pq.read_table(run / name) for name in ("listens.parquet", "heldout.parquet"))
    moved = table.slice(0, 1).append_column("cold", pa.array([False]))
    pq.write_table(pa.concat_tables([held, moved]), run / "heldout.parquet")
    with pytest.raises(ArtifactError, match="must be trained on"):
        read_split(run)


def test_a_creator_that_nobody_knows_is_named_with_its_row(run):
    pq.write_table(pa.table({"user_id": ["u1"], "creator_id": ["nobody"], "count": pa.array([1.0], pa.float32())}), run / "listens.parquet")
    with pytest.raises(ArtifactError, match=r'column "creator_id", row 0: "nobody" is not in creators\.parquet'):
        read_split(run)


@pytest.mark.parametrize("name", ["listens.parquet", "heldout.parquet", "creators.parquet", "users.parquet"])
def test_a_missing_or_broken_file_is_named(run, name):
    (run / name).write_bytes(b"nothing of the kind")
    with pytest.raises(ArtifactError, match=name):
        read_split(run)
    (run / name).unlink()
    with pytest.raises(InputNotFound, match=name):
        read_split(run)


def test_a_run_without_tags_has_none(run):
    (run / "tags.parquet").unlink()
    assert read_split(run).side is None


def test_tags_are_counted_whoever_gave_them():
    counted = count_tags(make_split().side)
    assert list(zip(counted.creators, counted.tags, counted.counts, strict=True)) == [(2, 0, 1.0), (2, 1, 2.0)]
