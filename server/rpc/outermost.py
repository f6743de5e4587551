"""The outermost wrapper of every method: each call is answered, with a canonical code, and no exception text leaves.

gRPC never answers a call whose handler ends in SystemExit or the like, and sends the text of any other exception to the caller.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import grpc

from domain.errors import RequestError
from server.rpc.errors import Status, internal_status, status_of
from server.telemetry.logs import LOGGER

Answer = TypeVar("Answer")


def defect(problem: BaseException, **fields: str) -> tuple[str, Status]:
    """(error id, status) of what nobody foresaw. The log has text and traceback under the id, with `fields`; the caller gets the id alone."""
    error_id = secrets.token_hex(8)
    LOGGER.log(logging.ERROR, "internal error", exc_info=problem, extra={"fields": {"error_id": error_id, **fields}})
    return error_id, internal_status(error_id)


def unary(method: Callable[[Any, grpc.ServicerContext], Answer]) -> Callable[[Any, grpc.ServicerContext], Answer]:
    """The method, wrapped. Inside, RequestError is raised; nobody calls `context.abort`."""

    def behavior(request: Any, context: grpc.ServicerContext) -> Answer:
        try:
            return method(request, context)
        except BaseException as problem:  # noqa: BLE001  # an answer is owed, whatever it was
            status = _status(problem)
        return context.abort_with_status(status)

    return behavior


def stream(method: Callable[[Any, grpc.ServicerContext], Iterator[Answer]]) -> Callable[[Any, grpc.ServicerContext], Iterator[Answer]]:
    """The same for a method that answers with a stream. What happens once the caller has gone is nobody's business."""

    def behavior(request: Any, context: grpc.ServicerContext) -> Iterator[Answer]:
        try:
            yield from method(request, context)
        except BaseException as problem:
            if not context.is_active():
                raise
            status = _status(problem)
        else:
            return
        context.abort_with_status(status)

    return behavior


def _status(problem: BaseException) -> Status:
    return status_of(problem) if isinstance(problem, RequestError) else defect(problem)[1]
