"""The demo world through the real build and engine: it builds with its trainer's scores, its slates are the golden ones, its ranker earns its place.

EARSHOT_REGENERATE_GOLDEN=1 writes the golden slates anew, from the plain reference (tests/unit/demo/plain_answer.py) and never from the engine.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from demo.files import EMERGING_TIER, SPACE, demo_files
from demo.heldout import ndcg
from domain.progress import SILENT
from domain.request import CandidateFilter, RecommendRequest
from domain.terms import Terms
from engine.build import BuildOptions, build
from engine.open import StartOptions, prepare
from tests.unit.demo.plain_answer import PlainAnswers

GOLDEN = Path(__file__).parent / "golden" / "demo_slates.json"
CONTEXTS = ({}, {"hour": 7.0, "activity": "commute"}, {"activity": "party"}, {"hour": 23.5})
PAGE = 20


def refuse(stage, failure):
    raise AssertionError(f"{stage} failed") from failure


@pytest.fixture(scope="module")
def answers():
    return PlainAnswers(demo_files())


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    files, out = demo_files(), tmp_path_factory.mktemp("demo") / "bundle"
    options = BuildOptions(
        creators=files.creators,
        users=files.users,
        ranker=files.ranker,
        binding=files.binding,
        expected=files.expected,
        out=out,
        space=SPACE,
        emerging_tiers=(EMERGING_TIER,),
        threads=1,
    )
    build(options, SILENT)
    return prepare(out).start(StartOptions("cpu"), time.monotonic, refuse)


@pytest.fixture(scope="module")
def golden(answers):
    if os.environ.get("EARSHOT_REGENERATE_GOLDEN"):
        GOLDEN.write_text(json.dumps(reference_slates(answers), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def reference_slates(answers):
    """Some listeners, a newcomer first, in four contexts, every other one in a market."""
    newcomers = [i for i, history in enumerate(answers.users["history"][:100]) if not history]
    slates = []
    for place, user in enumerate([*newcomers[:2], 0, 1, 42, 256, 777, 1234]):
        user_id, market, context = answers.users["user_id"][user], ("", answers.users["country"][user])[place % 2], CONTEXTS[place % len(CONTEXTS)]
        answer = answers.answer(user_id, market, context)
        ids = [answers.creators["creator_id"][row] for row in answer.by_score()[:PAGE]]
        scores = np.sort(answer.scores)[::-1][:PAGE].tolist()
        slates.append({"user_id": user_id, "market": market, "context": context, "slate": dict(zip(ids, (round(s, 7) for s in scores), strict=True))})
    return slates


def ask(engine, user_id, market="", context=None, **fields):
    request = RecommendRequest("r", user_id, context_features=context or {}, filter=CandidateFilter(market=market), page_size=PAGE, **fields)
    return engine.recommend(request, Terms.unhurried(time.monotonic))


def test_slates_are_the_golden_ones(engine, golden):
    for expected in golden:
        slate = ask(engine, expected["user_id"], expected["market"], expected["context"], exact=True).slate
        served = dict(zip(engine.creators.ids_of(slate.rows), slate.scores.tolist(), strict=True))
        np.testing.assert_allclose(list(served.values()), list(expected["slate"].values()), atol=1e-5)
        for creator_id, score in served.items():  # so near each other that two may have changed places
            assert creator_id in expected["slate"] or score == pytest.approx(min(expected["slate"].values()), abs=1e-5)
            assert score == pytest.approx(expected["slate"].get(creator_id, score), abs=1e-5)


def test_the_served_ranker_beats_similarity_order_on_heldout_listens_by_a_quarter_at_least(engine, answers):
    gains = []
    for row in pq.read_table(demo_files().heldout).to_pylist()[::5]:
        context = {name: value for name, value in (("hour", row["context.hour"]), ("activity", row["context.activity"])) if value is not None}
        answer = ask(engine, row["user_id"], row["market"], context)
        shown = engine.creators.ids_of(answer.slate.rows)
        similar = [answers.creators["creator_id"][i] for i in answers.answer(row["user_id"], row["market"], context).rows[:PAGE]]
        gains.append((ndcg(similar, row["creator_ids"]), ndcg(shown, row["creator_ids"])))
    similarity, ranked = np.mean(gains, axis=0)
    assert ranked > 1.25 * similarity > 0.0


def test_an_embedding_is_enough_to_ask_with(engine, answers):
    """The binding has defaults for everything else that the ranker wants to know of a listener."""
    embedding = np.array(answers.users["embedding"][0], np.float32)
    answer = ask(engine, "", embeddings={"": embedding})
    assert len(answer.slate) == PAGE
    assert not answer.degradations
    assert np.isfinite(answer.slate.scores).all()


def test_emerging_creators_are_marked_in_the_bundle(engine):
    assert engine.bundle.manifest.emerging_tiers == (EMERGING_TIER,)
    assert EMERGING_TIER in engine.creators.tier_names
