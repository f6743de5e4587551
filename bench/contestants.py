"""The contestants behind one face: whoever it is, a block goes in and a measurement comes out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench import in_process, load
from bench.blocks import Block, Measured
from bench.cpu import cpu_s, tree_of
from bench.remote import Remote
from bench.servers import ServedConfig, plain_server, served

Contestant = Callable[[Block], Measured]
PLAIN_MODULES = {"typical": "bench.plain_typical", "tuned": "bench.plain_tuned", "floor": "bench.floor"}


class BuiltWith(NamedTuple):
    """A bundle, and which ranker it was built with: a key of `bench.rankers.shapes.SHAPES`."""

    path: Path
    ranker: str


@contextmanager
def started(names: tuple[str, ...], bundle: BuiltWith, config: ServedConfig, logs: Path) -> Iterator[dict[str, Contestant]]:
    """All of them up at the same time while the context lasts; who has no block to do waits and costs next to nothing."""
    logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        client = stack.enter_context(Remote(make_load))
        found: dict[str, Contestant] = {}
        for name in names:
            if name in ("raw", "engine"):
                found[name] = stack.enter_context(Remote(_make_local, name, bundle))
            else:
                server = served(bundle.path, config, logs) if name == "served" else plain_server(PLAIN_MODULES[name], *bundle, logs)
                found[name] = Server(client, stack.enter_context(server))
        yield found


class Server:
    """A server as seen through the load generator."""

    def __init__(self, client: Remote, target: load.Target) -> None:
        self._client = client
        self.target = target

    def __call__(self, block: Block) -> Measured:
        """Put a block to it."""
        measured: Measured = self._client(self.target, block)
        return measured


def idle_cpu_ms(contestants: Mapping[str, Contestant], watched_s: float = 1.0) -> dict[str, float]:
    """CPU milliseconds that each server uses per second while nobody asks anything: what the others' blocks pay for its presence."""
    trees = {name: tree_of(c.target.pid) for name, c in contestants.items() if isinstance(c, Server)}
    before_s = {name: cpu_s(pids) for name, pids in trees.items()}
    time.sleep(watched_s)
    return {name: (cpu_s(pids) - before_s[name]) * 1e3 / watched_s for name, pids in trees.items()}


def make_load() -> Callable[[load.Target, Block], Measured]:
    """For `Remote`: the load generator."""
    return load.put


def _make_local(name: str, bundle: BuiltWith) -> Contestant:
    in_process.stay_on_one_core()
    path = in_process.raw_path(*bundle) if name == "raw" else in_process.engine_path(bundle.path)
    return lambda block: in_process.put(path, block)
