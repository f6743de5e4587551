"""The table of ablations, from files to a page."""

from __future__ import annotations

import sys

import pytest

from evaluation import ablations
from tests.unit.evaluation.test_markdown import make


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["ablations", *map(str, arguments)])
    ablations.main()


def test_each_evaluation_becomes_a_line_under_its_name(monkeypatch, tmp_path, capsys):
    (tmp_path / "e.json").write_text(make().to_json(), "utf-8")
    page = tmp_path / "page.md"
    page.write_text("<!-- measured: ablations -->\nnothing\n<!-- end -->\n", "utf-8")
    run(monkeypatch, f"whole={tmp_path}/e.json", f"no content={tmp_path}/e.json", "--markdown", page)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1:3] for line in lines[2:]] == [["whole", "0.3000 (0.2900 to 0.3100)"], ["no content", "0.3000 (0.2900 to 0.3100)"]]
    assert page.read_text("utf-8").splitlines()[1:-1] == lines


@pytest.mark.parametrize(("argument", "said"), [("e.json", "is not NAME=F"), ("whole=absent.json", "absent.json")])
def test_what_cannot_be_read_is_named(monkeypatch, capsys, argument, said):
    with pytest.raises(SystemExit):
        run(monkeypatch, argument)
    assert said in capsys.readouterr().err
