"""The policy is what the service config says; the bucket is gRFC A6's."""

from __future__ import annotations

import json

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.client import NO_RETRIES, SERVICE_CONFIG, CallPolicy, policy_of
from earshot.client.retry_tokens import RetryTokens


def config(**method) -> str:
    return json.dumps({"methodConfig": [{"name": [{}], **method}], "retryThrottling": {"maxTokens": 4, "tokenRatio": 0.5}})


def test_the_default_is_the_published_service_config():
    assert policy_of(SERVICE_CONFIG) == CallPolicy()


def test_hedging_is_read_from_a_hedging_policy():
    text = config(hedgingPolicy={"maxAttempts": 9, "hedgingDelay": "0.015s", "nonFatalStatusCodes": ["UNAVAILABLE"]})
    codes = frozenset({grpc.StatusCode.UNAVAILABLE})
    assert policy_of(text) == CallPolicy(max_attempts=5, codes=codes, hedging_delay_s=0.015, max_tokens=4, token_ratio=0.5)


def test_without_a_policy_nothing_is_retried():
    assert policy_of(config()) == NO_RETRIES


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{}", "methodConfig"),
        ("{", "property name"),
        (config(retryPolicy={"maxAttempts": 3}), "retryableStatusCodes"),
        (config(retryPolicy={"maxAttempts": 3, "retryableStatusCodes": ["TEAPOT"]}), "TEAPOT"),
        (config(hedgingPolicy={"maxAttempts": 2, "hedgingDelay": "15ms"}), "15ms"),
        (config(hedgingPolicy={"maxAttempts": 2, "hedgingDelay": "15"}), '"15" cannot be read'),
    ],
)
def test_what_cannot_be_read_is_named(text, named):
    with pytest.raises(ValueError, match=named):
        policy_of(text)


@pytest.mark.parametrize("wrong", [{"max_attempts": 0}, {"max_attempts": 6}, {"hedging_delay_s": -1}, {"max_backoff_s": float("inf")}])
def test_values_out_of_range_are_named(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is"):
        CallPolicy(**wrong)


@settings(deadline=None)
@given(attempt_count=st.integers(1, 5), share=st.floats(0, 1, exclude_max=True))
def test_pauses_grow_by_the_multiplier_up_to_the_most(attempt_count, share):
    pause_s = CallPolicy().pause_s(attempt_count, share)
    assert pause_s == pytest.approx(share * [0.01, 0.03, 0.09, 0.2, 0.2][attempt_count - 1])


@settings(deadline=None)
@given(outcomes=st.lists(st.booleans(), max_size=300), most=st.integers(1, 50), ratio=st.floats(0, 2))
def test_the_bucket_follows_its_rules(outcomes, most, ratio):
    tokens, level = RetryTokens(most, ratio), float(most)
    for answered in outcomes:
        assert tokens.allow() is (level > most / 2)
        if answered:
            tokens.answered()
            level = min(most, level + ratio)
        else:
            tokens.failed()
            level = max(0.0, level - 1.0)


def test_an_empty_bucket_of_size_zero_allows_everything():
    tokens = RetryTokens(0, 0)
    for _ in range(5):
        tokens.failed()
    assert tokens.allow()
