"""The load test as it is run: locust against the demo's server, the verdict, the exit code, the report. Needs .venv-load, which `make load` makes."""

from __future__ import annotations

import json
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.integration.server_process import ROOT, environment

_PYTHON = ROOT / ".venv-load/bin/python"
pytestmark = pytest.mark.skipif(not (ROOT / ".venv-load/.earshot-locks").exists(), reason="locust lives in .venv-load; make load sets it up")

# The verdict is tested, not the machine: nothing here may depend on how fast it is.
_ANY_SPEED = ("--limit=p95_ms=1e9", "--limit=p99_ms=1e9", "--limit=achieved_share=0.01", "--limit=degraded_share=1", "--limit=failed_share=0.9")
_BEFORE, _AFTER = "window.templateArgs = ", "\n      window.theme"


class _Outside(HTMLParser):
    """The addresses that a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str | None] = []

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in {"src", "href"}]


def _load(target: str, report: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [_PYTHON, "-m", "loadtest", "smoke", f"--target={target}", f"--report={report}", "--duration-s=4", *words]
    return subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_a_run_within_its_limits_ends_with_0_and_its_report_stands_alone(demo_server, tmp_path):
    report = tmp_path / "new" / "load.html"
    ended = _load(demo_server.target, report, *_ANY_SPEED)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    verdict = [line for line in ended.stdout.splitlines() if line.startswith(("met", "MISSED"))]
    assert len(verdict) == 5
    page = report.read_text(encoding="utf-8")
    assert all(line in page for line in verdict)
    outside = _Outside()
    outside.feed(page)
    assert outside.addresses == []
    data = json.loads(page[page.rindex(_BEFORE) + len(_BEFORE) : page.rindex(_AFTER)])
    assert data["history"], "the charts have no points"
    counted = {entry["name"]: entry["num_requests"] for entry in data["requests_statistics"]}
    assert {"RecommendCreators, first page", "RecommendCreators, market", "stage RETRIEVE", "stage RANK", "stage ENGINE"} <= set(counted)
    assert counted["Aggregated"] == sum(count for name, count in counted.items() if name.startswith("RecommendCreators"))
    assert f"smoke: {counted['Aggregated']} calls" in page


def test_a_run_that_misses_a_limit_ends_with_1_and_says_which(demo_server, tmp_path):
    ended = _load(demo_server.target, tmp_path / "load.html", *_ANY_SPEED, "--limit=p99_ms=0.001")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert [line.split()[1] for line in ended.stdout.splitlines() if line.startswith("MISSED")] == ["p99"]
