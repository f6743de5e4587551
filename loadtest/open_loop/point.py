"""One point of the curve: what a trial says about the server, and whether the generator can be believed."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from loadtest.open_loop.histogram import Percentiles, percentiles
from loadtest.open_loop.senders import Measured
from loadtest.open_loop.trial import NOT_SENT, OK, REFUSED_LOCALLY, Samples, Trial

MOST_LATE_SHARE = 0.1  # of the deadline: a generator whose 99th percentile is later than that has measured itself
LEAST_SENT_SHARE = 0.99  # of the planned calls
SLICE_COUNT = 20  # of the percentiles over time


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of the measured time; `start_s` from its beginning."""

    start_s: float
    planned_count: int
    good_count: int
    latency: Percentiles


@dataclass(frozen=True, slots=True)
class Point:
    """Calls that were planned after the warm-up. Good: answered OK within the deadline, counted from the planned moment.

    offered_per_s: asked for. planned_per_s: what chance made of it. achieved_per_s: what was sent. failures: by status, of calls that were not OK.
    degradations: by stage and reason, of OK calls. lateness: of the sends. *_cores: CPU seconds per second.
    """

    offered_per_s: float
    planned_per_s: float
    achieved_per_s: float
    goodput_per_s: float
    good_share: float
    deadline_s: float
    latency: Percentiles
    lateness: Percentiles
    kept_up: bool
    failures: dict[str, int]
    degradations: dict[str, int]
    degraded_share: float
    attempts_per_call: float
    client_cores: float
    server_cores: float | None
    slices: list[Slice]


def point_of(trial: Trial, found: Measured) -> Point:
    """What the trial shows."""
    calls = found.samples.measured(trial.warm_up_s)
    good_count = sum(_good(calls, trial.deadline_s))
    sent_count = calls.count - calls.outcome.count(NOT_SENT)
    lateness = percentiles(calls.late_s)
    ok_count = calls.outcome.count(OK)
    named = [name for names in calls.degradations if names for name in names.split(",")]
    return Point(
        offered_per_s=trial.rate_per_s,
        planned_per_s=calls.count / trial.duration_s,
        achieved_per_s=sent_count / _sending_s(calls, trial),
        goodput_per_s=good_count / trial.duration_s,
        good_share=good_count / calls.count if calls.count else math.nan,
        deadline_s=trial.deadline_s,
        latency=percentiles(calls.latency_s),
        lateness=lateness,
        kept_up=lateness.p99_ms <= 1e3 * MOST_LATE_SHARE * trial.deadline_s and sent_count >= LEAST_SENT_SHARE * calls.count,
        failures=dict(Counter(outcome for outcome in calls.outcome if outcome != OK)),
        degradations=dict(Counter(named)),
        degraded_share=sum(map(bool, calls.degradations)) / ok_count if ok_count else 0.0,
        attempts_per_call=_attempts_per_call(found.samples),
        client_cores=calls.cpu_s / (trial.warm_up_s + trial.duration_s),
        server_cores=found.server_cores,
        slices=_slices(calls, trial),
    )


def _good(calls: Samples, deadline_s: float) -> list[bool]:
    return [outcome == OK and latency_s <= deadline_s for outcome, latency_s in zip(calls.outcome, calls.latency_s, strict=True)]


def _sending_s(calls: Samples, trial: Trial) -> float:
    """From the end of the warm-up to the last send, at least the measured time: a late generator has sent fewer calls a second."""
    last_s = max((planned_s + late_s for planned_s, late_s in zip(calls.planned_s, calls.late_s, strict=True)), default=0.0)
    return max(trial.duration_s, last_s - trial.warm_up_s)


def _attempts_per_call(samples: Samples) -> float:
    """Of the calls that left the client."""
    sent_count = sum(outcome not in (NOT_SENT, REFUSED_LOCALLY) for outcome in samples.outcome)
    return samples.attempt_count / sent_count if sent_count else 0.0


def _slices(calls: Samples, trial: Trial) -> list[Slice]:
    width_s = trial.duration_s / SLICE_COUNT
    good = _good(calls, trial.deadline_s)
    rows: list[list[int]] = [[] for _ in range(SLICE_COUNT)]
    for row, planned_s in enumerate(calls.planned_s):
        rows[min(SLICE_COUNT - 1, int((planned_s - trial.warm_up_s) / width_s))].append(row)
    return [
        Slice(number * width_s, len(here), sum(good[row] for row in here), percentiles(calls.latency_s[row] for row in here))
        for number, here in enumerate(rows)
    ]
