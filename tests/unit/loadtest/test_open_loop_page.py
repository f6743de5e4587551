"""The page of the open-loop generator: whole, self-contained, and honest about points that are not to be believed."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from loadtest.open_loop.page import page
from loadtest.open_loop.point import point_of
from loadtest.open_loop.senders import Measured
from loadtest.open_loop.trial import OK, Samples, Trial
from tests.integration.server_process import ROOT, environment
from tests.unit.client.small_server import refuse, serving

TRIAL = Trial("127.0.0.1:1", rate_per_s=10, duration_s=2, warm_up_s=0, deadline_s=0.1)


class Structure(HTMLParser):
    """Which elements a page has; every one that is opened must be closed in order."""

    VOID = frozenset({"meta", "link", "br", "img", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str | None] = []
        self.handlers: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in {"src", "href"}]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)


def point(rate_per_s: float, late_s: float, outcome: str = OK):
    calls = Samples()
    for number in range(20):
        calls.add(number / 10, late_s, late_s + 0.01, outcome, "RANK DEADLINE" if outcome == OK else "")
    return point_of(replace(TRIAL, rate_per_s=rate_per_s), Measured(calls, None))


def test_the_page_is_whole_and_needs_nothing_from_elsewhere():
    text = page("Goodput <under> load", ["a & b"], [point(10, 0.0), point(20, 0.0, "UNAVAILABLE <OVERLOADED>")])
    found = Structure(text)
    assert found.addresses == found.handlers == []
    assert "script" not in found.tags
    assert found.tags.count("svg") == 3  # goodput, and latency over time of each rate
    assert "Goodput &lt;under&gt; load" in text
    assert "UNAVAILABLE &lt;OVERLOADED&gt;" in text
    assert "degraded: RANK DEADLINE" in text
    for start, end in zip(_places(text, "<svg"), _places(text, "</svg>"), strict=True):
        ET.fromstring(text[start : end + len("</svg>")])


def _places(text: str, part: str) -> list[int]:
    return [place for place in range(len(text)) if text.startswith(part, place)]


def test_points_of_a_generator_that_did_not_keep_up_are_marked():
    text = page("t", [], [point(10, 0.0), point(20, 0.05)])
    assert "<td>20.0 *</td>" in text
    assert "<td>10.0</td>" in text
    assert "did not keep up" in text
    assert "did not keep up" not in page("t", [], [point(10, 0.0)])


def test_a_page_without_points_is_a_page():
    assert "<h1>t</h1>" in page("t", ["nothing held"], [])


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtest.open_loop", *words]
    return subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_a_short_run_writes_json_and_page(tmp_path):
    def act(number, context):
        if number % 5 == 0:
            refuse(context)

    with serving(act) as server:
        ended = _run(
            "--target", server.target, "--rate", "30", "--seconds", "2", "--deadline-ms", "20000", "--connections", "2", "--out", str(tmp_path)
        )
    # The first calls, which open the connections, are answered: only every fifth is refused.
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = json.loads((tmp_path / "curve.json").read_text())
    (measured,) = found["points"]
    assert measured["offered_per_s"] == 30
    assert set(measured["failures"]) == {"UNAVAILABLE"}
    assert 0 < measured["goodput_per_s"] < measured["planned_per_s"]
    Structure((tmp_path / "curve.html").read_text())


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--target", "example.com:1"), 64, "not this machine"),
        (("--rate", "0"), 64, "--rate is 0"),
        (("--rate", "1e6"), 64, "calls; take less"),
        (("--target", "127.0.0.1:1", "--rate", "1", "--users-file", "nowhere.txt", "--seconds", "5"), 1, "nowhere.txt"),
        (("--earshot", "/bin/false", "--rate", "1"), 69, "did not start"),
    ],
)
def test_what_cannot_run_ends_with_a_line_and_a_code_of_its_own(words, code, text, tmp_path):
    ended = _run(*words, "--out", str(tmp_path))
    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert text in ended.stderr
