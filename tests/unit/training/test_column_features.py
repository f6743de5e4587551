"""What the ranker makes of columns and histories, against plain NumPy."""

from __future__ import annotations

import numpy as np
import torch

from domain.features import Categories, Numbers
from domain.listens import Listens, Plays, SideTables, no_side_tables
from training.column_inputs import ColumnInputs, Moment
from training.columns import HISTORY_LENGTH, plan_columns
from training.encoder import Encoder
from training.occasions import NO_CREATOR

CREATORS, USERS = 30, 4


def world():
    random = np.random.default_rng(2)
    followers = Numbers((10 ** random.uniform(0, 6, (CREATORS, 1))).astype(np.float32))
    rate = Numbers(np.where(random.random((CREATORS, 1)) < 0.3, np.nan, random.random((CREATORS, 1))).astype(np.float32))
    creators = {"followers": followers, "rate": rate, "country": Categories(random.integers(0, 3, CREATORS), ("BR", "SE"))}
    users = {"country": Categories(np.array([1, 2, 0, 3]), ("BR", "JP", "SE")), "age": Numbers(np.arange(4, dtype=np.float32)[:, None])}
    context = {"hour": Numbers(np.array([[7.0], [19.0]], np.float32)), "activity": Categories(np.array([1, 2]), ("focus", "party"))}
    plays = Plays(np.array([0, 1]), np.array([5, 6]), context)
    ids = tuple(map(str, range(USERS))), tuple(map(str, range(CREATORS)))
    listens = Listens(*ids, np.array([0, 1]), np.array([0, 1]), np.ones(2, np.float32), plays=plays)
    nothing = no_side_tables(CREATORS)
    side = SideTables(nothing.names, (), nothing.tags, nothing.tags, nothing.tags, nothing.friends, creator_features=creators, user_features=users)
    embeddings = random.normal(size=(CREATORS, 6)).astype(np.float32)
    columns = plan_columns(listens, side)
    return columns, side, embeddings, ColumnInputs(columns, side, USERS, embeddings)


def moment(history, hour=19.0, activity=2):
    padded = np.full(HISTORY_LENGTH, NO_CREATOR)
    padded[: len(history)] = history
    return Moment(np.array([[hour]], np.float32), np.array([[activity]]), padded)


def test_features_are_what_plain_numpy_makes_of_the_tables() -> None:
    columns, side, embeddings, inputs = world()
    rows, history = np.array([3, 8, 15, 29]), [4, 9, 9]
    found = inputs.features(inputs.feed(1, moment(history), rows))
    followers = side.creator_features["followers"].values[rows, 0]
    rate = side.creator_features["rate"].values[rows, 0]
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosines = unit[rows] @ unit[history].T
    countries = side.creator_features["country"].codes[rows]  # BR 1, SE 2; user 1 is from JP
    wanted = np.column_stack([
        np.log1p(followers), np.nan_to_num(rate, nan=columns.defaults["creator.rate"]), ~np.isnan(rate), np.full(4, 1.0), np.full(4, 19.0),
        np.zeros(4), cosines.mean(axis=1), cosines.max(axis=1), np.array([0, 1, 3])[countries], np.full(4, 2), np.full(4, 2),
    ])  # fmt: skip
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_equal_countries_match_and_unknown_ones_never_do() -> None:
    _, side, _, inputs = world()
    rows = np.arange(CREATORS)
    place = 5
    codes = side.creator_features["country"].codes
    assert inputs.features(inputs.feed(0, moment([]), rows))[:, place].tolist() == (codes == 1).astype(float).tolist()
    assert not inputs.features(inputs.feed(2, moment([]), rows))[:, place].any()


def test_an_empty_history_says_nothing() -> None:
    _, _, _, inputs = world()
    feed = inputs.feed(0, moment([]), np.arange(5))
    assert not feed.mask.any()
    assert not inputs.features(feed)[:, 6:8].any()


def test_codes_become_vectors_of_their_own_and_numbers_are_standardised() -> None:
    torch.manual_seed(0)
    encoder = Encoder(np.array([1.0, 2.0], np.float32), np.array([2.0, 4.0], np.float32), (3, 20))
    found = encoder(torch.tensor([[[3.0, 6.0, 2.0, 19.0]]]))
    assert found.shape == (1, 1, encoder.width)
    assert found[0, 0, :2].tolist() == [1.0, 1.0]
    assert torch.equal(found[0, 0, 2:5], encoder.embeddings[0].weight[2])
    assert torch.equal(found[0, 0, 5:], encoder.embeddings[1].weight[19])
