"""Both clients behind one way to ask, so that each behaviour is stated once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from earshot.client import AsyncRecommendationClient, RecommendationClient


class Awaited:
    """AsyncRecommendationClient on a loop of its own, called from threads."""

    def __init__(self, target: str, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._client = self._do(self._make(target, options))

    def recommend(self, request: Any, timeout_s: float) -> Any:
        return self._do(self._client.recommend(request, timeout_s))

    @property
    def counts(self) -> Any:
        return self._client.counts

    def close(self) -> None:
        self._do(self._client.close())
        self._do(_others())  # who waits for a call must hear how it ended before the loop stands still
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Awaited:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _make(self, target: str, options: dict[str, Any]) -> AsyncRecommendationClient:
        return AsyncRecommendationClient(target, **options)

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _others() -> None:
    running = asyncio.all_tasks() - {asyncio.current_task()}
    if running:
        await asyncio.wait(running, timeout=10)


CLIENTS: dict[str, Callable[..., Any]] = {"threads": RecommendationClient, "asyncio": Awaited}
