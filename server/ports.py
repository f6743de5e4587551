"""The data plane's port: ours alone on this machine, yet shared by our workers.

SO_REUSEPORT lets several workers listen on one port, and would let a second server join them in silence. So the control process takes a lock,
probes the port without the option, and then holds it with a socket that never listens, while workers come and go. Linux only, like the lock.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from dataclasses import dataclass

from domain.errors import EarshotError


class PortInUse(EarshotError):
    """Somebody else listens there. Exit code 1."""

    WHERE = "network"
    REASON = "PORT_IN_USE"


@dataclass(frozen=True, slots=True)
class HeldPort:
    """A port that stays ours until `close`."""

    host: str
    port: int
    _sockets: tuple[socket.socket, ...]

    @property
    def address(self) -> str:
        """As gRPC wants it."""
        return join(self.host, self.port)

    def close(self) -> None:
        """Give it back."""
        for held in self._sockets:
            held.close()


def join(host: str, port: int) -> str:
    """host:port, with brackets around IPv6 addresses."""
    bare = host.strip("[]")
    return f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"


def hold(host: str, port: int) -> HeldPort:
    """Hold a port; 0 takes a free one. Raises PortInUse when another server has it, or the address is not of this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bare = host.strip("[]")
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if port:
            lock.bind(f"\0earshot/{bare}/{port}")  # an abstract name: it vanishes with the process
            with _bound(family, bare, port, socket.SO_REUSEADDR):
                pass
        holder = _hold(family, bare, port)
    except OSError as problem:
        lock.close()
        raise refusal(host, port, "data plane", problem) from problem
    return HeldPort(bare, holder.getsockname()[1], (lock, holder))


def check_free(host: str, port: int, plane: str) -> None:
    """Raise PortInUse, with a reason, when a socket cannot be bound there now: gRPC itself only says that it failed, in several lines."""
    try:
        _bound(socket.AF_INET6 if ":" in host else socket.AF_INET, host.strip("[]"), port, socket.SO_REUSEADDR).close()
    except OSError as problem:
        raise refusal(host, port, plane, problem) from problem


def refusal(host: str, port: int, plane: str, problem: OSError) -> PortInUse:
    """What to raise. plane: "data plane", "control plane" or "metrics"."""
    taken = problem.errno == errno.EADDRINUSE
    settings = {"data plane": ("port", "host"), "control plane": ("control_port", "control_host"), "metrics": ("metrics_port", "metrics_host")}[plane]
    fix = (
        f"stop the server that uses the port, or choose another with {_flag(settings[0])}"
        if taken
        else f"give {_flag(settings[1])} an address of this machine"
    )
    return PortInUse(f"cannot listen on {join(host, port)} ({plane}): {problem.strerror or problem}; {fix}")


def _flag(setting: str) -> str:
    return f"--{setting.replace('_', '-')}"


def _hold(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    """Without SO_REUSEADDR nobody can take the port while no worker listens; connections that a former server left behind may demand it."""
    with contextlib.suppress(OSError):
        return _bound(family, host, port, socket.SO_REUSEPORT)
    return _bound(family, host, port, socket.SO_REUSEPORT, socket.SO_REUSEADDR)


def _bound(family: socket.AddressFamily, host: str, port: int, *options: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        for option in options:
            opened.setsockopt(socket.SOL_SOCKET, option, 1)
        opened.bind((host, port))
    except OSError:
        opened.close()
        raise
    return opened
