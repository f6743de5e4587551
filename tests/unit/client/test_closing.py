"""A client leaves nothing behind, and many threads may share one."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from earshot.client import AsyncRecommendationClient, CallPolicy, RecommendationClient
from tests.integration.server_process import wait_until
from tests.unit.client.either import CLIENTS, Awaited
from tests.unit.client.small_server import REQUEST, serving

HEDGED = CallPolicy(hedging_delay_s=0.0, max_attempts=2)


def sockets() -> int:
    links = []
    for one in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(one.readlink()))
        except FileNotFoundError:
            continue
    return sum(link.startswith("socket:") for link in links)


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("policy", [CallPolicy(), HEDGED], ids=["retries", "hedges"])
def test_closed_clients_leave_no_thread_and_no_connection(kind, policy):
    with serving(lambda number, context: None) as server:

        def use() -> None:
            with CLIENTS[kind](server.target, policy=policy, connection_count=4) as client:
                for _ in range(8):
                    client.recommend(REQUEST, 15)

        use()  # grpc starts what it keeps for the whole process
        gc.collect()
        threads, opened = threading.active_count(), sockets()
        for _ in range(5):
            use()
        gc.collect()
        wait_until(lambda: threading.active_count() <= threads + 2, 10, "the threads are gone")  # two: the server's pool may still grow
        wait_until(lambda: sockets() <= opened, 10, "the connections are closed")


def test_threads_share_a_client_and_no_call_is_miscounted():
    with (
        serving(lambda number, context: None) as server,
        RecommendationClient(server.target, policy=HEDGED) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        answers = list(pool.map(lambda _: client.recommend(REQUEST, 15), range(200)))
    assert len({answer.request_id for answer in answers}) == 200
    assert client.counts.call_count == 200
    assert client.counts.attempt_count == 200 + client.counts.hedge_count + client.counts.retry_count


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("policy", [CallPolicy(), CallPolicy(hedging_delay_s=60.0, max_attempts=2)], ids=["retries", "hedges"])
def test_closing_ends_a_running_call_once_and_for_all(kind, policy):
    with serving(lambda number, context: server.hang(context)) as server:
        client = CLIENTS[kind](server.target, policy=policy, connection_count=2)
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(client.recommend, REQUEST, 15)
            wait_until(lambda: server.attempt_count == 1, 10, "the call has arrived")
            client.close()
            problem = call.exception(10)
        assert isinstance(problem, grpc.RpcError | CancelledError), problem
        assert server.attempt_count == 1


@pytest.mark.parametrize("policy", [CallPolicy(), CallPolicy(hedging_delay_s=0.0, max_attempts=2)], ids=["retries", "hedges"])
def test_canceling_the_task_cancels_every_attempt(policy):
    async def give_up(target: str) -> None:
        async with AsyncRecommendationClient(target, policy=policy) as client:
            task = asyncio.ensure_future(client.recommend(REQUEST, 15))
            while server.attempt_count < (1 if policy.hedging_delay_s is None else 2):
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            for _ in range(server.attempt_count):
                assert await asyncio.to_thread(server.canceled.acquire, timeout=10)

    with serving(lambda number, context: server.hang(context)) as server:
        asyncio.run(give_up(server.target))


def test_the_loop_of_the_asyncio_client_is_free_while_a_call_waits():
    with serving(lambda number, context: server.hang(context)) as server, Awaited(server.target) as client, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.recommend, REQUEST, 0.5)
        wait_until(lambda: server.attempt_count == 1, 10, "the call has arrived")
        assert client.counts.call_count == 1
        assert isinstance(waiting.exception(10), grpc.RpcError)
