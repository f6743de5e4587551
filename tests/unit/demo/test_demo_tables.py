"""The tables that the demo is trained from: what a service would have, and nothing of the session that is held out."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from demo.listens import ACTIVITIES, tell_story
from demo.tables import write_creators, write_heldout, write_listens, write_users
from demo.world import END_OF_STORY_S, make_world


@pytest.fixture(scope="module")
def world():
    return make_world(3, 300, 60)


@pytest.fixture(scope="module")
def story(world):
    return tell_story(world, 3)


@pytest.fixture(scope="module")
def tables(world, story, tmp_path_factory):
    out = tmp_path_factory.mktemp("tables")
    write_listens(world, story, out / "listens.parquet")
    write_creators(world, out / "creators.parquet", 3)
    write_users(world, story, out / "users.parquet")
    write_heldout(world, story.heldout, out / "heldout.parquet")
    return {path.stem: pq.read_table(path) for path in out.glob("*.parquet")}


def test_a_row_is_a_play_with_its_session_and_in_its_order(world, story, tables):
    listens = tables["listens"].to_pydict()
    place = 0
    for session in [*story.before, *story.ranked]:
        for listener, rows in enumerate(session.played):
            for row in rows:
                assert listens["user_id"][place] == world.listeners.ids[listener]
                assert listens["creator_id"][place] == world.creators.ids[row]
                assert listens["context.hour"][place] == session.hour[listener]
                activity = session.activity[listener]
                assert listens["context.activity"][place] == (ACTIVITIES[activity - 1] if activity else None)
                place += 1
    assert place == len(listens["user_id"])


def test_one_session_is_played_within_the_hour_and_before_the_story_ends(world, story, tables):
    times = np.array(tables["listens"]["time"].cast("timestamp[s]").cast("int64"))
    assert times.max() < END_OF_STORY_S
    lengths = [len(rows) for rows in story.before[0].played]
    first = times[: lengths[0]]
    assert (np.diff(first) > 0).all()
    assert first[-1] - first[0] < 3_600


def test_tags_name_the_genre_and_the_country(world, tables):
    creators = tables["creators"].to_pydict()
    for tags, genre, country in zip(creators["tags"], creators["genre"], creators["country"], strict=True):
        assert tags[0] == genre
        assert tags[-1] == f"from {country}"
    assert any(len(tags) == 3 for tags in creators["tags"])


def test_who_is_new_has_no_completion_rate(tables):
    creators = tables["creators"]
    unknown = creators.filter(pc.is_null(creators["completion_rate"]))
    assert 0 < len(unknown) < len(creators) / 2
    assert set(unknown["tier"].to_pylist()) == {"emerging"}


def test_the_held_out_session_is_of_everybody(world, story, tables):
    held = tables["heldout"].to_pydict()
    assert held["user_id"] == world.listeners.ids
    assert held["creator_ids"] == [[world.creators.ids[row] for row in rows] for rows in story.heldout.played]
