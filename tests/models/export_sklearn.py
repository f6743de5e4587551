"""Exports scikit-learn rankers for the tests. Needs scikit-learn and skl2onnx: `python tests/models/export_sklearn.py`."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent
WIDTH, OPSET = 21, 17


def main() -> None:
    """Regressors, classifiers with probabilities, and one with a zipmap, which is to be refused."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(6)
    x = rng.normal(size=(800, WIDTH)).astype(np.float32)
    y = x[:, 0] * x[:, 9] + x[:, 20] + 0.1 * rng.normal(size=len(x))
    save("sklearn_boosting", GradientBoostingRegressor(n_estimators=30, random_state=6).fit(x, y))
    save("sklearn_mlp", make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(12, 6), max_iter=60, random_state=6)).fit(x, y))
    logistic = LogisticRegression(random_state=6).fit(x, (y > 0).astype(np.int64))
    save("sklearn_logistic", logistic, zipmap=False)
    save("sklearn_zipmap", logistic, zipmap=True)
    save(
        "sklearn_three_classes", MLPClassifier(hidden_layer_sizes=(8,), max_iter=60, random_state=6).fit(x, np.digitize(y, [-0.5, 0.5])), zipmap=False
    )


def save(name: str, fitted: object, zipmap: bool | None = None) -> None:
    """Write one model that takes features [n, 21]."""
    options = None if zipmap is None else {id(fitted): {"zipmap": zipmap}}
    model = to_onnx(fitted, initial_types=[("features", FloatTensorType([None, WIDTH]))], options=options, target_opset={"": OPSET, "ai.onnx.ml": 3})
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
