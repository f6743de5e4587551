"""Measures four ways to run a gRPC server in Python around the same work (docs/adr/0002): CPU per request and requests per second.

    python -m bench.adr.server_models [--creators 50000] [--requests 1000] [--rounds 3]

All servers stay up, idle but for their turn; the rounds go through them one after the other, so that a change of the machine's mood meets all.
The work is real: an hnswlib search of 200 candidates for one of 1,000 distinct users, features assembled in NumPy, one ONNX run, a page of 50.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from bench.adr.world import USER_COUNT, World, open_world, write_world
from earshot.v1 import recommendation_service_pb2 as pb

METHOD = "/earshot.v1.RecommendationService/RecommendCreators"
MODELS = {"sync, 1 process x 4 threads": 1, "sync, 2 processes x 4 threads": 2, "aio inline, 2 processes": 2, "aio + executor of 4, 1 process": 1}
IN_FLIGHT = (4, 16)


def answer(world: World, request: pb.RecommendCreatorsRequest) -> pb.RecommendCreatorsResponse:
    """One request, the same code under every server."""
    rows, scores = world.recommend(int(request.user.user_id))
    response = pb.RecommendCreatorsResponse(request_id=request.request_id)
    for row, score in zip(rows.tolist(), scores.tolist(), strict=True):
        response.recommendations.add(creator_id=str(row), score=score)
    return response


class Handler(grpc.GenericRpcHandler):
    """Serves RecommendCreators with any behaviour, plain or async."""

    def __init__(self, behaviour: Any) -> None:
        self._handler = grpc.unary_unary_rpc_method_handler(
            behaviour, pb.RecommendCreatorsRequest.FromString, pb.RecommendCreatorsResponse.SerializeToString
        )

    def service(self, _details: grpc.HandlerCallDetails) -> Any:
        """The handler, whatever is called."""
        return self._handler


def serve_sync(world: World, port: int) -> None:
    """Four threads; a request runs to completion on its own."""
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Handler(lambda request, _: answer(world, request)),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


async def serve_aio(world: World, port: int, executor: ThreadPoolExecutor | None) -> None:
    """One event loop; the work runs on it, or on an executor."""

    async def inline(request: pb.RecommendCreatorsRequest, _: object) -> pb.RecommendCreatorsResponse:
        return answer(world, request)

    async def handed_over(request: pb.RecommendCreatorsRequest, _: object) -> pb.RecommendCreatorsResponse:
        return await asyncio.get_running_loop().run_in_executor(executor, answer, world, request)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handler(inline if executor is None else handed_over),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


def serve(model: str, directory: Path, port: int) -> None:
    """Runs one server process until it is killed."""
    sys.setswitchinterval(0.0005)
    world = open_world(directory)
    if model.startswith("sync"):
        serve_sync(world, port)
    else:
        asyncio.run(serve_aio(world, port, ThreadPoolExecutor(4) if "executor" in model else None))


@dataclass
class Served:
    """One server model under measurement: its processes, their ports, what was measured by in-flight count."""

    model: str
    processes: list[subprocess.Popen[bytes]]
    ports: list[int]
    cpu_ms: dict[int, list[float]] = field(default_factory=lambda: {n: [] for n in IN_FLIGHT})
    rates: dict[int, list[float]] = field(default_factory=lambda: {n: [] for n in IN_FLIGHT})
    p99_ms: dict[int, list[float]] = field(default_factory=lambda: {n: [] for n in IN_FLIGHT})

    def cpu_s(self) -> float:
        """CPU seconds that its processes have used, from /proc."""
        ticks = 0
        for process in self.processes:
            fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def start(model: str, directory: Path, first_port: int) -> Served:
    """Starts the processes of one model, a port each, so that connections are spread evenly and not by luck."""
    ports = [first_port + i for i in range(MODELS[model])]
    command = [sys.executable, "-m", "bench.adr.server_models", "--serve", model, "--directory", str(directory), "--port"]
    return Served(model, [subprocess.Popen([*command, str(port)]) for port in ports], ports)


async def call_all(served: Served, users: Iterator[int], in_flight: int) -> tuple[list[float], dict[int, tuple[str, ...]]]:
    """Sends every user once with `in_flight` calls at a time. Returns latencies in seconds, and the page by user."""
    latencies: list[float] = []
    pages: dict[int, tuple[str, ...]] = {}

    async def caller(number: int) -> None:
        target = f"127.0.0.1:{served.ports[number % len(served.ports)]}"
        async with grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            call = channel.unary_unary(METHOD, pb.RecommendCreatorsRequest.SerializeToString, pb.RecommendCreatorsResponse.FromString)
            for user in users:
                begun = time.perf_counter()
                request = pb.RecommendCreatorsRequest(request_id="r", user=pb.User(user_id=str(user)))
                response = await call(request, timeout=30, wait_for_ready=True)
                latencies.append(time.perf_counter() - begun)
                pages[user] = tuple(r.creator_id for r in response.recommendations)

    await asyncio.gather(*(caller(number) for number in range(in_flight)))
    return latencies, pages


async def measure(served: Served, order: list[int], in_flight: int) -> dict[int, tuple[str, ...]]:
    """One turn of one model. Returns its pages, to be compared."""
    before, begun = served.cpu_s(), time.perf_counter()
    latencies, pages = await call_all(served, iter(order), in_flight)
    wall = time.perf_counter() - begun
    served.cpu_ms[in_flight].append(1000 * (served.cpu_s() - before) / len(order))
    served.rates[in_flight].append(len(order) / wall)
    served.p99_ms[in_flight].append(1000 * float(np.quantile(latencies, 0.99)))
    return pages


async def run(creator_count: int, request_count: int, round_count: int) -> list[Served]:
    """All models, interleaved, each round beginning with another one."""
    generator = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as folder:
        write_world(Path(folder), creator_count)
        servers = [start(model, Path(folder), 50910 + 10 * i) for i, model in enumerate(MODELS)]
        try:
            for served in servers:
                await call_all(served, iter(range(200)), 4)  # the connections, the first runs, every thread's memory
            for number in range(round_count):
                turns = servers[number % len(servers) :] + servers[: number % len(servers)]
                for in_flight in IN_FLIGHT:
                    order = generator.permutation(USER_COUNT)[np.arange(request_count) % USER_COUNT].tolist()
                    pages = [await measure(served, order, in_flight) for served in turns]
                    if any(page != pages[0] for page in pages):
                        raise SystemExit("the servers do not answer alike")
        finally:
            for process in (p for s in servers for p in s.processes):
                process.kill()
                process.wait()
    return servers


def report(servers: list[Served]) -> None:
    """A Markdown table of medians over the rounds, then the same as JSON."""
    print("|server|in flight|CPU-ms per request|requests per second|p99 ms|\n|---|---|---|---|---|")
    for served in servers:
        for n in IN_FLIGHT:
            cpu, rate, p99 = (statistics.median(values[n]) for values in (served.cpu_ms, served.rates, served.p99_ms))
            print(f"|{served.model}|{n}|{cpu:.2f} ({min(served.cpu_ms[n]):.2f}-{max(served.cpu_ms[n]):.2f})|{rate:.0f}|{p99:.1f}|")
    print(json.dumps({s.model: {"cpu_ms": s.cpu_ms, "requests_per_s": s.rates, "p99_ms": s.p99_ms} for s in servers}))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--creators", type=int, default=50_000)
    parser.add_argument("--requests", type=int, default=USER_COUNT)
    parser.add_argument("--rounds", type=int, default=3)
    for hidden, kind in (("--serve", str), ("--directory", Path), ("--port", int)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.directory, options.port)
    else:
        report(asyncio.run(run(options.creators, options.requests, options.rounds)))


if __name__ == "__main__":
    main()
