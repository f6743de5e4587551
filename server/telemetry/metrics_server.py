"""The HTTP server of /metrics: a thread that sleeps until somebody scrapes.

prometheus_client's own server, which writes the same pages, looks twice a second whether it should end. It never has to here, since its process
ends; and a process that wakes up for nothing costs most where the least is asked of a machine.
"""

from __future__ import annotations

import socket
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name of the standard library
        """A scrape is no news."""


def serve_metrics(host: str, port: int, registry: CollectorRegistry) -> int:
    """Answer scrapes for as long as the process lives. Returns the port, which is chosen where it is 0; OSError when it cannot be had."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    kind = _Server6 if family == socket.AF_INET6 else _Server
    server = make_server(str(address[0]), port, make_wsgi_app(registry), kind, _Quiet)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": None}, name="metrics", daemon=True).start()
    return server.server_port
