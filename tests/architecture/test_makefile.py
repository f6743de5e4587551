"""The Makefile explains itself."""

from __future__ import annotations

import re
import subprocess

from tests.architecture.tree import ROOT

_MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_help_lists_every_target_with_a_line() -> None:
    targets = set(re.findall(r"^\.PHONY: (.+)$", _MAKEFILE, re.MULTILINE))
    printed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = dict(re.findall(r"^  make (\S+) +(\S.*)$", printed, re.MULTILINE))
    assert set(listed) == targets
    assert {"setup", "serve", "test", "check", "protos", "bench", "lock", "clean"} <= targets


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^\.PHONY: (.+)$", _MAKEFILE, re.MULTILINE))
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        named = re.findall(r"(?:^|[`&;] ?)make ([a-z][a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(named) <= targets, f"{page.name} names {sorted(set(named) - targets)}"


def test_ci_runs_the_two_commands_of_the_makefile() -> None:
    script = ROOT / ".ci/run"
    assert script.stat().st_mode & 0o111
    assert re.findall(r"^make (\w+)$", script.read_text(encoding="utf-8"), re.MULTILINE) == ["check", "test"]
