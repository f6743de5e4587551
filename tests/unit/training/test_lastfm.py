from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import ArtifactError, InputNotFound
from domain.listens import NO_USER
from training.lastfm import read_lastfm

FILES = {
    "artists.dat": "id\tname\turl\tpictureURL\n7\tAzymuth\tu\tp\n12\tBjörk\tu\n9\tNobody Heard\tu\tp\n",
    "user_artists.dat": "userID\tartistID\tweight\r\n10\t12\t5\r\n2\t7\t300\r\n2\t99\t4\r\n",
    "tags.dat": "tagID\ttagValue\n1\tjazz\n2\tcaf\xe9\n",
    "user_taggedartists.dat": "userID\tartistID\ttagID\tday\tmonth\tyear\n2\t12\t2\t1\t4\t2009\n55\t9\t1\t2\t1\t1970\n2\t99\t1\t1\t4\t2009\n",
    "user_friends.dat": "userID\tfriendID\n2\t10\n10\t2\n2\t55\n",
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_bytes(text.encode("latin-1" if name == "tags.dat" else "utf-8"))
    return tmp_path


def test_listens_come_with_users_in_the_order_of_their_numbers(directory: Path) -> None:
    listens, _ = read_lastfm(directory)
    assert listens.user_ids == ("2", "10")
    assert listens.creator_ids == ("7", "12", "9")
    assert listens.users.tolist() == [1, 0]
    assert listens.creators.tolist() == [1, 0]
    assert listens.counts.tolist() == [5.0, 300.0]


def test_an_artist_without_listens_is_a_creator(directory: Path) -> None:
    _, side = read_lastfm(directory)
    assert side.names == ("Azymuth", "Björk", "Nobody Heard")


def test_tags_are_latin_1_with_days_in_utc_and_strangers_as_nobody(directory: Path) -> None:
    _, side = read_lastfm(directory)
    assert side.tag_names == ("jazz", "café")
    assert side.tag_users.tolist() == [0, NO_USER]
    assert side.tag_creators.tolist() == [1, 2]
    assert side.tags.tolist() == [1, 0]
    assert side.tag_times_s is not None
    assert side.tag_times_s.tolist() == [1_238_544_000, 86_400]


def test_friends_of_whom_no_listen_is_known_are_left_out(directory: Path) -> None:
    assert read_lastfm(directory)[1].friends.tolist() == [[0, 1], [1, 0]]


def test_a_short_line_is_refused_with_its_number(directory: Path) -> None:
    (directory / "user_friends.dat").write_text("userID\tfriendID\n2\t10\n2\n")
    with pytest.raises(ArtifactError, match="line 3 has 1 columns, not 2"):
        read_lastfm(directory)


def test_a_missing_file_is_named(directory: Path) -> None:
    (directory / "tags.dat").unlink()
    with pytest.raises(InputNotFound, match=r"tags\.dat"):
        read_lastfm(directory)
