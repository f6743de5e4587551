"""The benchmark of folding: every full-size ranker is built and served as plain ONNX Runtime scores it, and the verdict sees what is wrong."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.folding.catalogue import Catalogue, ensure_catalogue
from bench.folding.contestants import build_ranker
from bench.folding.measure import Line, measure, same_best
from bench.folding.report import markdown, problems
from bench.rankers.shapes import SHAPES
from bench.servers import environment
from domain.progress import SILENT


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return ensure_catalogue(700, tuple(SHAPES), tmp_path_factory.mktemp("folding"), SILENT)


@pytest.mark.parametrize("name", SHAPES)
def test_a_full_size_ranker_is_served_as_it_scores_whole(catalogue: Catalogue, tmp_path: Path, name: str) -> None:
    line = measure(name, build_ranker(SHAPES[name], catalogue, tmp_path, SILENT, clock=None), catalogue, 4, SILENT)
    assert line.identical + line.tied == 4
    assert line.largest_difference <= 1e-5


def test_a_page_is_the_same_when_only_ties_changed_places() -> None:
    scores = np.linspace(1.0, 0.0, 30, dtype=np.float32)
    scores[4] = scores[3] - np.float32(1e-7)
    best = np.arange(20)
    swapped, far = best.copy(), best.copy()
    swapped[[3, 4]], far[[3, 9]] = swapped[[4, 3]], far[[9, 3]]
    assert same_best(scores, best, best) == (True, True)
    assert same_best(scores, swapped, best) == (False, True)
    assert same_best(scores, far, best) == (False, False)
    assert same_best(scores, np.zeros(20, np.int64), best) == (False, False)


def _line(name: str, served_ms: float, **changes: object) -> Line:
    spent_ms = np.array([[4.5, 9.0, 4.0], [4.0, 4.0, 900.0], [served_ms, 700.0, served_ms]])
    line = Line(name, SHAPES[name], "folded", 100, *spent_ms, 3, 0, 1e-7, 1.0)
    return replace(line, **changes)


def test_targets_that_are_missed_are_named() -> None:
    assert problems(_line("two-towers", 0.8)) == []
    assert problems(_line("two-towers", 1.1)) == ["3.64 times as fast as whole, 4 times are wanted"]
    assert problems(_line("trees", 4.1)) == []
    assert problems(_line("two-towers", 0.8, exported_ms=np.array([3.0]))) == ["3.75 times as fast as whole, 4 times are wanted"]
    assert problems(_line("trees", 5.0)) == ["0.80 times as fast as whole, it must not be slower"]
    assert problems(_line("trees", 4.0, identical=2, tied=1)) == []
    assert problems(_line("trees", 4.0, identical=1, tied=1)) == ["1 of 3 requests have another page"]


def test_a_narrowed_form_is_judged_by_the_order_that_it_leaves() -> None:
    narrowed = {"form": "narrowed", "narrow": True, "identical": 0}
    assert problems(_line("mlp", 2.0, mean_ndcg=0.9995, **narrowed)) == []
    assert problems(_line("mlp", 2.0, mean_ndcg=0.998, **narrowed)) == ["NDCG@20 is 0.99800, at least 0.999 is wanted"]
    assert problems(_line("mlp", 2.5, mean_ndcg=0.9995, **narrowed)) == ["1.60 times as fast as whole, 2 times are wanted"]
    assert problems(_line("mlp", 2.0, **narrowed | {"form": "folded"})) == ["3 of 3 requests have another page"]


def test_the_table_has_a_row_per_shape() -> None:
    rows = markdown([_line("two-towers", 0.8), _line("trees", 4.0, identical=2, tied=1)]).splitlines()
    assert rows[2] == "|two towers + cross MLP|folded|4.50|4.00|0.80|5.00|4|100|3 of 3|1.00000|1.0e-07|"
    assert rows[3].startswith("|boosted trees|folded|4.50|4.00|4.00|1.00||100|2 of 3, 1 but for ties|")
    assert len({row.count("|") for row in rows}) == 1


def test_the_command_prints_a_table_and_fails_when_something_was_missed(tmp_path: Path) -> None:
    told = [
        "--creators",
        "600",
        "--requests",
        "3",
        "--shapes",
        "trees,mlp",
        "--data",
        str(tmp_path),
        "--json",
        str(tmp_path / "out" / "figures.json"),
    ]
    run = subprocess.run([sys.executable, "-m", "bench.folding", *told], env=environment(), capture_output=True, text=True, check=False)
    lines = json.loads((tmp_path / "out" / "figures.json").read_text())["lines"]
    assert [line["shape"] for line in lines] == ["trees", "mlp"]
    assert run.stdout.count("\n") == 4, run.stderr
    assert run.returncode == (1 if any(line["missed"] for line in lines) else 0)
    assert all(text in run.stderr for line in lines for text in line["missed"])
