import numpy as np
import onnx
import onnxruntime as ort
import pytest

from bench.rankers.mlp import write_mlp
from bench.rankers.shapes import SHAPES


def test_the_plain_network_is_the_one_its_name_says(tmp_path) -> None:
    path = tmp_path / "ranker.onnx"
    write_mlp(path, np.random.default_rng(5))
    weights = {w.name: onnx.numpy_helper.to_array(w) for w in onnx.load(path).graph.initializer}
    assert [weights[f"w{i}"].shape for i in range(3)] == [(177, 256), (256, 128), (128, 1)]
    rows = np.random.default_rng(6).standard_normal((5, 177)).astype(np.float32)
    hidden = np.maximum(rows @ weights["w0"] + weights["b0"], 0)
    hidden = np.maximum(hidden @ weights["w1"] + weights["b1"], 0)
    (scores,) = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(["score"], {"features": rows})
    np.testing.assert_allclose(scores, hidden @ weights["w2"] + weights["b2"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SHAPES)
def test_the_same_seed_writes_the_same_ranker(tmp_path, name) -> None:
    for file, seed in (("one", 3), ("again", 3), ("other", 4)):
        SHAPES[name].write(tmp_path / file, np.random.default_rng(seed))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "again").read_bytes() != (tmp_path / "other").read_bytes()
