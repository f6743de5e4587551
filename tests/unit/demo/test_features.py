"""The feature graph against plain NumPy, and the feeds that training gives it."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from demo.candidates import retrieve
from demo.embed import embed
from demo.features import FEATURE_COUNT, feature_graph
from demo.feeds import UNKNOWN_COMPLETION, Feeds, Moment
from demo.knowledge import HISTORY_LENGTH, gather_knowledge
from demo.listens import tell_story
from demo.world import make_world

LISTENER, ROWS, MOMENT = 4, np.arange(40, 90), Moment(hour=21.0, activity=3)
WIDTHS = {"similarity": 1, "agreement": 24, "genre_taste": 1, "in_favourite": 1, "at_home": 1, "followers_log": 1, "releases_log": 1, "energy": 1}
WIDTHS |= {"completion": 1, "completion_known": 1, "verified": 1, "echo_mean": 1, "echo_best": 1, "energy_doing": 6, "energy_hour": 1}
WIDTHS |= {"doing": 6, "hour_cos": 1, "age_log": 1}


@pytest.fixture(scope="module")
def known():
    world = make_world(3, 300, 60)
    story = tell_story(world, 3)
    return gather_knowledge(world, story, embed(world, story.before, 3), 3)


@pytest.fixture(scope="module")
def feed(known):
    return Feeds(known).make(LISTENER, ROWS, MOMENT, known.history_now[LISTENER])


@pytest.fixture(scope="module")
def features(feed):
    session = onnxruntime.InferenceSession(feature_graph().SerializeToString(), providers=["CPUExecutionProvider"])
    values = session.run(["X"], feed)[0]
    assert values.shape == (len(ROWS), FEATURE_COUNT)
    blocks = np.split(values, np.cumsum(list(WIDTHS.values()))[:-1], axis=1)
    return {name: block[:, 0] if width == 1 else block for (name, width), block in zip(WIDTHS.items(), blocks, strict=True)}


def test_similarity_is_the_cosine_and_its_parts_sum_to_it(known, features):
    creators, wanted = known.creator_embedding[ROWS].astype(np.float64), known.listener_embedding[LISTENER].astype(np.float64)
    cosines = creators @ wanted / np.linalg.norm(creators, axis=1) / np.linalg.norm(wanted)
    np.testing.assert_allclose(features["similarity"], cosines, atol=1e-6)
    np.testing.assert_allclose(features["agreement"].sum(axis=1), cosines, atol=1e-6)


def test_cross_features_of_genre_and_country(known, features):
    creators, listeners = known.world.creators, known.world.listeners
    np.testing.assert_array_equal(features["in_favourite"], creators.genre[ROWS] == listeners.favourite_genre[LISTENER])
    np.testing.assert_array_equal(features["at_home"], creators.country[ROWS] == listeners.country[LISTENER])
    np.testing.assert_allclose(features["genre_taste"], known.genre_mix[ROWS] @ known.genre_affinity[LISTENER], atol=1e-6)


def test_what_is_known_of_a_creator_alone(known, features):
    creators = known.world.creators
    missing = np.isnan(known.completion_rate[ROWS])
    assert missing.any()
    np.testing.assert_allclose(features["followers_log"], np.log1p(creators.followers[ROWS]), rtol=1e-5)
    np.testing.assert_allclose(features["releases_log"], np.log1p(creators.release_count[ROWS]), rtol=1e-5)
    np.testing.assert_allclose(features["energy"], creators.energy[ROWS], rtol=1e-6)
    np.testing.assert_allclose(features["completion"][missing], UNKNOWN_COMPLETION, rtol=1e-6)
    np.testing.assert_array_equal(features["completion_known"], ~missing)
    np.testing.assert_array_equal(features["verified"], creators.verified[ROWS])


def test_echoes_are_cosines_with_the_newest_of_the_history(known, features):
    newest = known.history_now[LISTENER][-HISTORY_LENGTH:]
    assert len(newest) == HISTORY_LENGTH < len(known.history_now[LISTENER])
    echoes = known.creator_unit[ROWS] @ known.creator_unit[newest].T
    np.testing.assert_allclose(features["echo_mean"], echoes.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(features["echo_best"], echoes.max(axis=1), atol=1e-6)


def test_the_context_meets_the_energy(known, features):
    energy = known.world.creators.energy[ROWS]
    one_hot = np.eye(6)[MOMENT.activity]
    np.testing.assert_array_equal(features["doing"], np.tile(one_hot, (len(ROWS), 1)))
    np.testing.assert_allclose(features["energy_doing"], energy[:, None] * one_hot, rtol=1e-6)
    np.testing.assert_allclose(features["hour_cos"], np.cos((MOMENT.hour - 18.0) * np.pi / 12.0), atol=1e-6)
    np.testing.assert_allclose(features["energy_hour"], energy * np.cos((MOMENT.hour - 18.0) * np.pi / 12.0), atol=1e-6)
    np.testing.assert_allclose(features["age_log"], np.log1p(known.world.listeners.age_days[LISTENER]), rtol=1e-5)


def test_candidates_are_near_available_and_not_followed(known):
    listener = next(row for row, followed in enumerate(known.followed) if len(followed))
    rows = retrieve(known, listener)
    similarities = known.creator_unit[rows] @ known.listener_unit[listener]
    assert (np.diff(similarities) <= 1e-6).all()
    assert known.world.creators.available[rows, known.world.listeners.country[listener]].all()
    assert not np.isin(rows, known.followed[listener]).any()
