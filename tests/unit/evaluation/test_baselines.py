"""Baselines: what they score, against slow formulas; nobody is offered what they were trained on. Runs where the extra train is installed."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("implicit", reason="needs the extra train")

from domain.listens import Listens
from evaluation.baselines.als import AlsSettings, fit_als
from evaluation.baselines.ease import fit_ease
from evaluation.baselines.neighbours import fit_neighbours
from evaluation.baselines.popularity import fit_popularity, fit_random
from evaluation.baselines.scorer import rank_with
from evaluation.baselines.tag_profiles import fit_tag_profiles
from evaluation.split import CreatorTags

USERS = np.arange(12)


@pytest.fixture
def kept():
    users, creators = np.nonzero(np.random.default_rng(2).random((12, 30)) < 0.3)
    ids = tuple(f"u{i}" for i in range(12)), tuple(f"c{i}" for i in range(30))
    return Listens(*ids, users, creators, np.ones(len(users), np.float32))


def dense(kept):
    matrix = np.zeros((12, 30))
    matrix[kept.users, kept.creators] = 1.0
    return matrix


@pytest.mark.parametrize("regularisation", [0.5, 50.0])
def test_ease_is_the_closed_form_of_its_paper(kept, regularisation):
    """Steck 2019, algorithm 1: invert items by items, divide by minus the diagonal, set the diagonal to zero."""
    matrix = dense(kept)
    inverse = np.linalg.inv(matrix.T @ matrix + regularisation * np.eye(30))
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    np.testing.assert_allclose(fit_ease(kept, regularisation)(USERS), matrix @ weights, atol=1e-5)


def test_neighbours_sum_cosines_of_what_was_heard(kept):
    matrix = dense(kept)
    norms = np.linalg.norm(matrix, axis=0)
    cosines = (matrix.T @ matrix) / np.maximum(np.outer(norms, norms), 1e-12)
    np.testing.assert_allclose(fit_neighbours(kept, 30)(USERS), matrix @ cosines, atol=1e-5)


def test_more_neighbours_than_there_are_change_nothing_and_cost_nothing(kept):
    """The library makes room for as many as are asked for: at 20,000 for 17,632 creators, 15 GB of it."""
    np.testing.assert_array_equal(fit_neighbours(kept, 10**8)(USERS), fit_neighbours(kept, 30)(USERS))


def test_popularity_counts_listeners(kept):
    np.testing.assert_array_equal(fit_popularity(kept)(USERS[:2]), np.tile(dense(kept).sum(axis=0), (2, 1)))


def test_als_puts_what_was_heard_first(kept):
    scores, heard = fit_als(kept, AlsSettings(8, 0.1))(USERS), dense(kept) > 0
    assert scores[heard].mean() > scores[~heard].mean() + 0.5


def test_tag_profiles_find_the_creators_that_sound_alike(kept):
    creators = np.arange(30)
    score = fit_tag_profiles(kept, CreatorTags(creators, creators % 3, np.ones(30, np.float32), ("rock", "folk", "jazz")))
    likes = np.stack([(dense(kept) * (creators % 3 == tag)).sum(axis=1) for tag in range(3)], axis=1)
    expected = likes / np.linalg.norm(likes, axis=1, keepdims=True)
    scores = score(USERS)
    for tag in range(3):
        np.testing.assert_allclose(
            scores[:, creators % 3 == tag], np.tile(expected[:, [tag]], (1, 10)), atol=0.05
        )  # idf of the three differs a little


@pytest.mark.parametrize("depth", [5, 30, 40])
def test_rankings_leave_out_what_was_trained_on_and_what_is_not_eligible(kept, depth):
    eligible = np.arange(30) % 2 == 0
    score = fit_random(kept)
    ranked, values = rank_with(score, kept, USERS, depth, eligible), score(USERS)
    for user in USERS.tolist():
        allowed = [c for c in range(30) if eligible[c] and c not in set(kept.creators[kept.users == user].tolist())]
        best = sorted(allowed, key=lambda c, user=user: -values[user, c])[:depth]
        assert ranked[user].tolist() == best + [-1] * (depth - len(best))
