"""One sending process: `python -m loadtest.open_loop.sender`, started by the generator.

It reads a trial and its own number as JSON from a line of stdin, connects, draws all its calls, prints "ready", reads the moment at which to start
(monotonic seconds, the same clock for all processes of a machine), makes the calls, and prints its samples as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

import grpc

from earshot.client import NO_RETRIES, AsyncRecommendationClient, RefusedLocally, reason_of
from earshot.v1.recommendation_service_pb2 import RecommendCreatorsRequest
from loadtest.answer import degradations_of
from loadtest.open_loop.arrivals import arrivals_s
from loadtest.open_loop.trial import NOT_SENT, OK, REFUSED_LOCALLY, Samples, Trial
from loadtest.request_drawer import RequestDrawer
from loadtest.world import DEMO, world_of

CONNECT_TIMEOUT_S = 5.0  # of the first call on each connection


class Sender:
    """Makes calls at their moments. `clock`: monotonic seconds."""

    def __init__(self, client: AsyncRecommendationClient, deadline_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._deadline_s, self._clock = client, deadline_s, clock
        self.samples = Samples()

    async def send(self, plan: list[tuple[float, RecommendCreatorsRequest]], start_s: float) -> Samples:
        """Every call of the plan, at `start_s` plus its moment, without waiting for the answers of others; ends when all have ended."""
        running = set()
        for planned_s, request in plan:
            wait_s = start_s + planned_s - self._clock()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            call = asyncio.ensure_future(self._call(planned_s, start_s, request))
            running.add(call)
            call.add_done_callback(running.discard)
        await asyncio.gather(*running)
        return self.samples

    async def _call(self, planned_s: float, start_s: float, request: RecommendCreatorsRequest) -> None:
        """One call. Its deadline counts from the planned moment: a caller who was kept waiting has less time left."""
        late_s = self._clock() - start_s - planned_s
        if late_s >= self._deadline_s:
            self.samples.add(planned_s, late_s, late_s, NOT_SENT)
            return
        outcome, degradations = OK, ""
        try:
            answer = await self._client.recommend(request, self._deadline_s - max(0.0, late_s))
            degradations = ",".join(degradations_of(answer))
        except RefusedLocally:
            outcome = REFUSED_LOCALLY
        except grpc.RpcError as error:
            outcome = _name_of(error)
        self.samples.add(planned_s, late_s, self._clock() - start_s - planned_s, outcome, degradations)


def plan_of(trial: Trial, number: int) -> list[tuple[float, RecommendCreatorsRequest]]:
    """(moment from the start in seconds, request) of every call of sender `number`, ascending."""
    world = world_of(Path(trial.users_file)) if trial.users_file else DEMO
    drawer = RequestDrawer(world, trial.seed, number)
    moments = arrivals_s(trial.rate_per_s / trial.process_count, trial.warm_up_s + trial.duration_s, f"{trial.seed}/{number}")
    return [(moment_s, drawer.draw().request) for moment_s in moments]


def client_of(trial: Trial) -> AsyncRecommendationClient:
    """The client of the trial, in the loop that runs."""
    count = max(1, trial.connection_count // trial.process_count)
    if trial.cooperative:
        return AsyncRecommendationClient(trial.target, connection_count=count)
    return AsyncRecommendationClient(trial.target, connection_count=count, policy=NO_RETRIES, throttle=None)


async def run(trial: Trial, number: int) -> Samples:
    """The whole work of one process."""
    async with AsyncExitStack() as stack:
        plan = plan_of(trial, number)
        client = await stack.enter_async_context(client_of(trial))
        for _, request in plan[: trial.connection_count]:
            await client.recommend(request, CONNECT_TIMEOUT_S)
        print("ready", flush=True)
        start_s = float(await asyncio.to_thread(sys.stdin.readline))
        await asyncio.sleep(max(0.0, start_s - time.monotonic()))
        connected_count, started_cpu_s = client.counts.attempt_count, time.process_time()
        samples = await Sender(client, trial.deadline_s).send(plan, start_s)
        samples.cpu_s = time.process_time() - started_cpu_s
        samples.attempt_count = client.counts.attempt_count - connected_count
        return samples


def main() -> None:
    """Read, run, print."""
    order = json.loads(sys.stdin.readline())
    samples = asyncio.run(run(Trial(**order["trial"]), order["number"]))
    print(json.dumps(asdict(samples)), flush=True)


def _name_of(error: grpc.RpcError) -> str:
    return f"{error.code().name} {reason_of(error)}".strip()


if __name__ == "__main__":
    main()
