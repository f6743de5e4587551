"""The control process, `earshot serve`: supervises the generation, and serves the control plane and /metrics. Never loads an index."""

from __future__ import annotations

import logging
import os
import secrets
import time

from server.assignment import Assignment
from server.bundle_choice import choose_bundle
from server.control_plane import ControlPlane
from server.group_state import GroupState
from server.ports import hold
from server.ready import Readiness
from server.settings import Settings
from server.supervisor import Supervisor
from server.telemetry.board import Board
from server.telemetry.logs import log, set_up_logs


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then finish what runs; a second signal cancels it. Call it in the main thread. Returns the exit code.

    Raises EarshotError when it cannot start: a bundle that is not there or not whole, a port in use.
    """
    settings = settings.resolved()
    set_up_logs("control", settings.log_level)
    desired = choose_bundle(settings)
    held = hold(settings.host, settings.port)
    board = Board.create(settings.workers)
    state = GroupState(settings.workers, time.time())
    plane = ControlPlane(settings, state, board, desired)
    assignment = Assignment(
        settings=settings,
        bundle=desired.path,
        address=held.address,
        control_pid=os.getpid(),
        report_fd=-1,  # the child's own
        board_fd=board.fd,
        user_hash_key=secrets.token_bytes(16),
    )
    readiness = Readiness(settings.ready_file, {"port": held.port, "control_port": plane.port, "metrics_port": plane.metrics_port})
    supervisor = Supervisor(assignment, state, plane, readiness, time.monotonic)
    try:
        return supervisor.run()
    finally:
        plane.stop()
        readiness.withdraw()
        held.close()
        log(logging.INFO, "stopped")
