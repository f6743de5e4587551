"""docs/operations.md against the real server: every metric, every field of a log line, and no message that nobody writes."""

import json
import re
import urllib.request

from earshot.v1 import recommendation_service_pb2 as pb
from server import exits
from tests.integration.server_process import ROOT, wait_until
from tests.markdown import blocks, quoted, table_under

PAGE = ROOT / "docs/operations.md"
ALWAYS = {"time", "level", "process", "pid", "message"}
SOMETIMES = {"exception", "reason", "suppressed_lines"}  # where there is one


def names(heading, column=0):
    return {name for row in table_under(PAGE, heading) for name in quoted(row[column])}


def test_the_metrics_are_those_that_the_server_exposes(demo_server):
    with urllib.request.urlopen(f"http://127.0.0.1:{demo_server.facts['metrics_port']}/metrics", timeout=5) as answer:
        exposed = set(re.findall(r"^# TYPE (\S+) (\S+)$", answer.read().decode(), re.MULTILINE))
    assert {(name, row[1]) for row in table_under(PAGE, "metric") for name in quoted(row[0])} == exposed


def test_alerts_are_made_of_metrics_that_there_are():
    known = names("metric")
    used = {name for row in table_under(PAGE, "alert") for name in re.findall(r"earshot_\w+", row[1])}
    assert used
    assert {name.removesuffix("_bucket") for name in used} <= known


def test_the_fields_of_lines_are_those_that_are_written(demo_server):
    demo_server.recommend()(pb.RecommendCreatorsRequest(request_id="operations-page", user=pb.User(user_id="listener-0001")), timeout=5)
    wait_until(lambda: "operations-page" in demo_server.log.read_text(), 5, "the access line is written")
    lines = [json.loads(line) for line in demo_server.log.read_text().splitlines()]
    access = next(line for line in lines if line.get("request_id") == "operations-page")
    assert access.keys() | SOMETIMES == names("field") | names("field of a request") | SOMETIMES
    assert all(line.keys() >= ALWAYS for line in lines)
    assert {line["message"] for line in lines if line["process"] == "control" and line["message"] == "ready"} <= names("message")


def test_every_message_that_is_explained_is_written_somewhere():
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "server").rglob("*.py"))
    assert [message for message in names("message") if f'"{message}"' not in sources] == []


def test_every_message_of_an_error_is_explained():
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "server").rglob("*.py"))
    written = set(re.findall(r'log\(\s*logging\.ERROR,\s*"([^"]+)"', sources))
    assert written <= names("message") | {"a call could not be recorded", "a task of a request thread failed"}  # defects that harm no answer


def test_the_exit_codes_are_those_of_the_server():
    listed = {int(row[0]) for row in table_under(PAGE, "exit code")}
    assert listed >= {exits.OK, exits.FAILURE, exits.BAD_ARTIFACT, exits.NO_INPUT, exits.CONFIGURATION, 64}
    hopeless = {int(row[0]) for row in table_under(PAGE, "exit code") if row[2].startswith("no")}
    assert hopeless >= exits.LASTING


def test_a_channel_file_is_shown_as_the_server_reads_it():
    (shown,) = [json.loads(block.text) for block in blocks(PAGE) if block.language == "json"]
    assert shown.keys() == {"bundle_version", "digest"}
