"""Metadata below 8 KiB is taken and 8 KiB are refused, every time: between gRPC's two limits, were they apart, chance would decide."""

from contextlib import ExitStack

import grpc
import pytest

from server.rpc.options import METADATA_BYTES
from tests.integration.callers import CHECK, RECOMMEND, REQUEST
from tests.integration.raw_http2 import PATIENCE_S, RawConnection

OVERHEAD = 32  # what HTTP/2 counts for each header beside its name and value (RFC 9113, 10.5.1)
TIMES = 20
OK, RESOURCE_EXHAUSTED = (code.value[0] for code in (grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED))


def padding(path, size):
    """A header that brings all headers of a call to `size` bytes."""
    usual = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "raw", "te": "trailers", "content-type": "application/grpc"}
    taken = sum(len(name) + len(value) + OVERHEAD for name, value in usual.items())
    return [("x-padding", "v" * (size - taken - len("x-padding") - OVERHEAD))]


@pytest.mark.parametrize("path", [CHECK, RECOMMEND])
@pytest.mark.parametrize(
    ("size", "status"),
    [
        (METADATA_BYTES - 1000, OK),
        (METADATA_BYTES - 1, OK),
        (METADATA_BYTES, RESOURCE_EXHAUSTED),
        (9000, RESOURCE_EXHAUSTED),
        (16_000, RESOURCE_EXHAUSTED),
    ],
)
def test_the_same_size_has_the_same_outcome_every_time(demo_server, path, size, status):
    body = REQUEST.SerializeToString() if path == RECOMMEND else b""
    streams = range(1, TIMES, 2)
    with ExitStack() as stack:
        shared, *own = [stack.enter_context(RawConnection(demo_server.facts["port"], acknowledge=True)) for _ in range(1 + TIMES // 2)]
        for stream in streams:
            shared.call(stream, path, body, padding(path, size))
        for connection in own:
            connection.call(1, path, body, padding(path, size))
        got = [*shared.statuses(len(streams)).values(), *(connection.status(1) for connection in own)]
    assert got == [status] * TIMES


def test_a_connection_whose_headers_were_refused_goes_on(demo_server):
    with RawConnection(demo_server.facts["port"], acknowledge=True) as raw:
        raw.call(1, CHECK, b"", padding(CHECK, 12_000))
        assert raw.status(1) == RESOURCE_EXHAUSTED
        raw.call(3, CHECK)
        assert raw.status(3, PATIENCE_S) == OK
