"""What the README says to paste is what the API and the demo world know. That it answers is tests/integration's."""

from __future__ import annotations

import re

from google.protobuf import json_format
from pyarrow import parquet

from earshot.v1 import recommendation_service_pb2 as pb
from tests.architecture.tree import ROOT

_README = (ROOT / "README.md").read_text(encoding="utf-8")
_CALLS = re.findall(r"^(grpcurl|\.venv/bin/buf curl) [^']*-d '(.+?)' (?:http://)?127\.0\.0\.1:50051[ /](\S+)", _README, re.MULTILINE | re.DOTALL)


def test_the_readme_shows_a_call_with_each_of_two_tools() -> None:
    assert [tool.rpartition("/")[2] for tool, _, _ in _CALLS] == ["grpcurl", "buf curl"]


def test_the_calls_are_requests_of_the_api_for_a_listener_of_the_demo() -> None:
    listeners = set(parquet.read_table(ROOT / "demo/data/users.parquet", columns=["user_id"])["user_id"].to_pylist())
    for _, body, _ in _CALLS:
        request = json_format.Parse(body, pb.RecommendCreatorsRequest())
        assert request.user.user_id in listeners
        assert {"hour", "activity"} == set(request.context_features)


def test_the_calls_name_a_method_of_the_api() -> None:
    service = pb.DESCRIPTOR.services_by_name["RecommendationService"]
    for _, _, target in _CALLS:
        assert target == f"{service.full_name}/{service.methods_by_name['RecommendCreators'].name}"


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert _README.count("\n") <= 200
