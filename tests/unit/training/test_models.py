from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse

from domain.listens import Listens, SideTables, no_side_tables
from tests.unit.training.training_world import plays, write_plays, write_side
from training.folds import make_fold
from training.item_model import ItemModelOptions, fit_item_model
from training.knowledge import learn
from training.losses import listwise_softmax, sampled_softmax
from training.sizes import Sizes
from training.tables import TableFiles, read_tables
from training.tags import tag_profiles


@pytest.fixture
def world(tmp_path: Path) -> tuple[Listens, SideTables]:
    creators, users = write_side(tmp_path)
    return read_tables(TableFiles(write_plays(plays(), tmp_path / "listens.csv"), creators, users))


def test_the_item_model_is_ease_of_listens_and_tags() -> None:
    random = np.random.default_rng(1)
    listens = sparse.random(30, 12, 0.4, "csr", np.float32, rng=random)
    profiles = sparse.random(12, 5, 0.5, "csr", np.float32, rng=random)
    options = ItemModelOptions(regularisation=3.0, tag_weight=0.7, damping=0.0, rank=30)
    rows = np.vstack([listens.toarray(), 0.7 * profiles.toarray().T]).astype(np.float64)
    inverse = np.linalg.inv(rows.T @ rows + 3.0 * np.eye(12))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)  # Steck 2019, equation 8
    assert np.allclose(fit_item_model(listens, profiles, options).scores(np.arange(30)), listens.toarray() @ weights, atol=1e-4)


def test_nothing_put_aside_is_known_in_a_fold(world: tuple[Listens, SideTables]) -> None:
    listens, side = world
    fold = make_fold(listens, side, 5)
    kept = set(zip(fold.listens.users.tolist(), fold.listens.creators.tolist(), strict=True))
    gone = set(zip(fold.aside.users.tolist(), fold.aside.creators.tolist(), strict=True))
    assert not kept & gone
    assert len(kept) + len(gone) == len(listens)
    assert not fold.new[fold.listens.creators].any()


def dated(count: int = 40) -> Listens:
    """Four users, ten listens each, in an order of their own; creator 3 of ten is the last of everybody."""
    users, creators = np.repeat(np.arange(4), 10), np.tile(np.arange(10), 4)
    times = np.random.default_rng(1).permutation(count) + 1_000 * (creators == 3)
    ids = tuple(map(str, range(4))), tuple(map(str, range(10)))
    return Listens(*ids, users, creators, np.ones(count, np.float32), times_s=times)


def test_with_times_a_fold_asks_for_what_came_last_and_knows_nothing_later() -> None:
    listens, side = dated(), no_side_tables(10)
    for number, (known_count, asked_count) in enumerate([(8, 2), (6, 2), (4, 2)]):
        fold = make_fold(listens, side, 2, number)
        for user in range(4):
            mine = listens.users == user
            order = np.argsort(listens.times_s[mine])
            oldest_first = listens.creators[mine][order].tolist()
            known = [c for c in oldest_first[:known_count] if not fold.new[c]]
            assert sorted(fold.listens.creators[fold.listens.users == user].tolist()) == sorted(known)
            asked = oldest_first[known_count : known_count + asked_count]
            assert sorted(fold.aside.creators[fold.aside.users == user].tolist()) == sorted(asked)


def test_nobody_is_asked_about_creators_whom_they_follow() -> None:
    listens = dated()
    side = replace(no_side_tables(10), followed=np.array([[0, 3], [1, 3]]))
    fold = make_fold(listens, side, 2)
    assert 3 in fold.aside.creators[fold.aside.users == 2]
    assert 3 not in fold.aside.creators[fold.aside.users <= 1]
    assert 3 not in fold.listens.creators


def test_a_fold_puts_the_tags_of_a_listen_away_with_it() -> None:
    users, creators = np.repeat(np.arange(20), 20), np.tile(np.arange(20), 20)
    ids = tuple(map(str, range(20)))
    listens = Listens(ids, ids, users, creators, np.ones(400, np.float32))
    side = SideTables(ids, ("tag",), users, creators, np.zeros(400, np.int64), np.empty((0, 2), np.int64))
    fold = make_fold(listens, side, 1)
    tagged = set(zip(fold.side.tag_users.tolist(), fold.side.tag_creators.tolist(), strict=True))
    assert tagged == set(zip(fold.listens.users.tolist(), fold.listens.creators.tolist(), strict=True))


def test_tags_as_strangers_give_them_leave_out_those_of_listeners() -> None:
    ids = ("0", "1", "2", "3")
    listens = Listens(ids, ids, np.array([0]), np.array([0]), np.ones(1, np.float32))
    given = np.array([0, 1, 1, 1])
    side = SideTables(ids, ("tag",), given, np.array([0, 0, 1, 2]), np.zeros(4, np.int64), np.empty((0, 2), np.int64))
    profiles = tag_profiles(listens, side)
    assert profiles.totals.tolist() == pytest.approx(np.log([3, 2, 2, 1]))
    assert profiles.unheard_totals.tolist() == pytest.approx(np.log([2, 2, 2, 1]))


def test_the_correction_takes_fame_out_of_the_negatives() -> None:
    scores = torch.zeros(2, 2)
    creators, log_share = torch.tensor([0, 1]), torch.log(torch.tensor([0.8, 0.2]))
    loss = sampled_softmax(scores, creators, log_share, torch.zeros(2, 2, dtype=torch.bool))
    assert float(loss) == pytest.approx(-(np.log(0.2) + np.log(0.8)) / 2, abs=1e-6)


def test_creators_that_the_user_played_are_no_negatives() -> None:
    known = torch.tensor([[True, True], [True, True]])
    loss = sampled_softmax(torch.randn(2, 2), torch.tensor([0, 1]), torch.zeros(2), known)
    assert float(loss) == pytest.approx(0.0)


def test_a_long_list_of_listens_weighs_as_much_as_a_short_one() -> None:
    scores = torch.zeros(2, 4)
    listened = torch.tensor([[1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    assert float(listwise_softmax(scores, listened)) == pytest.approx(np.log(4.0))


def test_what_was_learned_is_finite_with_and_without_tags(world: tuple[Listens, SideTables]) -> None:
    listens, side = world
    none = np.zeros(len(side.tags), np.bool_)
    for tables in (side, side.where_tags(none)):
        known = learn(listens, tables, 0, Sizes())
        for array in (known.taste.creators, known.taste.users, known.tags.users, known.content, known.friends):
            assert np.isfinite(array).all()
            assert array.shape[1] > 0
