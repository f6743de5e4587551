"""The client for threads."""

from __future__ import annotations

import itertools
import queue
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import grpc

from earshot.client.adaptive_throttle import AdaptiveThrottle
from earshot.client.channels import checked_count, open_channel
from earshot.client.counts import Counts
from earshot.client.governor import CallState, Governor
from earshot.client.policy import CallPolicy
from earshot.client.priority import metadata_of
from earshot.client.request_id import identified
from earshot.v1.recommendation_service_pb2 import RecommendCreatorsRequest, RecommendCreatorsResponse
from earshot.v1.recommendation_service_pb2_grpc import RecommendationServiceStub


class RecommendationClient:
    """Asks for slates over several connections in turn, each attempt over the next one. Safe from any thread.

    connection_count: at least twice the number of the server's workers spreads the load well. policy: when another attempt follows.
    throttle: which calls are refused here when the server refuses most of them; a new one without an argument, none at all with None.
    """

    def __init__(
        self,
        target: str,
        *,
        connection_count: int = 8,
        credentials: grpc.ChannelCredentials | None = None,
        policy: CallPolicy = CallPolicy(),  # noqa: B008 - frozen
        throttle: AdaptiveThrottle | Callable[[], AdaptiveThrottle] | None = AdaptiveThrottle,
    ) -> None:
        self._governor = Governor(policy, throttle() if callable(throttle) else throttle)
        self._channels = [
            open_channel(target, credentials=credentials, own_connection=True, service_config="{}") for _ in range(checked_count(connection_count))
        ]
        self._methods: Iterator[Any] = itertools.cycle([RecommendationServiceStub(channel).RecommendCreators for channel in self._channels])

    @property
    def counts(self) -> Counts:
        """Calls and attempts so far."""
        return self._governor.counts

    def recommend(self, request: RecommendCreatorsRequest, timeout_s: float) -> RecommendCreatorsResponse:
        """The slate. Raises grpc.RpcError (`reason_of` tells why), RefusedLocally when nothing was sent, ValueError for a timeout that is none.

        timeout_s: the deadline of the call, all attempts and pauses included; the server makes the best of the time it gets.
        """
        attempts = self._in_turn if self._governor.policy.hedging_delay_s is None else self._side_by_side
        with self._governor.begin(timeout_s) as call:
            return attempts(call, identified(request))

    def close(self) -> None:
        """Close the connections; running calls are canceled."""
        self._governor.closed = True
        for channel in self._channels:
            channel.close()

    def __enter__(self) -> RecommendationClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _in_turn(self, call: CallState, request: RecommendCreatorsRequest) -> RecommendCreatorsResponse:
        """One attempt after the other."""
        while True:
            try:
                response: RecommendCreatorsResponse = next(self._methods)(request, timeout=call.left_s, metadata=metadata_of(request))
            except grpc.RpcError as error:
                if not call.failed(error) or (wait_s := call.wait_s) is None:
                    raise
                time.sleep(wait_s)
                if not call.start_another(hedge=False):
                    raise
            else:
                return response

    def _side_by_side(self, call: CallState, request: RecommendCreatorsRequest) -> RecommendCreatorsResponse:
        """Attempts that overlap: the first answer wins."""
        ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        running = {self._send(call, request, ended)}
        error: grpc.RpcError | None = None
        try:
            while running or call.wait_s is not None:
                attempt = _next_of(ended, call.wait_s)
                if attempt is None:
                    if call.start_another(hedge=bool(running)):
                        running.add(self._send(call, request, ended))
                    continue
                running.discard(attempt)
                error = attempt.exception()
                if error is None:
                    response: RecommendCreatorsResponse = attempt.result()
                    return response
                if not call.failed(error):
                    break
        finally:
            for attempt in running:
                attempt.cancel()
        assert error is not None
        raise error

    def _send(self, call: CallState, request: RecommendCreatorsRequest, ended: queue.SimpleQueue[Any]) -> Any:
        """A running attempt, which goes into `ended` when it is over."""
        attempt = next(self._methods).future(request, timeout=call.left_s, metadata=metadata_of(request))
        attempt.add_done_callback(ended.put)
        return attempt


def _next_of(ended: queue.SimpleQueue[Any], wait_s: float | None) -> Any:
    """The attempt that ends next; None when none does within the time."""
    try:
        return ended.get(timeout=wait_s)
    except queue.Empty:
        return None
