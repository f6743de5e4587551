"""One sending process: `python -m loadtest.open_loop.sender`, started by the generator.

It reads a trial and its own number as JSON from a line of stdin, connects, draws all its calls, prints "ready", reads the moment at which to start
(monotonic seconds, the same clock for all processes of a machine), makes the calls, and prints its samples as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import selectors
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Any

import grpc

from earshot.client import DETAILS_KEY, AsyncRecommendationClient, RefusedLocally, reason_of
from loadtest.open_loop.planned import Planned, plan_of, read
from loadtest.open_loop.trial import CANCELED, NOT_SENT, OK, REFUSED_LOCALLY, Samples, Trial
from loadtest.open_loop.wire import WireClient

CONNECT_TIMEOUT_S = 5.0  # of the first call on each connection
COLLECT_AFTER = 50_000  # objects: a collection in the middle of the calls makes some of them late

Ask = Callable[[Any, float], Awaitable[Any]]
"""Sends a message with a timeout in seconds; gives the answer."""


class Sender:
    """Makes calls at their moments. `ask`: sends one. `clock`: monotonic seconds."""

    def __init__(self, ask: Ask, deadline_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._deadline_s, self._clock = ask, deadline_s, clock
        self._names: dict[Any, str] = {}
        self._rows: list[tuple[Planned, float, float, str, Any]] = []

    async def send(self, plan: Sequence[Planned], start_s: float) -> None:
        """Every call of the plan, at `start_s` plus its moment, without waiting for the answers of others; ends when all have ended."""
        running = set()
        for planned in plan:
            wait_s = start_s + planned.moment_s - self._clock()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            call = asyncio.ensure_future(self._call(planned, start_s))
            running.add(call)
            call.add_done_callback(running.discard)
        await asyncio.gather(*running)

    def samples(self, keeps_slates: bool = False) -> Samples:
        """What became of the calls. The answers are read only here: while calls are made, there is no time for it."""
        made = Samples()
        for planned, late_s, latency_s, outcome, answer in self._rows:
            degradations, slate = read(planned, answer, keeps_slates) if answer is not None else ("", "")
            made.add(planned.moment_s, late_s, latency_s, outcome, degradations, slate)
        return made

    async def _call(self, planned: Planned, start_s: float) -> None:
        """One call. Its deadline counts from the planned moment: a caller who was kept waiting has less time left."""
        due_s = start_s + planned.moment_s
        late_s = self._clock() - due_s
        if late_s >= self._deadline_s:
            self._rows.append((planned, late_s, late_s, NOT_SENT, None))
            return
        outcome, answer = OK, None
        try:
            answer = await self._ask(planned.message, self._deadline_s - max(0.0, late_s))
        except RefusedLocally:
            outcome = REFUSED_LOCALLY
        except asyncio.CancelledError:
            outcome = CANCELED
        except grpc.RpcError as error:
            outcome = self._name_of(error)
        self._rows.append((planned, late_s, self._clock() - due_s, outcome, answer))

    def _name_of(self, error: Any) -> str:
        """The status with Earshot's reason. What was said before is not taken apart again: refusals come by the thousand."""
        key = (error.code(), next((value for name, value in error.trailing_metadata() or () if name == DETAILS_KEY), None))
        if key not in self._names:
            self._names[key] = f"{error.code().name} {reason_of(error)}".strip()
        return self._names[key]


def giving_up(wire: WireClient, after_s: float) -> Ask:
    """Calls that their caller gives up so long after they were sent."""

    async def ask(message: bytes, timeout_s: float) -> Any:
        call = wire.begin(message, timeout_s)
        asyncio.get_running_loop().call_later(after_s, call.cancel)
        return await call

    return ask


async def run(trial: Trial, number: int) -> Samples:
    """The whole work of one process."""
    count = max(1, trial.connection_count // trial.process_count)
    plan = plan_of(trial, number)
    async with AsyncExitStack() as stack:
        if trial.cooperative:
            client = await stack.enter_async_context(AsyncRecommendationClient(trial.target, connection_count=count))
            return await _run(trial, plan, client.recommend, client.recommend, lambda: client.counts.attempt_count)
        wire = await stack.enter_async_context(WireClient(trial.target, count, trial.priority == "batch"))
        ask = wire.begin if trial.cancel_after_s is None else giving_up(wire, trial.cancel_after_s)
        return await _run(trial, plan, wire.begin, ask, lambda: wire.attempt_count)


async def _run(trial: Trial, plan: Sequence[Planned], connect: Ask, ask: Ask, attempt_count: Callable[[], int]) -> Samples:
    for planned in plan[: trial.connection_count]:
        await connect(planned.message, CONNECT_TIMEOUT_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    print("ready", flush=True)
    start_s = float(await asyncio.to_thread(sys.stdin.readline))
    await asyncio.sleep(max(0.0, start_s - time.monotonic()))
    connected_count, started_cpu_s = attempt_count(), time.process_time()
    sender = Sender(ask, trial.deadline_s)
    await sender.send(plan, start_s)
    cpu_s = time.process_time() - started_cpu_s
    samples = sender.samples(trial.keeps_slates)
    samples.cpu_s, samples.attempt_count = cpu_s, attempt_count() - connected_count
    return samples


def exact_loop() -> asyncio.AbstractEventLoop:
    """A loop whose timers are exact: epoll, the default, rounds them up to whole milliseconds, and a fifth of a deadline of 5 ms is gone."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def main() -> None:
    """Read, run, print."""
    order = json.loads(sys.stdin.readline())
    with asyncio.Runner(loop_factory=exact_loop) as runner:
        samples = runner.run(run(Trial(**order["trial"]), order["number"]))
    print(json.dumps(asdict(samples)), flush=True)


if __name__ == "__main__":
    main()
