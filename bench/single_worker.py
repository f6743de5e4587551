"""What a worker that runs without control and generation is told."""

from __future__ import annotations

import os
from pathlib import Path

from server.assignment import Assignment
from server.settings import Settings
from server.telemetry.board import Board


def assignment(port: int, settings: Settings) -> Assignment:
    """That of a single worker."""
    return Assignment(
        settings=settings,
        bundle=Path(),
        address=f"127.0.0.1:{port}",
        control_pid=os.getpid(),
        report_fd=-1,
        board_fd=Board.create(1).fd,
        user_hash_key=b"bench",
    )
