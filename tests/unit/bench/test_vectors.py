import numpy as np
import pytest

from bench.vectors import SETS, listening


@pytest.mark.parametrize("name", SETS)
def test_vectors_are_what_a_build_accepts_and_the_seed_decides(name: str) -> None:
    first, again, other = (SETS[name](3000, 50, np.random.default_rng(seed)) for seed in (1, 1, 2))
    for vectors, count in ((first.creators, 3000), (first.users, 50)):
        assert vectors.dtype == np.float32
        assert vectors.shape == (count, 64)
        assert np.isfinite(vectors).all()
        assert (np.linalg.norm(vectors, axis=1) > 1e-3).all()
    assert np.array_equal(first.creators, again.creators)
    assert not np.array_equal(first.creators, other.creators)


def test_listening_vectors_have_the_spread_their_docstring_claims() -> None:
    vectors = listening(40_000, 500, np.random.default_rng(3))
    norms = np.linalg.norm(vectors.creators, axis=1)
    quartiles = np.percentile(norms, [25, 75])
    assert quartiles == pytest.approx([0.20, 0.60], abs=0.07)
    directions = vectors.creators / norms[:, None]
    assert 0.1 < np.linalg.norm(directions.mean(axis=0)) < 0.2
    energy = np.linalg.svd(directions[:8000] - directions.mean(axis=0), compute_uv=False) ** 2
    assert 50 < energy.sum() ** 2 / (energy**2).sum() < 64
