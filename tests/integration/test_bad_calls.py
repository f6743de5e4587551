"""Calls that no gRPC library would make, over HTTP/2 by hand: each has its documented status, and the connection serves the next call."""

import gzip
import struct

import pytest

from earshot.v1 import recommendation_service_pb2 as pb
from tests.integration.raw_http2 import (
    ACK,
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    NONE,
    RST_STREAM,
    SETTINGS,
    RawConnection,
    call_block,
    data,
    frame,
    grpc_status,
    headers,
    message,
    settings,
)

RECOMMEND = "/earshot.v1.RecommendationService/RecommendCreators"
CHECK = "/grpc.health.v1.Health/Check"
GOOD = pb.RecommendCreatorsRequest(user=pb.User(user_id="listener-0001")).SerializeToString()
OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = 0, 3, 4, 8, 12, 13
FRAME_BYTES = 16_384  # the largest that a server takes by default


@pytest.fixture
def raw(demo_server):
    with RawConnection(demo_server.facts["port"]) as connection:
        while connection.next_frame().kind != SETTINGS:
            pass
        connection.send(settings({}, ACK))  # from here on the server holds us to its limits
        yield connection


def pieces(stream, payload):
    """DATA frames of an allowed size, the last of which ends the stream."""
    cut = [payload[start : start + FRAME_BYTES] for start in range(0, len(payload), FRAME_BYTES)]
    return b"".join([*(data(stream, piece) for piece in cut[:-1]), data(stream, cut[-1], END_STREAM)])


def serves(raw, stream=99):
    raw.call(stream, RECOMMEND, GOOD)
    return raw.status(stream) == OK


def ends_without_an_answer(raw, stream):
    """Whether the call failed, in whichever way gRPC's core says so."""
    for came in raw.frames(3):
        if came.stream == stream and came.flags & END_STREAM:
            return came.kind == HEADERS and grpc_status(came.payload) != OK
        if came.stream == stream and came.kind == RST_STREAM:
            return True
    return False


@pytest.mark.parametrize("levels", [101, 1000, 20_105])
@pytest.mark.parametrize("kind", ["groups", "messages"])
def test_messages_nested_too_deeply_are_invalid(raw, levels, kind):
    body = b"\x1b" * levels + b"\x1c" * levels
    if kind == "messages":
        body = b""
        for _ in range(levels):  # what the API does not know is skipped unread from the second level on
            body = b"\x12" + varint(len(body)) + body
    raw.send(headers(1, RECOMMEND), pieces(1, message(body)))
    assert raw.status(1) == INVALID_ARGUMENT
    assert serves(raw)


def varint(value):
    out = bytearray()
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes((*out, value))


@pytest.mark.parametrize("encoding", ["br", "lz77", "gzip,identity", "x" * 200])
def test_an_unknown_encoding_fails_its_call_inside_grpc_and_leaves_the_connection(raw, encoding):
    """gRPC's documents say UNIMPLEMENTED; its core says INTERNAL, before anything of ours is asked."""
    raw.send(headers(1, RECOMMEND, [("grpc-encoding", encoding)]), data(1, message(GOOD, compressed=1), END_STREAM))
    assert raw.status(1) in {UNIMPLEMENTED, INTERNAL}
    assert serves(raw)


def test_a_message_in_gzip_is_read(raw):
    raw.send(headers(1, RECOMMEND, [("grpc-encoding", "gzip")]), data(1, message(gzip.compress(GOOD), compressed=1), END_STREAM))
    assert raw.status(1) == OK


def test_fifty_megabytes_in_gzip_are_refused(raw):
    bomb = gzip.compress(bytes(50 << 20))
    raw.send(headers(1, RECOMMEND, [("grpc-encoding", "gzip")]), pieces(1, message(bomb, compressed=1)))
    assert raw.status(1) == RESOURCE_EXHAUSTED
    assert serves(raw)


@pytest.mark.parametrize("value", ["!!!!", "A", "=AAA", "\x7f", "AAAA=AAAA"])
def test_bad_base64_in_a_binary_header_fails_its_call_and_leaves_the_connection(raw, value):
    raw.send(headers(1, RECOMMEND, [("x-trace-bin", value)]), data(1, message(GOOD), END_STREAM))
    assert ends_without_an_answer(raw, 1)
    assert serves(raw)


@pytest.mark.parametrize("timeout", ["0n", "0m", "1n"])
def test_a_deadline_that_has_passed_on_arrival_costs_no_work(raw, demo_server, timeout):
    before = demo_server.metrics()['earshot_requests_total{code="OK"}']
    raw.call(1, RECOMMEND, GOOD, [("grpc-timeout", timeout)])
    assert raw.status(1) in {DEADLINE_EXCEEDED, None}  # none: gRPC's core gives the stream up by itself
    assert demo_server.metrics()['earshot_requests_total{code="OK"}'] == before
    assert serves(raw)


@pytest.mark.parametrize("timeout", ["99999999H", "99999999S"])
def test_an_absurd_deadline_is_served(raw, timeout):
    raw.call(1, RECOMMEND, GOOD, [("grpc-timeout", timeout)])
    assert raw.status(1) == OK


@pytest.mark.parametrize("size", [8200, 12_000, 15_900, 16_500, 20_000])
def test_headers_above_the_limit_are_refused_each_time_and_leave_the_connection(raw, size):
    for stream in (1, 3, 5):
        block = call_block(RECOMMEND, [("x-padding", "x" * size)])
        raw.send(frame(HEADERS, NONE, stream, block[:FRAME_BYTES]), frame(CONTINUATION, END_HEADERS, stream, block[FRAME_BYTES:]))
        raw.send(data(stream, message(GOOD), END_STREAM))
        assert raw.status(stream) == RESOURCE_EXHAUSTED
    assert serves(raw)


@pytest.mark.parametrize("length", [2**20 + 1, 2**31, 2**32 - 1])
def test_a_message_that_claims_to_be_too_long_is_refused_before_it_comes(raw, length):
    raw.send(headers(1, RECOMMEND), data(1, struct.pack(">BI", 0, length) + b"\0" * 1000))
    assert raw.status(1) == RESOURCE_EXHAUSTED
    assert serves(raw)


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\0\0\0\x05abc", b"\x02\0\0\0\0", b"\xff" * 50])
def test_half_a_message_is_no_call(raw, body):
    raw.send(headers(1, RECOMMEND), data(1, body, END_STREAM))
    assert ends_without_an_answer(raw, 1)
    assert serves(raw)


@pytest.mark.parametrize("path", ["/", "//", "RecommendCreators", RECOMMEND + "/", RECOMMEND.lower(), RECOMMEND + "\0", "/x/" + "y" * 4000])
def test_methods_that_do_not_exist_are_unimplemented(raw, path):
    raw.call(1, path, GOOD)
    assert raw.status(1) in {UNIMPLEMENTED, None}  # none: gRPC's core refuses the path itself
    assert serves(raw)
