"""The data plane of one worker: RecommendationService with health and reflection on the shared port."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import grpc

from domain.errors import ConfigurationError
from engine.recommend import Engine
from server.admission_setup import admission_desk
from server.assignment import Assignment
from server.rpc.decode import deserialize
from server.rpc.direct import Front
from server.rpc.encode import ResponseEncoder
from server.rpc.health import SERVICE as HEALTH
from server.rpc.health import Health
from server.rpc.options import server_options
from server.rpc.pulse import Pulse
from server.rpc.reception import Reception
from server.rpc.recommend import RecommendHandler, Recorder
from server.rpc.reflection import ALPHA, V1, Reflection
from server.settings import Settings
from server.telemetry.access_log import AccessLog
from server.telemetry.board import Board
from server.telemetry.meter import Meter

SERVICE = "earshot.v1.RecommendationService"
METHOD = "RecommendCreators"
WATCH_S = 0.5
STREAM_END_S = 0.2  # streams that have not ended by themselves by then are canceled


class DataPlane:
    """Made in a worker after the fork. Nothing listens before `start`."""

    def __init__(self, engine: Engine, assignment: Assignment, place: int) -> None:
        settings = assignment.settings
        self._assignment = assignment
        self._pulse = Pulse(settings.threads, time.monotonic)
        self._health = Health([SERVICE], alive=lambda: not self.stuck())
        self._reflection = Reflection([SERVICE, HEALTH]) if settings.reflection else None
        self.meter = Meter(Board(assignment.board_fd, settings.workers).row(place))
        self._desk = admission_desk(engine.costs, settings, self.meter)
        # grpcio asks a pool for `submit` and nothing else
        options = server_options(share_port=True, pending_count=settings.max_pending_requests)
        self._server = grpc.server(cast("ThreadPoolExecutor", Reception()), options=options)
        self._access_log = AccessLog(settings.access_logs_per_s, assignment.user_hash_key, time.monotonic)
        self._stopped = threading.Event()
        self.front = Front(self._server, f"{SERVICE}/{METHOD}", self._handler(engine).recommend_creators, deserialize, self._desk)
        services = [grpc.method_handlers_generic_handler(HEALTH, self._health.handlers())]
        if self._reflection:
            services += [grpc.method_handlers_generic_handler(name, self._reflection.handlers()) for name in (V1, ALPHA)]
        self._server.add_generic_rpc_handlers(services)

    def _handler(self, engine: Engine) -> RecommendHandler:
        encoder = ResponseEncoder(engine.creators, engine.bundle.manifest.version, os.getpid(), engine.diagnose)
        return RecommendHandler(engine, encoder, Recorder(self.meter, self._access_log, self._pulse), time.monotonic)

    def start(self) -> None:
        """Listen, and report SERVING."""
        listen(self._server, self._assignment.address, self._assignment.settings)
        self.front.start()
        threading.Thread(target=self._access_log.keep_flushing, args=(self._stopped,), name="access-log", daemon=True).start()
        threading.Thread(target=self._keep_watching, name="admission", daemon=True).start()
        self._health.set_serving(True)

    def report_not_serving(self) -> None:
        """Tell load balancers to look elsewhere; calls are still taken."""
        self._health.drain()

    def idle(self) -> bool:
        """Whether no request waits or runs."""
        return self._pulse.idle() and not self._desk.pool.backlog()

    def stuck(self) -> bool:
        """Whether every request thread has hung for so long that health says NOT_SERVING."""
        return self._pulse.stuck()

    def _keep_watching(self) -> None:
        """Show how the admission stands, and let calls run that wait behind one which hangs, until the worker ends."""
        while not self._stopped.wait(WATCH_S):
            self.meter.show(self._desk.policy.gauges(time.monotonic()))
            self._desk.pool.nudge()

    def flush_logs(self) -> None:
        """Write what is still to be written, before the process ends."""
        self._stopped.set()
        self._access_log.flush()

    def stop(self, grace_s: float) -> threading.Event:
        """Take no more calls, end the streams, let running calls finish within the grace. The event is set when none is left."""
        self._health.drain()
        self._health.end_watches()
        gates = [self._health.gate, *([self._reflection.gate] if self._reflection else [])]
        for gate in gates:
            gate.close()
        stopped = self._server.stop(grace_s)
        if not stopped.wait(min(STREAM_END_S, grace_s)):
            for gate in gates:
                gate.cancel_all()
        return stopped


def listen(server: grpc.Server, address: str, settings: Settings) -> int:
    """Bind the server, with TLS where a certificate is set. Returns the port.

    Raises ConfigurationError for a certificate that cannot be used, RuntimeError when the port cannot be had.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return server.add_insecure_port(address)
    try:
        pair = (settings.tls_key.read_bytes(), settings.tls_cert.read_bytes())
        return server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    except (OSError, RuntimeError) as problem:
        text = f'tls_cert "{settings.tls_cert}" and tls_key "{settings.tls_key}" cannot be used: {problem}; both must be PEM, and belong together'
        raise ConfigurationError(text) from problem
