"""Whatever a ranker is made of: folded, it gives what it gives whole."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.ranking.graph_grammar import BINDING, USER_COLUMNS, rankers
from tests.unit.ranking.ranking_world import compile_model, make_candidates, make_user


@settings(max_examples=60, deadline=None)
@given(model=rankers(), history=st.integers(0, 8), count=st.integers(1, 60), seed=st.integers(0, 99))
def test_a_ranker_of_any_operators_scores_folded_as_whole(model, history, count, seed) -> None:
    rng = np.random.default_rng(seed)
    user = make_user(seed, {"age": np.float32(rng.normal()), "history": rng.integers(0, 300, history)}, {"hour": np.float32(rng.normal())})
    with TemporaryDirectory() as folder:
        folded = compile_model(Path(folder), model, BINDING, USER_COLUMNS)
        report = json.loads((folded.directory / "report.json").read_text())
        candidates = make_candidates(count, seed)
        assert folded.description.form in ("folded", "split"), report["notes"]
        assert report["notes"] == [], "in float64 nothing is lost by taking sums apart"
        np.testing.assert_allclose(folded.rank(user, candidates).scores, folded.reference(user, candidates), rtol=1e-6, atol=1e-6)
