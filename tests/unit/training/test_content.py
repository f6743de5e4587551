from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from domain.listens import NO_TIME, NO_USER, SideTables, no_side_tables
from training.content import with_content_words


def words_of(side: SideTables) -> set[tuple[int, str]]:
    given = zip(side.tag_creators.tolist(), side.tags.tolist(), side.tag_users.tolist(), strict=True)
    return {(creator, side.tag_names[tag]) for creator, tag, user in given if user == NO_USER}


def test_markets_and_the_year_become_words_given_by_nobody() -> None:
    times = np.array([int(datetime(2024, 7, 1, tzinfo=UTC).timestamp()), int(datetime(1971, 7, 1, tzinfo=UTC).timestamp())])
    side = replace(no_side_tables(2), markets=(("SE", "GB"), None), create_times_s=times)
    assert words_of(with_content_words(side, names=False)) == {(0, "market:SE"), (0, "market:GB"), (0, "since:2024"), (1, "since:1971")}


def test_names_become_words_where_asked() -> None:
    side = replace(no_side_tables(2), names=("DJ Café", "The The"))
    assert words_of(with_content_words(side, names=True)) == {(0, "name:dj"), (0, "name:café"), (1, "name:the")}
    assert with_content_words(side, names=False) is side


def test_tags_that_listeners_gave_stay_as_they_are() -> None:
    side = SideTables(("Ann", "Bo"), ("jazz",), np.array([3]), np.array([1]), np.array([0]), np.empty((0, 2), np.int64), markets=(("SE",), ("SE",)))
    told = with_content_words(side, names=False)
    assert (told.tag_users[0], told.tag_creators[0], told.tag_names[told.tags[0]]) == (3, 1, "jazz")
    assert len(told.tags) == pytest.approx(3)


def test_who_has_no_time_has_no_year() -> None:
    side = replace(no_side_tables(2), create_times_s=np.array([NO_TIME, 0]))
    assert words_of(with_content_words(side, names=False)) == {(1, "since:1970")}
