import numpy as np
import onnx
import onnxruntime as ort

from bench.ranker import write_ranker


def test_the_ranker_is_the_network_its_name_says(tmp_path) -> None:
    path = tmp_path / "ranker.onnx"
    write_ranker(path, np.random.default_rng(5))
    weights = {w.name: onnx.numpy_helper.to_array(w) for w in onnx.load(path).graph.initializer}
    assert [weights[f"w{i}"].shape for i in range(3)] == [(177, 256), (256, 128), (128, 1)]
    rows = np.random.default_rng(6).standard_normal((5, 177)).astype(np.float32)
    hidden = np.maximum(rows @ weights["w0"] + weights["b0"], 0)
    hidden = np.maximum(hidden @ weights["w1"] + weights["b1"], 0)
    (scores,) = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(["score"], {"features": rows})
    np.testing.assert_allclose(scores, hidden @ weights["w2"] + weights["b2"], rtol=1e-4, atol=1e-5)
