"""What the control process tells a generation through its standard input: one JSON line. The pipe then stays open as a lifeline."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from server.settings import Settings


@dataclass(frozen=True, slots=True)
class Assignment:
    """One generation's work. control_pid: who started it. address: of the data plane. report_fd, board_fd: inherited descriptors."""

    settings: Settings
    bundle: Path
    address: str
    control_pid: int
    report_fd: int
    board_fd: int
    user_hash_key: bytes

    def write(self, stream: IO[bytes]) -> None:
        """Send it."""
        values = {
            "settings": self.settings.to_json(),
            "bundle": str(self.bundle),
            "address": self.address,
            "control_pid": self.control_pid,
            "report_fd": self.report_fd,
            "board_fd": self.board_fd,
            "user_hash_key": self.user_hash_key.hex(),
        }
        stream.write(json.dumps(values).encode() + b"\n")
        stream.flush()

    @classmethod
    def read(cls, stream: IO[bytes]) -> Assignment:
        """Receive it."""
        values = json.loads(stream.readline())
        return cls(
            settings=Settings.from_json(values["settings"]),
            bundle=Path(values["bundle"]),
            address=values["address"],
            control_pid=values["control_pid"],
            report_fd=values["report_fd"],
            board_fd=values["board_fd"],
            user_hash_key=bytes.fromhex(values["user_hash_key"]),
        )
