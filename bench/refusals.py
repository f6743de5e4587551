"""`python -m bench.refusals`: processor time of the server per call that it refuses, and per call that it answers with next to nothing.

The server is one data plane, on the first core, with an engine that takes no time; the caller is on the last core. What each way of ending costs:
answered     the whole way, with a slate of two that was there already: what lies around an answer
overload     UNAVAILABLE with a pushback: the worker says that it has work for a minute
quota        RESOURCE_EXHAUSTED with a pushback
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from rich.console import Console
from rich.table import Table

from bench.cpu import cpu_s
from bench.load import METHOD
from bench.servers import environment
from tests.unit.server.edge import REQUEST, Edge
from tests.unit.server.small_world import ToldEngine, recommended

WAYS = {"answered": grpc.StatusCode.OK, "overload": grpc.StatusCode.UNAVAILABLE, "quota": grpc.StatusCode.RESOURCE_EXHAUSTED}
IN_FLIGHT = 50  # of one connection, which has 100 streams
MINUTE_S = 60.0
Ask = Any  # a callable of grpc, which has no public type for it
DEADLINE_S = 5.0


def main(arguments: list[str] | None = None) -> int:
    """Measure all ways. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.refusals", description="What refusing a call costs the server.")
    parser.add_argument("--calls", type=int, default=20_000, help="of each way (20000)")
    parser.add_argument("--serve", choices=WAYS, help=argparse.SUPPRESS)
    told = parser.parse_args(arguments)
    if told.serve:
        return _serve(told.serve)
    table = Table("way", "code", "us of processor per call", title=f"{told.calls:,} calls each, {IN_FLIGHT} in flight")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for way, code in WAYS.items():
        with _server(way) as (pid, address):
            table.add_row(way, code.name, f"{_cost_us(pid, address, told.calls, code):.1f}")
    Console().print(table)
    return 0


def _serve(way: str) -> int:
    """Serve until stdin ends; the first line of stdout says where."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    answer, hold = recommended(), threading.Event()
    costs_s = MINUTE_S if way == "overload" else 0.0

    def act(_request: object, _terms: object) -> object:
        if way == "overload":
            hold.wait()
        return answer

    edge = Edge(ToldEngine(act, (costs_s, costs_s)), max_pending_requests=64, access_logs_per_s=0, quotas={"default": 0.0} if way == "quota" else {})
    print(edge.held.address, flush=True)  # for the process that measures
    sys.stdin.read()
    os._exit(0)


@contextmanager
def _server(way: str) -> Iterator[tuple[int, str]]:
    command = [sys.executable, "-m", "bench.refusals", "--serve", way]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.pid, process.stdout.readline().strip()
        process.stdin.close()


def _cost_us(pid: int, address: str, count: int, code: grpc.StatusCode) -> float:
    with grpc.insecure_channel(address, [("grpc.enable_retries", 0)]) as channel:
        ask: Any = channel.unary_unary(METHOD)
        # It runs for a minute where the worker must have work, and uses up the one call of the quota; canceled with the last reference to it.
        first = ask.future(REQUEST.SerializeToString(), timeout=MINUTE_S)
        time.sleep(0.5)
        _put(ask, IN_FLIGHT, code)
        before_s = cpu_s([pid])
        _put(ask, count, code)
        used_s = cpu_s([pid]) - before_s
        first.cancel()
        return used_s / count * 1e6


def _put(ask: Any, count: int, code: grpc.StatusCode) -> None:
    """So many calls, a few at a time. Raises RuntimeError when one ends otherwise."""
    request, free, others = REQUEST.SerializeToString(), threading.Semaphore(IN_FLIGHT), []

    def over(call: Any) -> None:
        if call.code() is not code:
            others.append(call.code())
        free.release()

    for _ in range(count):
        free.acquire()
        ask.future(request, timeout=DEADLINE_S).add_done_callback(over)
    for _ in range(IN_FLIGHT):
        free.acquire()
    if others:
        raise RuntimeError(f"{len(others)} of {count} calls ended otherwise than with {code.name}, such as {others[0]}")


if __name__ == "__main__":
    sys.exit(main())
