"""The request codec: what is accepted comes out as it was sent, what breaks a rule is refused with the field's name."""

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidRequest
from domain.request import MAX_CANDIDATE_COUNT, MAX_LISTED_IDS, MAX_PAGE_SIZE, CandidateFilter, RecommendRequest
from earshot.v1 import recommendation_service_pb2 as pb
from earshot.v1 import types_pb2
from server.rpc.decode import decode_request, deserialize
from server.rpc.reading import UNDECODABLE

NOW_S = 1_700_000_000.75


def message(**fields):
    return pb.RecommendCreatorsRequest(**{"user": pb.User(user_id="u"), **fields})


def refused_fields(sent, now_s=NOW_S):
    with pytest.raises(InvalidRequest) as refusal:
        decode_request(sent, now_s)
    return {violation.field for violation in refusal.value.violations}


def to_value(value):
    match value:
        case float():
            return types_pb2.FeatureValue(number=value)
        case int():
            return types_pb2.FeatureValue(integer=value)
        case str():
            return types_pb2.FeatureValue(text=value)
        case tuple():
            return types_pb2.FeatureValue(texts=types_pb2.TextList(values=value))
        case np.ndarray() if value.dtype == np.float32:
            return types_pb2.FeatureValue(numbers=types_pb2.NumberList(values=value.tolist()))
        case _:
            return types_pb2.FeatureValue(integers=types_pb2.IntegerList(values=value.tolist()))


def to_message(request: RecommendRequest) -> pb.RecommendCreatorsRequest:
    """The inverse of `decode_request`, written independently of it."""
    sent = pb.RecommendCreatorsRequest(
        request_id=request.request_id,
        user=pb.User(user_id=request.user_id, features={k: to_value(v) for k, v in request.user_features.items()}),
        page_size=request.page_size,
        candidate_count=request.candidate_count,
        context_features={k: to_value(v) for k, v in request.context_features.items()},
        exact=request.exact,
        surface=request.surface,
        priority=pb.PRIORITY_BATCH if request.batch_priority else pb.PRIORITY_INTERACTIVE,
        bundle_version=request.bundle_version,
    )
    for space, vector in request.embeddings.items():
        sent.user.embeddings.add(space=space, values=vector.tolist())
    wanted = request.filter
    sent.filter.market, sent.filter.include_followed = wanted.market, wanted.include_followed
    sent.filter.excluded_creator_ids.extend(wanted.excluded_ids)
    sent.filter.seen_creator_ids.extend(wanted.seen_ids)
    sent.filter.tiers.extend(wanted.tiers)
    sent.as_of_time.seconds = request.as_of_time_s
    return sent


floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
vectors = st.lists(floats, min_size=1, max_size=8).map(lambda v: np.array(v, np.float32))
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=15)
names = st.from_regex(r"[a-z][a-z0-9_]{0,62}", fullmatch=True)
integers = st.integers(-(2**63), 2**63 - 1)
values = (
    floats | integers | texts | vectors | st.lists(integers, max_size=4).map(lambda v: np.array(v, np.int64)) | st.lists(texts, max_size=4).map(tuple)
)
id_lists = st.lists(texts, max_size=4).map(tuple)


@st.composite
def requests(draw):
    page_size = draw(st.integers(1, MAX_PAGE_SIZE))
    return RecommendRequest(
        request_id=draw(texts.filter(bool)),
        user_id=draw(texts.filter(bool)),
        embeddings=draw(st.dictionaries(texts, vectors, max_size=3)),
        user_features=draw(st.dictionaries(names, values, max_size=3)),
        context_features=draw(st.dictionaries(names, values, max_size=3)),
        page_size=page_size,
        candidate_count=draw(st.just(0) | st.integers(page_size, MAX_CANDIDATE_COUNT)),
        filter=CandidateFilter(draw(texts), draw(id_lists), draw(id_lists), draw(st.booleans()), draw(id_lists)),
        exact=draw(st.booleans()),
        surface=draw(st.text("abc-/ä", max_size=30)),
        as_of_time_s=draw(st.integers(0, int(NOW_S) + 86_400)),
        batch_priority=draw(st.booleans()),
        bundle_version=draw(texts),
    )


def comparable(value):
    if isinstance(value, np.ndarray):
        return value.dtype.name, value.tolist()
    if isinstance(value, dict):
        return {k: comparable(v) for k, v in value.items()}
    return value


@given(requests())
def test_proto_to_domain_and_back_is_the_identity(request):
    got = decode_request(deserialize(to_message(request).SerializeToString()), NOW_S)
    for field in RecommendRequest.__dataclass_fields__:
        assert comparable(getattr(got, field)) == comparable(getattr(request, field)), field


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused_as_invalid(data):
    sent = deserialize(data)
    with contextlib.suppress(InvalidRequest):
        request = decode_request(sent, NOW_S)
        assert request.request_id
        assert 1 <= request.page_size <= MAX_PAGE_SIZE


def test_undecodable_bytes_are_no_message_and_are_refused():
    for data in (b"\xff\xff", b"\x0a\x02\xc3\x28", b"\x12\xff\xff\xff\xff\x0f"):
        assert deserialize(data) is UNDECODABLE
    with pytest.raises(InvalidRequest, match="does not decode"):
        decode_request(UNDECODABLE, NOW_S)


def test_defaults_are_resolved():
    request = decode_request(message(), NOW_S)
    assert (request.page_size, request.candidate_count, request.as_of_time_s, request.filter) == (20, 0, int(NOW_S), CandidateFilter())
    assert request.request_id != decode_request(message(), NOW_S).request_id


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"user": pb.User()}, "user"),
        ({"user": pb.User(features={"a": to_value(1)})}, "user"),
        ({"user": pb.User(user_id="u" * 257)}, "user.user_id"),
        ({"user": pb.User(user_id="ü" * 129)}, "user.user_id"),
        ({"user": pb.User(user_id="a\nb")}, "user.user_id"),
        ({"user": pb.User(user_id="a\x7fb")}, "user.user_id"),
        ({"user": pb.User(user_id="a\x85b")}, "user.user_id"),
        ({"request_id": "r" * 129}, "request_id"),
        ({"request_id": "a\0b"}, "request_id"),
        ({"surface": "s" * 65}, "surface"),
        ({"surface": "a\tb"}, "surface"),
        ({"page_size": -1}, "page_size"),
        ({"page_size": MAX_PAGE_SIZE + 1}, "page_size"),
        ({"candidate_count": -1}, "candidate_count"),
        ({"candidate_count": MAX_CANDIDATE_COUNT + 1}, "candidate_count"),
        ({"candidate_count": 19}, "candidate_count"),
        ({"candidate_count": 29, "page_size": 30}, "candidate_count"),
        ({"view": 3}, "view"),
        ({"priority": -7}, "priority"),
        ({"filter": pb.CandidateFilter(excluded_creator_ids=["x"] * (MAX_LISTED_IDS + 1))}, "filter.excluded_creator_ids"),
        ({"filter": pb.CandidateFilter(seen_creator_ids=["x"] * (MAX_LISTED_IDS + 1))}, "filter.seen_creator_ids"),
        ({"as_of_time": {"seconds": -1}}, "as_of_time"),
        ({"as_of_time": {"seconds": 1, "nanos": -1}}, "as_of_time"),
        ({"as_of_time": {"seconds": int(NOW_S) + 86_402}}, "as_of_time"),
        ({"as_of_time": {"seconds": 2**63 - 1}}, "as_of_time"),
        ({"context_features": {"hour": types_pb2.FeatureValue()}}, 'context_features["hour"]'),
        ({"context_features": {"hour": to_value(math.nan)}}, 'context_features["hour"]'),
        ({"context_features": {"hour": to_value(np.array([1, math.inf], np.float32))}}, 'context_features["hour"]'),
        ({"context_features": {"context.hour": to_value(1)}}, "context_features['context.hour']"),
        ({"context_features": {"": to_value(1)}}, "context_features['']"),
        ({"context_features": {"x" * 64: to_value(1)}}, f"context_features[{'x' * 64!r}]"),
        ({"user": pb.User(user_id="u", features={"Age": to_value(1)})}, "user.features['Age']"),
        ({"user": pb.User(embeddings=[types_pb2.Embedding()])}, "user.embeddings[0].values"),
        ({"user": pb.User(embeddings=[types_pb2.Embedding(values=[1, math.nan])])}, "user.embeddings[0].values[1]"),
        ({"user": pb.User(embeddings=[types_pb2.Embedding(values=[-math.inf, 1])])}, "user.embeddings[0].values[0]"),
        ({"user": pb.User(embeddings=[types_pb2.Embedding(values=[1]), types_pb2.Embedding(values=[2])])}, "user.embeddings[1]"),
    ],
)
def test_a_broken_rule_is_named_by_its_field(fields, field):
    assert refused_fields(message(**fields)) == {field}


def test_all_broken_rules_are_named_at_once():
    assert refused_fields(message(page_size=-1, surface="x" * 65, view=9)) == {"page_size", "surface", "view"}


@pytest.mark.parametrize(
    "fields",
    [
        {"page_size": MAX_PAGE_SIZE, "candidate_count": MAX_CANDIDATE_COUNT},
        {"request_id": "ü" * 64, "surface": "s" * 64},
        {"user": pb.User(user_id="u" * 256)},
        {"user": pb.User(user_id="a b\u3000c")},
        {"user": pb.User(embeddings=[types_pb2.Embedding(values=[3e38] * 4)])},
        {"as_of_time": {"seconds": int(NOW_S) + 86_400}},
        {"as_of_time": {"seconds": 0}},
        {"filter": pb.CandidateFilter(excluded_creator_ids=["x"] * MAX_LISTED_IDS)},
        {"view": 0, "priority": 0},
    ],
)
def test_the_edges_of_the_rules_are_accepted(fields):
    decode_request(message(**fields), NOW_S)
