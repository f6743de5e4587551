"""From the request message to the domain's request: every rule of the API that needs no bundle to check."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from random import getrandbits

import numpy as np

from domain.arrays import FloatArray
from domain.errors import FieldViolation, InvalidRequest
from domain.request import DEFAULT_PAGE_SIZE, MAX_CANDIDATE_COUNT, MAX_LISTED_IDS, MAX_PAGE_SIZE, CandidateFilter, RecommendRequest, SentValue
from earshot.v1 import recommendation_service_pb2 as pb
from earshot.v1 import types_pb2
from server.rpc.reading import Undecodable, reader

MAX_REQUEST_ID_BYTES = 128
MAX_USER_ID_BYTES = 256
MAX_SURFACE_BYTES = 64
AS_OF_TIME_AHEAD_S = 86_400  # a day: clocks of callers are wrong, but not that wrong

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_FEATURE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_NO_FILTER = CandidateFilter()


deserialize = reader(pb.RecommendCreatorsRequest)


def decode_request(message: pb.RecommendCreatorsRequest | Undecodable, now_s: float) -> RecommendRequest:
    """The request, its defaults resolved. Raises InvalidRequest with every rule that is broken.

    now_s: the wall clock, read once at entry.
    """
    if isinstance(message, Undecodable):
        raise InvalidRequest
    violations: list[FieldViolation] = []
    user = message.user
    page_size = message.page_size or DEFAULT_PAGE_SIZE
    _check_texts(message, violations)
    _check_counts(message, page_size, violations)
    request = RecommendRequest(
        request_id=message.request_id or f"{getrandbits(128):032x}",  # a name, no secret: asking the system costs 10 us
        user_id=user.user_id,
        embeddings=_embeddings(user, violations) if user.embeddings else {},
        user_features=_features(user.features, "user.features", violations) if user.features else {},
        context_features=_features(message.context_features, "context_features", violations) if message.context_features else {},
        page_size=page_size,
        candidate_count=message.candidate_count,
        filter=_filter(message.filter, violations) if message.HasField("filter") else _NO_FILTER,
        exact=message.exact,
        surface=message.surface,
        as_of_time_s=_as_of_time_s(message, now_s, violations),
        batch_priority=message.priority == pb.PRIORITY_BATCH,
        bundle_version=message.bundle_version,
    )
    if violations:
        raise InvalidRequest(*violations)
    return request


def _check_texts(message: pb.RecommendCreatorsRequest, violations: list[FieldViolation]) -> None:
    if message.request_id:
        _check_text("request_id", message.request_id, MAX_REQUEST_ID_BYTES, violations)
    if message.surface:
        _check_text("surface", message.surface, MAX_SURFACE_BYTES, violations)
    if message.user.user_id:
        _check_text("user.user_id", message.user.user_id, MAX_USER_ID_BYTES, violations)
    elif not message.user.embeddings:
        violations.append(FieldViolation("user", "is empty; send a user_id, an embedding, or both"))


def _check_text(field: str, text: str, max_bytes: int, violations: list[FieldViolation]) -> None:
    size = len(text.encode())
    if size > max_bytes:
        violations.append(FieldViolation(field, f"has {size} bytes; at most {max_bytes} are allowed"))
    if not text.isprintable() and _CONTROL.search(text):
        violations.append(FieldViolation(field, "holds control characters; remove them"))


def _check_counts(message: pb.RecommendCreatorsRequest, page_size: int, violations: list[FieldViolation]) -> None:
    candidate_count = message.candidate_count
    if not 0 < page_size <= MAX_PAGE_SIZE:
        violations.append(FieldViolation("page_size", f"is {page_size}; it must be 0 (the default, {DEFAULT_PAGE_SIZE}) or 1 to {MAX_PAGE_SIZE}"))
    if not 0 <= candidate_count <= MAX_CANDIDATE_COUNT:
        violations.append(FieldViolation("candidate_count", f"is {candidate_count}; it must be 0 (the default) or 1 to {MAX_CANDIDATE_COUNT}"))
    elif 0 < candidate_count < page_size:
        violations.append(FieldViolation("candidate_count", f"is {candidate_count}, below page_size, which is {page_size}; raise it or send 0"))
    if message.view not in _VIEWS:
        violations.append(FieldViolation("view", f"is {message.view}, which is no ResponseView"))
    if message.priority not in _PRIORITIES:
        violations.append(FieldViolation("priority", f"is {message.priority}, which is no Priority"))


_VIEWS = frozenset(pb.ResponseView.values())
_PRIORITIES = frozenset(pb.Priority.values())


def _embeddings(user: pb.User, violations: list[FieldViolation]) -> Mapping[str, FloatArray]:
    embeddings: dict[str, FloatArray] = {}
    for place, sent in enumerate(user.embeddings):
        field = f"user.embeddings[{place}]"
        values = list(sent.values)
        vector = np.array(values, np.float32)
        if sent.space in embeddings:
            violations.append(FieldViolation(field, f'is the second one in space "{sent.space}"; send at most one per space'))
        if not values:
            violations.append(FieldViolation(f"{field}.values", "is empty; send all components"))
        elif not math.isfinite(sum(values)):  # of doubles, which float32 components cannot overflow; an infinity or a NaN survives in it
            at = int(np.argmin(np.isfinite(vector)))
            violations.append(FieldViolation(f"{field}.values[{at}]", f"is {vector[at]}; components must be finite"))
        embeddings[sent.space] = vector
    return embeddings


def _features(sent: Mapping[str, types_pb2.FeatureValue], field: str, violations: list[FieldViolation]) -> Mapping[str, SentValue]:
    values: dict[str, SentValue] = {}
    for name, value in sent.items():
        read = _READERS.get(value.WhichOneof("kind") or "")
        if _FEATURE_NAME.fullmatch(name) is None:
            violations.append(FieldViolation(f"{field}[{name!r}]", "is no feature name; names match [a-z][a-z0-9_]{0,62} and come without a prefix"))
        elif read is None:
            violations.append(FieldViolation(f'{field}["{name}"]', "has no value; set exactly one kind"))
        else:
            values[name] = got = read(value)
            if isinstance(got, float | np.ndarray) and not np.all(np.isfinite(got)):
                violations.append(FieldViolation(f'{field}["{name}"]', "is not finite; leave the feature out where there is no value"))
    return values


def _number(value: types_pb2.FeatureValue) -> SentValue:
    return value.number


def _integer(value: types_pb2.FeatureValue) -> SentValue:
    return value.integer


def _text(value: types_pb2.FeatureValue) -> SentValue:
    return value.text


def _numbers(value: types_pb2.FeatureValue) -> SentValue:
    return np.array(list(value.numbers.values), np.float32)


def _integers(value: types_pb2.FeatureValue) -> SentValue:
    return np.array(list(value.integers.values), np.int64)


def _texts(value: types_pb2.FeatureValue) -> SentValue:
    return tuple(value.texts.values)


_READERS = {"number": _number, "integer": _integer, "text": _text, "numbers": _numbers, "integers": _integers, "texts": _texts}


def _filter(sent: pb.CandidateFilter, violations: list[FieldViolation]) -> CandidateFilter:
    excluded, seen = tuple(sent.excluded_creator_ids), tuple(sent.seen_creator_ids)
    for field, ids in (("filter.excluded_creator_ids", excluded), ("filter.seen_creator_ids", seen)):
        if len(ids) > MAX_LISTED_IDS:
            violations.append(FieldViolation(field, f"has {len(ids)} ids; at most {MAX_LISTED_IDS} are allowed"))
    return CandidateFilter(sent.market, excluded, tuple(sent.tiers), sent.include_followed, seen)


def _as_of_time_s(message: pb.RecommendCreatorsRequest, now_s: float, violations: list[FieldViolation]) -> int:
    if not message.HasField("as_of_time"):
        return int(now_s)
    seconds, nanos = message.as_of_time.seconds, message.as_of_time.nanos
    if seconds < 0 or not 0 <= nanos < 1_000_000_000:
        violations.append(FieldViolation("as_of_time", f"is {seconds} s and {nanos} ns; it must not be before 1970, with 0 to 999999999 ns"))
    elif seconds > now_s + AS_OF_TIME_AHEAD_S:
        violations.append(FieldViolation("as_of_time", f"is {seconds} s, more than a day ahead of the server's {int(now_s)} s"))
    return seconds
