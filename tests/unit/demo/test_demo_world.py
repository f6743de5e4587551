"""The seeded world: the same every time, and its story keeps its own rules."""

from __future__ import annotations

import numpy as np
import pytest

from demo.listens import affinity, tell_story, wanted_energy
from demo.names import name_creators, slug
from demo.world import make_world


@pytest.fixture(scope="module")
def world():
    return make_world(3, 300, 60)


@pytest.fixture(scope="module")
def story(world):
    return tell_story(world, 3)


def test_one_seed_makes_one_world(world):
    again, other = make_world(3, 300, 60), make_world(4, 300, 60)
    assert again.creators.names == world.creators.names
    np.testing.assert_array_equal(again.creators.taste, world.creators.taste)
    assert other.creators.names != world.creators.names


def test_one_seed_tells_one_story(world, story):
    again = tell_story(world, 3)
    assert [rows.tolist() for rows in again.heldout.played] == [rows.tolist() for rows in story.heldout.played]


def test_nobody_plays_what_is_not_available_at_home(world, story):
    for session in [*story.before, *story.ranked, story.heldout]:
        for listener, rows in enumerate(session.played):
            assert world.creators.available[rows, world.listeners.country[listener]].all()
            assert len(set(rows.tolist())) == len(rows)


def test_the_followed_are_played_before_and_never_after(story):
    assert any(len(rows) for rows in story.followed)
    for listener, followed in enumerate(story.followed):
        heard = np.concatenate([session.played[listener] for session in story.before])
        assert np.isin(followed, heard).all()
        for session in [*story.ranked, story.heldout]:
            assert not np.isin(session.played[listener], followed).any()


def test_newcomers_are_heard_of_in_the_last_session_only(world, story):
    newcomers = np.flatnonzero(world.listeners.newcomer)
    assert len(newcomers)
    for listener in newcomers:
        assert not any(len(session.played[listener]) for session in [*story.before, *story.ranked])
        assert len(story.heldout.played[listener])


def test_an_activity_wants_its_energy_and_without_one_the_hour_decides():
    at_dawn, at_dusk, party = wanted_energy(np.array([6.0, 18.0, 6.0]), np.array([0, 0, 3]))
    assert at_dawn < at_dusk
    assert party == pytest.approx(0.8)


def test_creators_of_home_appeal_more(world):
    count = len(world.listeners)
    appeal = affinity(world, 0.5, np.full(count, 12.0), np.zeros(count, np.int64))
    home = world.listeners.country[:, None] == world.creators.country[None, :]
    open_to = np.isfinite(appeal)
    assert appeal[home & open_to].mean() > appeal[~home & open_to].mean() + 0.5


def test_names_are_unique_and_their_slugs_are_plain():
    names = name_creators(np.random.default_rng(1), ["person"] * 400, ["PL"] * 400)
    slugs = {slug(name) for name in names}
    assert len(slugs) == 400
    assert all(part.isascii() and part == part.lower() and " " not in part for part in slugs)


@pytest.mark.parametrize(("name", "expected"), [("Linnéa Öbrink", "linnea-obrink"), ("Gaja Łąkowa", "gaja-lakowa"), ("Comet & Delta", "comet-delta")])
def test_a_slug_keeps_the_sound_of_a_name(name, expected):
    assert slug(name) == expected
