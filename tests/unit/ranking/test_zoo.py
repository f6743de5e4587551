"""Rankers of every shape that folding is for, as exporters write them, give served what plain ONNX Runtime gives over inputs assembled by hand."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest

from domain.candidates import Candidates, Source
from tests.unit.ranking.ranking_world import MODELS, compile_model, make_creators
from tests.unit.ranking.zoo import USER_COLUMNS, ZOO, Question, ZooModel

CASES = [pytest.param(model, file, id=f"{shape}: {file}") for shape, model in ZOO.items() for file in model.files]
TOP = 20


def expected(model: ZooModel, file: str, question: Question) -> np.ndarray:
    """The scores of the exported file, [n]."""
    session = ort.InferenceSession(MODELS / f"{file}.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    outputs = session.run(names, model.feeds(question))
    return model.score(dict(zip(names, outputs, strict=True)))


@pytest.mark.parametrize(("model", "file"), CASES)
def test_a_built_ranker_scores_as_the_exported_file_does(tmp_path, model, file) -> None:
    compiled = compile_model(tmp_path, MODELS / f"{file}.onnx", model.binding, USER_COLUMNS)
    for seed, count in ((1, 200), (2, 200), (3, 37), (4, 1)):
        rng = np.random.default_rng(seed)
        rows, similarities = rng.permutation(len(compiled.creators))[:count], np.sort(rng.uniform(-1, 1, count))[::-1].astype(np.float32)
        question = Question.of(seed, compiled.creators, rows, similarities)
        wanted = expected(model, file, question)
        ranked = compiled.rank(question.user, Candidates.of(rows, similarities, Source.INDEX), TOP)
        allowed = 1e-5 * max(1.0, np.abs(wanted).max())
        np.testing.assert_allclose(ranked.scores, wanted, rtol=0, atol=allowed)
        np.testing.assert_allclose(wanted[ranked.order], np.sort(wanted)[::-1][:TOP], rtol=0, atol=allowed)
        assert count < TOP or len(np.unique(wanted)) > TOP // 2, "scores that are all alike would show nothing"


@pytest.mark.parametrize("model", [pytest.param(model, id=shape) for shape, model in ZOO.items() if len(model.files) > 1])
def test_both_exporters_write_the_same_function(model) -> None:
    question = Question.of(5, make_creators(), np.arange(50), np.linspace(1, -1, 50, dtype=np.float32))
    script, dynamo = (expected(model, file, question) for file in model.files)
    np.testing.assert_allclose(script, dynamo, rtol=1e-4, atol=1e-5)
