"""How many calls each caller may make: a token bucket per name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

DEFAULT = "default"  # the name under which the rate of all other callers is set
MAX_CALLERS = 10_000  # remembered; whoever was silent longest is forgotten, and starts with a full bucket


class Quotas:
    """Calls per second by caller's name, with bursts of `burst_s` seconds' worth (at least one call). Asked by the polling thread alone.

    Each name has a bucket of its own; those without a rate share nothing but the rate of DEFAULT. Names are what callers say they are: this keeps
    a caller's accident from the others, it stops no stranger.
    """

    def __init__(self, rates: Mapping[str, float], burst_s: float) -> None:
        self._rates = rates
        self._burst_s = burst_s
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # name -> (tokens, when)

    def take(self, caller: str, now_s: float) -> float | None:
        """One call of that caller: None when it may be made, else the rate that it is above."""
        rate = self._rates.get(caller, self._rates.get(DEFAULT))
        if rate is None:
            return None
        most = max(1.0, rate * self._burst_s)
        tokens, at_s = self._buckets.pop(caller, (most, now_s))
        tokens = min(most, tokens + max(0.0, now_s - at_s) * rate)
        allowed = tokens >= 1.0
        self._buckets[caller] = (tokens - 1.0 if allowed else tokens, now_s)
        if len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
        return None if allowed else rate
