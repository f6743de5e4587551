"""Bounded admission: a worker refuses early what it could only answer late."""

from __future__ import annotations

from domain.errors import Overloaded
from server.rpc.errors import status_of
from server.rpc.reception import BoundedDesk
from server.rpc.request_pool import RequestPool

RETRY_AFTER_S = 0.05  # a few full queues' worth: long enough for a burst to pass, short enough not to idle


def bounded(pool: RequestPool, limit: int) -> BoundedDesk:
    """A desk that refuses with UNAVAILABLE and a pushback while `limit` requests wait for a thread of the pool."""
    problem = Overloaded(f"{limit} requests wait already; come back in {RETRY_AFTER_S:g} s", RETRY_AFTER_S)
    return BoundedDesk(pool, limit, status_of(problem))
