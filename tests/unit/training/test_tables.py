from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.errors import ArtifactError, InputNotFound
from domain.features import Categories, Numbers
from domain.listens import NO_TIME, NO_USER
from training.carried import carried_columns
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


def test_other_columns_of_side_tables_are_features(tmp_path: Path) -> None:
    listens = write(tmp_path / "l.csv", "user_id,creator_id\na,x\nb,y\n")
    creators = tmp_path / "c.parquet"
    columns = {
        "creator_id": ["y", "x", "z"],
        "followers": [5, None, 7],
        "verified": [True, False, None],
        "genre": ["folk", None, ""],
        "mix": [[0.5, 0.5], None, [1, 0]],
    }
    pq.write_table(pa.table(columns), creators)
    users = write(tmp_path / "u.csv", "user_id,friends,followed,country,note\na,b,x|nobody,SE,\nb,,,,\n")
    read, side = read_tables(TableFiles(listens, creators, users))
    assert read.creator_ids == ("x", "y", "z")
    followers, verified, genre, mix = (side.creator_features[name] for name in ("followers", "verified", "genre", "mix"))
    assert isinstance(followers, Numbers)
    assert followers.whole
    np.testing.assert_array_equal(followers.values, [[np.nan], [5.0], [7.0]])
    assert isinstance(verified, Numbers)
    np.testing.assert_array_equal(verified.values, [[0.0], [1.0], [np.nan]])
    assert isinstance(genre, Categories)
    assert (genre.codes.tolist(), genre.values) == ([0, 1, 0], ("folk",))
    assert isinstance(mix, Numbers)
    np.testing.assert_array_equal(mix.values, [[np.nan, np.nan], [0.5, 0.5], [1.0, 0.0]])
    assert set(side.user_features) == {"country"}, "a column without a value says nothing"
    assert side.followed.tolist() == [[0, 0]]


def test_an_occasion_stays_beside_the_pair_that_its_plays_were_added_up_to(tmp_path: Path) -> None:
    text = "user_id,creator_id,time,context.hour,context.activity\na,x,100,7,commute\na,y,200,7,\na,x,90000,19,party\n"
    listens, _ = read_tables(TableFiles(write(tmp_path / "l.csv", text)))
    assert listens.counts.tolist() == [2.0, 1.0]
    plays = listens.plays
    assert plays is not None
    assert plays.times_s is not None
    hour, activity = plays.context["hour"], plays.context["activity"]
    assert isinstance(hour, Numbers)
    assert isinstance(activity, Categories)
    told = zip(plays.pairs.tolist(), plays.times_s.tolist(), hour.values[:, 0].tolist(), activity.codes.tolist(), strict=True)
    assert list(told) == [(0, 100, 7.0, 1), (1, 200, 7.0, 0), (0, 90_000, 19.0, 2)]
    kept = listens.where(np.array([False, True])).plays
    assert kept is not None
    assert (kept.pairs.tolist(), kept.context["hour"].at(np.array([0])).values.tolist()) == ([0], [[7.0]])


def test_what_goes_through_keeps_its_type_and_its_nulls(tmp_path: Path) -> None:
    listens = write(tmp_path / "l.csv", "user_id,creator_id\na,x\na,new\n")
    creators = write(tmp_path / "c.csv", "creator_id,markets,labels,create_time,followers,tags\nx,SE|GB,live,2025-01-01T00:00:00Z,12,jazz\n")
    files = TableFiles(listens, creators)
    read, side = read_tables(files)
    assert side.markets == (None, ("SE", "GB"))
    assert side.create_times_s is not None
    assert side.create_times_s.tolist() == [NO_TIME, int(datetime(2025, 1, 1, tzinfo=UTC).timestamp())]
    carried = carried_columns(files, read).creators
    assert {name: column.to_pylist() for name, column in carried.items()} == {
        "markets": [None, ["SE", "GB"]],
        "labels": [[], ["live"]],
        "create_time": [None, datetime(2025, 1, 1, tzinfo=UTC)],
        "followers": [None, 12],
    }


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ({"taste": [1.0]}, '"taste" is a name that training gives'),
        ({"Followers": [1.0]}, "is no name of a feature"),
        ({"born": [datetime(2026, 1, 1, tzinfo=UTC)]}, "leave it out"),
        ({"age": [float("inf")]}, "row 0: inf is no finite number"),
        ({"words": [["a"]]}, "holds lists of string"),
    ],
)
def test_a_column_that_is_no_feature_is_refused_by_name(tmp_path: Path, column: dict[str, list[object]], said: str) -> None:
    pq.write_table(pa.table({"creator_id": ["x"], **column}), tmp_path / "c.parquet")
    with pytest.raises(ArtifactError, match=said):
        read_tables(TableFiles(write(tmp_path / "l.csv", "user_id,creator_id\na,x\n"), tmp_path / "c.parquet"))


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
