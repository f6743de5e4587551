"""The crossover: measured, robust against noise, the same on machines of one kind, and only ever a matter of time, never of what is right."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from domain.request import CandidateFilter
from retrieval import fitting
from retrieval.cost import GATHER_COST, MOST_STEPS, ROWS_PER_EFFORT, SHIPPED, STEP, Costs
from retrieval.exact_source import ExactSource
from retrieval.fitting import fit_costs
from retrieval.hnsw_build import IndexOptions, build_index
from retrieval.hnsw_source import HnswSource
from retrieval.open import open_retriever
from retrieval.restriction import Restrictor
from retrieval.sample import Sample
from tests.unit.retrieval.world import NEVER, Counting, best, clustered, creators_of, user

EFFORT_S, ROW_S, GATHERED_S = 0.92e-6, 11.5e-9, 34.5e-9
STEPS = [STEP**n for n in range(-MOST_STEPS, MOST_STEPS + 1)]


def test_what_was_measured_where_the_numbers_were_written_gives_the_shipped_crossover():
    assert Costs.measured(EFFORT_S, ROW_S, GATHERED_S) == SHIPPED == Costs(ROWS_PER_EFFORT, GATHER_COST)


def test_two_machines_of_one_kind_choose_alike_in_spite_of_fifteen_percent_of_noise():
    noise = np.random.default_rng(1).uniform(0.85, 1.15, (1000, 3))
    chosen = {Costs.measured(EFFORT_S * a, ROW_S * b, GATHERED_S * c) for a, b, c in noise}
    assert chosen == {SHIPPED}


@pytest.mark.parametrize(("factor", "rounded"), [(0.001, 0.5), (0.3, 0.5), (0.6, 0.5), (0.8, 1), (1.3, 1), (1.6, 2), (3.5, 2), (1000, 2)])
def test_another_machine_moves_it_in_whole_steps_and_a_disturbed_measurement_not_far(factor, rounded):
    moved = Costs.measured(ROW_S * ROWS_PER_EFFORT * factor, ROW_S, ROW_S * GATHER_COST * factor)
    assert moved == Costs(ROWS_PER_EFFORT * rounded, GATHER_COST * rounded)


@pytest.mark.parametrize("times", [(0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (0.0, 0.0, 0.0), (-1.0, 1.0, -1.0)])
def test_a_clock_that_cannot_tell_leaves_the_shipped_numbers(times):
    assert Costs.measured(*times).rows_per_effort == ROWS_PER_EFFORT


@pytest.fixture(scope="module")
def creators():
    return creators_of(clustered(1, 12_000, 16), markets=[["half"] if row % 2 else [] for row in range(12_000)])


@pytest.fixture(scope="module")
def built(creators, tmp_path_factory):
    directory = tmp_path_factory.mktemp("index")
    options = IndexOptions("cosine", m=8, ef_construction=40, candidate_count=50, recall=0.9, query_count=100)
    return directory, build_index(creators.embeddings, creators.norms, None, directory, options, Counting())


def fitted(creators, built):
    directory, description = built
    index = HnswSource.load(directory, description, creators.embeddings, creators.norms, creators.id_ranks)
    exact = ExactSource(creators.embeddings, creators.norms, creators.id_ranks, "cosine")
    return fit_costs(index, exact, creators, time.perf_counter)


def test_a_fit_gives_one_of_few_crossovers_and_starts_no_thread(creators, built):
    threads = len(list(Path("/proc/self/task").iterdir()))
    costs = fitted(creators, built)
    assert costs.rows_per_effort / ROWS_PER_EFFORT in STEPS
    assert costs.gather_cost / GATHER_COST in STEPS
    assert len(list(Path("/proc/self/task").iterdir())) == threads


def test_a_small_catalogue_is_not_measured(creators, built, monkeypatch):
    monkeypatch.setattr(fitting, "LEAST_CREATORS", 12_001)
    assert fitted(creators, built) is SHIPPED


def test_without_a_clock_the_shipped_crossover_plans_and_with_one_the_fitted(creators, built):
    directory, description = built
    assert open_retriever(directory, description.to_json(), creators).costs is SHIPPED
    timed = open_retriever(directory, description.to_json(), creators, clock=time.perf_counter)
    assert timed.costs.rows_per_effort / ROWS_PER_EFFORT in STEPS


class TestTheSample:
    """How far to look, estimated."""

    @staticmethod
    def restriction(creators, market):
        return Restrictor(creators).restrict(CandidateFilter(market=market), user())

    def test_of_a_market_at_random_it_asks_for_about_the_inverse_of_its_share(self, creators):
        sample, restriction = Sample(creators, "cosine"), self.restriction(creators, "half")
        reaches = [sample.reach(query, 100, restriction) for query in clustered(2, 50, 16)]
        assert 200 < np.mean(reaches) < 330
        assert max(reaches) < 500

    def test_of_a_market_that_the_listener_is_in_it_asks_for_little_more_than_wanted(self, creators):
        query = clustered(2, 1, 16)[0]
        near = set(best(creators, query, "cosine", 2000).tolist())
        local = creators_of(creators.embeddings, markets=[["near"] if row in near else [] for row in range(12_000)])
        assert Sample(local, "cosine").reach(query, 100, self.restriction(local, "near")) < 200

    def test_of_a_market_that_lies_elsewhere_it_asks_for_far_more(self, creators):
        query = clustered(2, 1, 16)[0]
        near = set(best(creators, query, "cosine", 4000).tolist())
        remote = creators_of(creators.embeddings, markets=[[] if row in near else ["far"] for row in range(12_000)])
        assert Sample(remote, "cosine").reach(query, 100, self.restriction(remote, "far")) > 1000

    def test_of_nothing_it_asks_for_all(self, creators):
        assert Sample(creators, "cosine").reach(clustered(2, 1, 16)[0], 10, self.restriction(creators, "nowhere")) == 12_000


def test_an_unrestricted_request_is_answered_alike_whatever_was_measured(creators, built):
    directory, description = built
    retriever = open_retriever(directory, description.to_json(), creators)
    answers = set()
    for rows_per_effort in (1.0, 96.0, 10_000.0):
        planned = retriever.planned_by(Costs.measured(rows_per_effort, 1.0, 4.0))
        answer = planned.retrieve(clustered(5, 1, 16)[0], 50, planned.restrict(CandidateFilter(), user()), False, NEVER)
        answers.add((answer.method, answer.found.rows.tobytes(), answer.found.similarities.tobytes()))
    assert len(answers) == 1


@pytest.mark.parametrize("costs", [Costs(rows, gather) for rows in (1.0, 16.0, 256.0) for gather in (0.5, 8.0)], ids=str)
def test_the_crossover_decides_who_searches_never_whether_enough_is_found(costs, creators, built):
    directory, description = built
    retriever = open_retriever(directory, description.to_json(), creators).planned_by(costs)
    restriction = retriever.restrict(CandidateFilter(market="half"), user())
    for query in clustered(3, 10, 16):
        found = retriever.retrieve(query, 50, restriction, False, NEVER).found
        allowed = found.take(restriction.allows(found.rows))
        wanted = [row for row in best(creators, query, "cosine", 12_000).tolist() if row % 2][:50]
        assert len(allowed) >= 50
        assert np.isin(wanted, allowed.rows).mean() >= 0.8
