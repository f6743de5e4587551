"""The client for asyncio."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import grpc

from earshot.client.adaptive_throttle import AdaptiveThrottle
from earshot.client.channels import checked_count, open_aio_channel
from earshot.client.counts import Counts
from earshot.client.governor import CallState, Governor
from earshot.client.policy import CallPolicy
from earshot.client.priority import metadata_of
from earshot.client.request_id import identified
from earshot.v1.recommendation_service_pb2 import RecommendCreatorsRequest, RecommendCreatorsResponse
from earshot.v1.recommendation_service_pb2_grpc import RecommendationServiceStub


class AsyncRecommendationClient:
    """RecommendationClient for asyncio: the same arguments, errors and counts. Belongs to the loop that runs when it is made."""

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
            open_aio_channel(target, credentials=credentials, own_connection=True, service_config="{}")
            for _ in range(checked_count(connection_count))
        ]
        stubs: list[Any] = [RecommendationServiceStub(channel) for channel in self._channels]
        self._methods: Iterator[Any] = itertools.cycle([stub.RecommendCreators for stub in stubs])

    @property
    def counts(self) -> Counts:
        """Calls and attempts so far."""
        return self._governor.counts

    async def recommend(self, request: RecommendCreatorsRequest, timeout_s: float) -> RecommendCreatorsResponse:
        """The slate; see RecommendationClient.recommend. Canceling the task cancels all attempts."""
        attempts = self._in_turn if self._governor.policy.hedging_delay_s is None else self._side_by_side
        with self._governor.begin(timeout_s) as call:
            return await attempts(call, identified(request))

    async def close(self) -> None:
        """Close the connections; running calls are canceled."""
        self._governor.closed = True
        for channel in self._channels:
            await channel.close()

    async def __aenter__(self) -> AsyncRecommendationClient:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def _in_turn(self, call: CallState, request: RecommendCreatorsRequest) -> RecommendCreatorsResponse:
        """One attempt after the other."""
        while True:
            try:
                response: RecommendCreatorsResponse = await next(self._methods)(request, timeout=call.left_s, metadata=metadata_of(request))
            except grpc.RpcError as error:
                if not call.failed(error) or (wait_s := call.wait_s) is None:
                    raise
                await asyncio.sleep(wait_s)
                if not call.start_another(hedge=False):
                    raise
            else:
                return response

    async def _side_by_side(self, call: CallState, request: RecommendCreatorsRequest) -> RecommendCreatorsResponse:
        """Attempts that overlap: the first answer wins."""
        running = {self._send(call, request)}
        error: BaseException | None = None
        try:
            while running or call.wait_s is not None:
                ended = await _next_of(running, call.wait_s)
                if ended is None:
                    if call.start_another(hedge=bool(running)):
                        running.add(self._send(call, request))
                    continue
                running.discard(ended)
                error = ended.exception()
                if error is None:
                    response: RecommendCreatorsResponse = ended.result()
                    return response
                if not isinstance(error, grpc.RpcError) or not call.failed(error):
                    break
        finally:
            await _cancel(running)
        assert error is not None
        raise error

    def _send(self, call: CallState, request: RecommendCreatorsRequest) -> asyncio.Task[RecommendCreatorsResponse]:
        return asyncio.ensure_future(_answer(next(self._methods)(request, timeout=call.left_s, metadata=metadata_of(request))))


async def _answer(attempt: Any) -> RecommendCreatorsResponse:
    response: RecommendCreatorsResponse = await attempt
    return response


async def _next_of(running: set[asyncio.Task[Any]], wait_s: float | None) -> asyncio.Task[Any] | None:
    """An attempt that has ended; None when none does within the time."""
    if not running:
        await asyncio.sleep(wait_s or 0.0)
        return None
    ended, _ = await asyncio.wait(running, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
    return next(iter(ended), None)


async def _cancel(running: set[asyncio.Task[Any]]) -> None:
    for attempt in running:
        attempt.cancel()
    if running:
        await asyncio.wait(running)
