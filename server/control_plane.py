"""What the control process listens to: the control-plane gRPC server and /metrics."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import grpc
from prometheus_client import CollectorRegistry

from server.bundle_choice import KnownBundle, known_bundles
from server.group_state import GroupState
from server.ports import PortInUse, check_free, join, refusal
from server.rpc.admission import bounded
from server.rpc.bundles import SERVICE, BundleMethods
from server.rpc.health import SERVICE as HEALTH
from server.rpc.health import Health
from server.rpc.options import server_options
from server.rpc.reception import Reception
from server.rpc.reflection import ALPHA, V1, Reflection
from server.rpc.request_pool import job_pool
from server.settings import Settings
from server.telemetry.board import Board
from server.telemetry.exposition import BoardCollector, GroupCollector
from server.telemetry.metrics_server import serve_metrics

DATA_SERVICE = "earshot.v1.RecommendationService"
THREADS = 2
STOP_S = 0.2  # for canceled calls to tell their callers
MAX_CALLS = 64  # that wait for them


class ControlPlane:
    """Serves as soon as it is made. Its health knows the data plane's service too: SERVING while all workers are."""

    def __init__(self, settings: Settings, state: GroupState, board: Board, desired: KnownBundle) -> None:
        self._state = state
        self.health = Health([SERVICE, DATA_SERVICE])
        self._reflection = Reflection([SERVICE, HEALTH])
        # grpcio asks a pool for `submit` and nothing else
        reception = cast("ThreadPoolExecutor", Reception(bounded(job_pool(THREADS, "control"), MAX_CALLS)))
        self._server = grpc.server(reception, options=server_options(share_port=False))
        methods = BundleMethods(state, desired, lambda: known_bundles(settings))
        handlers = [grpc.method_handlers_generic_handler(SERVICE, methods.handlers())]
        handlers += [grpc.method_handlers_generic_handler(HEALTH, self.health.handlers())]
        handlers += [grpc.method_handlers_generic_handler(name, self._reflection.handlers()) for name in (V1, ALPHA)]
        self._server.add_generic_rpc_handlers(handlers)
        self.port = self._listen(settings)
        self.metrics_port = self._serve_metrics(settings, board)
        self._server.start()
        self.health.set_serving(True, [SERVICE])

    def _listen(self, settings: Settings) -> int:
        address = join(settings.control_host, settings.control_port)
        if settings.control_port:
            check_free(settings.control_host, settings.control_port, "control plane")
        try:
            return self._server.add_insecure_port(address)
        except RuntimeError as problem:
            raise PortInUse(
                f"cannot listen on {address} (control plane); stop the server that uses the port, or choose another with --control-port"
            ) from problem

    def _serve_metrics(self, settings: Settings, board: Board) -> int:
        registry = CollectorRegistry()
        registry.register(BoardCollector(board))
        registry.register(GroupCollector(self._numbers))
        try:
            return serve_metrics(settings.metrics_host, settings.metrics_port, registry)
        except OSError as problem:
            raise refusal(settings.metrics_host, settings.metrics_port, "metrics", problem) from problem

    def _numbers(self) -> Sequence[tuple[str, str, float, bool]]:
        group = self._state.snapshot()
        return (
            ("earshot_workers_serving", "Workers that take calls.", group.serving_count, False),
            ("earshot_workers_desired", "Workers that should.", self._state.worker_count, False),
            ("earshot_worker_restarts", "Workers that died and were replaced.", group.worker_restarts, True),
            ("earshot_generation_restarts", "Times that the whole generation was started again.", group.generation_restarts, True),
            ("earshot_start_time_seconds", "When the server started, in seconds since 1970.", self._state.started_at_s, False),
        )

    def refresh_health(self) -> None:
        """Follow the state of the group."""
        complete = self._state.snapshot().serving_count == self._state.worker_count
        self.health.set_serving(complete, ["", DATA_SERVICE])

    def stop(self) -> None:
        """End everything at once: nobody's slate depends on it."""
        self.health.drain()
        self.health.end_watches()
        for gate in (self.health.gate, self._reflection.gate):
            gate.close()
            gate.cancel_all()
        self._server.stop(0.0).wait(STOP_S)
