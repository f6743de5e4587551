"""docs/api.md names every method, field, reason and limit of the API, as they are. That its examples run is tests/integration's."""

from __future__ import annotations

import json
import re

import pytest
from google.protobuf import json_format

from domain.request import DEFAULT_PAGE_SIZE, MAX_CANDIDATE_COUNT, MAX_LISTED_IDS, MAX_PAGE_SIZE
from earshot.v1 import bundle_service_pb2, recommendation_service_pb2, types_pb2
from engine.look_up import MAX_NORM, MIN_NORM
from server.rpc import errors
from server.rpc.decode import MAX_REQUEST_ID_BYTES, MAX_SURFACE_BYTES, MAX_USER_ID_BYTES
from server.rpc.health import MAX_WATCHES
from server.rpc.options import MESSAGE_BYTES, METADATA_BYTES, server_options
from server.settings import Settings
from tests.architecture.tree import ROOT
from tests.markdown import blocks, quoted, table_under, tables

PAGE = ROOT / "docs/api.md"
TEXT = PAGE.read_text(encoding="utf-8")
CALL = re.compile(r"^(\.venv/bin/buf curl|grpcurl) .*?(?:-d '(?P<body>.*?)' )(?:http://)?127\.0\.0\.1:(?P<port>\d+)[ /](?P<method>\S+)", re.DOTALL)
MESSAGES = {
    "field": recommendation_service_pb2.RecommendCreatorsRequest,
    "field of `user`": recommendation_service_pb2.User,
    "field of `filter`": recommendation_service_pb2.CandidateFilter,
    "field of a recommendation": recommendation_service_pb2.Recommendation,
    "field of the diagnostics": recommendation_service_pb2.Diagnostics,
    "field of a bundle": bundle_service_pb2.Bundle,
}


def fields_of(message):
    return {field.name for field in message.DESCRIPTOR.fields}


def first_cells(*headings_of_row_one):
    """The quoted names in the first column of the tables with that heading."""
    return [{n for row in rows[1:] for n in quoted(row[0])} for rows in tables(PAGE) if rows[0][0] in headings_of_row_one]


@pytest.mark.parametrize("heading", [heading for heading in MESSAGES if heading != "field"])
def test_every_field_of_a_message_has_a_row(heading):
    assert first_cells(heading) == [fields_of(MESSAGES[heading])]


def test_every_field_of_requests_and_answers_has_a_row():
    messages = (
        recommendation_service_pb2.RecommendCreatorsRequest,
        recommendation_service_pb2.RecommendCreatorsResponse,
        bundle_service_pb2.GetServingStatusResponse,
    )
    assert first_cells("field") == [fields_of(message) for message in messages]


def test_every_method_has_a_heading_and_a_row():
    services = (recommendation_service_pb2.DESCRIPTOR.services_by_name, bundle_service_pb2.DESCRIPTOR.services_by_name)
    for service in (one for by_name in services for one in by_name.values()):
        row = next(row for row in table_under(PAGE, "service") if f"`{service.full_name}`" == row[0])
        assert quoted(row[2]) == set(service.methods_by_name)
        assert all(f"\n## {method}\n" in TEXT for method in service.methods_by_name)


def test_every_reason_has_a_row_with_its_code():
    codes = {reason: code.name for code, reason in errors.CODES.values()}
    codes[types_pb2.ERROR_REASON_INTERNAL] = "INTERNAL"
    names = {number: name.removeprefix(errors.REASON_PREFIX) for name, number in types_pb2.ErrorReason.items() if number}
    written = {(row[0], *quoted(row[1])) for row in table_under(PAGE, "code")}
    assert written == {(codes[number], name) for number, name in names.items()}


def test_every_degradation_has_a_row():
    names = {name.removeprefix("DEGRADATION_REASON_") for name, number in types_pb2.DegradationReason.items() if number}
    assert {name for row in table_under(PAGE, "reason") for name in quoted(row[0])} == names


@pytest.mark.parametrize(
    ("heading", "name", "wanted"),
    [
        ("field", "page_size", f"0: {DEFAULT_PAGE_SIZE}; at most {MAX_PAGE_SIZE}"),
        ("field", "candidate_count", f"at most {MAX_CANDIDATE_COUNT}"),
        ("field", "request_id", f"at most {MAX_REQUEST_ID_BYTES} bytes"),
        ("field", "surface", f"at most {MAX_SURFACE_BYTES} bytes"),
        ("field of `user`", "user_id", f"at most {MAX_USER_ID_BYTES} bytes"),
        ("field of `user`", "embeddings", f"norm from {MIN_NORM:g} to {MAX_NORM:g}"),
        ("field of `filter`", "excluded_creator_ids", f"at most {MAX_LISTED_IDS}"),
        ("field of `filter`", "seen_creator_ids", f"at most {MAX_LISTED_IDS}"),
    ],
)
def test_a_limit_of_a_field_is_the_one_that_is_enforced(heading, name, wanted):
    rows = next(rows for rows in tables(PAGE) if rows[0][0] == heading)
    (row,) = [row for row in rows if f"`{name}`" in row[0]]
    assert wanted in row[-1]


def test_the_limits_of_the_server_are_the_ones_that_are_set():
    limits = {row[0]: row[1] for row in table_under(PAGE, "what")}
    settings = Settings()
    wanted = {
        "a message": f"{MESSAGE_BYTES} bytes",
        "metadata": f"{METADATA_BYTES} bytes",
        "calls at once on one connection": str(dict(server_options(share_port=True))["grpc.max_concurrent_streams"]),
        "the time limit of a call without a deadline": f"`--default-deadline-ms`, {settings.default_deadline_ms}",
        "the longest time limit": f"`--max-deadline-ms`, {settings.max_deadline_ms}",
        "requests that wait for a thread of one worker": f"`--max-pending-requests`, {settings.max_pending_requests}",
        "work that waits for a thread of one worker": f"`--max-queue-ms`, {settings.max_queue_ms:g}",
        "calls per second of one caller": f"`--quotas`, {settings.quotas or 'none'}",
        "health watches, per process": str(MAX_WATCHES),
    }
    assert limits.keys() == wanted.keys()
    assert [name for name in wanted if not limits[name].startswith(wanted[name])] == []
    (row,) = [row for row in table_under(PAGE, "code") if "`INVALID_REQUEST`" in row[1]]
    assert f"up to {errors.MAX_VIOLATIONS} fields" in row[2]


def test_each_call_with_grpcurl_is_one_that_is_shown_with_buf_curl_too():
    calls = [(match[1], match) for match in (CALL.match(block.text) for block in blocks(PAGE) if block.language == "sh") if match]
    of_buf = {(json.dumps(json.loads(m["body"])), m["port"], m["method"]) for tool, m in calls if tool != "grpcurl"}
    of_grpcurl = [(json.dumps(json.loads(m["body"])), m["port"], m["method"]) for tool, m in calls if tool == "grpcurl"]
    assert len(of_grpcurl) == 4
    assert set(of_grpcurl) <= of_buf


def test_each_request_is_a_message_of_the_api():
    for match in (CALL.match(block.text) for block in blocks(PAGE) if block.language == "sh"):
        if match and match["method"].endswith("/RecommendCreators"):
            json_format.Parse(match["body"], recommendation_service_pb2.RecommendCreatorsRequest())
