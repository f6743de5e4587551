"""The one place that knows which canonical code and which details each domain error has on the wire."""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from domain.errors import (
    BundleNotLoaded,
    Canceled,
    DeadlinePassed,
    EmbeddingSpaceMismatch,
    InvalidRequest,
    LimitReached,
    NotServing,
    Overloaded,
    QuotaExceeded,
    RequestError,
    UnknownService,
    UnknownUser,
)
from earshot.v1 import types_pb2

DOMAIN = "earshot"
REASON_PREFIX = "ERROR_REASON_"
DETAILS_KEY = "grpc-status-details-bin"
# Clients refuse more than 8 KiB of metadata in a reply, so what callers put into their requests comes back shortened.
MAX_TEXT_LENGTH = 400
MAX_VIOLATIONS = 8


_Code = grpc.StatusCode
_Reason = types_pb2.ErrorReason

CODES: Mapping[type[RequestError], tuple[grpc.StatusCode, types_pb2.ErrorReason.ValueType]] = {
    InvalidRequest: (_Code.INVALID_ARGUMENT, types_pb2.ERROR_REASON_INVALID_REQUEST),
    UnknownUser: (_Code.NOT_FOUND, types_pb2.ERROR_REASON_UNKNOWN_USER),
    EmbeddingSpaceMismatch: (_Code.FAILED_PRECONDITION, types_pb2.ERROR_REASON_EMBEDDING_SPACE_MISMATCH),
    BundleNotLoaded: (_Code.FAILED_PRECONDITION, types_pb2.ERROR_REASON_BUNDLE_NOT_LOADED),
    DeadlinePassed: (_Code.DEADLINE_EXCEEDED, types_pb2.ERROR_REASON_DEADLINE_EXCEEDED),
    Canceled: (_Code.CANCELLED, types_pb2.ERROR_REASON_CANCELED),
    Overloaded: (_Code.UNAVAILABLE, types_pb2.ERROR_REASON_OVERLOADED),
    NotServing: (_Code.UNAVAILABLE, types_pb2.ERROR_REASON_NOT_SERVING),
    UnknownService: (_Code.NOT_FOUND, types_pb2.ERROR_REASON_UNKNOWN_SERVICE),
    QuotaExceeded: (_Code.RESOURCE_EXHAUSTED, types_pb2.ERROR_REASON_QUOTA_EXCEEDED),
    LimitReached: (_Code.RESOURCE_EXHAUSTED, types_pb2.ERROR_REASON_LIMIT_REACHED),
}


class Status(grpc.Status):
    """What `context.abort_with_status` sends."""

    def __init__(self, code: grpc.StatusCode, details: str, trailing_metadata: tuple[tuple[str, str | bytes], ...]) -> None:
        self.code = code
        self.number: int = code.value[0]
        self.details = details
        self.encoded_details = details.encode()
        self.trailing_metadata = trailing_metadata


def status_of(problem: RequestError) -> Status:
    """The status of a call that cannot be answered: code, ErrorInfo, and BadRequest or RetryInfo where they help."""
    code, reason = next(CODES[kind] for kind in type(problem).__mro__ if kind in CODES)
    return _status(code, _short(problem.message), [_info(reason, problem.metadata), *_extra_details(problem)])


def internal_status(error_id: str) -> Status:
    """The status of a defect: an id that finds it in the logs, and nothing else."""
    info = _info(types_pb2.ERROR_REASON_INTERNAL, {"error_id": error_id})
    return _status(_Code.INTERNAL, f"internal error {error_id}", [info])


def _extra_details(problem: RequestError) -> list[Message]:
    if isinstance(problem, InvalidRequest):
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=_short(v.field), description=_short(v.description))
            for v in problem.violations[:MAX_VIOLATIONS]
        ]
        return [error_details_pb2.BadRequest(field_violations=violations)]
    if isinstance(problem, (Overloaded, QuotaExceeded)):
        wait = error_details_pb2.RetryInfo()
        wait.retry_delay.FromNanoseconds(round(problem.retry_after_s * 1e9))
        return [wait]
    return []


def _info(reason: types_pb2.ErrorReason.ValueType, metadata: Mapping[str, str]) -> Message:
    name = _Reason.Name(reason).removeprefix(REASON_PREFIX)
    info: Message = error_details_pb2.ErrorInfo(reason=name, domain=DOMAIN, metadata={k: _short(v) for k, v in metadata.items()})
    return info


def _status(code: grpc.StatusCode, text: str, details: list[Message]) -> Status:
    message = status_pb2.Status(code=code.value[0], message=text)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        message.details.append(packed)
    metadata: tuple[tuple[str, str | bytes], ...] = ((DETAILS_KEY, message.SerializeToString()),)
    metadata += tuple(_pushback(details))
    return Status(code, text, metadata)


def _pushback(details: list[Message]) -> list[tuple[str, str | bytes]]:
    """gRPC's own retries obey this key; people and proxies read RetryInfo."""
    return [("grpc-retry-pushback-ms", str(d.retry_delay.ToMilliseconds())) for d in details if isinstance(d, error_details_pb2.RetryInfo)]


def _short(text: str) -> str:
    """At most MAX_TEXT_LENGTH characters, and always valid UTF-8."""
    clean = text.encode(errors="replace").decode()
    return clean if len(clean) <= MAX_TEXT_LENGTH else clean[:MAX_TEXT_LENGTH] + "..."
