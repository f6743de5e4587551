import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from bench.blocks import Measured
from bench.data import World
from bench.figures import Sample
from bench.report import show, write_json
from bench.result import Result

COSTS = {"raw": 1.0, "served": 1.4, "tuned": 1.2, "typical": 2.5}


def _result(differences: dict[str, list[str]] | None = None, **of_served: object) -> Result:
    samples = []
    for number in range(3):
        for name, cost in COSTS.items():
            more = of_served if name == "served" else {}
            samples.append(Sample(number, 4, name, Measured(wall_s=1.0, cpu_ms=10 * cost, latencies_ms=np.ones(10), **more)))
    return Result(World("clustered"), {"ef": 600, "recall": 0.95}, samples, differences or {"served": []}, {"served": 0.5})


def _shown(result: Result) -> str:
    console = Console(file=io.StringIO(), width=200)
    show(result, ("raw", "served", "typical", "tuned"), console)
    return console.file.getvalue()


def _row(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if name in line)


def test_ratios_stand_beside_their_targets() -> None:
    shown = _shown(_result())
    assert "1.400" in _row(shown, "served/raw")
    assert "met" in _row(shown, "served/raw")
    assert "1.167" in _row(shown, "served/tuned")
    assert "missed" in _row(shown, "served/tuned")
    assert "<= 0.92" in _row(shown, "served/tuned")
    assert "engine/raw" not in shown


def test_two_towers_have_a_target_of_their_own() -> None:
    assert "<= 0.45" in _row(_shown(replace(_result(), world=World("clustered", ranker="two-towers"))), "served/tuned")


def test_differing_answers_are_told() -> None:
    assert "request 3: place 1" in _shown(_result({"served": ["request 3: place 1"]}))


@pytest.mark.parametrize("result", [_result({"served": ["request 3"]}), _result(failures={"UNAVAILABLE": 1}), _result(degraded=1)])
def test_figures_without_the_full_work_are_unsound(result: Result) -> None:
    assert not result.sound
    assert _result().sound


def test_the_json_holds_medians_ratios_and_every_block(tmp_path) -> None:
    path = tmp_path / "new" / "results.json"
    write_json(path, [_result()], {"cores": 2})
    written = json.loads(path.read_text())
    (result,) = written["results"]
    assert written["facts"] == {"cores": 2}
    assert result["figures"]["4"]["served"]["cpu_ms"] == pytest.approx(1.4)
    assert result["ratios"]["served/raw"]["median"]["4"] == pytest.approx(1.4)
    assert result["ratios"]["served/raw"]["target"] == 1.45
    assert result["ratios"]["engine/raw"]["median"]["4"] is None
    assert len(result["blocks"]) == 12
