"""A ranker that folds, from parquet to slates: both forms answer alike, the report is in the bundle, times do not change what it is called."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from bench.bundles import build_options
from bench.data import World, write_inputs
from cli.main import main
from domain.progress import SILENT
from domain.terms import Terms
from engine.build import build
from engine.open import StartOptions, prepare
from engine.sample_request import sample_requests

WORLD = World("clustered", creator_count=1_500, user_count=40, ranker="two-towers")


def refuse(stage, failure):
    raise AssertionError(f"{stage} failed") from failure


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    directory = tmp_path_factory.mktemp("folded")
    write_inputs(WORLD, directory)
    return replace(build_options(WORLD, directory, directory / "bundle"), bundle_version="", threads=1)


@pytest.fixture(scope="module")
def built(options):
    build(options, SILENT)
    return options.out


def slates(bundle, whole):
    engine = prepare(bundle, whole=whole).start(StartOptions(), time.monotonic, refuse)
    requests = sample_requests(engine.bundle, engine.ways["default"].rank.ranker.schema, 20)
    answers = [engine.recommend(request, Terms.unhurried(engine.clock)) for request in requests]
    return engine.ways["default"].rank.ranker.description.form, [answer.slate for answer in answers]


def test_a_bundle_answers_alike_in_both_forms(built):
    (form, folded), (other, whole) = slates(built, whole=False), slates(built, whole=True)
    assert (form, other) == ("folded", "whole")
    for one, two in zip(folded, whole, strict=True):
        assert one.rows.tolist() == two.rows.tolist()
        np.testing.assert_allclose(one.scores, two.scores, rtol=1e-4, atol=1e-6)


def test_two_builds_are_called_the_same_though_their_times_differ(options, built, tmp_path):
    again = build(replace(options, out=tmp_path / "again"), SILENT)
    first = json.loads((built / "manifest.json").read_text())
    assert again.version == first["version"]
    differing = [path for path, record in again.files.items() if record.sha256 != first["files"][path]["sha256"]]
    assert set(differing) <= {"rankers/default/report.json"}


def test_inspect_tells_of_folding_to_people_and_to_programs(built, tmp_path, capsys):
    assert main(["inspect", str(built)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "depends on creators alone" in shown
    assert "where the sides join" in shown
    assert main(["inspect", str(built), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)["ranker_reports"]["default"]
    assert report == json.loads((built / "rankers/default/report.json").read_text())
    assert set(report["measured"]) >= {"whole_ms", "served_ms", "whole_to_served"}
    assert main(["inspect", str(built), "--html", str(tmp_path / "report.html")]) == 0
    assert "What folding made of it" in (tmp_path / "report.html").read_text()
