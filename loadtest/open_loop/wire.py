"""Calls whose messages were encoded before: one attempt each, and the answer stays as it came until the trial is over."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from earshot.client import BATCH_METADATA, open_aio_channel

METHOD = "/earshot.v1.RecommendationService/RecommendCreators"


class WireClient:
    """Several connections in turn. Belongs to the loop that runs when it is made. attempt_count: calls begun. batch: the headers say so, too."""

    def __init__(self, target: str, connection_count: int, batch: bool = False) -> None:
        self.attempt_count = 0
        self._metadata = BATCH_METADATA if batch else None
        self._channels = [open_aio_channel(target, own_connection=True, service_config="{}") for _ in range(connection_count)]
        methods: list[Any] = [channel.unary_unary(METHOD) for channel in self._channels]  # no serializers: bytes go in and come out
        self._methods: Iterator[Any] = itertools.cycle(methods)

    def begin(self, message: bytes, timeout_s: float) -> Any:
        """A running call (grpc.aio.UnaryUnaryCall): awaitable for the answer's bytes, and it can be canceled."""
        self.attempt_count += 1
        return next(self._methods)(message, timeout=timeout_s, metadata=self._metadata)

    async def close(self) -> None:
        """Close the connections."""
        for channel in self._channels:
            await channel.close()

    async def __aenter__(self) -> WireClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
