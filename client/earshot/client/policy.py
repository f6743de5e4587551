"""When a call gets another attempt, written as a gRPC service config (gRFC A6) and obeyed by this client itself.

grpcio 1.85 would obey a part of it. Its core has retries, but they stay on the connection that failed, are not told to the caller, each channel has
a token bucket of its own, and a pushback beyond the deadline is waited for in vain. A hedgingPolicy is read and ignored. So the channels carry no
retryPolicy, and what is written here holds for all connections of a client together. Other languages may be given the same JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

# A slate may be asked for twice without harm. A worker that stops or dies answers UNAVAILABLE, or CANCELLED for a call that it had not taken yet.
# The token bucket keeps retries from multiplying the load of a server that refuses everything.
SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{"service": "earshot.v1.RecommendationService"}],
                "retryPolicy": {
                    "maxAttempts": 3,
                    "initialBackoff": "0.01s",
                    "maxBackoff": "0.2s",
                    "backoffMultiplier": 3,
                    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
                },
            }
        ],
        "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
    }
)

MOST_ATTEMPTS = 5  # the limit of gRFC A6


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """When another attempt follows. Either retries, after a failure and a pause (`hedging_delay_s` None), or hedges, while attempts run.

    max_attempts: in all, the first included; 1 to 5. codes: those after which another attempt makes sense; every other failure ends the call.
    The pause before retry n: from 0 to the smaller of `initial_backoff_s * backoff_multiplier ** (n - 1)` and `max_backoff_s`.
    hedging_delay_s: after so long without an answer the next attempt starts; after a failure it starts at once.
    max_tokens, token_ratio: the bucket that stops both while too much fails; 0 tokens: no bucket. Raises ValueError.
    """

    max_attempts: int = 3
    codes: frozenset[grpc.StatusCode] = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})
    initial_backoff_s: float = 0.01
    max_backoff_s: float = 0.2
    backoff_multiplier: float = 3.0
    hedging_delay_s: float | None = None
    max_tokens: float = 10.0
    token_ratio: float = 0.1

    def __post_init__(self) -> None:
        if not 1 <= self.max_attempts <= MOST_ATTEMPTS:
            raise ValueError(f"max_attempts is {self.max_attempts}; it must be 1 to {MOST_ATTEMPTS}")
        for name in ("initial_backoff_s", "max_backoff_s", "backoff_multiplier", "hedging_delay_s", "max_tokens", "token_ratio"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise ValueError(f"{name} is {value}; it must be finite and not negative")

    def pause_s(self, attempt_count: int, share: float) -> float:
        """The pause after `attempt_count` attempts, all failed; `share` is drawn from [0, 1)."""
        if self.hedging_delay_s is not None:
            return 0.0
        return share * min(self.initial_backoff_s * self.backoff_multiplier ** (attempt_count - 1), self.max_backoff_s)


NO_RETRIES = CallPolicy(max_attempts=1)


def policy_of(service_config: str) -> CallPolicy:
    """The policy of a service config in JSON: its first methodConfig, and its retryThrottling. Raises ValueError, which names what cannot be read."""
    try:
        config = json.loads(service_config)
        method, throttling = config["methodConfig"][0], config.get("retryThrottling", {})
        tokens: dict[str, Any] = {"max_tokens": float(throttling.get("maxTokens", 0)), "token_ratio": float(throttling.get("tokenRatio", 0))}
        if "hedgingPolicy" in method:
            return CallPolicy(**_hedging(method["hedgingPolicy"]), **tokens)
        return CallPolicy(**_retries(method["retryPolicy"]), **tokens) if "retryPolicy" in method else NO_RETRIES
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"the service config lacks {error}, or has something else in its place; gRFC A6 describes its form") from error


def _retries(policy: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "max_attempts": min(int(policy["maxAttempts"]), MOST_ATTEMPTS),
        "codes": _codes(policy["retryableStatusCodes"]),
        "initial_backoff_s": _seconds(policy["initialBackoff"]),
        "max_backoff_s": _seconds(policy["maxBackoff"]),
        "backoff_multiplier": float(policy["backoffMultiplier"]),
    }


def _hedging(policy: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "max_attempts": min(int(policy["maxAttempts"]), MOST_ATTEMPTS),
        "codes": _codes(policy.get("nonFatalStatusCodes", ())),
        "hedging_delay_s": _seconds(policy.get("hedgingDelay", "0s")),
    }


def _codes(names: Sequence[str]) -> frozenset[grpc.StatusCode]:
    return frozenset(grpc.StatusCode[name.upper()] for name in names)


def _seconds(text: str) -> float:
    """Of "0.01s", the form that durations have in protobuf's JSON."""
    try:
        return float(text.removesuffix("s") if text.endswith("s") else "")
    except ValueError:
        raise ValueError(f'the duration "{text}" cannot be read; write it as "0.01s"') from None
