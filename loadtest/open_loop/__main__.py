"""`python -m loadtest.open_loop`: finds the capacity, draws the goodput curve around it, writes JSON and a page.

The exit code: 0 done (whatever the curve looks like), 1 a sender failed, 64 usage, 66 a file cannot be read or written, 69 no server.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from loadtest.open_loop.capacity import LEAST_GOOD_SHARE, find_capacity
from loadtest.open_loop.options import check, make_parser, trial_of
from loadtest.open_loop.own_server import NoServer, demo_server
from loadtest.open_loop.page import page
from loadtest.open_loop.point import Point, point_of
from loadtest.open_loop.senders import GeneratorFailed, run_trial

MULTIPLES = (0.2, 0.5, 0.8, 1.0, 2.0, 3.0, 5.0, 10.0)  # of C
FIRST_RATE_PER_S = 100.0
MOST_SEARCH_TRIALS = 8


class Run:
    """Trials against one server."""

    def __init__(self, options: argparse.Namespace, target: str, server_pid: int | None) -> None:
        self._options, self._target, self._server_pid = options, target, server_pid
        trial_count = 1 if options.rate else len(MULTIPLES) + (0 if options.capacity else MOST_SEARCH_TRIALS)
        self._trial_s = options.seconds / trial_count
        self.capacity_per_s: float | None = options.capacity

    def points(self) -> list[Point]:
        """The one rate that was asked for, or the curve; none when no rate at all holds."""
        if self._options.rate:
            return [self._point(self._options.rate)]
        if self.capacity_per_s is None:
            self.capacity_per_s = find_capacity(self._holds, FIRST_RATE_PER_S, MOST_SEARCH_TRIALS)
        return [self._point(multiple * self.capacity_per_s) for multiple in MULTIPLES] if self.capacity_per_s else []

    def facts(self) -> list[str]:
        """How it was measured."""
        options, capacity = self._options, self.capacity_per_s
        return [
            "open loop: Poisson arrivals planned ahead; latency counts from the planned moment of a call, failed calls included",
            f"{self._trial_s:.1f} s per rate, the first fifth not counted; deadline {options.deadline_ms:g} ms, counted from the planned moment",
            f"{options.processes} sending processes, {options.connections} connections, seed {options.seed}",
            "clients with retries and throttle" if options.cooperative else "one attempt per call, no throttle",
            f"C, the highest rate seen with {LEAST_GOOD_SHARE:.0%} inside the deadline: {f'{capacity:.1f}/s' if capacity else 'not known'}",
        ]

    def _holds(self, rate_per_s: float) -> bool:
        point = self._point(rate_per_s)
        return point.good_share >= LEAST_GOOD_SHARE and point.kept_up

    def _point(self, rate_per_s: float) -> Point:
        trial = trial_of(self._options, self._target, rate_per_s, self._trial_s)
        point = point_of(trial, run_trial(trial, self._server_pid))
        print(_line(point), flush=True)
        return point


def main() -> int:
    """The exit code."""
    options = make_parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that the processes that were started are stopped
    try:
        check(options)
        options.out.mkdir(parents=True, exist_ok=True)
        with _server(options) as (target, server_pid):
            run = Run(options, target, server_pid)
            points = run.points()
        _write(options, run, points)
    except ValueError as error:
        return _fail(64, error)
    except OSError as error:
        return _fail(66, error)
    except NoServer as error:
        return _fail(69, error)
    except GeneratorFailed as error:
        return _fail(1, error)
    return 0


@contextmanager
def _server(options: argparse.Namespace) -> Iterator[tuple[str, int | None]]:
    """(target, root of its processes): the one that runs, or one of our own."""
    if options.target:
        yield options.target, options.server_pid
        return
    with demo_server(options.earshot, "--workers", str(options.workers)) as started:
        yield started


def _write(options: argparse.Namespace, run: Run, points: list[Point]) -> None:
    facts = run.facts()
    content = {"facts": facts, "capacity_per_s": run.capacity_per_s, "points": [asdict(point) for point in points]}
    (options.out / "curve.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    (options.out / "curve.html").write_text(page("Goodput under load", facts, points), encoding="utf-8")
    print(*facts, f"written: {options.out / 'curve.json'}, {options.out / 'curve.html'}", sep="\n")


def _line(point: Point) -> str:
    doubt = "" if point.kept_up else f"   THE GENERATOR DID NOT KEEP UP: sends {point.lateness.p99_ms:.1f} ms late (p99)"
    return (
        f"offered {point.offered_per_s:8.1f}/s   achieved {point.achieved_per_s:8.1f}   goodput {point.goodput_per_s:8.1f} "
        f"({point.good_share:.2%})   p50 {point.latency.p50_ms:.2f}   p99 {point.latency.p99_ms:.2f} ms{doubt}"
    )


def _fail(code: int, problem: Exception) -> int:
    print(f"error: {problem}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
