from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.errors import ArtifactError, InputNotFound
from domain.listens import NO_USER
from training.tables import TableFiles, read_tables


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_several_rows_of_a_pair_are_added_up(tmp_path: Path) -> None:
    listens, _ = read_tables(TableFiles(write(tmp_path / "l.csv", "user_id,creator_id,count\nb,x,2\na,y,1\nb,x,3\n")))
    assert listens.user_ids == ("a", "b")
    assert listens.creator_ids == ("x", "y")
    assert list(zip(listens.users.tolist(), listens.creators.tolist(), listens.counts.tolist(), strict=True)) == [(0, 1, 1.0), (1, 0, 5.0)]


def test_numbers_as_ids_stay_the_text_that_they_were(tmp_path: Path) -> None:
    listens, _ = read_tables(TableFiles(write(tmp_path / "l.csv", "user_id,creator_id\n007,10\n")))
    assert listens.user_ids == ("007",)


def test_without_counts_each_row_is_a_play_and_the_last_time_counts(tmp_path: Path) -> None:
    times = [datetime(2026, 1, day, tzinfo=UTC) for day in (3, 1)]
    pq.write_table(pa.table({"user_id": ["a", "a"], "creator_id": ["x", "x"], "time": pa.array(times)}), tmp_path / "l.parquet")
    listens, _ = read_tables(TableFiles(tmp_path / "l.parquet"))
    assert listens.counts.tolist() == [2.0]
    assert listens.times_s is not None
    assert listens.times_s.tolist() == [int(times[0].timestamp())]


def test_creators_without_listens_come_from_their_table_with_names_and_tags(tmp_path: Path) -> None:
    listens = write(tmp_path / "l.csv", "user_id,creator_id\na,x\n")
    creators = write(tmp_path / "c.csv", "creator_id,name,tags\nnew,New One,jazz|soul\nx,,soul\n")
    read, side = read_tables(TableFiles(listens, creators))
    assert read.creator_ids == ("new", "x")
    assert side.names == ("New One", "")
    assert [(read.creator_ids[c], side.tag_names[t]) for c, t in zip(side.tag_creators, side.tags, strict=True)] == [
        ("new", "jazz"),
        ("new", "soul"),
        ("x", "soul"),
    ]
    assert set(side.tag_users.tolist()) == {NO_USER}


def test_friends_come_from_the_users_table(tmp_path: Path) -> None:
    listens = write(tmp_path / "l.csv", "user_id,creator_id\na,x\nb,x\n")
    users = write(tmp_path / "u.csv", "user_id,friends\nb,a|nobody\na,\n")
    assert read_tables(TableFiles(listens, users=users))[1].friends.tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user_id,creator\na,x\n", 'column "creator_id" is missing'),
        ("user_id,creator_id,count\na,x,-1\n", 'column "count", row 0: -1.0 is no count'),
        ("user_id,creator_id\na,x\n,y\n", 'column "user_id" has rows without an id'),
    ],
)
def test_bad_tables_are_refused_with_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ArtifactError, match=said):
        read_tables(TableFiles(write(tmp_path / "l.csv", text)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputNotFound, match=r"none\.csv"):
        read_tables(TableFiles(tmp_path / "none.csv"))
