"""The examples of docs/api.md and README.md, taken out of the pages and run as they stand: only ports and the tool's folder are replaced.

EARSHOT_REGENERATE_DOCS=1 writes the creators that come out, and what programs print, into the pages anew.
"""

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.server_process import ROOT, environment
from tests.markdown import blocks

PAGES = ("README.md", "docs/api.md")
TOOL = str(Path(sys.executable).with_name("buf"))
# What differs from run to run, or from machine to machine; it must be there, and of the same kind. Scores come out to a thousandth.
VOLATILE = {"requestId", "receipt", "digest", "pid", "startTime", "generationPid", "measuredRecall", "diagnostics"}
TOLERANCE = 1e-3


def examples(languages):
    """(page and line, example, the answer that follows it) of both pages."""
    found = []
    for page in PAGES:
        all_blocks = blocks(ROOT / page)
        for block, answer in itertools.pairwise(all_blocks):
            if block.language in languages and not block.text.startswith("grpcurl") and ("buf curl" in block.text or "earshot.client" in block.text):
                found.append(pytest.param((page, block), answer, id=f"{page}:{block.line}"))
    return found


def here(text, server):
    """The same example for this server and this environment."""
    text = text.replace(".venv/bin/buf", TOOL)
    return text.replace("127.0.0.1:50051", server.target).replace("127.0.0.1:50052", server.control_target)


def same(shown, got, name=""):
    """Whether an answer is the one that is shown, as far as it can be."""
    if name in VOLATILE:
        return isinstance(got, type(shown)) and bool(got) and (not isinstance(shown, dict) or shown.keys() == got.keys())
    if isinstance(shown, dict):
        return isinstance(got, dict) and shown.keys() == got.keys() and all(same(shown[key], got[key], key) for key in shown)
    if isinstance(shown, list):
        return isinstance(got, list) and len(shown) == len(got) and all(map(same, shown, got))
    if isinstance(shown, float):
        return abs(shown - got) <= TOLERANCE
    return shown == (got.replace("demo-1", "demo") if isinstance(got, str) else got)  # the version that tests give the demo


def regenerate(page, shown, got):
    """Put what came out into a page, where that was asked for; what differs from run to run stays as it is shown."""
    if not os.environ.get("EARSHOT_REGENERATE_DOCS"):
        return shown
    fresh = got
    if shown.startswith("{"):
        lines = ",\n".join(f"    {json.dumps(one, ensure_ascii=False)}" for one in json.loads(got).get("recommendations", []))
        fresh = re.sub(r'("recommendations": \[)\n.*?\n(  \])', lambda match: f"{match[1]}\n{lines}\n{match[2]}", shown, flags=re.DOTALL)
    file = ROOT / page
    file.write_text(file.read_text("utf-8").replace(shown, fresh), "utf-8")
    return fresh


@pytest.mark.parametrize(("example", "answer"), examples(("", "sh")))
def test_a_pasted_call_gives_the_answer_that_is_shown(demo_server, example, answer):
    page, example = example
    done = subprocess.run(["bash", "-c", here(example.text, demo_server)], capture_output=True, text=True, timeout=20, check=False)
    printed = done.stdout or done.stderr  # errors come on stderr, as JSON too
    shown = regenerate(page, answer.text, printed)
    if answer.language == "text":
        assert printed == shown
    else:
        assert same(json.loads(shown), json.loads(printed)), printed


@pytest.mark.parametrize(("example", "answer"), examples(("python",)))
def test_a_pasted_program_prints_what_is_shown(demo_server, example, answer):
    page, example = example
    command = [sys.executable, "-c", here(example.text, demo_server)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=20, check=False)
    assert (done.stdout, done.stderr) == (regenerate(page, answer.text, done.stdout), "")


def test_the_pages_have_examples_that_were_run():
    assert len(examples(("", "sh", "python"))) >= 10
    assert {param.id.partition(":")[0] for param in examples(("", "sh"))} == set(PAGES)


@pytest.mark.parametrize(("shown", "got"), [({"a": 1}, {"a": 2}), ({"a": 1}, {}), ([1], [1, 2]), (0.5, 0.51), ({"pid": 1}, {"pid": "x"}), ("a", "b")])
def test_another_answer_is_noticed(shown, got):
    assert not same(shown, got)
