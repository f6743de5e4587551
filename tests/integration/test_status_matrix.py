"""Bad input against the real server: each kind has its documented status, and the server goes on serving afterwards."""

import gzip
import math
import socket
import time

import grpc
import pyarrow.parquet as pq
import pytest

from demo.files import demo_files
from earshot.client import error_info_of, reason_of
from earshot.v1 import recommendation_service_pb2 as pb
from earshot.v1 import types_pb2

METHOD = "/earshot.v1.RecommendationService/RecommendCreators"
KNOWN_USER = "listener-0001"
Code = grpc.StatusCode


@pytest.fixture(scope="module")
def recommend(demo_server):
    return demo_server.recommend()


@pytest.fixture(scope="module")
def raw(demo_server):
    return demo_server.channel(max_send_message_length=-1).unary_unary(METHOD)


@pytest.fixture(autouse=True)
def serves_afterwards(recommend):
    yield
    assert len(recommend(request(), timeout=5).recommendations) == 20


def request(**fields):
    return pb.RecommendCreatorsRequest(**{"user": pb.User(user_id=KNOWN_USER), **fields})


def embedded(*values, space=""):
    return pb.User(embeddings=[types_pb2.Embedding(space=space, values=values)])


def refused(call, *arguments, **options):
    with pytest.raises(grpc.RpcError) as refusal:
        call(*arguments, **options)
    return refusal.value


@pytest.mark.parametrize(
    "body",
    [b"\xff\xff\xff", b"\x0a\x02\xc3\x28", b"\x12\xff\xff\xff\xff\x0f", b"", b"\xf8\x3f\x01", b"\x1a\x02" * 400],
    ids=["garbage", "invalid UTF-8", "truncated", "empty", "unknown fields only", "nested"],
)
def test_bodies_that_are_no_valid_request_are_invalid(raw, body):
    error = refused(raw, body, timeout=5)
    assert (error.code(), reason_of(error)) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"user": pb.User()}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"user": pb.User(user_id="x" * 257)}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"user": pb.User(user_id="a\nb")}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"user": pb.User(user_id="nobody")}, Code.NOT_FOUND, "UNKNOWN_USER"),
        ({"user": embedded(*[1.0] * 7)}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"user": embedded(math.nan, *[1.0] * 23)}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"user": embedded(math.inf, *[1.0] * 23)}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"user": embedded(*[0.0] * 24)}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"user": embedded(*[1e-30] * 24)}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"user": embedded(*[1e30] * 24)}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"user": embedded(*[1.0] * 24, space="another")}, Code.FAILED_PRECONDITION, "EMBEDDING_SPACE_MISMATCH"),
        ({"user": embedded(-math.inf, *[1.0] * 23)}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"user": embedded(*[1e-45] * 24)}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"user": embedded(*[2.0e-7] * 24)}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"user": embedded(*[2.1e3] * 24)}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"user": embedded()}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"user": pb.User(user_id=KNOWN_USER, features={"moon": types_pb2.FeatureValue(number=1)})}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        (
            {"user": pb.User(user_id=KNOWN_USER, features={"age_days": types_pb2.FeatureValue(integer=2**40)})},
            Code.INVALID_ARGUMENT,
            "INVALID_REQUEST",
        ),
        ({"candidate_count": -1}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"page_size": -(2**31)}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"filter": pb.CandidateFilter(seen_creator_ids=["x"] * 10_001)}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"view": -1}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"page_size": -1}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"page_size": 501}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"page_size": 2**31 - 1}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"candidate_count": 5001}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"page_size": 50, "candidate_count": 49}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"filter": pb.CandidateFilter(excluded_creator_ids=["x"] * 10_001)}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"view": 77}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"priority": 77}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"as_of_time": {"seconds": -1}}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"as_of_time": {"seconds": int(time.time()) + 90_000}}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"context_features": {"hour": types_pb2.FeatureValue()}}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"context_features": {"hour": types_pb2.FeatureValue(number=math.nan)}}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"context_features": {"hour": types_pb2.FeatureValue(text="noon")}}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"context_features": {"moon": types_pb2.FeatureValue(number=1)}}, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"bundle_version": "another"}, Code.FAILED_PRECONDITION, "BUNDLE_NOT_LOADED"),
    ],
    ids=lambda value: str(value).replace("\n", " ")[:40] if isinstance(value, dict) else "",
)
def test_each_broken_rule_has_its_status(recommend, fields, code, reason):
    error = refused(recommend, request(**fields), timeout=5)
    assert (error.code(), reason_of(error), error_info_of(error).domain) == (code, reason, "earshot"), error.details()


@pytest.mark.parametrize(
    "fields",
    [
        {"filter": pb.CandidateFilter(excluded_creator_ids=["nobody", "nobody", "x" * 300])},
        {"filter": pb.CandidateFilter(tiers=["no such tier"])},
        {"filter": pb.CandidateFilter(market="no such market")},
        {"page_size": 500, "candidate_count": 5000},
        {"bundle_version": "demo-1"},
        {"user": embedded(*[0.1] * 24)},
        {"surface": "no such surface"},
        {"page_size": 0, "candidate_count": 0},
        {"filter": pb.CandidateFilter(excluded_creator_ids=["nobody"] * 10_000, seen_creator_ids=["nobody"] * 10_000)},
        {"user": embedded(*[1e-6] * 24)},
        {"user": embedded(*[2.0e3] * 24)},
        {"user": pb.User(user_id=KNOWN_USER, embeddings=[types_pb2.Embedding(values=[0.1] * 24)])},
    ],
    ids=str,
)
def test_what_is_no_error_is_served(recommend, fields):
    assert recommend(request(**fields), timeout=5).receipt


def test_fewer_creators_than_asked_are_no_error(recommend):
    """All that the filters leave, when that is less than a page, and none when they leave none."""
    ids = pq.read_table(demo_files().creators)["creator_id"].to_pylist()
    wanted = pb.CandidateFilter(excluded_creator_ids=ids[7:], include_followed=True)
    few = recommend(request(page_size=500, candidate_count=4000, filter=wanted), timeout=5)
    assert ({row.creator_id for row in few.recommendations}, list(few.degradations)) == (set(ids[:7]), [])
    none = recommend(request(filter=pb.CandidateFilter(tiers=["no such tier"])), timeout=5)
    assert (list(none.recommendations), list(none.degradations), bool(none.receipt)) == ([], [], True)


def test_the_last_of_two_kinds_of_a_feature_counts(raw):
    """As protobuf reads a oneof that is sent twice: whoever sends that cannot be told from who sends one."""
    number, text = b"\x0d\x00\x00\x00\x41", b"\x1a\x04noon"
    for value, code in ((text + number, Code.OK), (number + text, Code.INVALID_ARGUMENT)):
        entry = b"\x0a\x04hour\x12" + bytes((len(value),)) + value
        body = request().SerializeToString() + b"\x32" + bytes((len(entry),)) + entry
        if code is Code.OK:
            raw(body, timeout=5)
        else:
            assert refused(raw, body, timeout=5).code() is code


def test_unknown_fields_beside_good_ones_are_ignored(raw):
    raw(request().SerializeToString() + b"\xf8\x3f\x01" + b"\xfa\x3f\x03abc", timeout=5)


def test_a_message_above_the_limit_and_a_gzip_bomb_are_refused(raw):
    large = request(filter=pb.CandidateFilter(seen_creator_ids=["x" * 200] * 9000)).SerializeToString()
    assert refused(raw, large, timeout=5).code() is Code.RESOURCE_EXHAUSTED
    bomb = b"\x0a" + b"\x80\x80\x80\x32" + bytes(100 << 20)
    assert len(gzip.compress(bomb, 1)) < 500_000
    assert refused(raw, bomb, timeout=10, compression=grpc.Compression.Gzip).code() is Code.RESOURCE_EXHAUSTED


def test_unknown_methods_and_services_are_unimplemented(demo_server):
    channel = demo_server.channel()
    for method in ("/earshot.v1.RecommendationService/Nothing", "/nobody.v1.Service/RecommendCreators", "/x"):
        assert refused(channel.unary_unary(method), b"", timeout=5).code() is Code.UNIMPLEMENTED


def test_other_protocols_are_disconnected(demo_server):
    for greeting in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(range(256)) * 4):
        with socket.create_connection(("127.0.0.1", demo_server.facts["port"]), timeout=5) as stranger:
            stranger.sendall(greeting)
            with_answer = b""
            while chunk := receive(stranger):
                with_answer += chunk
            assert len(with_answer) < 1000


def receive(stranger):
    try:
        return stranger.recv(4096)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(("size", "accepted"), [(7000, True), (9000, False), (12_000, False), (20_000, False)])
def test_metadata_is_limited_without_chance(recommend, size, accepted):
    for _ in range(10):
        call = lambda: recommend(request(), timeout=5, metadata=(("x-padding", "x" * size),))  # noqa: E731  # called in two ways
        if accepted:
            assert call().receipt
        else:
            assert refused(call).code() is Code.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("timeout_s", [0, -1, 1e-6])
def test_no_time_left_is_deadline_exceeded(recommend, timeout_s):
    assert refused(recommend, request(), timeout=timeout_s).code() is Code.DEADLINE_EXCEEDED


@pytest.mark.parametrize("timeout_s", [None, 1e9])
def test_no_deadline_and_an_absurd_one_are_served_within_the_servers_own(recommend, timeout_s):
    response = recommend(request(view=pb.RESPONSE_VIEW_DIAGNOSTIC), timeout=timeout_s)
    assert 0 < response.diagnostics.plan.remaining.ToMilliseconds() <= (200 if timeout_s is None else 60_000)


def test_the_id_that_was_sent_comes_back_and_a_missing_one_is_made(recommend):
    assert recommend(request(request_id="mine"), timeout=5).request_id == "mine"
    assert len(recommend(request(), timeout=5).request_id) == 32
