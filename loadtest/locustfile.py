"""What locust runs: callers with a real gRPC client on gevent, the shape of the load, and the verdict at the end.

`python -m loadtest` runs it without locust's web pages; `locust -f loadtest/locustfile.py --shape spike` with them. One process only: the counts of
several would not be added up.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path
from typing import Any

import gevent
import grpc.experimental.gevent as grpc_gevent
import locust.stats
from locust import LoadTestShape, User, events

from earshot.client import RecommendationClient
from loadtest.call import Outcome, call
from loadtest.options import TARGET, add_options, plan_of
from loadtest.outcomes import Outcomes
from loadtest.report import with_verdict
from loadtest.request_drawer import DEADLINES_S, RequestDrawer
from loadtest.shapes import CALLS_PER_S, SHAPES
from loadtest.verdict import checks, summary

# After locust has patched the standard library, which it does before it reads this file, and before any channel is made. Without it the first call
# would block every other caller.
grpc_gevent.init_gevent()


class Run:
    """One run: the plan, the connections that all callers share, and what became of their calls."""

    def __init__(self, environment: Any) -> None:
        options = environment.parsed_options
        self.environment = environment
        self.plan = plan_of(options, options.shape, options.host or TARGET)
        self.client = RecommendationClient(self.plan.target, connection_count=self.plan.connection_count, credentials=self.plan.credentials())
        self.outcomes = Outcomes()
        self.callers = itertools.count(1)  # 0 opens the connections
        self.started_cpu_s = self.started_s = 0.0

    def start(self, **_: object) -> None:
        """Forget an earlier run, and let each connection answer once: opening them is no part of what is measured."""
        self.outcomes = Outcomes()
        drawer = RequestDrawer(self.plan.world, self.plan.seed, caller=0)
        for _connection in range(self.plan.connection_count):
            call(self.client, drawer.draw(), time.perf_counter)
        self.started_s, self.started_cpu_s = time.perf_counter(), time.process_time()

    def count(self, outcome: Outcome) -> None:
        """Into our own counts, and into locust's table."""
        self.outcomes.add(outcome)
        self.environment.events.request.fire(
            request_type="grpc",
            name=f"RecommendCreators, {outcome.kind}",
            response_time=outcome.latency_ms,
            response_length=outcome.byte_count,
            exception=outcome.failure or None,
            context={},
        )
        # Not as requests: they are parts of one, and would be added to the total rate.
        for stage, duration_ms in outcome.stages:
            self.environment.stats.get(f"stage {stage}", "stage").log(duration_ms, 0)
        for degradation in outcome.degradations:
            self.environment.stats.get(f"degraded {degradation}", "degraded").log(outcome.latency_ms, 0)

    def judge(self, **_: object) -> None:
        """Set locust's exit code. Called before its table is printed."""
        self.client.close()
        met = all(check.met for check in checks(self.outcomes, self.plan.shape, self.plan.limits))
        self.environment.process_exit_code = 0 if met else 1

    def report(self, **_: object) -> None:
        """Print what happened and each threshold, after locust's table; put both into the report that locust has written by now."""
        used = (time.process_time() - self.started_cpu_s) / (time.perf_counter() - self.started_s)
        lines = [*summary(self.outcomes, self.plan.shape), f"the load itself used {used:.0%} of a core", ""]
        lines += map(str, checks(self.outcomes, self.plan.shape, self.plan.limits))
        print(*lines, sep="\n")
        file = Path(self.environment.parsed_options.html_file or "")
        if file.is_file():
            file.write_text(with_verdict(file.read_text(encoding="utf-8"), lines), encoding="utf-8")
            print(f"\nreport: {file}")


class Caller(User):  # type: ignore[misc] # locust is not there when types are checked
    """Asks for one listener after another, at random moments, CALLS_PER_S times a second in the mean; waits for each answer."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.run_of_all: Run = environment.earshot_run
        plan = self.run_of_all.plan
        self.drawer = RequestDrawer(plan.world, plan.seed, next(self.run_of_all.callers))
        self.last_user_id = ""
        self.last_page: tuple[str, ...] = ()
        self.called_s = 0.0

    def on_start(self) -> None:
        """Come at a moment of one's own: callers that start together would call together."""
        gevent.sleep(self.drawer.gap_s(CALLS_PER_S))

    def ask(self) -> None:
        """One call."""
        self.called_s = time.perf_counter()
        drawn = self.drawer.draw(self.last_user_id, self.last_page)
        outcome = call(self.run_of_all.client, drawn, time.perf_counter)
        self.run_of_all.count(outcome)
        self.last_user_id, self.last_page = drawn.request.user.user_id, outcome.shown_ids

    def wait_time(self) -> float:
        """From call to call, not from answer to call: a slower answer alone does not thin out the load."""
        return max(0.0, self.drawer.gap_s(CALLS_PER_S) - (time.perf_counter() - self.called_s))

    tasks = [ask]  # noqa: RUF012 - locust reads and never changes it


class PlannedLoad(LoadTestShape):  # type: ignore[misc] # locust is not there when types are checked
    """The shape that --shape names. locust asks once a second."""

    def tick(self) -> tuple[int, float] | None:
        """Callers wanted now, and how many may start in a second: all of them at once."""
        shape = self.runner.environment.earshot_run.plan.shape
        callers = shape.callers_at(self.get_run_time())
        return None if callers is None else (callers, float(shape.peak))


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shape", choices=sorted(SHAPES), default="smoke", help="how many callers at which time (default: smoke)")
    add_options(parser)


def _prepare(environment: Any, **_: object) -> None:
    options = environment.parsed_options
    if options.master or options.worker or options.processes:
        sys.exit("error: loadtest runs in one process; leave out --master, --worker and --processes")
    try:
        run = environment.earshot_run = Run(environment)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    # gRPC on gevent waits for each answer on a thread of this pool, ten by default: the eleventh call would wait for the first.
    gevent.get_hub().threadpool.maxsize = run.plan.shape.peak + 8  # eight: its own waiting thread, and look-ups of names
    environment.stop_timeout = max(DEADLINES_S) + 1  # a call that is killed half way stays open; all end by their deadlines
    environment.events.test_start.add_listener(run.start)
    environment.events.quitting.add_listener(run.judge)
    environment.events.quit.add_listener(run.report)


def _bucket(response_time_ms: float) -> float:
    """Two significant digits. locust's own whole milliseconds would make most stages 0."""
    return float(f"{response_time_ms:.2g}")


locust.stats.bucket_response_time = _bucket
locust.stats.HISTORY_STATS_INTERVAL_SEC = 2  # points of the charts; five seconds apart they would hide most of a spike
events.init_command_line_parser.add_listener(_declare)
events.init.add_listener(_prepare)
