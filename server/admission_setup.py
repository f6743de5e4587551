"""From the settings to the desk at which RecommendCreators is answered."""

from __future__ import annotations

import math
import time

from server.admission.adaptive import AdaptivePolicy, Limits
from server.admission.bounded import BoundedPolicy
from server.admission.line import WaitingLine
from server.admission.policy import Costs
from server.admission.reading_load import ReadingLoad
from server.admission.run_limit import RunLimit
from server.admission.ticket import Ticket
from server.cores import usable_core_count
from server.processor_time import ProcessorTime
from server.rpc.admission import AdmissionDesk, quota_desk
from server.rpc.deadline_rules import DeadlineRules
from server.rpc.request_pool import Fifo, RequestPool
from server.settings import Settings
from server.telemetry.meter import Meter

THREADS = "request"


def admission_desk(costs: Costs, settings: Settings, meter: Meter) -> AdmissionDesk:
    """The desk of one worker, called in it: the cores that it may use are counted here."""
    desk = _adaptive(costs, settings, meter) if settings.admission == "adaptive" else _simple(settings, meter)
    desk.quotas = quota_desk(settings.quotas, settings.quota_burst_s, settings.quota_caller_key, settings.quota_dry_run, meter)
    return desk


def _adaptive(costs: Costs, settings: Settings, meter: Meter) -> AdmissionDesk:
    cores = min(settings.threads, max(1, usable_core_count() // settings.workers))  # a pinned worker sees one
    running = RunLimit(cores, settings.threads, ProcessorTime().wanted_s, time.monotonic)
    line = WaitingLine(lambda: running.calls, time.monotonic)
    rules = _rules(settings)
    limits = Limits(cores, settings.max_pending_requests, settings.max_queue_ms / 1e3, settings.brown_out_floor, rules.grace_s)
    pool: RequestPool[Ticket] = RequestPool(settings.threads, THREADS, line)
    reading = ReadingLoad(lambda: time.process_time() - pool.used_s())
    desk = AdmissionDesk(pool, AdaptivePolicy(costs, line, running, reading, limits), rules, meter, time.monotonic)
    desk.line = line
    return desk


def _simple(settings: Settings, meter: Meter) -> AdmissionDesk:
    most = math.inf if settings.admission == "off" else settings.max_pending_requests
    line: Fifo[Ticket] = Fifo()
    pool = RequestPool(settings.threads, THREADS, line)
    return AdmissionDesk(pool, BoundedPolicy(line, most, settings.threads), _rules(settings), meter, time.monotonic)


def _rules(settings: Settings) -> DeadlineRules:
    return DeadlineRules(settings.default_deadline_ms / 1e3, settings.max_deadline_ms / 1e3, settings.reply_reserve_ms / 1e3)
