"""The hand-made client understands a server that behaves: what its other users conclude from it depends on that."""

import pytest

from earshot.v1 import recommendation_service_pb2 as pb
from tests.integration.raw_http2 import (
    ACK,
    DATA,
    END_STREAM,
    GOAWAY,
    NO_WINDOW,
    PING,
    RawConnection,
    data,
    headers,
    message,
    ping,
    window_update,
)

CHECK = "/grpc.health.v1.Health/Check"
RECOMMEND = "/earshot.v1.RecommendationService/RecommendCreators"


@pytest.fixture
def raw(demo_server):
    with RawConnection(demo_server.facts["port"]) as connection:
        yield connection


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (CHECK, b"", 0),
        (RECOMMEND, pb.RecommendCreatorsRequest(user=pb.User(user_id="listener-0001")).SerializeToString(), 0),
        (RECOMMEND, b"", 3),
        ("/no/Such", b"", 12),
    ],
)
def test_a_call_gets_its_status(raw, path, body, status):
    raw.call(1, path, body)
    assert raw.status(1) == status


def test_long_headers_are_written_as_hpack_wants_them(raw):
    for stream, length in zip(range(1, 200, 2), (1, 126, 127, 128, 254, 255, 300, 5000), strict=False):
        raw.call(stream, CHECK, extra=[("x-long", "v" * length)])
        assert raw.status(stream) == 0


def test_an_answer_waits_for_the_window(demo_server):
    with RawConnection(demo_server.facts["port"], NO_WINDOW) as raw:
        raw.send(headers(1, CHECK), data(1, message(b""), END_STREAM))
        assert not any(came.kind == DATA for came in raw.frames(0.3))
        raw.send(window_update(1, 1000))
        assert raw.status(1) == 0


def test_a_ping_comes_back(raw):
    raw.send(ping(b"12345678"))
    assert any((came.kind, came.flags, came.payload) == (PING, ACK, b"12345678") for came in raw.frames(1))


def test_a_broken_frame_ends_the_connection(raw):
    raw.send(ping(b"short"))
    assert GOAWAY in [came.kind for came in raw.frames(5)] or raw.closed_within(1)
