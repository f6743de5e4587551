"""The cut: the published rule, a partition, nothing of cold creators in training, tags of held-out listens gone."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.listens import NO_USER, Listens, SideTables
from evaluation import protocol


def listens_of(pairs, user_count=40, creator_count=60):
    users, creators = np.array(pairs, np.int64).reshape(-1, 2).T
    ids = tuple(str(i) for i in range(user_count)), tuple(str(i) for i in range(creator_count))
    return Listens(*ids, users, creators, np.ones(len(users), np.float32))


pairs_of = st.lists(st.tuples(st.integers(0, 39), st.integers(0, 59)), unique=True, max_size=200)


def by_hand(text):
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:4], "big") % 100


@pytest.mark.parametrize(("user_id", "creator_id"), [("2", "51"), ("2", "52"), ("listener-ö", "a:b"), ("", "")])
def test_the_rule_is_the_one_that_is_published(user_id, creator_id):
    cold = by_hand(f"cold:{creator_id}") < 5
    assert protocol.is_cold(creator_id) == cold
    assert protocol.is_held_out(user_id, creator_id) == (cold or by_hand(f"{user_id}:{creator_id}") < 20)


def test_known_pairs_fall_where_others_put_them():
    """Written down from `printf 2:51 | sha256sum`, so that the rule cannot drift together with the test above."""
    assert [by_hand(text) for text in ("2:51", "cold:51")] == [78, 92]


@given(pairs_of)
def test_every_listen_is_kept_or_held_out_and_never_both(pairs):
    listens = listens_of(pairs)
    kept, held = protocol.hold_out(listens)
    parts = [set(zip(part.users.tolist(), part.creators.tolist(), strict=True)) for part in (kept, held)]
    assert parts[0] | parts[1] == set(pairs)
    assert not parts[0] & parts[1]
    assert all(protocol.is_held_out(str(u), str(a)) == ((u, a) in parts[1]) for u, a in pairs)
    assert kept.creator_ids == held.creator_ids == listens.creator_ids


def test_a_cold_creator_keeps_no_listen():
    pairs = [(u, a) for u in range(40) for a in range(60)]
    kept, held = protocol.hold_out(listens_of(pairs))
    cold = np.flatnonzero(protocol.cold_creators(kept))
    assert len(cold) > 0
    assert not np.isin(kept.creators, cold).any()
    assert all((held.creators == creator).sum() == 40 for creator in cold)


def test_about_a_fifth_is_held_out_and_a_twentieth_is_cold():
    ids = tuple(str(i) for i in range(20_000))
    listens = Listens(("7",), ids, np.zeros(20_000, np.int64), np.arange(20_000), np.ones(20_000, np.float32))
    _, held = protocol.hold_out(listens)
    cold = protocol.cold_creators(listens)
    assert cold.mean() == pytest.approx(0.05, abs=0.006)
    assert (len(held) - cold.sum()) / (~cold).sum() == pytest.approx(0.20, abs=0.012)


def test_the_validation_cut_is_another_one():
    listens = listens_of([(u, a) for u in range(40) for a in range(60)])
    test, validation = protocol.TEST.hold_out(listens)[1], protocol.VALIDATION.hold_out(listens)[1]
    assert len(test) != len(listens_of([]))
    assert not np.array_equal(test.users * 60 + test.creators, validation.users * 60 + validation.creators)


def test_a_tag_goes_with_the_listen_of_the_user_who_gave_it_and_with_no_other():
    held = listens_of([(1, 5), (2, 7)])
    none = np.empty((0, 2), np.int64)
    users, creators = np.array([1, 1, 2, NO_USER, 0]), np.array([5, 7, 7, 5, 5])
    side = SideTables(("",) * 60, ("rock",), users, creators, np.zeros(5, np.int64), none)
    assert protocol.kept_tags(held, side).tolist() == [False, True, False, True, True]
    assert protocol.hold_out_tags(held, side).tag_users.tolist() == [1, NO_USER, 0]


def test_users_need_five_training_listens_and_one_that_counts():
    kept = listens_of([(u, a) for u, count in ((0, 5), (1, 4), (2, 9)) for a in range(count)])
    held = listens_of([(0, 30), (1, 30), (3, 30)])
    assert protocol.evaluated_users(kept, held).tolist() == [0]


@given(pairs_of, st.randoms(use_true_random=False))
def test_the_order_of_the_listens_changes_nothing(pairs, random):
    shuffled = list(pairs)
    random.shuffle(shuffled)
    held = [protocol.hold_out(listens_of(p))[1] for p in (pairs, shuffled)]
    one, other = ({(int(u), int(a)) for u, a in zip(h.users, h.creators, strict=True)} for h in held)
    assert one == other
