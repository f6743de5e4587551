"""Counts and percentiles of a run."""

import math

import numpy as np
import pytest

from loadtest.call import Outcome
from loadtest.outcomes import Outcomes, percentile


def test_outcomes_count_failures_degradations_and_stages_by_name() -> None:
    outcomes = Outcomes()
    outcomes.add(Outcome("market", 2.0, "", degradations=("RANK DEADLINE", "RETRIEVE DEADLINE"), stages=(("RETRIEVE", 0.5),)))
    outcomes.add(Outcome("market", 3.0, "page too short", degradations=("RANK DEADLINE",), stages=(("RETRIEVE", 0.7),)))
    outcomes.add(Outcome("tier", 200.0, "DEADLINE_EXCEEDED"))
    outcomes.add(Outcome("tier", 4.0, ""))
    assert list(outcomes.latencies_ms) == [2.0, 3.0, 200.0, 4.0]
    assert outcomes.failures == {"page too short": 1, "DEADLINE_EXCEEDED": 1}
    assert outcomes.degradations == {"RANK DEADLINE": 2, "RETRIEVE DEADLINE": 1}
    assert (outcomes.count, outcomes.failed_share, outcomes.degraded_share) == (4, 0.5, 0.5)
    assert list(outcomes.stages_ms["RETRIEVE"]) == [0.5, 0.7]


def test_nothing_has_no_shares_and_no_percentile() -> None:
    assert all(map(math.isnan, (Outcomes().failed_share, Outcomes().degraded_share, percentile([], 0.5))))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.95, 0.99, 1.0])
@pytest.mark.parametrize("count", [1, 2, 19, 20, 21, 1000])
def test_a_percentile_is_a_value_that_occurred_and_is_never_flattering(count: int, share: float) -> None:
    values = np.random.default_rng(7).exponential(size=count).tolist()
    found = percentile(values, share)
    assert found in values
    assert found == np.percentile(values, share * 100, method="inverted_cdf")
