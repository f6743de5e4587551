"""Domain errors on the wire: every one has a canonical code and an ErrorInfo, and nothing inside leaks."""

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from domain import errors
from earshot.v1 import types_pb2
from server.rpc.errors import CODES, DETAILS_KEY, DOMAIN, internal_status, status_of

EXAMPLES = [
    errors.InvalidRequest(errors.FieldViolation("page_size", "is -1")),
    errors.UnknownUser("no such user", {"user_id": "u"}),
    errors.EmbeddingSpaceMismatch("wrong space", {"space": "x"}),
    errors.BundleNotLoaded("not loaded", {"wanted": "v2"}),
    errors.DeadlinePassed("too late"),
    errors.Canceled("gone"),
    errors.Overloaded("busy", 0.25),
    errors.QuotaExceeded("too often", 0.25),
    errors.NotServing("draining"),
    errors.UnknownService("not here", {"service": "x"}),
    errors.LimitReached("too many", {"limit": "8"}),
]


def details(status):
    sent = status_pb2.Status.FromString(dict(status.trailing_metadata)[DETAILS_KEY])
    assert (sent.code, sent.message) == (status.code.value[0], status.details)
    return sent.details


def info_of(status):
    info = error_details_pb2.ErrorInfo()
    assert details(status)[0].Unpack(info)
    return info


def test_every_request_error_has_a_code_and_every_reason_of_the_api_is_used():
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.RequestError) and kind is not errors.RequestError
    ]
    assert set(kinds) == set(CODES) == {type(example) for example in EXAMPLES}
    used = {reason for _, reason in CODES.values()} | {types_pb2.ERROR_REASON_INTERNAL, types_pb2.ERROR_REASON_UNSPECIFIED}
    assert used == set(types_pb2.ErrorReason.values())


@pytest.mark.parametrize("problem", EXAMPLES, ids=lambda p: type(p).__name__)
def test_each_error_tells_domain_reason_and_metadata(problem):
    status = status_of(problem)
    info = info_of(status)
    assert (info.domain, status.details, dict(info.metadata)) == (DOMAIN, problem.message, problem.metadata)
    assert f"ERROR_REASON_{info.reason}" in types_pb2.ErrorReason.keys()  # noqa: SIM118  # no dict


def test_violations_and_waiting_times_are_told():
    violations, wait = error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    assert details(status_of(EXAMPLES[0]))[1].Unpack(violations)
    assert [(v.field, v.description) for v in violations.field_violations] == [("page_size", "is -1")]
    overloaded = status_of(EXAMPLES[6])
    assert details(overloaded)[1].Unpack(wait)
    assert wait.retry_delay.ToMilliseconds() == 250
    assert dict(overloaded.trailing_metadata)["grpc-retry-pushback-ms"] == "250"


def test_a_subclass_is_mapped_like_its_base():
    class UnknownListener(errors.UnknownUser):
        """A closer word."""

    assert status_of(UnknownListener("who?")).code is grpc.StatusCode.NOT_FOUND


def test_what_callers_send_comes_back_shortened():
    """More than 8 KiB of metadata would be refused by the client, which would then see another error."""
    violations = [errors.FieldViolation("x" * 10_000, "ü" * 10_000)] * 500
    for problem in (errors.InvalidRequest(*violations), errors.UnknownUser("u" * 9000, {"user_id": "\udc80" * 9000})):
        status = status_of(problem)
        assert len(status.details) < 1000
        assert sum(len(value) for _, value in status.trailing_metadata) < 16_000


def test_an_internal_error_tells_its_id_and_nothing_else():
    status = internal_status("abc123")
    assert (status.code, status.details) == (grpc.StatusCode.INTERNAL, "internal error abc123")
    assert dict(info_of(status).metadata) == {"error_id": "abc123"}
